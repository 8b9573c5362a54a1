"""An answer as it goes out: status, headers and bytes, of no web framework."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from app.errors import Busy, NeuronaError
from app.http.errors import protocol_status, status_of

JSON = "application/json"


class Reply(NamedTuple):
    """Header names are in lower case; `content-length` is left to whoever sends it."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def refused(error: NeuronaError) -> Reply:
    """The protocol's form of an error."""
    headers = {"content-type": JSON}
    if isinstance(error, Busy):
        headers["retry-after"] = str(error.retry_after)
    return Reply(status=protocol_status(status_of(error)), headers=headers, body=plain({"error": str(error)}))


def plain(value: Any) -> bytes:
    """JSON, with arrays as lists."""
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
