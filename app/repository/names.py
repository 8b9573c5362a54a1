"""The rules for names, aliases and versions of models, and references like `iris@production`."""

import re
from dataclasses import dataclass

from app.errors import Invalid, Problem

PRODUCTION = "production"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_VERSION = re.compile(r"[1-9][0-9]{0,17}")
_SHAPE = "1 to 64 of the characters a-z 0-9 . _ -, the first a letter or a digit"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a reference says: a name, and either a version or an alias of it."""

    name: str
    version: int | None = None
    alias: str | None = None


def is_name(text: str) -> bool:
    """Whether a model may have this name."""
    return _NAME.fullmatch(text) is not None


def is_alias(text: str) -> bool:
    """Whether an alias may have this name: as a model, but not all digits, which would be a version."""
    return is_name(text) and not text.isdigit()


def version_number(text: str) -> int | None:
    """The version that the text means (1, 2, 3 …, written without leading zeros), or None."""
    return int(text) if _VERSION.fullmatch(text) else None


def check_name(name: str) -> str:
    """The name itself; `Invalid` if no model can have it."""
    if not is_name(name):
        raise _wrong(f"{name[:80]!r} is not a model name, which is {_SHAPE}.", "name")
    return name


def check_alias(alias: str) -> str:
    """The alias itself; `Invalid` if no alias can have this name."""
    if not is_alias(alias):
        raise _wrong(f"{alias[:80]!r} is not an alias, which is {_SHAPE}, and not all digits.", "alias")
    return alias


def parse_reference(ref: str) -> Reference:
    """Reads `name` (its production alias), `name@7` or `name@alias`; anything else is `Invalid`."""
    name, at, target = ref.partition("@")
    check_name(name)
    if not at:
        return Reference(name=name, alias=PRODUCTION)
    version = version_number(target)
    if version is not None:
        return Reference(name=name, version=version)
    if is_alias(target):
        return Reference(name=name, alias=target)
    raise _wrong(f"{ref[:150]!r} is not a model reference, which is name, name@7 or name@alias.", "ref")


def _wrong(message: str, location: str) -> Invalid:
    return Invalid(Problem(message=message, location=location))
