"""JSON rows (lists or objects) as typed columns; a column's type is that of its first value but null."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Self

import numpy as np
import pyarrow as pa

from app.datasets.limits import Limits
from app.datasets.table import Array, Cells, Field, Kind, check_names, text_of
from app.errors import Invalid, Problem, TooLarge

Row = list[Any] | dict[str, Any]

_SCALARS = {str, int, float, bool}
_NUMBERS = {int, float}


class Instances:
    """Rows of one shape with the fields they are read by."""

    def __init__(self, rows: Sequence[Row], fields: tuple[Field, ...]) -> None:
        self._rows = rows
        self.fields = fields

    @classmethod
    def typed(
        cls,
        rows: list[Any],
        *,
        feature_names: list[Any] | None = None,
        categorical: Collection[str] = (),
        limits: Limits,
    ) -> Self:
        """Check the rows' shape and type their columns. Raises Invalid, TooLarge."""
        names = _names(rows, feature_names, limits.max_columns)
        check_names(names, "feature_names" if feature_names else "instances[0]", limits.max_columns)
        if not names:
            raise Invalid(Problem(message="the instances have no columns", location="instances[0]"))
        if len(names) * len(rows) > limits.max_json_bytes:
            what = f"The table of {len(rows)} rows × {len(names)} columns"
            raise TooLarge(what=what, limit=limits.max_json_bytes, unit="cells", setting="max_json_bytes")
        firsts = _first_values(rows, names)
        return cls(rows, tuple(_field(n, v, n in categorical) for n, v in zip(names, firsts, strict=True)))

    def columns(self, start: int, stop: int) -> list[Cells]:
        """The columns of rows start:stop. Raises Invalid for a cell that is not of its column's type."""
        part = self._rows[start:stop]
        if isinstance(part[0], dict):
            by_column: Iterable[Sequence[Any]] = ([row.get(f.name) for row in part] for f in self.fields)  # type: ignore[union-attr]
        else:
            by_column = zip(*part, strict=True)
        return [cells_of(field, cells, start) for field, cells in zip(self.fields, by_column, strict=True)]


def _names(rows: list[Any], given: list[Any] | None, most: int) -> list[str]:
    if not rows:
        raise Invalid(Problem(message="there are no instances", location="instances"))
    if given is not None and not all(isinstance(name, str) for name in given):
        raise Invalid(Problem(message="feature_names are strings", location="feature_names"))
    if isinstance(rows[0], dict):
        return _object_names(rows, given, most)
    if isinstance(rows[0], list):
        return _list_names(rows, given)
    raise _bad_row(0, "is neither a list nor an object")


def _bad_row(row: int, fault: str) -> Invalid:
    return Invalid(Problem(message=f"row {row} {fault}", location=f"instances[{row}]", row=row))


def _list_names(rows: list[Any], given: list[Any] | None) -> list[str]:
    width = len(rows[0]) if given is None else len(given)
    expected = "the first has" if given is None else "feature_names has"
    for row, cells in enumerate(rows):
        if not isinstance(cells, list):
            raise _bad_row(row, "is not a list as the first row is")
        if len(cells) != width:
            raise _bad_row(row, f"has {len(cells)} cells where {expected} {width}")
    return list(given) if given is not None else [f"x{i}" for i in range(width)]


def _object_names(rows: list[Any], given: list[Any] | None, most: int) -> list[str]:
    known = dict.fromkeys(given or ())
    for row, cells in enumerate(rows):
        if not isinstance(cells, dict):
            raise _bad_row(row, "is not an object as the first row is")
        if given is None:
            known.update(dict.fromkeys(cells))
        elif not cells.keys() <= known.keys():
            name = next(name for name in cells if name not in known)
            raise _bad_row(row, f"has {name!r}, which is not among feature_names")
        if len(known) > most:
            break
    return list(known)


def _first_values(rows: list[Any], names: list[str]) -> list[Any]:
    if isinstance(rows[0], list):
        return [next((row[i] for row in rows if row[i] is not None), None) for i in range(len(names))]
    found = dict[str, Any]()
    for row in rows:
        if len(found) == len(names):
            break
        found.update((k, v) for k, v in row.items() if v is not None and k not in found)
    return [found.get(name) for name in names]


def _field(name: str, first: Any, forced: bool) -> Field:
    if forced:
        return Field(name=name, kind=Kind.CATEGORICAL, forced=True)
    if isinstance(first, str | bool):
        return Field(name=name, kind=Kind.CATEGORICAL, boolean=isinstance(first, bool))
    if isinstance(first, list) and first:
        return Field(name=name, kind=Kind.VECTOR, width=len(first))
    return Field(name=name)


def cells_of(field: Field, cells: Sequence[Any], start: int) -> Cells:
    """JSON values of one column, the first of them in row `start`, as `Block` wants them. Raises Invalid."""
    try:
        if field.kind is Kind.NUMERIC:
            return _numbers(field, cells)
        if field.kind is Kind.VECTOR:
            return _vectors(field, cells)
        return _texts(field, cells)
    except _Unfit as fault:
        raise _bad_cell(field, start + fault.row, cells[fault.row]) from fault


class _Unfit(Exception):
    def __init__(self, row: int) -> None:
        super().__init__()
        self.row = row


def _check(cells: Sequence[Any], allowed: set[type]) -> bool:
    """Whether none is missing. Raises _Unfit at the first cell of another type."""
    met = set(map(type, cells))
    if not met <= allowed | {type(None)}:
        raise _Unfit(next(i for i, v in enumerate(cells) if v is not None and type(v) not in allowed))
    return type(None) not in met


def _numbers(field: Field, cells: Sequence[Any]) -> Array:
    whole = _check(cells, _NUMBERS)
    try:
        return np.array(cells if whole else [np.nan if v is None else v for v in cells], dtype=field.dtype)
    except OverflowError:
        raise _Unfit(next(i for i, v in enumerate(cells) if v is not None and abs(v) > 1e308)) from None


def _vectors(field: Field, cells: Sequence[Any]) -> Array:
    _check(cells, {list})
    out = np.full((len(cells), field.width), np.nan)
    for row, cell in enumerate(cells):
        if cell is None:
            continue
        try:
            if len(cell) != field.width:
                raise _Unfit(row)
            out[row] = _numbers(Field(name=field.name), cell)
        except _Unfit:
            raise _Unfit(row) from None
    return out


def _texts(field: Field, cells: Sequence[Any]) -> Any:
    met = set(map(type, cells)) - {type(None)}
    if field.boolean or met - {str}:
        _check(cells, _SCALARS if field.forced else {bool} if field.boolean else {str})
        cells = [None if v is None else text_of(v) for v in cells]
    try:
        return pa.array(cells, pa.string())
    except UnicodeError:
        raise _Unfit(next(i for i, v in enumerate(cells) if v is not None and not _is_text(v))) from None


def _is_text(value: str) -> bool:
    return all(not "\ud800" <= c <= "\udfff" for c in value)


def shown(cell: Any) -> str:
    """A cell in words; of a list its length, and the first in it that is no number."""
    if not isinstance(cell, list):
        return repr(cell)[:100]
    odd = [each for each in cell if each is not None and type(each) not in (int, float)]
    inner = f" with {'a list' if isinstance(odd[0], list) else repr(odd[0])[:100]} in it" if odd else ""
    return f"a list of {len(cell)}{inner}"


def _bad_cell(field: Field, row: int, cell: Any) -> Invalid:
    expected = {
        Kind.NUMERIC: "a number",
        Kind.VECTOR: f"a list of {field.width} numbers",
        Kind.CATEGORICAL: "true or false" if field.boolean else "a string",
    }[field.kind]
    message = f"column {field.name!r} wants {expected}, by its first value; row {row} has {shown(cell)}"
    location = f"instances[{row}]"
    return Invalid(Problem(message=message, location=location, row=row, column=field.name))
