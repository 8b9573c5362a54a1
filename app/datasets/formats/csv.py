"""CSV: a header line, then rows; columns typed by their first cell, read by Arrow in blocks of a mebibyte."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from app.datasets.formats.csv_fault import FirstCell, find_fault, is_number, line_of, open_quote
from app.datasets.formats.csv_header import read_header
from app.datasets.missing import MISSING
from app.datasets.table import Block, Field, Kind, Options, check_categorical, check_names, label_position
from app.errors import NeuronaError, Unreadable

_BLOCK, _MOST_BLOCK = 1 << 20, 64 << 20
_COLUMN_BYTES, _WIDE_BLOCK = 2 << 10, 32 << 20  # with many columns, blocks of a few rows would take forever


class CsvSource:
    """A CSV file of which the header has been checked and the columns typed.

    Raises Unreadable, Invalid, TooLarge.
    """

    labels_are_text = True

    def __init__(self, path: Path, options: Options) -> None:
        self._path, self._choice = path, options.wanted is None
        self._header = read_header(path)
        self.warnings: list[str] = []
        names = list(self._header.names)
        self._block = min(max(_BLOCK, _COLUMN_BYTES * len(names)), _WIDE_BLOCK)
        check_names(names, "line 1", options.limits.max_columns)
        self.label = names[label_position(names, options.label, "line 1")]
        features = [name for name in names if name != self.label]
        check_categorical(features, options)
        self._numeric: dict[str, FirstCell] = {}
        first = self._first_cells([name for name in features if name not in options.categorical])
        self._numeric = {name: cell for name, cell in first.items() if is_number(cell.text)}
        texts = {name: name in first for name in features if name in first or name in options.categorical}
        self.fields = tuple(self._field(name, texts) for name in features)

    def _field(self, name: str, texts: dict[str, bool]) -> Field:
        if name in self._numeric or name not in texts:
            return Field(name=name)
        return Field(name=name, kind=Kind.CATEGORICAL, boolean=texts[name], forced=not texts[name])

    def place(self, row: int, column: str) -> str | None:  # noqa: ARG002 - a whole row has one
        """The line that a row starts in."""
        return line_of(self._path, self._header, row)

    def blocks(self) -> Iterator[Block]:
        """The rows: numeric columns as float64; the others, and the labels, as text."""
        types = {f.name: pa.float64() if f.kind is Kind.NUMERIC else pa.string() for f in self.fields}
        for batch in self._batches({**types, self.label: pa.string()}):
            cells = [batch.column(field.name) for field in self.fields]
            columns = [c.to_numpy(zero_copy_only=False) if pa.types.is_floating(c.type) else c for c in cells]
            yield Block(columns, batch.column(self.label))
        if (fault := self._unclosed()) is not None:
            raise fault

    def _unclosed(self) -> Unreadable | None:
        line = open_quote(self._path, self._header)
        if line is None:
            return None
        return Unreadable(what="The CSV body", reason=f"the quote that line {line} opens is never closed")

    def _first_cells(self, names: list[str]) -> dict[str, FirstCell]:
        """For each column its first cell that is no word for "missing", if it has one."""
        found = self._scan(names, most_batches=1)
        return found | self._scan([name for name in names if name not in found])

    def _scan(self, names: list[str], *, most_batches: int | None = None) -> dict[str, FirstCell]:
        found, row, words = dict[str, FirstCell](), 0, pa.array(sorted(MISSING))
        if not names:
            return found
        for number, batch in enumerate(self._batches(dict.fromkeys(names, pa.string()))):
            for name in [name for name in names if name not in found]:
                column = batch.column(name)
                at = pc.index(pc.is_in(column, value_set=words), False).as_py()
                if at >= 0:
                    found[name] = FirstCell(row + at, column[at].as_py())
            row += batch.num_rows
            if len(found) == len(names) or number + 1 == most_batches:
                break
        return found

    def _batches(self, types: dict[str, Any]) -> Iterator[Any]:
        """Arrow's batches; where a row is longer than a block, on from there with larger blocks."""
        done = 0
        while True:
            seen = 0
            try:
                for batch in self._open(types):
                    seen += batch.num_rows
                    if seen > done:
                        yield batch.slice(batch.num_rows - (seen - done))
                        done = seen
                return
            except (pa.ArrowException, OSError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                if "straddling" not in str(error) or self._block >= _MOST_BLOCK:
                    raise self._explained(error, done) from error
                self._block *= 8

    def _open(self, types: dict[str, Any]) -> Any:
        skip = self._header.blank + 1
        return arrow_csv.open_csv(
            str(self._path),
            read_options=arrow_csv.ReadOptions(
                column_names=list(self._header.names), skip_rows_after_names=skip, block_size=self._block
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=self._header.delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=sorted(MISSING) if pa.float64() in types.values() else [],
                strings_can_be_null=False,
            ),
        )

    def _explained(self, error: Exception, done: int) -> NeuronaError:
        fault = self._unclosed() or find_fault(
            self._path, self._header, self._numeric, done, choice=self._choice
        )
        if fault is not None:
            return fault
        reason = str(error).replace(str(self._path), "the file").splitlines()[0][:200]
        return Unreadable(what="The CSV body", reason=f"after row {done}: {reason}")
