"""What a browser is told: pages run nothing of others, and only pages that were invited may call."""

import pytest

from app.errors import Invalid
from app.http.cors import origins

KEY = "predict-0123456789abcdef"
HERE, ELSEWHERE = "https://shop.example", "https://evil.example"
ROW = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
PREDICT, INFER, TRAIN = "/v1/models/iris/predict", "/v2/models/iris/infer", "/v1/models/iris/train"


@pytest.fixture
def make_shipped(make_site, request):
    return lambda **settings: make_site(models_seed=request.config.rootpath / "models", **settings).client


@pytest.mark.parametrize(
    "path", ["/", "/docs", "/static/app.js", "/static/docs.js", "/static/swagger-ui-bundle.js"]
)
def test_a_page_may_load_what_is_here_and_run_nothing_in_its_text(client, path):
    answer = client.get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_no_page_has_script_or_style_in_its_text(client, path):
    text = client.get(path).text
    assert "<style" not in text
    assert "style=" not in text
    assert text.count("<script") == text.count("></script>") == text.count(" src=")
    assert "http://" not in text
    assert "https://" not in text


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/info", "/openapi.json", "/metrics", "/v1/nowhere", "/v2"]
)
def test_an_answer_of_the_api_is_kept_by_nobody_and_does_nothing_in_a_browser(client, path):
    headers = client.get(path).headers
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"


def test_refusals_have_the_same_headers(make_site):
    answer = make_site(api_keys=f"predict:{KEY}").client.get("/v1/models")
    assert (answer.status_code, answer.headers["x-content-type-options"]) == (401, "nosniff")


def preflight(client, path, origin, method="POST"):
    asked = {"origin": origin, "access-control-request-method": method}
    return client.options(
        path, headers={**asked, "access-control-request-headers": "authorization, content-type"}
    )


@pytest.mark.parametrize("path", [PREDICT, INFER, TRAIN])
def test_no_foreign_page_may_call_unless_it_is_told(make_shipped, path):
    client = make_shipped(api_keys=f"predict:{KEY}")
    assert "access-control-allow-origin" not in preflight(client, path, HERE).headers
    assert "access-control-allow-origin" not in client.get("/v2", headers={"origin": HERE}).headers


@pytest.mark.parametrize("path", [PREDICT, INFER, TRAIN])
def test_the_pages_that_were_invited_may_ask_without_a_key(make_shipped, path):
    client = make_shipped(api_keys=f"predict:{KEY}", cors_origins=f"{HERE}, http://localhost:3000")
    answer = preflight(client, path, HERE)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, HERE)
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()
    assert preflight(client, path, ELSEWHERE).status_code == 400


def test_invited_pages_still_need_a_key_and_read_the_refusal(make_shipped):
    client = make_shipped(api_keys=f"predict:{KEY}", cors_origins=HERE)
    refused = client.post(PREDICT, json=ROW, headers={"origin": HERE})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, HERE)
    sent = {"origin": HERE, "authorization": f"Bearer {KEY}"}
    answer = client.post(PREDICT, json=ROW, headers=sent)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, HERE)
    assert "X-Request-ID" in answer.headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    foreign = client.post(PREDICT, json=ROW, headers={**sent, "origin": ELSEWHERE})
    assert "access-control-allow-origin" not in foreign.headers


def test_without_keys_the_invited_pages_are_served_on_this_machine_and_no_others(make_shipped):
    client = make_shipped(cors_origins=HERE)
    sent = {"origin": HERE, "sec-fetch-site": "cross-site"}
    assert client.post(PREDICT, json=ROW, headers=sent).status_code == 200
    assert client.get("/v1/models", headers=sent).status_code == 200
    assert client.post(PREDICT, json=ROW, headers={**sent, "origin": ELSEWHERE}).status_code == 403
    assert client.post(PREDICT, json=ROW, headers={**sent, "host": "evil.example"}).status_code == 403


def test_every_origin_at_once_is_not_an_invitation_to_a_server_without_keys(make_shipped):
    client = make_shipped(cors_origins="*")
    assert client.get("/v1/models", headers={"origin": ELSEWHERE}).status_code == 403
    keyed = make_shipped(cors_origins="*", api_keys=f"predict:{KEY}")
    sent = {"origin": ELSEWHERE, "authorization": f"Bearer {KEY}"}
    assert keyed.get("/v1/models", headers=sent).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize(
    "text", ["shop.example", "https://shop.example/", "https://*.example", "null", "ftp://a"]
)
def test_what_is_no_origin_stops_the_server(text):
    with pytest.raises(Invalid, match="no origin"):
        origins(text)


def test_origins_are_written_with_commas():
    assert origins(" https://A.example ,http://[::1]:8000,") == ("https://a.example", "http://[::1]:8000")
    assert origins(None) == ()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE"])
def test_the_pages_that_were_invited_may_use_every_method_with_a_key(make_shipped, method):
    client = make_shipped(api_keys=f"predict:{KEY}", cors_origins=HERE)
    asked = {"origin": HERE, "access-control-request-method": method}
    asked["access-control-request-headers"] = "authorization"
    assert client.options("/v1/models", headers=asked).status_code == 200
