"""Whatever is asked, the server answers in the contract's form, and says what it can do."""

import asyncio
import json

import httpx
import pytest

from app import errors
from app.http.app import create_app
from app.http.errors import STATUS, status_of, told
from app.settings import Settings


def every_error(kind: type = errors.NeuronaError) -> list[type]:
    return [kind, *(each for child in kind.__subclasses__() for each in every_error(child))]


@pytest.mark.parametrize("kind", every_error())
def test_every_error_has_a_status_nearer_than_the_root(kind):
    instance = kind.__new__(kind)
    assert status_of(instance) in STATUS.values()
    assert (
        kind is errors.NeuronaError or status_of(instance) != 500 or issubclass(kind, errors.TrainingFailed)
    )


@pytest.mark.parametrize("kind", every_error())
def test_every_error_has_a_code_and_a_sentence(kind):
    assert kind.code
    assert kind.__doc__


def test_codes_are_not_shared_by_unrelated_errors():
    codes = [kind.code for kind in every_error() if "code" in vars(kind)]
    assert len(codes) == len(set(codes))


RFC_9110 = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    413: "Content Too Large",
    414: "URI Too Long",
    415: "Unsupported Media Type",
    416: "Range Not Satisfiable",
    422: "Unprocessable Content",
    503: "Service Unavailable",
}


@pytest.mark.parametrize("status", RFC_9110)
def test_titles_and_codes_are_those_of_rfc_9110_whichever_python_runs(status):
    said = json.loads(told("/v1/models", status, "it is so", request_id="1").body)
    assert said["title"] == RFC_9110[status]
    assert said["code"] == RFC_9110[status].lower().replace(" ", "_")


def test_a_server_without_models_is_live_and_ready(client):
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json() == {"ready": True}


def test_info_shows_every_limit(client, site):
    info = client.get("/v1/info").json()
    assert info["limits"]["max_predict_rows"] == site.settings.max_predict_rows
    numbers = {name for name, value in site.settings.model_dump().items() if type(value) in (int, float)}
    no_limits = {"port", "workers", "trainer_workers", "trainer_threads", "training_niceness"}
    assert info["limits"].keys() == numbers - no_limits
    assert info["version"]


@pytest.mark.parametrize("path", ["datasets", "jobs", "models", "models/iris/aliases"])
@pytest.mark.parametrize("cursor", ["", "-1", "No/Cursor", "1" * 65, "%E0%A5%A7", "1%0A"])
def test_a_cursor_that_no_page_gave_is_refused(client, path, cursor):
    refused = client.get(f"/v1/{path}?cursor={cursor}")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["location"] == "query.cursor"


def test_every_answer_carries_a_request_id(client):
    made = client.get("/v1/info").headers["x-request-id"]
    assert made
    assert made != client.get("/v1/info").headers["x-request-id"]
    assert client.get("/v1/info", headers={"x-request-id": "abc-1"}).headers["x-request-id"] == "abc-1"
    assert client.get("/v1/info", headers={"x-request-id": "a b\t<"}).headers["x-request-id"] != "a b\t<"
    assert client.get("/nowhere", headers={"x-request-id": "abc-2"}).json()["request_id"] == "abc-2"


def test_unknown_paths_and_methods_are_problems_too(client):
    missing = client.get("/v1/nowhere")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")
    wrong = client.put("/v1/info")
    assert wrong.status_code == 405
    assert "GET" in wrong.headers["allow"]
    assert set(client.get("/v2/nowhere").json()) == {"error"}


def test_a_bug_is_a_500_that_tells_nothing_but_the_id(client, site, monkeypatch):
    def broken(*_a, **_k):
        raise ValueError("secret /path")

    monkeypatch.setattr("app.repository.repository.Repository.names", broken)
    answer = client.get("/v1/models")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_the_openapi_page_names_what_is_in_the_document(client):
    schema = client.get("/openapi.json").json()
    text = json.dumps(schema)
    for reference in {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in schema["components"]["schemas"], reference
    for path in ("/v1/datasets", "/v1/models/{name}/train", "/v1/models/{ref}/predict"):
        content = schema["paths"][path]["post"]["requestBody"]["content"]
        assert "application/json" in content
        assert "text/csv" in content
    assert client.get("/docs").status_code == 200


@pytest.mark.parametrize(
    "path",
    ["/", "/docs", "/metrics", "/v1/info", "/v1/models", "/v1/jobs", "/v2/health/ready", "/v1/models/no"],
)
def test_head_is_get_without_its_body(client, path):
    said, asked = client.head(path), client.get(path)
    assert (said.status_code, said.content) == (asked.status_code, b"")
    assert said.headers["content-type"] == asked.headers["content-type"]


@pytest.mark.parametrize("host", ["localhost", "localhost:1"])
def test_a_slash_too_many_leads_back_to_the_path_whatever_a_proxy_calls_this_server(client, host):
    found = client.get("/v1/models/?limit=1&cursor=a%2Fb", headers={"host": host}, follow_redirects=False)
    assert (found.status_code, found.headers["location"]) == (307, "/v1/models?limit=1&cursor=a%2Fb")
    sent = client.post("/v1/models/%C3%A9%20/predict/", headers={"host": host}, follow_redirects=False)
    assert (sent.status_code, sent.headers["location"]) == (307, "/v1/models/%C3%A9%20/predict")


def test_below_a_prefix_that_a_proxy_took_away_places_are_told_with_it(built, tmp_path):
    app = create_app(built(Settings(data=tmp_path / "data", models=tmp_path / "models", trainer=False)))

    async def places() -> list[str]:
        transport = httpx.ASGITransport(app=app, root_path="/ml")
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            rows = {"instances": [[1.0], [2.0]] * 5, "labels": ["a", "b"] * 5}
            made = await client.post("/ml/v1/datasets", json=rows)
            assert (await client.get(made.headers["location"])).json() == made.json()
            return [
                (await client.get(path)).headers["location"]
                for path in ("/ml/v1/models/", "/ml/v1/jobs/?limit=1")
            ]

    assert asyncio.run(places()) == ["/ml/v1/models", "/ml/v1/jobs?limit=1"]
