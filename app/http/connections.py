"""A connection, and what it may cost: how many there are, how long a head takes and how large it is, how slowly an
answer is read, and how the connection ends with its process.

Uvicorn bounds how long a connection rests between two requests, and nothing else. What is added here costs nothing
while all goes well: a look at each connection every second, and a comparison for each piece that comes.
"""

import fcntl
import logging
import re
import secrets
import sys
import termios
from functools import lru_cache
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from app.http.errors import told
from app.http.hardening import hardened
from app.settings import Settings

_LOOK_SECONDS = 1.0
_BEYOND = 8  # one connection in so many beyond max_connections is answered, with 429; the others are cut off
_CLOSE = (b"connection", b"close")
_HOST = re.compile(rb"[\w\[\]:.%~!$&'()*+,;=-]*", re.ASCII)  # and a port (RFC 3986, section 3.2.2)
_AUTHORITY = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
_DETAILS = {
    400: "What came is no HTTP/1.1 request; one has a Host header, and only one.",
    405: "CONNECT is for proxies, which this server is not.",
    408: "The head of the request took more than {0.head_seconds:g} s to come (head_seconds).",
    431: "The head of the request is larger than {0.max_head_bytes} bytes (max_head_bytes).",
}

log = logging.getLogger("neurona.access")


class Rest:
    """In the place of a timer: that a connection has rested for too long is seen when it is looked at."""

    since = 0.0

    def cancel(self) -> None:
        """Nothing runs."""


class Connection(HttpToolsProtocol):
    """One connection of uvicorn's; the limits are those of `app.settings`, if the application has it."""

    timeout_keep_alive_task: Any  # uvicorn's timer, or what stands for it: cancelled, and nothing else

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.limits: Settings = getattr(self.app, "settings", None) or _defaults()
        self.timeout_keep_alive = self.limits.keep_alive_seconds  # type: ignore[assignment]  # asyncio takes any number
        self._timer: Any = None
        self.leaving = False
        self.url = b""  # of the request that is on its way
        self._begun: object = ()  # the headers of the last request of uvicorn's; the framework changes its scope
        self._head: object = None  # the headers of the head that is on its way, its bytes, and since when
        self._head_bytes, self._head_since = 0, 0.0
        self._unsent, self._unsent_since = 0, 0.0  # bytes of an answer that waited some time ago, and when
        self._rest = Rest()
        self._piece, self._left = b"", b""  # that is being read, and what is to be read after it
        self._in_body = False  # whether the last piece held some of a body
        self._too_large = False  # whether the head that was read last is
        self._kept = False  # whether the connection is, once the body that was announced has come

    # What uvicorn calls

    def data_received(self, data: bytes) -> None:
        self._left = data
        while self._left:
            self._piece, self._left = self._left, b""
            super().data_received(self._piece)
        self._piece = b""

    def on_body(self, body: bytes) -> None:
        self._in_body = True
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self.check_head()
        if self.url[:1] != b"/":
            self._take_authority()
        if self.parser.get_http_version() == "1.0":
            # Such a sender could not understand it (RFC 9110, section 10.1.1).
            self.expect_100_continue = False
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            self._begun = self.headers
            if self.expect_100_continue:  # an answer before the body may be all that its sender waits for
                self._kept, self.cycle.keep_alive = self.cycle.keep_alive, False

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()
            if self.expect_100_continue:
                self.cycle.keep_alive = self._kept and not self.leaving

    def _unsupported_upgrade_warning(self) -> None:
        """Read a request again without its offer to switch to another protocol (RFC 9110, section 7.8).

        uvicorn calls this where the parser has stopped behind such a head, and would lose what follows: the body.
        """
        offer = sys.exception()
        assert isinstance(offer, httptools.HttpParserUpgrade)
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":  # which is an offer by itself
            self._end(405)
            return
        kept = [(name, value) for name, value in self.headers if name != b"upgrade"]
        head = b"".join(b"%s: %s\r\n" % pair for pair in kept)
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        begun = b"%s %s HTTP/%s\r\n%s\r\n" % (method, self.url, version, head)
        self._left = begun + self._piece[offer.args[0] :]

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._head_since = self.loop.time()
        self._timer = self.loop.call_later(self._look_seconds(), self._look)
        over = len(self.connections) - self.limits.max_connections
        if over > 0:
            self._crowd(over)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Answer one more request, the last of this connection, if it is under way or comes soon.

        A request that was sent before its sender could know would else be lost.
        """
        self.leaving = True
        if _CLOSE not in self.server_state.default_headers:
            self.server_state.default_headers = [*self.server_state.default_headers, _CLOSE]
        if self.busy:
            super().shutdown()
        else:
            self._unset_keepalive_if_required()
            self.loop.call_later(self.limits.drain_seconds, self._leave)

    def rest(self) -> None:
        """Note that an answer is written and nothing is under way: as `on_response_complete`, without its timer."""
        self.server_state.total_requests += 1
        self._rest.since = self.loop.time()
        self.timeout_keep_alive_task = self._rest

    # Limits

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def count_head(self, size: int) -> None:
        """Count what has just come, if it is of a head, or stands around a body; 431 is the answer to too much of it.

        To be called after each piece, where `timeout_keep_alive_task` is None. The first does not count here: see
        `check_head`.
        """
        if self.transport.is_closing():
            return
        now = self.loop.time()
        if self.headers is not self._head or self._in_body:  # the piece may hold the end of what was before
            self._head, self._head_bytes, self._head_since = self.headers, 0, now
            self._in_body = False
        else:
            self._head_bytes += size
        if self._head_bytes > self.limits.max_head_bytes:
            self._end(431)
        elif self._refused:
            self._rest.since, self.timeout_keep_alive_task = now, self._rest

    def check_head(self) -> None:
        """Break off a head without a Host, with several or with what is none (RFC 9112, section 3.2), or one that has
        come whole in one piece and is too large; to be called once it is read."""
        most = self.limits.max_head_bytes
        if len(self._piece) > most and _size(self.url, self.headers) > most:
            self._too_large = True
            raise OverflowError
        hosts = [value for name, value in self.headers if name == b"host"]
        if len(hosts) != 1 and (hosts or self.parser.get_http_version() == "1.1"):
            raise ValueError
        if hosts and not _HOST.fullmatch(hosts[0]):
            raise ValueError

    def _take_authority(self) -> None:
        """Take the host from a target that names one, whatever the header says (RFC 9112, section 3.2.2).

        No path behind it is the shortest one (RFC 9110, section 4.2.3).
        """
        named = _AUTHORITY.match(self.url)
        if named:
            if self.url[named.end() : named.end() + 1] != b"/":
                self.url = named[0] + b"/" + self.url[named.end() :]
            self.headers[:] = [(n, named[1] if n == b"host" else value) for n, value in self.headers]

    @property
    def _refused(self) -> bool:
        """Whether the last request, or what its sender calls its rest, has been answered, and no other has begun."""
        return not self.busy and self.headers is self._begun

    def _awaits_head(self) -> bool:
        """Whether the head of a request, or the first of it, is waited for; a refused body's rest is none."""
        return not (self.busy or self._refused or self.transport.is_closing())

    def _look(self) -> None:
        """Close what has stalled; look again in a while."""
        now = self.loop.time()
        if self._reader_stalled(now):
            self.transport.abort()
            return
        if not self.leaving and _CLOSE in self.server_state.default_headers:
            self.shutdown()  # it was taken while the server began to stop
        if self.timeout_keep_alive_task is self._rest and now - self._rest.since > self.timeout_keep_alive:
            self.transport.close()
            return
        if self._head_stalled(now):
            self._end(None if self.headers is None else 408)
            return
        self._timer = self.loop.call_later(self._look_seconds(), self._look)

    def _look_seconds(self) -> float:
        limits = self.limits
        return min(
            _LOOK_SECONDS, limits.head_seconds / 2, limits.idle_seconds / 2, limits.keep_alive_seconds / 2
        )

    def _head_stalled(self, now: float) -> bool:
        """Whether a head, or the first of it, has been waited for too long."""
        resting = self.timeout_keep_alive_task is not None or self.leaving
        return not resting and self._awaits_head() and now - self._head_since > self.limits.head_seconds

    def _reader_stalled(self, now: float) -> bool:
        """Whether an answer has been read too slowly for too long."""
        waiting = self.transport.get_write_buffer_size()
        if waiting:  # or else a reader who takes less than the kernel keeps would seem to take nothing
            waiting += _unconfirmed(self.transport.get_extra_info("socket"))
        if waiting > self._unsent or not waiting:
            self._unsent, self._unsent_since = waiting, now
            return False
        seconds = now - self._unsent_since
        if seconds < self.limits.idle_seconds:
            return False
        taken, self._unsent, self._unsent_since = self._unsent - waiting, waiting, now
        return taken < self.limits.min_download_rate * seconds

    def _crowd(self, over: int) -> None:
        if over > self.limits.max_connections // _BEYOND:
            self.transport.abort()
        else:
            self.app = getattr(self.app, "crowded", self.app)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - what the parser says helps nobody
        """Answer what is no request of HTTP, or has too large a head; or close after the answers to those before it,
        if any is waited for."""
        own_body = self.headers is self._begun and self.busy and self.cycle.more_body
        if self.busy and not (self.cycle.response_started or own_body):
            self.cycle.keep_alive = False
        else:
            self._end(431 if self._too_large else 400)

    def _end(self, status: int | None) -> None:
        """Close, with an answer in the contract's form to what never became a request."""
        begun = self.busy and self.cycle.response_started  # another answer is on its way: nothing fits in
        if status is not None and not (begun or self._refused):
            request_id = secrets.token_hex(8)
            answer = told(self._path(), status, _DETAILS[status].format(self.limits), request_id=request_id)
            said = [
                (b"content-type", answer.media_type.encode()),
                (b"content-length", b"%d" % len(answer.body)),
                _CLOSE,
            ]
            head = b"".join(b"%s: %s\r\n" % pair for pair in hardened(said, request_id.encode()))
            self.transport.write(STATUS_LINE[answer.status] + head + b"\r\n" + answer.body)
            log.info("(no request) %d", status, extra={"request_id": request_id, "status": status})
        self.transport.close()

    def _path(self) -> str:
        """The path of the request that is on its way, as far as it is known: `url` is empty when one begins."""
        try:
            path = httptools.parse_url(self.url).path
        except httptools.HttpParserInvalidURLError:
            return ""
        return (path or b"").decode("latin-1")

    def _leave(self) -> None:
        if not self.busy:
            self.transport.close()


def _size(url: bytes, headers: list[tuple[bytes, bytes]]) -> int:
    """About the bytes of a head."""
    return len(url) + sum(len(name) + len(value) + len(b": \r\n") for name, value in headers)


def _unconfirmed(connection: Any) -> int:
    """Bytes that the kernel has and the reader has not confirmed; 0 where it does not tell."""
    try:
        return int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (AttributeError, OSError):
        return 0


@lru_cache(maxsize=1)
def _defaults() -> Settings:
    return Settings()
