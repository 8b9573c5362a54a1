"""HTTPS, by certificates that the test makes."""

import ssl

import httpx
import pytest
from local_server import ROOT, running

pytestmark = pytest.mark.slow

PASSWORD = "sesame-0123456789"
ROW = {"instances": [[5.1, 3.5, 1.4, 0.2]]}


@pytest.mark.parametrize("workers", [1, 2])
def test_predictions_are_answered_over_tls_and_its_password_is_shown_nowhere(tmp_path, signed, workers):
    own = signed("server", password=PASSWORD)
    settings = {"ssl_certfile": own.certificate, "ssl_keyfile": own.key, "ssl_keyfile_password": PASSWORD}
    with running(
        tmp_path, trainer=False, models_seed=ROOT / "models", workers=workers, log_level="debug", **settings
    ) as server:
        with httpx.Client(base_url=server.url, verify=server.verify, trust_env=False) as client:
            answer = client.post("/v1/models/iris/predict", json=ROW)
            assert answer.json()["labels"] == ["setosa"]
            said = client.get("/v1/info").text + client.get("/metrics").text
        with pytest.raises(httpx.TransportError):
            httpx.get(f"{server.url}/v2/health/live", trust_env=False)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://127.0.0.1:{server.port}/v2/health/live", trust_env=False)
    assert PASSWORD not in said + server.log.read_text()


def test_where_authorities_are_named_a_client_must_show_a_certificate_of_theirs(
    tmp_path, signed, monkeypatch
):
    own, known, stranger = signed("server"), signed("client"), signed("stranger")
    monkeypatch.setattr(
        "local_server.LocalServer._ready", lambda self: self.log.read_text().count("running on")
    )
    settings = {"ssl_certfile": own.certificate, "ssl_keyfile": own.key, "ssl_ca_certs": known.certificate}
    with running(tmp_path, trainer=False, **settings) as server:
        for pair, welcome in ((known, True), (stranger, False), (None, False)):
            context = ssl.create_default_context(cafile=str(own.certificate))
            if pair is not None:
                context.load_cert_chain(pair.certificate, pair.key)
            try:
                found = httpx.get(f"{server.url}/v2/health/live", verify=context, trust_env=False).is_success
            except httpx.TransportError:
                found = False
            assert found == welcome
