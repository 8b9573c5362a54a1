"""CSV rows: a header line with the model's columns in any order, then a line for each row.

Delimiters, names and words for "missing" are those of the CSV files that models are trained on. Blank lines are no
rows. CSV has no vectors: models with one take the other formats.
"""

import csv
import io
import math
from collections.abc import Callable, Sequence
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

import numpy as np

from app.datasets.formats.csv_header import delimiter_of
from app.datasets.missing import WORDS
from app.errors import Unreadable
from app.http.wire.cells import codes
from app.http.wire.problems import Problems, check_header, check_rows, described, listed, wrong
from app.http.wire.request import Request
from app.http.wire.schema import finite_columns, names, of_matrix
from core.arrays import Array
from core.encoding import CategoricalColumn, Codes, Encoding, RawColumn, RawColumns, VectorColumn

Row = Sequence[str]


class Text(NamedTuple):
    """The rows as text, in the schema's order, and the line on which each ends."""

    rows: list[Row]
    lines: list[int]
    simple: bool  # no character anywhere that only Python takes for part of a number


def read(body: bytes, encoding: Encoding, *, max_rows: int) -> Request:
    """The rows of a CSV text (UTF-8).

    Raises `Unreadable` (not UTF-8, or quotes astray), `Invalid` (not this model's columns) or `TooLarge`.
    """
    vectors = tuple(column.name for column in encoding.columns if isinstance(column, VectorColumn))
    if vectors:
        raise wrong(f"CSV cannot hold the vector column {listed(vectors)}; send JSON, npy or Arrow")
    text = _text(body, names(encoding), max_rows)
    problems = Problems("line {}", text.lines)
    if encoding.inputs is not None:
        return of_matrix(encoding, _matrix(text, encoding, problems), problems)
    return Request(finite_columns(_columns(text, encoding, problems), problems))


# text


def _text(body: bytes, schema: tuple[str, ...], max_rows: int) -> Text:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(what="The CSV body", reason=f"it is not UTF-8 at byte {error.start}") from None
    if not text.strip():
        raise Unreadable(what="The CSV body", reason="it is empty")
    rows, lines = _rows(text, schema, max_rows)
    return Text(rows, lines, simple=text.isascii() and "_" not in text)


def _rows(text: str, schema: tuple[str, ...], max_rows: int) -> tuple[list[Row], list[int]]:
    rows: list[Row] = []
    lines: list[int] = []
    problems = Problems("line {}", lines)
    file = io.StringIO(text, newline="")
    head = next((line for line in file if line.strip("\r\n")), "")
    file.seek(0)
    reader = csv.reader(file, delimiter=delimiter_of(head), strict=True)
    try:
        pick = _picker([name.strip() for name in next(filter(None, reader), [])], schema)
        for row in islice(filter(None, reader), max_rows + 1):
            lines.append(reader.line_num)
            if len(row) == len(schema):
                rows.append(pick(row))
            else:
                problems.add(len(lines) - 1, f"expected {len(schema)} cells, got {len(row)}")
    except csv.Error as error:
        raise Unreadable(what="The CSV body", reason=f"{error}, at line {reader.line_num}") from None
    check_rows(len(lines), max_rows)
    problems.settle()
    return rows, lines


def _picker(header: list[str], schema: tuple[str, ...]) -> Callable[[Row], Row]:
    """Puts a row's cells into the schema's order."""
    check_header(header, schema)
    places = {name: place for place, name in enumerate(header)}
    return (lambda row: row) if len(schema) == 1 else itemgetter(*map(places.__getitem__, schema))


# numbers


def _matrix(text: Text, encoding: Encoding, problems: Problems) -> Array:
    result = np.empty((len(text.rows), len(encoding.columns)))
    schema = names(encoding)
    for row, cells in enumerate(text.rows):
        values = _quickly(cells) if text.simple else None
        if values is None:
            pairs = zip(schema, cells, strict=True)
            values = [_number(cell, row, name, problems) for name, cell in pairs]
        result[row] = values
    problems.settle()
    return result


def _quickly(cells: Sequence[str]) -> list[float] | None:
    try:
        return list(map(float, cells))
    except ValueError:  # an empty cell, or a mistake
        return None


def _number(cell: str, row: int, name: str, problems: Problems) -> float:
    """A cell's number, NaN if it is missing. Python would take 1_000 and ١ as well; CSV does not."""
    if cell.strip() in WORDS:
        return math.nan
    try:
        if "_" in cell or not cell.isascii():
            raise ValueError(cell)
        return float(cell)
    except ValueError:
        problems.add(row, f"expected a number, got {described(cell)}", name)
        return math.nan


# columns


def _columns(text: Text, encoding: Encoding, problems: Problems) -> RawColumns:
    by_column = list(zip(*text.rows, strict=True)) or [()] * len(encoding.columns)
    result: dict[str, RawColumn] = {}
    for column, cells in zip(encoding.columns, by_column, strict=True):
        if isinstance(column, CategoricalColumn):
            result[column.name] = _codes(column, cells, problems)
        else:
            result[column.name] = np.array(_numbers(column.name, cells, text, problems), dtype=np.float64)
    problems.settle()
    return result


def _numbers(name: str, cells: Sequence[str], text: Text, problems: Problems) -> list[float]:
    values = _quickly(cells) if text.simple else None
    if values is None:
        values = [_number(cell, row, name, problems) for row, cell in enumerate(cells)]
    return values


def _codes(column: CategoricalColumn, cells: Sequence[str], problems: Problems) -> Codes:
    if not column.boolean:
        return codes([cell or None for cell in cells])
    lower = [cell.lower() or None for cell in cells]
    for row, cell in enumerate(lower):
        if cell not in ("true", "false", None):
            problems.add(row, f"expected true or false, got {described(cells[row])}", column.name)
    return codes(lower)
