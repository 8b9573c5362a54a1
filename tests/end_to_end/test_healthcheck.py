"""The container's health check says of every kind of server whether it is ready."""

import shutil
import subprocess
import sys

import pytest
from local_server import ROOT, LocalServer, running

pytestmark = pytest.mark.slow


def checked(server: LocalServer) -> subprocess.CompletedProcess[str]:
    """The check, in the server's own environment."""
    script = (sys.executable, ROOT / "deploy" / "healthcheck.py")
    return subprocess.run(script, env=server.environment, capture_output=True, text=True, check=False)


@pytest.fixture
def started(monkeypatch):
    """A server counts as ready once it listens: nobody asks it."""
    monkeypatch.setattr(
        "local_server.LocalServer._ready", lambda self: self.log.read_text().count("running on")
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1"])
def test_a_server_that_speaks_http_is_healthy_while_it_runs(tmp_path, started, host):
    with running(tmp_path, trainer=False, host=host) as server:
        assert checked(server).returncode == 0
    gone = checked(server)
    assert (gone.returncode, gone.stderr[:10]) == (1, "no answer:")


def test_a_server_that_speaks_https_is_healthy(tmp_path, signed):
    own = signed("server")
    with running(tmp_path, trainer=False, ssl_certfile=own.certificate, ssl_keyfile=own.key) as server:
        assert checked(server).returncode == 0


def test_where_a_client_must_show_a_certificate_the_server_is_healthy_if_it_takes_connections(
    tmp_path, signed, started
):
    own, known = signed("server"), signed("client")
    settings = {"ssl_certfile": own.certificate, "ssl_keyfile": own.key, "ssl_ca_certs": known.certificate}
    with running(tmp_path, trainer=False, **settings) as server:
        assert checked(server).returncode == 0
        assert " ERROR " not in server.log.read_text()
    assert checked(server).returncode == 1


def test_a_server_that_is_not_ready_is_unhealthy_and_the_check_says_why(tmp_path, started):
    broken = tmp_path / "models" / "iris"
    shutil.copytree(ROOT / "models" / "iris", broken)
    (broken / "1" / "model.safetensors").write_bytes(b"nonsense")
    with running(tmp_path, trainer=False) as server:
        found = checked(server)
    assert (found.returncode, found.stderr[:5]) == (1, "503: ")
    assert "iris" in found.stderr
