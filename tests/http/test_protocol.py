"""Whatever bytes come, in whatever pieces, a connection of the lane answers as uvicorn's own does."""

import asyncio
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from app.bootstrap import build
from app.http import protocol
from app.http.app import create_app
from app.http.protocol import LaneProtocol
from app.settings import Settings

ROWS = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
TENSOR = (
    b'{"inputs": [{"name": "features", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4, 0.2]}]}'
)
_OWN = re.compile(rb"[0-9a-f]{16}")


def post(path: bytes, body: bytes, *headers: bytes, version: bytes = b"1.1", length: bool = True) -> bytes:
    sized = [b"content-length: %d" % len(body)] if length else []
    lines = [b"POST %s HTTP/%s" % (path, version), b"host: localhost", *sized, *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


PREDICT, INFER = b"/v1/models/iris/predict", b"/v2/models/iris/infer"
JSON, GET = b"content-type: application/json", b"GET /v2/health/live HTTP/1.1\r\nhost: localhost\r\n\r\n"
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(ROWS), ROWS)
AT_ONCE = {
    "a prediction": post(PREDICT, ROWS, JSON),
    "an inference": post(INFER, TENSOR, JSON),
    "an old client": post(PREDICT, ROWS, JSON, version=b"1.0"),
    "a last request": post(PREDICT, ROWS, JSON, b"connection: close"),
    "chunks": post(PREDICT, CHUNKED, JSON, b"transfer-encoding: chunked", length=False),
    "two at a time": post(PREDICT, ROWS, JSON) + post(INFER, TENSOR, JSON),
}
OTHERWISE = {
    "no rows": post(PREDICT, b"{}", JSON),
    "no JSON": post(PREDICT, b"[", JSON),
    "no body": post(PREDICT, b"", JSON),
    "no model": post(b"/v1/models/nothing/predict", ROWS, JSON),
    "no such type": post(PREDICT, ROWS, b"content-type: text/html"),
    "a page of elsewhere": post(PREDICT, ROWS, JSON, b"origin: https://example.org"),
    "an encoding": post(PREDICT, ROWS, JSON, b"content-encoding: gzip"),
    "an escaped path": post(b"/v1/models/iri%73/predict", ROWS, JSON),
    "a query": post(PREDICT + b"?x=1", ROWS, JSON),
    "a question before the body": post(PREDICT, ROWS, JSON, b"expect: 100-continue"),
    "a last request, refused": post(PREDICT, b"{}", JSON, b"connection: close"),
    "an old client, refused": post(PREDICT, b"{}", JSON, version=b"1.0"),
    "another method": b"GET " + PREDICT + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01",
    "no place": post(b"http://", ROWS, JSON),
    "a path without end": post(PREDICT + b"?" + b"x" * 70_000, ROWS, JSON),
    "a wrong length": post(PREDICT, ROWS, b"content-length: nine", length=False),
    "the framework's, and then the lane's": GET + post(PREDICT, ROWS, JSON),
    "the lane's, and then the framework's": post(PREDICT, ROWS, JSON) + GET,
}
UNREADABLE = ("no HTTP", "no place", "a path without end", "a wrong length")


class Wire(asyncio.Transport):
    """What a connection writes, and whether it closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.closed = bytearray(), False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"sockname": ("127.0.0.1", 80), "peername": ("127.0.0.1", 9)}.get(name, default)

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        """Not obeyed: these bytes were on their way."""

    def resume_reading(self) -> None:
        """Nothing was paused."""


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Config]:
    folder = tmp_path_factory.mktemp("site")
    services = build(Settings(data=folder / "data", models="models", trainer=False))
    services.cache.sweep()
    config = Config(create_app(services), log_config=None, ws="none", proxy_headers=False)
    config.load()
    yield config
    services.stop()


def opened(kind: Any, config: Config, state: ServerState, wire: Wire) -> Any:
    """A new connection in the running event loop."""
    connection = kind(config=config, server_state=state, app_state={}, _loop=asyncio.get_running_loop())
    connection.connection_made(wire)
    return connection


async def converse(
    kind: type[HttpToolsProtocol], config: Config, pieces: list[bytes]
) -> tuple[bytes, bool, int]:
    """What is answered to these pieces, ids left out; whether the connection closed; and how many tasks that took."""
    state, wire, tasks = ServerState(), Wire(), 0
    connection = opened(kind, config, state, wire)
    for piece in pieces:
        if not wire.closed:
            connection.data_received(piece)
        begun = len(state.tasks)
        await asyncio.sleep(0)  # the end of the turn
        tasks += max(begun, len(state.tasks))
        while state.tasks:
            await asyncio.wait(state.tasks, timeout=0.05 if more_is_awaited(connection) else 10)
            if more_is_awaited(connection):
                break
    connection.connection_lost(None)
    while state.tasks:
        await asyncio.wait(state.tasks, timeout=10)
    return _OWN.sub(b"", bytes(wire.written)), wire.closed, tasks


def more_is_awaited(connection: HttpToolsProtocol) -> bool:
    return connection.cycle is not None and connection.cycle.more_body


@pytest.mark.parametrize("name", [*AT_ONCE, *OTHERWISE])
def test_the_answer_is_that_of_uvicorns_own_connection(config: Config, name: str) -> None:
    sent = (AT_ONCE | OTHERWISE)[name]
    ours = asyncio.run(converse(LaneProtocol, config, [sent]))
    theirs = asyncio.run(converse(HttpToolsProtocol, config, [sent]))
    if name in UNREADABLE:  # which uvicorn answers in a form of its own
        assert ours[0].startswith(b"HTTP/1.1 431 " if name == "a path without end" else b"HTTP/1.1 400 ")
        assert theirs[0].startswith(b"HTTP/1.1 400 ")
    else:
        assert headers_sorted(ours[0]) == headers_sorted(theirs[0])
    assert ours[1] == theirs[1]


@pytest.mark.parametrize("name", AT_ONCE)
def test_a_prediction_that_comes_whole_takes_no_task(config: Config, name: str) -> None:
    assert asyncio.run(converse(LaneProtocol, config, [AT_ONCE[name]]))[2] == 0
    assert asyncio.run(converse(HttpToolsProtocol, config, [AT_ONCE[name]]))[2] > 0


@settings(deadline=None, max_examples=40)
@given(
    cuts=st.lists(st.integers(1, 600), max_size=4),
    name=st.sampled_from(["two at a time", "chunks", "no JSON"]),
)
def test_pieces_change_nothing(config: Config, cuts: list[int], name: str) -> None:
    sent = (AT_ONCE | OTHERWISE)[name]
    places = sorted({0, len(sent), *(cut for cut in cuts if cut < len(sent))})
    pieces = [sent[start:end] for start, end in pairwise(places)]
    ours = asyncio.run(converse(LaneProtocol, config, pieces))
    whole = asyncio.run(converse(HttpToolsProtocol, config, [sent]))
    assert headers_sorted(ours[0]) == headers_sorted(whole[0])


BEFORE = {
    "chunks and trailers": AT_ONCE["chunks"].removesuffix(b"\r\n") + b"origin: https://example.org\r\n\r\n",
    "a prediction": AT_ONCE["a prediction"],
    "one refused": OTHERWISE["no rows"],
    "one with an id": post(PREDICT, ROWS, JSON, b"x-request-id: mine"),
}
AFTER = {
    "with that as a header": post(
        PREDICT, CHUNKED, JSON, b"transfer-encoding: chunked", b"origin: https://example.org", length=False
    ),
    "the same": AT_ONCE["a prediction"],
    "another path": AT_ONCE["an inference"],
    "another host": AT_ONCE["a prediction"].replace(b"host: localhost", b"host: wronghost"),
    "another type": AT_ONCE["a prediction"].replace(b"/json", b"/html"),
}


@pytest.mark.parametrize("after", AFTER)
@pytest.mark.parametrize("before", BEFORE)
def test_what_a_connection_asked_before_changes_no_answer(config: Config, before: str, after: str) -> None:
    first, second = BEFORE[before], AFTER[after]
    both = asyncio.run(converse(LaneProtocol, config, [first, second]))[0]
    one = asyncio.run(converse(LaneProtocol, config, [first]))[0]
    other = asyncio.run(converse(HttpToolsProtocol, config, [second]))[0]
    assert both.startswith(one)
    assert headers_sorted(both.removeprefix(one)) == headers_sorted(other)


HEAD, BODY = AT_ONCE["a prediction"].split(b"\r\n\r\n")
PARTS = [HEAD + b"\r\n\r\n" + BODY[:5], BODY[5:-9], BODY[-9:]]


def test_a_prediction_that_comes_in_parts_takes_no_task_either(config: Config) -> None:
    answer, _, tasks = asyncio.run(converse(LaneProtocol, config, PARTS))
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert tasks == 0


def test_who_sent_a_body_in_parts_is_not_read_again_for_as_many_turns(config: Config) -> None:
    class Reading(Wire):
        reads = True

        def pause_reading(self) -> None:
            self.reads = False

        def resume_reading(self) -> None:
            self.reads = True

    async def turns_after(parts: list[bytes]) -> int:
        wire = Reading()
        connection = opened(LaneProtocol, config, ServerState(), wire)
        for part in parts:
            connection.data_received(part)
        await asyncio.sleep(0)
        assert wire.written
        turns = 0
        while not wire.reads:
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert asyncio.run(turns_after([b"".join(PARTS)])) == 0
    assert asyncio.run(turns_after(PARTS)) == len(PARTS)


def test_what_is_more_than_a_connections_share_goes_uvicorns_way(config: Config, monkeypatch) -> None:
    held = asyncio.run(converse(LaneProtocol, config, PARTS))
    monkeypatch.setattr(protocol, "_HELD_BYTES", len(PARTS[0]))
    ours = asyncio.run(converse(LaneProtocol, config, PARTS))
    assert ours[2] > 0
    assert headers_sorted(ours[0]) == headers_sorted(held[0])


@pytest.mark.parametrize("path", [b"/v1/datasets", b"/v1/models/iris/train", b"/nowhere"])
def test_what_is_no_prediction_is_begun_with_its_first_part(config: Config, path: bytes) -> None:
    async def begun() -> int:
        state = ServerState()
        connection = opened(LaneProtocol, config, state, Wire())
        connection.data_received(PARTS[0].replace(PREDICT, path))
        tasks = list(state.tasks)
        connection.connection_lost(None)
        await asyncio.wait(tasks, timeout=10)
        return len(tasks)

    assert asyncio.run(begun()) == 1


def test_what_comes_whole_in_one_turn_is_answered_at_its_end(config: Config) -> None:
    async def talk() -> tuple[list[bytes], list[bytes]]:
        wires = [Wire() for _ in range(3)]
        connections = [opened(LaneProtocol, config, ServerState(), wire) for wire in wires]
        for connection in connections:
            connection.data_received(AT_ONCE["a prediction"])
        wires[1].close()  # its sender has gone
        before = [bytes(wire.written) for wire in wires]
        await asyncio.sleep(0)
        return before, [bytes(wire.written[:15]) for wire in wires]

    before, after = asyncio.run(talk())
    assert before == [b"", b"", b""]
    assert after == [b"HTTP/1.1 200 OK", b"", b"HTTP/1.1 200 OK"]


@pytest.mark.parametrize("interruption", ["_look", "shutdown", "data_received"])
def test_what_waits_for_the_end_of_its_turn_is_answered_before_anything_else(
    config: Config, interruption: str
) -> None:
    async def talk() -> tuple[bytes, bytes]:
        wire = Wire()
        connection = opened(LaneProtocol, config, ServerState(), wire)
        connection.data_received(AT_ONCE["a prediction"])
        getattr(connection, interruption)(*[AT_ONCE["an inference"]][: interruption == "data_received"])
        first = bytes(wire.written)
        await asyncio.sleep(0)
        return first, bytes(wire.written)

    first, answers = asyncio.run(talk())
    assert first.startswith(b"HTTP/1.1 200 OK")
    assert b'"probabilities"' in first
    assert answers.count(b"HTTP/1.1 200 OK") == (2 if interruption == "data_received" else 1)


@pytest.mark.parametrize("interruption", ["_look", "shutdown"])
def test_what_is_held_is_answered_though_it_is_looked_at_or_the_server_ends(
    config: Config, interruption: str
) -> None:
    async def interrupted() -> bytes:
        state, wire = ServerState(), Wire()
        connection = opened(LaneProtocol, config, state, wire)
        connection.data_received(PARTS[0])
        assert not state.tasks
        getattr(connection, interruption)()
        assert state.tasks  # it is a request under way like any other
        for part in PARTS[1:]:
            connection.data_received(part)
        await asyncio.wait(state.tasks, timeout=10)
        connection.connection_lost(None)
        return bytes(wire.written)

    answer = asyncio.run(interrupted())
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert (b"connection: close" in answer) == (interruption == "shutdown")


@pytest.mark.parametrize("first", [AT_ONCE["a prediction"], OTHERWISE["a query"], GET, GET + GET])
@pytest.mark.parametrize("nonsense", [b"\x16\x03\x01", b"GET\r\n\r\n", OTHERWISE["a wrong length"]])
def test_a_request_is_answered_though_what_follows_is_none(
    config: Config, first: bytes, nonsense: bytes
) -> None:
    answers, closed, _ = asyncio.run(converse(LaneProtocol, config, [first + nonsense]))
    said = re.findall(rb"HTTP/1.1 (\d+)", answers)
    count = len(asyncio.run(converse(LaneProtocol, config, [first]))[0].split(b"HTTP/1.1 200 OK")) - 1
    assert said in ([b"200"] * count, [b"200"] * count + [b"400"])
    assert closed


@pytest.mark.parametrize("path", [PREDICT, PREDICT + b"?x=1"], ids=["the lane's", "the framework's"])
@pytest.mark.parametrize(
    "trailer",
    [b"accept: application/x-npy", b"content-encoding: gzip", b"content-type: text/csv", b"x-request-id: me"],
)
def test_what_comes_behind_a_body_is_no_header(config: Config, path: bytes, trailer: bytes) -> None:
    sent = post(path, CHUNKED, JSON, b"transfer-encoding: chunked", length=False)
    trailing = sent.removesuffix(b"\r\n") + trailer + b"\r\n\r\n"
    plain = asyncio.run(converse(LaneProtocol, config, [sent]))
    for at in (0, len(sent) - 20, len(sent), len(trailing) - 1):
        pieces = [piece for piece in (trailing[:at], trailing[at:]) if piece]
        ours = asyncio.run(converse(LaneProtocol, config, pieces))
        assert headers_sorted(ours[0]) == headers_sorted(plain[0])


def test_offers_to_switch_may_follow_each_other_without_end(config: Config) -> None:
    """Each is read again, but not within the reading of the one before."""
    offer = GET.replace(b"\r\n\r\n", b"\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")

    async def answers() -> int:
        state, wire = ServerState(), Wire()
        opened(LaneProtocol, config, state, wire).data_received(offer * 500)
        while state.tasks:
            await asyncio.wait(state.tasks, timeout=10)
        return wire.written.count(b"HTTP/1.1 200 OK")

    assert asyncio.run(answers()) == 500


@pytest.mark.parametrize("to", [b"h2c", b"websocket", b"TLS/1.2, HTTP/2.0"])
@pytest.mark.parametrize("cut", [0, 1, -20, -1])
@pytest.mark.parametrize("body", [ROWS, b"GET /v2 HTTP/1.1\r\nhost: localhost\r\n\r\n"])
def test_an_offer_to_switch_is_declined_and_the_body_is_a_body(
    config: Config, to: bytes, cut: int, body: bytes
) -> None:
    """As curl --http2 and other clients that prefer HTTP/2 send it."""
    offers = (b"connection: Upgrade, HTTP2-Settings", b"upgrade: " + to, b"http2-settings: AAMAAABk")
    sent = post(PREDICT, body, JSON, *offers) + post(INFER, TENSOR, JSON)
    at = sent.index(b"\r\n\r\n") + 4 + cut
    ours = asyncio.run(converse(LaneProtocol, config, [sent[:at], sent[at:]]))
    plain = asyncio.run(
        converse(LaneProtocol, config, [post(PREDICT, body, JSON) + post(INFER, TENSOR, JSON)])
    )
    assert headers_sorted(ours[0]) == headers_sorted(plain[0])
    assert ours[0].count(b"HTTP/1.1 ") == 2


def test_a_tunnel_is_refused(config: Config) -> None:
    head = b"CONNECT localhost:80 HTTP/1.1\r\nhost: localhost\r\n\r\n"
    answer, closed, _ = asyncio.run(converse(LaneProtocol, config, [head + GET]))
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert closed


def headers_sorted(answers: bytes) -> list[bytes]:
    """Their lines; of the headers the order does not matter."""
    return sorted(answers.split(b"\r\n"))
