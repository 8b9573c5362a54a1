"""Rows of Python values, as a JSON parser gives them, to arrays: every cell checked, every mistake named.

This is the thorough way, for objects, strings, nulls and whatever the quick way of `json_rows` declines.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import itemgetter
from types import NoneType

import numpy as np

from app.http.wire.problems import Problems, described, listed
from app.http.wire.schema import is_vector, names
from core.arrays import Array
from core.encoding import CategoricalColumn, Codes, Column, Encoding, RawColumn, RawColumns, VectorColumn

Cells = Sequence[object]
NUMBERS = {float, int, NoneType}


def matrix(rows: Iterable[object], count: int, encoding: Encoding, problems: Problems) -> Array:
    """(count, inputs) float64 of an all-numeric or single-vector model. null becomes NaN."""
    assert encoding.inputs is not None, "the caller chose this way by it"
    result = np.empty((count, encoding.inputs))
    labels = names(encoding)
    for row, cells in _rows(rows, encoding, problems):
        if is_vector(encoding):
            _fill_vector(result[row], cells[0], row, labels[0], problems)
        elif set(map(type, cells)) <= NUMBERS:
            result[row] = np.array(cells, dtype=np.float64)
        else:
            _refuse_numbers(cells, row, labels, problems)
    problems.settle()
    return result


def columns(rows: Iterable[object], encoding: Encoding, problems: Problems) -> RawColumns:
    """The raw columns of any model, each (m,) or (m, d) as its kind is."""
    table = [cells for _, cells in _rows(rows, encoding, problems)]
    problems.settle()
    by_column = zip(*table, strict=True) if table else [()] * len(encoding.columns)
    result = {
        c.name: _column(c, cells, problems) for c, cells in zip(encoding.columns, by_column, strict=True)
    }
    problems.settle()
    return result


# rows


def _rows(rows: Iterable[object], encoding: Encoding, problems: Problems) -> Iterator[tuple[int, Cells]]:
    """Each good row's number and its cells in the schema's order."""
    schema = names(encoding)
    bare = is_vector(encoding)
    pick = _picker(schema)
    kind: type | None = None
    for number, row in enumerate(rows):
        kind = kind or (type(row) if isinstance(row, list | dict) else None)
        if isinstance(row, dict) and kind is dict:
            if len(row) == len(schema) and all(map(row.__contains__, schema)):
                yield number, pick(row)
            else:
                _refuse_object(row, number, schema, problems)
        elif isinstance(row, list) and kind is list:
            if bare:
                yield number, (row[0] if len(row) == 1 and isinstance(row[0], list) else row,)
            elif len(row) == len(schema):
                yield number, row
            else:
                problems.add(number, f"expected {len(schema)} values, got {len(row)}")
        else:
            _refuse_row(row, number, kind, encoding, problems)


def _picker(schema: tuple[str, ...]) -> Callable[[dict[str, object]], Cells]:
    if len(schema) == 1:
        return lambda row: (row[schema[0]],)
    return itemgetter(*schema)


def _refuse_row(row: object, number: int, kind: type | None, encoding: Encoding, problems: Problems) -> None:
    if isinstance(row, list | dict):
        ours, theirs = ("a list", "objects") if kind is dict else ("an object", "lists")
        problems.add(number, f"got {ours} among {theirs}; rows are never mixed in one call")
    else:
        size = encoding.inputs if is_vector(encoding) else len(encoding.columns)
        problems.add(number, f"expected a list of {size} values or an object, got {described(row)}")


def _refuse_object(row: dict[str, object], number: int, schema: tuple[str, ...], problems: Problems) -> None:
    known = set(schema)
    for name in schema:
        if name not in row:
            problems.add(number, "the row has no such key; send null for a missing value", name)
    for name in row:
        if name not in known:
            problems.add(number, f"no such column; the model's columns are {listed(schema)}", name)


# cells


def _column(column: Column, cells: Cells, problems: Problems) -> RawColumn:
    match column:
        case CategoricalColumn():
            return _codes(column, cells, problems)
        case VectorColumn():
            result = np.empty((len(cells), len(column.mean)))
            for row, cell in enumerate(cells):
                _fill_vector(result[row], cell, row, column.name, problems)
            return result
        case _:
            return _numbers(column.name, cells, problems)


def _numbers(name: str, cells: Cells, problems: Problems) -> Array:
    if set(map(type, cells)) <= NUMBERS:
        return np.array(cells, dtype=np.float64)
    for row, cell in enumerate(cells):
        if type(cell) not in NUMBERS:
            problems.add(row, f"expected a number, got {described(cell)}", name)
    return np.empty(0)


def _refuse_numbers(cells: Cells, row: int, schema: tuple[str, ...], problems: Problems) -> None:
    for name, cell in zip(schema, cells, strict=True):
        if type(cell) not in NUMBERS:
            problems.add(row, f"expected a number, got {described(cell)}", name)


def _fill_vector(into: Array, cell: object, row: int, name: str, problems: Problems) -> None:
    if cell is None:
        into[:] = np.nan
    elif not isinstance(cell, list):
        problems.add(row, f"expected a list of {len(into)} numbers, got {described(cell)}", name)
    elif len(cell) != len(into):
        problems.add(row, f"expected {len(into)} numbers, got {len(cell)}", name)
    elif set(map(type, cell)) <= NUMBERS:
        into[:] = np.array(cell, dtype=np.float64)
    else:
        for element, value in enumerate(cell):
            if type(value) not in NUMBERS:
                problems.add(row, f"expected a number as element {element}, got {described(value)}", name)


def _codes(column: CategoricalColumn, cells: Cells, problems: Problems) -> Codes:
    wanted = {str, bool, NoneType} if column.boolean else {str, NoneType}
    if not set(map(type, cells)) <= wanted or column.boolean:
        _check_categories(column, cells, problems)
    return codes([_category(cell) for cell in cells])


def _category(cell: object) -> str | None:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return cell if isinstance(cell, str) else None


def _check_categories(column: CategoricalColumn, cells: Cells, problems: Problems) -> None:
    for row, cell in enumerate(cells):
        if column.boolean and not (cell is None or type(cell) is bool or cell in ("true", "false", "")):
            problems.add(row, f"expected true or false, got {described(cell)}", column.name)
        elif not column.boolean and type(cell) not in (str, NoneType):
            problems.add(row, f"expected a string, got {described(cell)}", column.name)


def codes(cells: Sequence[object]) -> Codes:
    """(m,) int32 codes of strings; -1 for None. The vocabulary is what occurs here."""
    vocabulary = dict.fromkeys(cells)
    vocabulary.pop(None, None)
    places = {word: place for place, word in enumerate(vocabulary)}
    found = np.fromiter((places.get(cell, -1) for cell in cells), dtype=np.int32, count=len(cells))
    return Codes(found, tuple(map(str, places)))
