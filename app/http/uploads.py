"""From a request's body to a stored dataset, in bounded memory: raw, gzip or the file of a multipart form."""

from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import Request

from app.datasets.spool import Gunzip
from app.datasets.store import Dataset, DatasetStore
from app.datasets.types import media_type_of
from app.errors import Busy, Invalid, Problem, Unreadable, UnsupportedType
from app.http.bodies import Patience, Upload, closed

_FORM = "multipart/form-data"

_Taken = TypeVar("_Taken")


class Body(NamedTuple):
    """A body on its way in: its bytes as they come, what they are, and the name of the form's file."""

    chunks: Iterator[bytes]
    media_type: str
    encoding: str | None
    file_name: str | None


async def ingest(
    request: Request,
    datasets: DatasetStore,
    *,
    label: str | None,
    name: str | None,
    categorical: Collection[str],
    every: bool = True,
    patience: Patience,
) -> tuple[Dataset, bool]:
    """Store the request's body as a dataset; the dataset, and whether it is new.

    Raises: Unreadable, Invalid, TooLarge, TooSlow, UnsupportedType, StorageFailed; Busy, if too many upload.
    """

    def store(body: Body) -> tuple[Dataset, bool]:
        return datasets.ingest(
            body.chunks,
            media_type=body.media_type,
            encoding=body.encoding,
            label=label,
            name=name or body.file_name,
            categorical=categorical,
            every=every,
        )

    return await received(request, store, patience=patience)


async def received(request: Request, take: Callable[[Body], _Taken], *, patience: Patience) -> _Taken:
    """What `take` makes of the request's body, in a thread of its own, while it arrives.

    Raises: as `ingest`, and whatever `take` raises.
    """
    media_type, options = content_type(request)
    encoding, file_name = content_encoding(request), None
    chunks: AsyncIterator[bytes] = _body(Upload(request.receive, patience))
    if media_type == _FORM:
        part = FormFile(options.get(b"boundary", b""))
        chunks = await part.open(chunks if encoding is None else _unpacked(chunks))
        media_type, file_name = part.media_type, part.file_name
        encoding = "gzip" if file_name.lower().endswith(".gz") else None
    body = Body(_pulled(chunks), media_type, encoding, file_name)
    with _place(request.app.state.uploads):
        # It waits for the sender: none of the threads that routes share.
        limiter = anyio.CapacityLimiter(1)
        return await anyio.to_thread.run_sync(take, body, limiter=limiter)


@contextmanager
def _place(places: anyio.CapacityLimiter) -> Iterator[None]:
    """One of the places for uploads. Raises: Busy, if there is none."""
    mine = object()
    try:
        places.acquire_on_behalf_of_nowait(mine)
    except anyio.WouldBlock:
        many = places.total_tokens
        raise Busy(reason=f"{many} uploads are under way already (max_uploads)") from None
    try:
        yield
    finally:
        places.release_on_behalf_of(mine)


def content_type(request: Request) -> tuple[str, dict[bytes, bytes]]:
    """The media type without parameters, in lower case, and its parameters."""
    value, options = parse_options_header(request.headers.get("content-type", ""))
    return value.decode("latin-1").lower(), options


def content_encoding(request: Request) -> str | None:
    """`gzip` or None. Raises: UnsupportedType."""
    value = request.headers.get("content-encoding", "").strip().lower()
    if value in ("", "identity"):
        return None
    if value in ("gzip", "x-gzip"):
        return "gzip"
    raise UnsupportedType(got=f"Content-Encoding: {value}", expected="gzip, identity")


class FormFile:
    """The part named `file` of a multipart form, handed on while it arrives."""

    def __init__(self, boundary: bytes) -> None:
        if not boundary:
            raise Unreadable(what="The multipart form", reason="its Content-Type has no boundary")
        self.file_name = ""
        self.media_type = ""
        self._headers: dict[bytes, bytes] = {}
        self._field = self._value = b""
        self._seen = self._done = False
        self._ready: list[bytes] = []
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part,
                "on_header_field": self._on_field,
                "on_header_value": self._on_value,
                "on_header_end": self._on_header,
                "on_headers_finished": self._on_headers,
                "on_part_data": self._on_data,
                "on_end": self._on_end,
            },
        )

    async def open(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Read up to where the file begins; its bytes, as they come.

        Raises: Unreadable, if the form is broken; Invalid, if it has no file or another field.
        """
        while not self._seen:
            chunk = await anext(chunks, None)
            self._feed(chunk)
            if chunk is None:
                raise Invalid(Problem(message="the form has no part named 'file'", location="form"))
        return self._rest(chunks)

    async def _rest(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        while True:
            for ready in self._ready:
                yield ready
            self._ready.clear()
            chunk = await anext(chunks, None)
            self._feed(chunk)
            if chunk is None:
                return

    def _feed(self, chunk: bytes | None) -> None:
        try:
            if chunk is not None:
                self._parser.write(chunk)
            elif not self._done:
                raise Unreadable(what="The multipart form", reason="it ends before its last boundary")
        except MultipartParseError as error:
            raise Unreadable(what="The multipart form", reason=str(error)) from error

    def _on_part(self) -> None:
        self._headers.clear()
        self._field = self._value = b""

    def _on_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _on_headers(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if name != "file" or self._seen:
            message = f"the form has a second or unknown part {name!r}; send one part 'file', and options in the URL"
            raise Invalid(Problem(message=message, location="form"))
        self._seen = True
        self.file_name = options.get(b"filename", b"").decode("utf-8", "replace")
        declared, _ = parse_options_header(self._headers.get(b"content-type", b""))
        self.media_type = media_type_of(declared.decode("latin-1").lower(), self.file_name)

    def _on_data(self, data: bytes, start: int, end: int) -> None:
        self._ready.append(data[start:end])

    def _on_end(self) -> None:
        self._done = True


async def _body(sent: Upload) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await sent.next()
        if message["type"] == "http.disconnect":
            raise closed()
        if chunk := message.get("body", b""):
            yield chunk
        more = message.get("more_body", False)


async def _unpacked(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """A gzip body, as `datasets.spool.gunzip` has it. Raises: Unreadable."""
    inflater = Gunzip()
    async for chunk in chunks:
        for piece in inflater.feed(chunk):
            yield piece
    for piece in inflater.end():
        yield piece


def _pulled(chunks: AsyncIterator[bytes]) -> Iterator[bytes]:
    """The chunks as a plain iterator for a worker thread, each fetched on the event loop."""

    async def following() -> bytes | None:
        return await anext(chunks, None)

    while (chunk := anyio.from_thread.run(following)) is not None:
        yield chunk
