"""What a connection may cost is bounded, and it ends without losing a request."""

import io
import json
import select
import socket
import time
from contextlib import suppress

import httpx
import numpy as np
import pytest

ROW = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
PREDICT = "/v1/models/iris/predict"


@pytest.fixture
def open_site(make_site, request):
    def make(**settings):
        return make_site(models_seed=request.config.rootpath / "models", **settings).client

    return make


def connected(client: httpx.Client, *, buffer: int | None = None) -> socket.socket:
    connection = socket.socket()
    if buffer is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    connection.settimeout(10)
    connection.connect((client.base_url.host, client.base_url.port))
    return connection


def request(body: bytes = ROW, path: str = PREDICT, *, length: int | None = None, more: str = "") -> bytes:
    said = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{more}"
    return f"{said}content-length: {len(body) if length is None else length}\r\n\r\n".encode() + body


def answer(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """One answer: its status, headers and body. Status 0: the connection closed without one."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            return 0, {}, data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
    while len(body) < int(headers["content-length"]):
        body += connection.recv(65536)
    return int(line.split()[1]), headers, body


def trickled(connection: socket.socket, piece: bytes, *, most: float = 10) -> None:
    """Send it again and again, until there is an answer."""
    until = time.monotonic() + most
    while not select.select([connection], [], [], 0.02)[0]:
        assert time.monotonic() < until
        connection.sendall(piece)


def test_who_sends_nothing_is_left(open_site):
    with connected(open_site(head_seconds=0.2)) as connection:
        began = time.monotonic()
        assert connection.recv(1) == b""
        assert 0.15 < time.monotonic() - began < 5  # the server had it a little earlier


@pytest.mark.parametrize("before", [b"", request()])
def test_a_head_that_stops_or_trickles_is_given_up(open_site, before):
    client = open_site(head_seconds=0.2)
    for piece in (b"", b"x: y\r\n"):
        with connected(client) as connection:
            if before:
                connection.sendall(before)
                assert answer(connection)[0] == 200
            connection.sendall(b"POST /v1/models/iris/predict HTTP/1.1\r\n")
            if piece:
                trickled(connection, piece)
            status, headers, _ = answer(connection)
            assert (status, headers["connection"]) == (408, "close")
            assert connection.recv(1) == b""


def test_rest_between_requests_is_no_slow_head_and_has_a_bound_of_its_own(open_site):
    client = open_site(head_seconds=0.1, keep_alive_seconds=0.5)
    with connected(client) as connection:
        for pause in (0, 0.3, 0.3):
            time.sleep(pause)
            connection.sendall(request())
            assert answer(connection)[0] == 200
        began = time.monotonic()
        assert connection.recv(1) == b""
        assert 0.4 < time.monotonic() - began < 5


def test_a_head_beyond_the_limit_is_refused(open_site):
    client = open_site(max_head_bytes=10_000)
    with connected(client) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        trickled(connection, b"x: " + b"y" * 2000 + b"\r\n")
        assert answer(connection)[0] == 431
    with connected(client) as connection:  # one header that does not end
        connection.sendall(b"GET / HTTP/1.1\r\nx: ")
        trickled(connection, b"y" * 2000)
        assert answer(connection)[0] == 431


@pytest.mark.parametrize("path", [PREDICT, "/nowhere"])
def test_a_large_head_is_refused_in_one_piece_too(open_site, path):
    """And after other requests; but not a small one with a large body behind it."""
    with connected(open_site(max_head_bytes=2_000)) as connection:
        row = ROW + b" " * 5_000
        connection.sendall(request(row, path, length=len(row)))
        assert answer_of(connection)[0] == (404 if path == "/nowhere" else 200)
        connection.sendall(request(path=path, more=f"x: {'y' * 2000}\r\n"))
        status, headers, _ = answer(connection)
        assert (status, headers["connection"]) == (431, "close")


def test_many_requests_in_one_piece_and_half_of_another_are_no_large_head(open_site):
    with connected(open_site(max_head_bytes=2_000)) as connection:
        connection.sendall(request() * 50 + request()[:20])
        connection.sendall(request()[20:])
        for _ in range(51):
            status, _, body = answer_of(connection)
            assert (status, json.loads(body)["labels"]) == (200, ["setosa"])


def answer_of(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """One of several answers that follow each other."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    body = b""
    while len(body) < length:
        body += connection.recv(length - len(body))
    return int(head.split()[1]), {}, body


@pytest.mark.parametrize("path", [PREDICT, "/v2/repository/index"])
def test_the_rest_of_a_body_that_was_refused_is_no_head(open_site, path):
    client = open_site(max_predict_bytes=1000, max_json_bytes=1000, max_head_bytes=2_000)
    with connected(client) as connection:
        connection.sendall(request(b"[" * 2000, path, length=500_000))
        assert answer(connection)[0] == 413
        connection.sendall(b"[" * 498_000 + request())
        assert answer(connection)[0] == 200


@pytest.mark.parametrize("more", [b"[", b"\r\n"])
def test_who_was_answered_and_sends_neither_the_rest_nor_another_request_is_left(open_site, more):
    client = open_site(max_json_bytes=1000, keep_alive_seconds=0.3)
    length = 500_000 if more == b"[" else None
    with connected(client) as connection:
        connection.sendall(request(b"[" * 10, "/v2/repository/index", length=length))
        assert answer(connection)[0] == (413 if length else 400)
        connection.sendall(more)
        began = time.monotonic()
        assert connection.recv(1) == b""
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "begun",
    [
        (PREDICT, b"2\r\n{}\r\n0\r\nx: "),
        (PREDICT + "?", b"2\r\n{}\r\n0\r\nx: "),
        ("/nowhere", b"2\r\n{}\r\n0\r\nx: "),
        ("/nowhere", b"2;x="),
    ],
    ids=["the lane's trailers", "an unanswered request's", "an answered one's", "the extension of a chunk"],
)
def test_what_stands_around_a_body_has_a_bound(open_site, begun):
    path, body = begun
    with connected(open_site(max_head_bytes=10_000)) as connection:
        chunked = request(body, path).replace(
            b"content-length: %d" % len(body), b"transfer-encoding: chunked"
        )
        connection.sendall(chunked)
        if path == "/nowhere":
            assert answer(connection)[0] == 404
        trickled(connection, b"y" * 2000)
        assert answer(connection)[0] == (0 if path == "/nowhere" else 431)


@pytest.mark.parametrize("path", [PREDICT, "/nowhere"])
def test_a_body_that_was_refused_before_it_was_sent_is_not_waited_for(open_site, path):
    """Else the next request would be taken for it."""
    with connected(open_site(max_predict_bytes=1000)) as connection:
        connection.sendall(request(b"", path, length=2000, more="expect: 100-continue\r\n"))
        status, headers, _ = answer(connection)
        assert (status, headers["connection"]) == (404 if path == "/nowhere" else 413, "close")
        assert connection.recv(1) == b""


def test_a_body_that_was_asked_for_leaves_the_connection_open(open_site):
    with connected(open_site()) as connection:
        connection.sendall(request(b"", length=len(ROW), more="expect: 100-continue\r\n"))
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(ROW)
        assert answer(connection)[0] == 200
        connection.sendall(request())
        assert answer(connection)[0] == 200


def test_a_head_sent_during_an_answer_has_a_bound(open_site):
    client = open_site(max_head_bytes=10_000)
    body = {"data": {"instances": [[1.0], [2.0]] * 10, "labels": ["a", "b"] * 10}}
    job = client.post("/v1/models/new/train", json=body).json()["id"]
    with connected(client) as connection:
        connection.sendall(f"GET /v1/jobs/{job}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
        connection.sendall(b"GET /v2 HTTP/1.1\r\nx: ")
        until = time.monotonic() + 10
        with suppress(ConnectionError):
            while time.monotonic() < until:
                connection.sendall(b"y" * 2000)
                time.sleep(0.02)
        assert time.monotonic() < until


def test_a_bug_costs_its_request_and_not_the_connection(open_site, monkeypatch, caplog):
    def broken(*_a, **_k):
        raise ValueError("a bug")

    client = open_site()
    monkeypatch.setattr("app.repository.repository.Repository.names", broken)
    with connected(client) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n")
        status, headers, _ = answer(connection)
        assert (status, "connection" in headers) == (500, False)
        connection.sendall(request())
        assert answer(connection)[0] == 200
    (told,) = [record for record in caplog.records if record.exc_info]
    assert (told.name, told.request_id) == ("neurona.access", headers["x-request-id"])


@pytest.mark.slow
def test_who_does_not_read_an_answer_is_left_and_who_reads_slowly_is_not(open_site):
    client = open_site(idle_seconds=0.3)
    rows = io.BytesIO()
    np.save(rows, np.ones((50_000, 64), np.float32))
    asked, npy = rows.getvalue(), {"content-type": "application/x-npy"}
    whole = len(client.post("/v1/models/digits/predict", content=asked, headers=npy).content)
    sent = request(asked, "/v1/models/digits/predict").replace(b"application/json", b"application/x-npy")
    with connected(client, buffer=65536) as stuck, connected(client, buffer=65536) as slow:
        stuck.sendall(sent)
        slow.sendall(sent)
        got, began = 0, time.monotonic()
        while got < whole:
            part = slow.recv(200_000)
            assert part, f"cut off after {got} of {whole}"
            got += len(part)
            time.sleep(0.02)
        assert time.monotonic() - began > 0.6, "it took longer than a reader at rest is waited for"
        time.sleep(0.5)
        assert taken(stuck) < whole


def taken(connection: socket.socket) -> int:
    """Bytes that come up to the end, which is a reset."""
    count = 0
    with suppress(ConnectionResetError):
        while part := connection.recv(1 << 20):
            count += len(part)
    return count


def test_connections_beyond_the_bound_are_told_to_come_again_and_far_beyond_cut_off(open_site):
    client = open_site(max_connections=16)
    client.close()  # its own does not count
    held = [connected(client) for _ in range(16)]
    for connection in held:
        connection.sendall(request())
        assert answer(connection)[0] == 200
    beyond = [connected(client) for _ in range(2)]
    for connection in beyond:
        connection.sendall(request())
        status, headers, body = answer(connection)
        assert (status, headers["retry-after"], headers["connection"]) == (429, "1", "close")
        assert json.loads(body)["code"] == "busy"
        assert "max_connections" in json.loads(body)["detail"]
        connection.close()
    for connection in held:
        connection.sendall(request())
        assert answer(connection)[0] == 200, "those within are served"
        connection.close()
    until = time.monotonic() + 5
    while True:
        with connected(client) as again:
            again.sendall(request())
            if answer(again)[0] == 200:
                break
        assert time.monotonic() < until


def test_far_too_many_connections_are_cut_off(open_site):
    client = open_site(max_connections=8)
    client.close()
    held = [connected(client) for _ in range(8)]
    for connection in held:
        connection.sendall(request())
        assert answer(connection)[0] == 200
    waiting = connected(client)  # the one beyond that would be answered
    with connected(client) as cut, suppress(ConnectionResetError):
        assert cut.recv(1) == b""
    for connection in (*held, waiting):
        connection.close()


@pytest.mark.slow
def test_slow_senders_keep_no_place_from_those_who_are_quick(make_site, pytestconfig):
    site = make_site(
        models_seed=pytestconfig.rootpath / "models", max_in_flight=1, max_waiting=1, wait_seconds=2
    )
    client, turns = site.client, site.server.config.app.state.lane.turns
    with connected(client) as slow, connected(client) as second, connected(client) as third:
        for connection, reached in ((slow, (1, 0)), (second, (1, 1))):
            connection.sendall(request(ROW + b" " * 100_000)[:300])
            until = time.monotonic() + 1.5
            while (turns.taken, turns.waiting) != reached:
                assert time.monotonic() < until
                time.sleep(0.01)
        third.sendall(request(ROW + b" " * 100_000)[:300])
        status, headers, body = answer(third)
        assert (status, headers["retry-after"]) == (429, "1")
        assert "max_waiting" in json.loads(body)["detail"]
        for split in (0, 10, 150):  # at once, and in two parts
            with connected(client) as quick:
                quick.sendall(request()[:split])
                time.sleep(0.02)
                quick.sendall(request()[split:])
                assert answer(quick)[0] == 200
        status, _, body = answer(second)
        assert (status, "wait_seconds" in json.loads(body)["detail"]) == (429, True)
        slow.sendall(request(ROW + b" " * 100_000)[300:])
        assert answer(slow)[0] == 200


def test_a_server_that_stops_answers_what_was_sent_before_its_sender_could_know(make_site, pytestconfig):
    site = make_site(models_seed=pytestconfig.rootpath / "models", drain_seconds=0.6)
    server, client = site.server, site.client
    with connected(client) as rested, connected(client) as fresh, connected(client) as silent:
        rested.sendall(request())
        assert answer(rested)[1].get("connection") is None
        server.should_exit = True
        time.sleep(0.3)  # it has begun to stop
        for connection, path in ((rested, PREDICT), (fresh, "/v1/models/nobody/predict")):
            connection.sendall(request(path=path))
            status, headers, _ = answer(connection)
            assert (status, headers["connection"]) == (200 if path == PREDICT else 404, "close")
            assert connection.recv(1) == b""
        assert silent.recv(1) == b""
        server.thread.join(5)
        assert not server.thread.is_alive()


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        (b"nonsense\r\n\r\n", 400, "no HTTP/1.1 request"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 76_000, 431, "max_head_bytes"),
    ],
)
def test_what_never_becomes_a_request_is_answered_in_the_contracts_form(client, sent, status, said):
    with socket.create_connection((client.base_url.host, client.base_url.port), timeout=5) as connection:
        for start in range(0, len(sent), 10_000):
            connection.sendall(sent[start : start + 10_000])
            time.sleep(0.01)
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    head, body = answer.split(b"\r\n\r\n")
    told = json.loads(body)
    assert (told["status"], said in told["detail"]) == (status, True)
    assert f"x-request-id: {told['request_id']}".encode() in head
    assert b"content-type: application/problem+json" in head


@pytest.mark.parametrize(
    "path", [PREDICT, "/v1/models/nobody/predict", "/v1/datasets", "/v2/models/iris/infer"]
)
@pytest.mark.parametrize(
    ("version", "hosts", "heard"), [("1.1", 0, False), ("1.1", 1, True), ("1.1", 2, False), ("1.0", 0, True)]
)
def test_a_request_has_one_host_as_http_asks(open_site, path, version, hosts, heard):
    head = f"POST {path} HTTP/{version}\r\n" + "Host: localhost\r\n" * hosts
    with connected(open_site()) as connection:
        connection.sendall(f"{head}content-length: {len(ROW)}\r\n\r\n".encode() + ROW)
        status, headers, body = answer(connection)
        refused = json.loads(body).get("error" if path.startswith("/v2") else "detail", "")
        assert (status == 400 and "Host" in refused) is not heard
        assert heard or headers["connection"] == "close"


CHUNKED = b" HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n"
INFER = b"POST /v2/models/iris/infer" + CHUNKED


@pytest.mark.parametrize(
    ("sent", "form"),
    [
        (INFER + b"\r\nzz\r\n", "error"),
        (INFER + b"content-length: 3\r\n\r\n", "error"),
        (INFER.replace(b"/v2", b"http://localhost/v2") + b"content-length: 3\r\n\r\n", "error"),
        (b"POST /v1/datasets" + CHUNKED + b"\r\nzz\r\n", "detail"),
        (b"nonsense\r\n\r\n", "detail"),
        (b"GET /v2 HTTP/1.1\r\nhost: localhost\r\n\r\nnonsense\r\n\r\n", "detail"),
        (b"GET /v2 HTTP/1.1\r\nhost: localhost\r\n\r\nGET \0", "detail"),
    ],
)
def test_what_is_malformed_is_answered_in_the_form_of_its_path_once_that_is_known(client, sent, form):
    with connected(client) as connection:
        first, *rest = sent.split(b"\r\n\r\n", 1) if sent.startswith(b"GET /v2") else (b"", sent)
        if first:
            connection.sendall(first + b"\r\n\r\n")
            assert answer(connection)[0] == 200
        connection.sendall(rest[0])
        status, headers, body = answer(connection)
        assert connection.recv(1) == b""
    assert status == 400
    assert "no HTTP/1.1 request" in json.loads(body)[form]
    assert headers["content-type"] == f"application/{'json' if form == 'error' else 'problem+json'}"
    assert headers["x-request-id"]


def test_nothing_is_written_into_an_answer_that_has_begun(site):
    job = site.client.post(
        "/v1/models/iris/train",
        json={"data": {"instances": [[0.0], [1.0]] * 10, "labels": ["a", "b"] * 10}},
    ).json()
    with connected(site.client) as connection:
        connection.sendall(f"GET /v1/jobs/{job['id']}/events HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        data = connection.recv(65536)
        connection.sendall(b"nonsense\r\n\r\n")
        data += b"".join(iter(lambda: connection.recv(65536), b""))
    assert data.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(("keys", "status"), [(None, 404), ("admin:" + "k" * 16, 401)])
def test_a_question_about_the_whole_server_is_answered_in_the_contracts_form(make_site, keys, status):
    with connected(make_site(api_keys=keys).client) as connection:
        connection.sendall(b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n")
        found, headers, body = answer(connection)
    told = json.loads(body)
    assert (found, told["status"], headers["content-type"]) == (status, status, "application/problem+json")
    assert headers["x-request-id"] == told["request_id"]


@pytest.mark.parametrize("path", [PREDICT, "/v1/models"])
@pytest.mark.parametrize("host", ["a b", "localhost/x", "user@localhost", "h\xe9"])
def test_a_host_that_is_none_is_refused(open_site, path, host):
    with connected(open_site()) as connection:
        head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\ncontent-length: {len(ROW)}\r\n\r\n"
        connection.sendall(head.encode("latin-1") + ROW)
        status, headers, _ = answer(connection)
        assert (status, headers["connection"]) == (400, "close")


@pytest.mark.parametrize("path", [PREDICT, "/v2/models/iris"])
@pytest.mark.parametrize(
    ("named", "host", "heard"), [("localhost:8000", "x.example", True), ("x.example", "localhost", False)]
)
def test_a_target_that_names_its_host_is_believed(open_site, path, named, host, heard):
    """And not the header beside it (RFC 9112, section 3.2.2)."""
    with connected(open_site()) as connection:
        verb = "POST" if path == PREDICT else "GET"
        head = f"{verb} http://{named}{path} HTTP/1.1\r\nHost: {host}\r\ncontent-length: {len(ROW)}\r\n\r\n"
        connection.sendall(head.encode() + ROW)
        assert answer(connection)[0] == (200 if heard else 403)


@pytest.mark.parametrize("path", [PREDICT, "/v2/models/iris/infer"])
def test_an_old_client_is_not_told_to_go_on(open_site, path):
    """It knows no answer before the answer (RFC 9110, section 10.1.1)."""
    with connected(open_site()) as connection:
        head = f"POST {path} HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: {len(ROW)}\r\n\r\n"
        connection.sendall(head.encode())
        time.sleep(0.1)
        connection.sendall(ROW)
        assert answer(connection)[0] == (200 if path == PREDICT else 400)


@pytest.mark.parametrize("query", ["", "?a=b"])
def test_a_target_of_a_host_alone_is_its_first_page(open_site, query):
    with connected(open_site()) as connection:
        connection.sendall(f"GET http://localhost{query} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        status, headers, _ = answer(connection)
        assert (status, headers["content-type"]) == (200, "text/html; charset=utf-8")
