"""The slow pass over a CSV file that the fast one could not read: which row, which column, which line."""

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from app.datasets.formats.csv_header import Header, open_text, stray_byte
from app.datasets.missing import MISSING
from app.errors import Invalid, NeuronaError, Problem, Unreadable

_PLAIN = re.compile(r"[+-]?[0-9]{1,300}(\.[0-9]{0,300})?")


class FirstCell(NamedTuple):
    """The cell that decided a column's type."""

    row: int
    text: str


class Line(NamedTuple):
    """A row as the csv module reads it, and the line of the file that it starts in."""

    row: int
    line: int
    cells: list[str]


def is_number(text: str) -> bool:
    """Whether Arrow reads the cell as a number (infinities and NaN too)."""
    text = text.strip(" \t")
    if _PLAIN.fullmatch(text):  # asking Arrow for each cell of a block would take seconds
        return True
    try:
        pa.scalar(text).cast(pa.float64())
    except pa.ArrowInvalid:
        return False
    return True


def find_fault(
    path: Path, header: Header, typed: Mapping[str, FirstCell], start: int, *, choice: bool
) -> NeuronaError | None:
    """The first fault from row `start` on: ragged, not UTF-8, or text in one of the columns `typed`.

    choice: whether the sender may have them taken as text.
    """
    try:
        for line in _rows(path, header):
            if line.row >= start and (fault := _fault(line, header, typed, choice)):
                return fault
    except csv.Error as error:
        return Unreadable(what="The CSV body", reason=str(error))
    return None


def line_of(path: Path, header: Header, row: int) -> str | None:
    """ "line 5" for a row, if the csv module can tell."""
    try:
        return next((f"line {line.line}" for line in _rows(path, header) if line.row == row), None)
    except csv.Error:
        return None


def open_quote(path: Path, header: Header) -> int | None:
    """The line with a quote that nothing closes, so that all that follows is one cell; None if there is none.

    Looked for row by row only where the number of quotes is odd.
    """
    with path.open("rb") as file:
        if sum(piece.count(b'"') for piece in iter(lambda: file.read(1 << 20), b"")) % 2 == 0:
            return None
    before = 0
    with open_text(path) as text:
        reader = csv.reader(text, delimiter=header.delimiter, strict=True)
        try:
            for _ in reader:
                before = reader.line_num
        except csv.Error as error:
            return before + 1 if "unexpected end" in str(error) else None
    return None


def _rows(path: Path, header: Header) -> Iterator[Line]:
    with open_text(path) as file:
        reader = csv.reader(file, delimiter=header.delimiter)
        row, before = -1, 0
        for cells in reader:
            if cells:
                if row >= 0:
                    yield Line(row, before + 1, cells)
                row += 1
            before = reader.line_num


def _fault(line: Line, header: Header, typed: Mapping[str, FirstCell], choice: bool) -> NeuronaError | None:
    place = f"line {line.line}"
    stray = stray_byte("".join(line.cells))
    if stray is not None:
        return Unreadable(
            what="The CSV body", reason=f"it is not UTF-8: byte 0x{stray:02X} in {place} (row {line.row})"
        )
    if len(line.cells) != len(header.names):
        message = f"row {line.row} has {len(line.cells)} cells where the header has {len(header.names)}"
        return Invalid(Problem(message=message, location=place, row=line.row))
    for name, cell in zip(header.names, line.cells, strict=True):
        if name in typed and cell not in MISSING and not is_number(cell):
            return Invalid(
                Problem(
                    message=_not_numeric(name, typed[name], line.row, cell, choice),
                    location=place,
                    row=line.row,
                    column=name,
                )
            )
    return None


def _not_numeric(name: str, first: FirstCell, row: int, cell: str, choice: bool) -> str:
    advice = f"; send ?categorical={name} to take it as text" if choice else ""
    return (
        f"column {name!r} is numeric by its first cell {first.text!r} (row {first.row}), "
        f"but row {row} has {cell[:100]!r}{advice}"
    )
