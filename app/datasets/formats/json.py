"""JSON: one object with instances and labels, read whole, which is why it has limits of its own."""

from codecs import BOM_UTF8
from pathlib import Path

import orjson

from app.datasets.inline import InlineSource
from app.datasets.table import Options
from app.errors import Unreadable


def json_source(path: Path, options: Options) -> InlineSource:
    """The body as a source. Raises Unreadable if it is no JSON, Invalid, TooLarge."""
    value = parse(path.read_bytes(), most_levels=options.limits.max_json_depth)
    return InlineSource(value, options)


def parse(body: bytes, *, most_levels: int) -> object:
    """The value. Raises: Unreadable, if it is no JSON, or has lists and objects within each other beyond so many."""
    try:
        value: object = orjson.loads(body.removeprefix(BOM_UTF8))
    except orjson.JSONDecodeError as error:
        raise Unreadable(what="The JSON body", reason=str(error)) from error
    if _is_deeper(value, most_levels):
        reason = f"it is nested more than {most_levels} levels deep (max_json_depth)"
        raise Unreadable(what="The JSON body", reason=reason)
    return value


def _is_deeper(value: object, levels: int) -> bool:
    """Level by level, since what walks by calling itself is what depth would break."""
    level = [value]
    for _ in range(levels):
        level = [
            inner
            for outer in level
            if isinstance(outer, list | dict)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, list | dict)
        ]
        if not level:
            return False
    return True
