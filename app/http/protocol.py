"""The lane's own way through uvicorn, for predictions that come whole and are answered at once.

For each request uvicorn makes a task, an event and a cycle of messages, which cost as much as all else about a small
prediction (bench/serving.py); a larger one makes it stop reading, and begin again, for each part that comes. What has
arrived, and needs no waiting, is answered here, all of one turn of the loop together; the rest goes on as uvicorn has
it, and meets the lane again behind the same door.
"""

from asyncio import AbstractEventLoop
from typing import Any, NamedTuple, Protocol
from weakref import WeakKeyDictionary

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.http.connections import Connection
from app.http.hardening import RawHeaders

_POST = b"POST"
_HELD_BYTES = 128 << 20  # of bodies whose rest is waited for here, shared out among the connections


class Answered(NamedTuple):
    """An answer as it goes out; `headers` are of this server's own making, in lower case."""

    status: int
    headers: RawHeaders
    body: bytes


class QuickDoor(Protocol):
    """What the application must have, as `door`, to be asked here. Neither of both raises."""

    def let_in(self, url: bytes, headers: RawHeaders, server: Any) -> Any:
        """What the head of a POST says, for `at_once`; None leaves the request to the application."""

    def at_once(self, let_in: Any, body: bytes) -> Answered | None:
        """The answer, if it needs no waiting; None leaves it to the application."""


class Turn:
    """Predictions that have come whole in one turn of the loop, answered one after another at its end.

    What the processor needs for one it then has at hand for the next, for the kernel is not called in between.
    """

    def __init__(self) -> None:
        self._waiting: list[LaneProtocol] = []

    def add(self, connection: "LaneProtocol") -> None:
        """Have it settled at the end of this turn."""
        if not self._waiting:
            connection.loop.call_soon(self._end)
        self._waiting.append(connection)

    def _end(self) -> None:
        waiting, self._waiting = self._waiting, []
        for connection in waiting:
            if not connection.transport.is_closing():
                connection.settle()


_turns: WeakKeyDictionary[AbstractEventLoop, Turn] = WeakKeyDictionary()


class LaneProtocol(Connection):
    """One connection. A request is held back until all of it is here; not for long, and not if it is large."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._door: QuickDoor | None = getattr(self.app, "door", None)
        self._let_in: Any = None  # what the last head says, if the door lets it in
        self._let_in_head: tuple[bytes, RawHeaders] | None = None  # which most senders repeat to the letter
        self._held: list[bytes] | None = None
        self._come = 0  # bytes since the held request began, if there is more of it to come
        self._whole = self._keeps = False  # whether all of it is here, and its sender keeps the connection
        self._said: RawHeaders | None = None  # the headers of a request in chunks, once the first has come
        self._turn = _turns.setdefault(self.loop, Turn())

    def connection_made(self, transport: Any) -> None:
        entered = self.app
        super().connection_made(transport)
        if self.app is not entered:
            self._door = None

    def data_received(self, data: bytes) -> None:
        """Feed the parser. Of what is not all here, no more is held than this connection's share."""
        self.settle()
        super().data_received(data)
        if self._whole:
            self._turn.add(self)
        elif self._held is not None:
            self._come += len(data)
            if self._come > _HELD_BYTES // len(self.connections):
                self._let_go()
        elif self.timeout_keep_alive_task is None:  # it is not at rest
            self.count_head(len(data))

    def shutdown(self) -> None:
        """End as uvicorn does; what is held is a request under way."""
        self.settle()
        if self._held is not None:
            self._let_go()
        super().shutdown()

    def on_message_begin(self) -> None:
        """As uvicorn's, without the scope, which what is answered here does not need."""
        self.settle()
        self.url, self.headers, self.expect_100_continue = b"", [], False
        self._said = None

    def on_chunk_header(self) -> None:
        """Keep the headers as they are: those that come behind the chunks are none (RFC 9110, section 6.5.1)."""
        if self._said is None:
            self._said = self.headers.copy()
            if self._held is None:
                self.scope["headers"] = self._said

    def on_headers_complete(self) -> None:
        if (self.url, self.headers) != self._let_in_head:
            self._let_in = self._door and self._door.let_in(self.url, self.headers, self.server)
            self._let_in_head = self._let_in and (self.url, self.headers.copy())
            if self._let_in:
                self.check_head()  # what goes on as uvicorn has it is checked where that begins
        if self._may_be_held():
            self._held, self._come = [], 0
        else:
            self._begin()

    def on_body(self, body: bytes) -> None:
        if self._held is None:
            super().on_body(body)
        else:
            self._held.append(body)

    def on_message_complete(self) -> None:
        if self._held is None:
            super().on_message_complete()
            return
        self._whole = True
        self._keeps = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()

    def send_400_response(self, msg: str) -> None:
        self.settle()
        super().send_400_response(msg)

    def settle(self) -> None:
        """Answer what is held and whole, if anything is, or let it go."""
        if not self._whole:
            return
        self._whole = False
        if not self._answer(self._held or []):
            self._let_go()
            self.cycle.keep_alive = self._keeps  # which the parser no longer knows
            super().on_message_complete()
        self._held = None

    def _look(self) -> None:
        self.settle()
        if self._held is not None:
            self._let_go()  # from here on it is waited for as patiently as any
        super()._look()

    def _may_be_held(self) -> bool:
        """Whether this connection is at rest, and the request a plain POST to one of the lane's paths."""
        return (
            self._let_in is not None
            and (self.cycle is None or self.cycle.response_complete)
            and self.parser.get_method() == _POST
            and not (self.expect_100_continue or self.flow.write_paused or self.parser.should_upgrade())
            and (self.limit_concurrency is None or len(self.connections) < self.limit_concurrency)
        )

    def _let_go(self) -> None:
        """Go on as if the request had never been held."""
        held, self._held = self._held or [], None
        self._begin()
        for piece in held:
            super().on_body(piece)

    def _begin(self) -> None:
        """Begin what uvicorn is to go on with, whose head is here."""
        url, headers, expect = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.headers, self.expect_100_continue = url, headers, expect
        self.scope["headers"] = self._said or headers
        super().on_headers_complete()

    def _answer(self, held: list[bytes]) -> bool:
        """Write the answer, if there is one at once."""
        assert self._door is not None
        found = self._door.at_once(self._let_in, b"".join(held))
        if found is None:
            return False
        keep_alive = self._keeps and not self.leaving
        parts = [STATUS_LINE[found.status]]
        for name, value in (*self.server_state.default_headers, *found.headers):
            parts += (name, b": ", value, b"\r\n")
        parts += (b"\r\n" if keep_alive or self.leaving else b"connection: close\r\n\r\n", found.body)
        self.transport.write(b"".join(parts))
        if not keep_alive:
            self.transport.close()
        self.rest()
        if self._come:
            self.flow.pause_reading()
            self._go_on(len(held))
        return True

    def _go_on(self, turns: int) -> None:
        """Read again after so many turns, as many as the body took: who sends a lot would else be answered again
        before all others."""
        if turns:
            self.loop.call_soon(self._go_on, turns - 1)
        elif not self.transport.is_closing():
            self.flow.resume_reading()
