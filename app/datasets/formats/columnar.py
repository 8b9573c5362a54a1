"""Parquet and Arrow alike: batches of typed columns, the label among them."""

from collections.abc import Callable, Iterator
from typing import Any

from app.datasets.formats.arrow_columns import (
    INDEX,
    check_label,
    is_list,
    label_cells,
    plain,
    reader_of,
    storage,
    text_seen,
)
from app.datasets.formats.arrow_messages import check_unpacked
from app.datasets.formats.reading import reading
from app.datasets.table import Block, Options, check_categorical, check_names, label_position

_BLOCK_BYTES = 4 << 20

Batches = Callable[[list[str]], Iterator[Any]]


class ColumnarSource:
    """Typed batches as a source. Raises Unreadable, Invalid, TooLarge."""

    labels_are_text = False

    def __init__(self, what: str, schema: Any, batches: Batches, options: Options) -> None:
        self._what, self._batches = what, batches
        with reading(what):
            names = [name for name in schema.names if not INDEX.fullmatch(name)]
        check_names(names, "the schema", options.limits.max_columns)
        self.label = names[label_position(names, options.label, "the schema")]
        check_label(self.label, schema.field(self.label).type)
        features = [name for name in names if name != self.label]
        check_categorical(features, options)
        left_out = len(schema.names) - len(names)
        self.warnings = [f"index columns of a data frame were left out: {left_out}"] if left_out else []
        widths = self._widths([name for name in features if is_list(storage(schema.field(name).type))])
        self._readers = [
            reader_of(n, schema.field(n).type, width=widths.get(n), forced=n in options.categorical)
            for n in features
        ]
        self.fields = tuple(reader.field for reader in self._readers)

    def place(self, row: int, column: str) -> str | None:  # noqa: ARG002 - a whole row has one
        """The row itself; these formats have no lines."""
        return f"row {row}"

    def blocks(self) -> Iterator[Block]:
        """The rows, some mebibytes at a time."""
        step = max(1, _BLOCK_BYTES // (4 + sum(field.row_bytes for field in self.fields)))
        names, row = [*(field.name for field in self.fields), self.label], 0
        for batch in self._checked(names):
            for start in range(0, batch.num_rows, step):
                part = batch.slice(start, step)
                yield self._block(part, row + start)
            row += batch.num_rows

    def _block(self, part: Any, row: int) -> Block:
        with reading(self._what):
            cells = [r.cells(part.column(i), row) for i, r in enumerate(self._readers)]
            return Block(cells, label_cells(part.column(len(cells))))

    def _checked(self, names: list[str]) -> Iterator[Any]:
        """The batches with these columns, in this order, of which every offset and text has been checked."""
        with reading(self._what):
            for batch in self._batches(names):
                chosen = batch.select(names)
                chosen.validate()
                check_unpacked(text_seen(chosen.columns), "bytes of text, as often as views show it")
                chosen.validate(full=True)
                yield chosen

    def _widths(self, names: list[str]) -> dict[str, int]:
        """The length of the first list of each list column."""
        found = dict[str, int]()
        if not names:
            return found
        for batch in self._checked(names):
            for name in [name for name in names if name not in found]:
                column = plain(batch.column(name)).drop_null()
                if len(column):
                    found[name] = len(column[0])
            if len(found) == len(names):
                break
        return found
