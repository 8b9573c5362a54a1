"""What is too deep, too slow or too strange is refused at once, and the server goes on."""

import asyncio
import json
import logging
import select
import socket
import time

import httpx
import pytest

from app.errors import TooLarge
from app.http.bodies import Patience, receive_body
from app.telemetry import TextLines

DEEP = "[" * 100_000 + "]" * 100_000
OBJECTS = '{"a":' * 100_000 + "1" + "}" * 100_000
JSON = {"content-type": "application/json"}
ROW = '{"name": "features", "shape": [1, 4], "datatype": "FP32", "data": %s}'
LABELS = '["a", "a", "b", "b"]'
ASKED = [
    ("POST", "/v1/models/iris/predict", '{"instances": %s}'),
    ("POST", "/v1/models/iris/predict", '{"instances": [%s]}'),
    ("POST", "/v1/models/iris/predict", "%s"),
    ("POST", "/v2/models/iris/infer", f'{{"inputs": [{ROW}]}}'),
    ("POST", "/v2/models/iris/infer", '{"inputs": [], "parameters": %s}'),
    ("POST", "/v1/models/iris/train", '{"metadata": {"a": %s}}'),
    ("POST", "/v1/models/iris/train", '{"hyperparameters": {"class_weight": %s}}'),
    ("POST", "/v1/models/iris/train", '{"data": {"instances": %s, "labels": ["a", "b"]}}'),
    ("POST", "/v1/models/iris/train?label=species", '{"instances": [[1], [2], [3], [4]], "labels": [%s]}'),
    ("POST", "/v1/models/iris/retrain", "%s"),
    ("POST", "/v1/datasets", '{"instances": [%s], "labels": ["a"]}'),
    ("POST", "/v1/datasets", '{"instances": [[1], [2], [3], [4]], "labels": [%s, "a", "b", "b"]}'),
    ("POST", "/v1/models/iris/evaluate", '{"instances": %s, "labels": []}'),
    ("POST", "/v1/models/iris/feedback", '{"instances": [%s], "labels": ["setosa"]}'),
    ("POST", "/v1/models/iris/feedback", '{"instances": [[5, 3, 1, 0]], "labels": [%s]}'),
    ("PUT", "/v1/models/iris/aliases/best", '{"version": %s}'),
    ("POST", "/v2/repository/index", '{"ready": %s}'),
    ("POST", "/v2/repository/models/iris/load", '{"parameters": %s}'),
]


@pytest.fixture
def shipped(make_site, request):
    return make_site(models_seed=request.config.rootpath / "models").client


@pytest.mark.parametrize(("method", "path", "text"), ASKED)
def test_what_is_nested_beyond_measure_is_refused_at_once(shipped, method, path, text):
    for depth in (101, 253, 256, 500, 900, 1000, 1023, 1025):
        answer = shipped.request(method, path, content=text % ("[" * depth + "]" * depth), headers=JSON)
        assert answer.status_code in (400, 422), (depth, answer.text)
    for deep in (DEEP, OBJECTS):
        began = time.monotonic()
        answer = shipped.request(method, path, content=text % deep, headers=JSON)
        assert answer.status_code in (400, 422), answer.text
        assert time.monotonic() - began < 5
    assert shipped.post("/v1/models/iris/predict", json={"instances": [[5, 3, 1, 0]]}).status_code == 200


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"data": {"instances": [], "labels": [], "feature_names": [1] * 200_000}}, "feature_names.0: input"),
        (
            {"hyperparameters": {"hidden_layer_sizes": ["x"] * 200_000}},
            "at most 100,000 entries, got 200,000",
        ),
        (
            {"hyperparameters": {"class_weight": dict.fromkeys(map(str, range(200_000)), "x")}},
            "at most 100,000",
        ),
        ({"hyperparameters": dict.fromkeys(map(str, range(20_000)))}, "20,000 fields are wrong"),
        (dict.fromkeys(map(str, range(20_000))), "20,000 fields are wrong"),
    ],
)
def test_of_very_many_mistakes_one_is_told(client, body, said):
    """To list them all would hold up every other request, for half a minute where there are a million."""
    refused = client.post("/v1/models/iris/train", json=body)
    assert (refused.status_code, len(refused.json()["errors"])) == (422, 1)
    assert said in refused.json()["detail"]


def test_data_may_be_nested_up_to_the_limit(make_site):
    site = make_site(max_json_depth=6)
    for depth, status in ((4, 404), (5, 400)):
        body = {"dataset": "ds_0000000000000000", "metadata": {"a": json.loads("[" * depth + "]" * depth)}}
        answer = site.client.post("/v1/models/iris/train", json=body)
        assert answer.status_code == status, answer.text
    assert "max_json_depth" in answer.json()["detail"]
    assert site.client.get("/v1/info").json()["limits"]["max_json_depth"] == 6


SLOW = [
    ("POST", "/v1/models/iris/predict", "application/json"),
    ("POST", "/v2/models/iris/infer", "application/json"),
    ("POST", "/v2/repository/index", "application/json"),
    ("POST", "/v1/models/iris/train", "application/json"),
    ("POST", "/v1/models/iris/train", "text/csv"),
    ("POST", "/v1/models/iris/evaluate", "text/csv"),
    ("POST", "/v1/datasets", "text/csv"),
    ("POST", "/v1/datasets", "multipart/form-data; boundary=x"),
    ("PUT", "/v1/models/iris/aliases/best", "application/json"),
]


@pytest.mark.parametrize("sent", [b"", b"-"])
@pytest.mark.parametrize(("method", "path", "kind"), SLOW)
def test_a_body_that_stops_coming_is_given_up_after_idle_seconds(
    make_site, request, method, path, kind, sent
):
    site = make_site(models_seed=request.config.rootpath / "models", idle_seconds=0.2)
    head = (
        f"{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: {kind}\r\ncontent-length: 100\r\n\r\n"
    )
    answer = said(site.client, head.encode() + sent)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"idle_seconds" in answer


def said(client: httpx.Client, data: bytes, *, trickle: bytes = b"") -> bytes:
    """What the server answers to bytes on a connection, up to the end of a JSON body. `trickle` is sent again and
    again, every 20 ms, until there is an answer."""
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=10) as connection:
        connection.sendall(data)
        while trickle and not select.select([connection], [], [], 0.02)[0]:
            connection.sendall(trickle)
        answer = b""
        while not answer.endswith(b"}"):
            part = connection.recv(65536)
            assert part, answer
            answer += part
    return answer


def head(method: str, path: str, kind: str, length: int = 1_000_000) -> bytes:
    said = (
        f"{method} {path} HTTP/1.1",
        "host: localhost",
        f"content-type: {kind}",
        f"content-length: {length}",
    )
    return "\r\n".join([*said, "", ""]).encode()


@pytest.mark.parametrize(("method", "path", "kind"), SLOW)
def test_a_body_that_trickles_is_given_up_though_it_never_stops(make_site, request, method, path, kind):
    """In memory it has body_seconds in all; an upload must reach min_upload_rate, once idle_seconds have passed."""
    site = make_site(models_seed=request.config.rootpath / "models", idle_seconds=0.3, body_seconds=0.4)
    began = time.monotonic()
    begins = b"--x\r\n" if kind.startswith("multipart") else b"-"
    answer = said(site.client, head(method, path, kind) + begins, trickle=b"a")
    assert answer.startswith(b"HTTP/1.1 408 "), answer
    assert (b"min_upload_rate" if kind in ("text/csv", SLOW[7][2]) else b"body_seconds") in answer
    assert 0.25 < time.monotonic() - began < 5


def test_an_upload_may_take_longer_than_a_body_in_memory(make_site, iris_csv):
    client = make_site(idle_seconds=0.2, body_seconds=0.1, min_upload_rate=1).client
    lines = iris_csv.splitlines(keepends=True)

    def slowly():
        for i in range(0, len(lines), 30):
            yield b"".join(lines[i : i + 30])
            time.sleep(0.1)

    answer = client.post("/v1/datasets", content=slowly(), headers={"content-type": "text/csv"})
    assert (answer.status_code, answer.json()["rows"]) == (201, 150)


def test_uploads_beyond_the_bound_are_told_to_come_again_and_no_route_waits_for_them(make_site, iris_csv):
    client = make_site(max_uploads=45).client  # more than the threads that routes share
    csv = {"content-type": "text/csv"}
    address = client.base_url.host, client.base_url.port
    held = [socket.create_connection(address, timeout=10) for _ in range(45)]
    for connection in held:
        connection.sendall(head("POST", "/v1/datasets", "text/csv", len(iris_csv)) + iris_csv[:100])
    until = time.monotonic() + 10
    while "neurona_uploads_in_flight 45.0" not in client.get("/metrics").text:
        assert time.monotonic() < until
    answer = client.post("/v1/datasets", content=iris_csv, headers=csv)
    assert answer.status_code == 429
    assert "max_uploads" in answer.json()["detail"]
    assert answer.headers["retry-after"] == "1"
    assert client.get("/v2/health/ready").status_code == 200
    for connection in held:
        connection.close()
    while client.post("/v1/datasets", content=iris_csv, headers=csv).status_code == 429:
        assert time.monotonic() < until


@pytest.mark.parametrize("path", ["/v1/models/a%0Ab", "/v1/jobs/%0a/events", "/v2/models/a%0Ab/ready"])
def test_a_line_feed_in_a_path_is_refused_as_any_strange_name(client, path):
    assert client.get(path).status_code in (404, 422)


def test_a_line_feed_behind_a_path_opens_nothing(make_site):
    keys = {role: f"{role}-0123456789abcdef" for role in ("predict", "train", "admin")}
    site = make_site(api_keys=",".join(f"{role}:{key}" for role, key in keys.items()))
    for method, path in [("POST", "/v1/models/iris/rollback"), ("POST", "/v2/repository/models/iris/load")]:
        for role in ("predict", "train"):
            sent = {"authorization": f"Bearer {keys[role]}"}
            assert site.client.request(method, f"{path}%0A", headers=sent).status_code == 403
    assert site.client.get("/%0A").status_code == 401
    assert site.client.get("/v2/health/live%0A").status_code == 401


def test_what_a_caller_sent_begins_no_line_of_the_log():
    record = logging.LogRecord("neurona", logging.INFO, "", 0, "GET %s", ("/a\n2026 ERROR \x1b[31mé",), None)
    assert TextLines("%(message)s").format(record) == "GET /a\\n2026 ERROR \\x1b[31mé"


def test_a_traceback_keeps_its_lines():
    try:
        raise ValueError("one\ntwo")
    except ValueError as error:
        record = logging.LogRecord(
            "neurona", logging.ERROR, "", 0, "it broke", (), (type(error), error, None)
        )
    assert "\n" in TextLines("%(message)s").format(record)


def test_a_key_with_a_nul_in_it_is_let_be(shipped):
    row = ROW % "[5.1, 3.5, 1.4, 0.2]"
    body = f'{{"a\\u0000": [1], "inputs": [{row}]}}'
    assert shipped.post("/v2/models/iris/infer", content=body, headers=JSON).status_code == 200


def test_an_epoch_number_beyond_64_bits_is_refused(shipped):
    assert shipped.get("/v1/jobs/job_0000000000000000/history?after=99999999999999999999").status_code == 422


@pytest.mark.parametrize("query", ["", "?seed=1", "?hyperparameters=1&seed=2", "?hyperparameters=[1]"])
@pytest.mark.parametrize("said", [[None, None], "x", 1, None])
def test_hyperparameters_that_are_no_object_are_refused(client, iris_csv, query, said):
    body = {"dataset": "ds_0000000000000000", "hyperparameters": said}
    assert client.post(f"/v1/models/iris/train{query}", json=body).status_code == 422


def test_allow_names_every_method_of_a_path(client):
    answer = client.patch("/v1/models/iris")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET, HEAD")
    assert "DELETE, GET, HEAD" in answer.json()["detail"]
    assert client.head("/v1/jobs/job_0000000000000000/events").headers["allow"] == "GET"


def test_no_body_is_an_empty_request_and_blanks_are_no_json(shipped):
    assert shipped.post("/v2/repository/index").status_code == 200
    assert shipped.post("/v2/repository/index", content=b"\n", headers=JSON).status_code == 400


@pytest.mark.parametrize("value", ["[]", "3", "null", '"iris"', "true"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/models/iris/train"),
        ("POST", "/v1/models/iris/retrain"),
        ("POST", "/v1/models/iris@1/verify"),
        ("PUT", "/v1/models/iris/aliases/best"),
    ],
)
def test_a_body_that_is_json_but_no_object_is_refused(shipped, method, path, value):
    answer = shipped.request(method, path, content=value, headers=JSON)
    assert (answer.status_code, answer.json()["detail"]) == (422, "the body is a JSON object")


@pytest.mark.parametrize("waits", [False, True])
def test_no_more_of_a_body_is_taken_in_than_its_limit(waits):
    """Of one that does not say how long it is, and comes in parts."""
    taken = 0

    async def receive():
        nonlocal taken
        if waits:
            await asyncio.sleep(0)
        taken += 1000
        return {"type": "http.request", "body": bytes(1000), "more_body": taken < 10**6}

    def receiving(limit):
        patience = Patience(30.0, 60.0, 1024)
        return asyncio.run(
            receive_body(receive, "", limit=limit, setting="max_predict_bytes", patience=patience)
        )

    with pytest.raises(TooLarge, match=r"10.?000 bytes.*max_predict_bytes"):
        receiving(10_000)
    assert taken == 11_000
    taken = 0
    assert len(receiving(10**6)) == 10**6
