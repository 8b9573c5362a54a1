"""A reader who does not read is left in bounded time and memory; one who goes away is noticed at once."""

import asyncio
import socket
import threading
from contextlib import suppress

import uvicorn

from app.http.event_stream import EventStream


class Site:
    """A server whose every answer is an endless stream; `ended` is set once somebody closed it."""

    def __init__(self, slow_seconds: float) -> None:
        self.ended, self.sent = threading.Event(), 0
        self._slow_seconds = slow_seconds
        config = uvicorn.Config(self, port=0, log_config=None, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)

    async def __call__(self, scope, receive, send) -> None:
        await EventStream(self._endless(), slow_seconds=self._slow_seconds)(scope, receive, send)

    async def _endless(self):
        try:
            while True:
                yield b": x\n\n" * 20_000
                self.sent += 100_000
                await asyncio.sleep(0)
        finally:
            self.ended.set()

    def __enter__(self) -> socket.socket:
        self._thread.start()
        while not self._server.started:
            pass
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(self._server.servers[0].sockets[0].getsockname())
        client.sendall(b"GET / HTTP/1.1\r\nHost: here\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 200")
        return client

    def __exit__(self, *_error) -> None:
        self._server.should_exit = True
        self._thread.join(10)


def test_a_reader_who_does_not_read_is_left():
    site = Site(slow_seconds=0.3)
    with site as client:
        assert site.ended.wait(10)
        assert site.sent < 20_000_000  # what the kernel holds, and no more
        client.settimeout(10)
        with suppress(ConnectionResetError), client:  # it is over, though most was never read
            while client.recv(1 << 20):
                pass


def test_a_reader_who_reads_is_not_left_and_one_who_goes_away_is_noticed():
    site = Site(slow_seconds=2)
    with site as client:
        got = 0
        while got < 50_000_000:
            part = client.recv(1 << 20)
            assert part, f"left after {got} bytes"
            got += len(part)
        assert not site.ended.is_set()
        client.close()
        assert site.ended.wait(10)
