"""Clients that ask for the same prediction on connections of their own, as fast as they are answered, and note every
answer. They try nothing again: a connection that breaks under a request is a failure."""

import asyncio
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Answers:
    """What came: how many of each status, what went wrong, and when each version was last asked and answered."""

    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    versions: Counter[int] = field(default_factory=Counter)
    last_asked: dict[int, float] = field(
        default_factory=dict
    )  # version → when it was last asked for and answered
    reconnected: int = 0


class Askers:
    """`with Askers(url, path, body, expected=...)`: so many connections ask within the block.

    expected: the whole body of a good answer → the version that it is of; any other body is wrong.
    """

    def __init__(
        self, url: str, path: str, body: bytes, *, expected: dict[bytes, int], connections: int
    ) -> None:
        place = urlsplit(url)
        self._host, self._port = str(place.hostname), int(place.port or 80)
        head = f"POST {path} HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: application/json\r\n"
        self._request = f"{head}content-length: {len(body)}\r\n\r\n".encode() + body
        self._expected, self._connections = expected, connections
        self.answers, self._stop = Answers(), threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._all()))

    def __enter__(self) -> "Askers":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    async def _all(self) -> None:
        await asyncio.gather(*(self._one() for _ in range(self._connections)))

    async def _one(self) -> None:
        while not self._stop.is_set():
            try:
                reader, writer = await asyncio.open_connection(self._host, self._port)
                self.answers.reconnected += 1
                await self._ask(reader, writer)
                writer.close()
            except (OSError, asyncio.IncompleteReadError) as error:
                self.answers.wrong.append(f"a request failed: {type(error).__name__} {error}")
                await asyncio.sleep(0.05)

    async def _ask(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Ask until told to stop, or until the server says that this connection closes."""
        while not self._stop.is_set():
            asked = time.monotonic()
            writer.write(self._request)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            self._note(int(head[9:12]), await reader.readexactly(length), asked)
            if b"connection: close" in head:
                return

    def _note(self, status: int, body: bytes, asked: float) -> None:
        seen = self.answers
        seen.statuses[status] += 1
        version = self._expected.get(body)
        if status != 200 or version is None:
            seen.wrong.append(f"{status} {body[:200]!r}")
            return
        seen.versions[version] += 1
        seen.last_asked[version] = max(asked, seen.last_asked.get(version, 0.0))
