"""JSON: one object with instances and labels, read whole, which is why it has a limit of its own."""

from pathlib import Path

import orjson

from app.datasets.inline import InlineSource
from app.datasets.table import Options
from app.errors import Unreadable


def json_source(path: Path, options: Options) -> InlineSource:
    """The body as a source. Raises Unreadable if it is no JSON, Invalid, TooLarge."""
    try:
        value = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise Unreadable(what="The JSON body", reason=str(error)) from error
    return InlineSource(value, options)
