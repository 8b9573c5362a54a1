"""The protocol's datatypes: how an element lies in binary data, and what it may be in JSON."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any

import numpy as np

from app.http.wire.json_document import Kind, describe
from app.http.wire.problems import wrong


@dataclass(frozen=True, kw_only=True)
class Datatype:
    """`stored`: one element in binary data, None for BYTES, whose elements have lengths of their own.

    `plain`: what an element is in JSON, empty if it may not travel so; `kind`: what the quick parser makes of an
    array of them, None if it cannot.
    """

    name: str
    stored: np.dtype[Any] | None
    plain: frozenset[type] = frozenset()
    kind: Kind | None = None

    @property
    def whole(self) -> bool:
        """Whether elements are whole numbers."""
        return self.kind in ("i", "u")


def _type(name: str, stored: str | None, *plain: type, kind: Kind | None = None) -> Datatype:
    dtype = None if stored is None else np.dtype(stored)
    return Datatype(name=name, stored=dtype, plain=frozenset(plain), kind=kind)


_ALL = (
    _type("BOOL", "<u1", bool, NoneType),
    *(_type(f"INT{8 * n}", f"<i{n}", int, NoneType, kind="i") for n in (1, 2, 4, 8)),
    *(_type(f"UINT{8 * n}", f"<u{n}", int, NoneType, kind="u") for n in (1, 2, 4, 8)),
    _type("FP16", "<f2"),
    _type("BF16", "<u2"),
    _type("FP32", "<f4", float, int, NoneType, kind="d"),
    _type("FP64", "<f8", float, int, NoneType, kind="d"),
    _type("BYTES", None, str, NoneType),
)
DATATYPES: Mapping[str, Datatype] = {each.name: each for each in _ALL}


def datatype(name: object, place: str) -> Datatype:
    """The datatype of that name. Raises: Invalid."""
    found = DATATYPES.get(name) if isinstance(name, str) else None
    if found is None:
        raise wrong(f"{place}: expected a datatype, one of {', '.join(DATATYPES)}, got {describe(name)}")
    return found
