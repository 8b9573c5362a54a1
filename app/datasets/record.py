"""What is known about a stored dataset beside its rows: `dataset.json`, and `Dataset` in the API."""

import builtins
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import orjson

from app.datasets.draft import Tally
from app.datasets.labels import Label
from app.datasets.rows import Column, Layout
from app.datasets.table import Kind
from app.datasets.vocabulary import MOST_VALUES

_FORMAT = 1
_SUSPICIOUS = 20  # rows from which a text that never repeats looks like an identifier


@dataclass(frozen=True, kw_only=True)
class ColumnInfo:
    """A feature column: `size` numbers a row if a vector, how many `categories` if categorical."""

    name: str
    type: str
    missing: int
    dtype: str | None = None
    size: int | None = None
    categories: int | None = None
    boolean: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """The fields that this type of column has."""
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class ClassInfo:
    """A class and how many rows have it."""

    label: Label
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        return {"label": self.label, "rows": self.rows}


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A stored dataset; `bytes` and `sha256` are of its Arrow file, `created_at` is RFC 3339 in UTC.

    sha256 is None if the dataset was stored before it was kept here.
    """

    id: str
    name: str | None
    rows: int
    bytes: int
    label: str
    columns: tuple[ColumnInfo, ...]
    classes: tuple[ClassInfo, ...]
    created_at: str
    warnings: tuple[str, ...] = ()
    sha256: str | None = None

    def features(self, most_categories: int) -> int:
        """How many a network will see; what only the training rows tell is taken as in the whole data."""
        widths = {"numeric": 1, "vector": 0, "categorical": 1}
        return sum(
            widths[column.type]
            + (column.size or 0)
            + min(column.categories or 0, most_categories)
            + (column.type == "numeric" and column.missing > 0)
            for column in self.columns
        )

    def sizes(self, most_categories: int) -> dict[str, int]:
        """What a plan for training asks: rows, features, classes, and numbers, which are columns of them."""
        return {
            "rows": self.rows,
            "features": self.features(most_categories),
            "classes": len(self.classes),
            "numbers": sum(column.type == "numeric" for column in self.columns),
        }

    def to_dict(self) -> dict[str, Any]:
        """The API's `Dataset`."""
        columns = [column.to_dict() for column in self.columns]
        classes = [each.to_dict() for each in self.classes]
        return {**vars(self), "columns": columns, "classes": classes, "warnings": list(self.warnings)}

    def to_json(self) -> builtins.bytes:
        """The content of dataset.json."""
        return orjson.dumps({"format": _FORMAT, **self.to_dict()})

    @classmethod
    def from_json(cls, data: builtins.bytes) -> Self:
        """The dataset that dataset.json tells. Raises ValueError, KeyError or TypeError if it tells none."""
        record = orjson.loads(data)
        if record.pop("format") != _FORMAT:
            raise ValueError("unknown format")
        columns = tuple(ColumnInfo(**column) for column in record.pop("columns"))
        classes = tuple(ClassInfo(**each) for each in record.pop("classes"))
        return cls(columns=columns, classes=classes, warnings=tuple(record.pop("warnings")), **record)


class Facts(NamedTuple):
    """What a dataset's content does not tell."""

    id: str
    name: str | None
    bytes: int
    created_at: str
    sha256: str


def describe(facts: Facts, layout: Layout, tally: Tally, warnings: list[str]) -> Dataset:
    """The record of a dataset; `warnings` are those of its reader."""
    classes = zip(layout.classes, tally.class_rows, strict=True)
    return Dataset(
        **facts._asdict(),
        rows=tally.rows,
        label=layout.label,
        columns=tuple(map(_column_info, layout.columns, tally.missing)),
        classes=tuple(ClassInfo(label=label, rows=rows) for label, rows in classes),
        warnings=(*warnings, *_warnings(layout, tally)),
    )


def _column_info(column: Column, missing: int) -> ColumnInfo:
    field = column.field
    if field.kind is Kind.CATEGORICAL:
        categories = len(column.vocabulary)
        return ColumnInfo(
            name=field.name,
            type=field.kind.value,
            missing=missing,
            categories=categories,
            boolean=column.boolean,
        )
    size = field.width if field.kind is Kind.VECTOR else None
    return ColumnInfo(name=field.name, type=field.kind.value, missing=missing, dtype=field.dtype, size=size)


def _warnings(layout: Layout, tally: Tally) -> list[str]:
    names = [column.field.name for column in layout.columns]
    empty = [n for n, missing in zip(names, tally.missing, strict=True) if missing == tally.rows]
    constant = [n for n, same in zip(names, tally.constant, strict=True) if same]
    full = [n for n, v in zip(names, tally.vocabularies, strict=True) if v is not None and v.full]
    single = [str(c) for c, rows in zip(layout.classes, tally.class_rows, strict=True) if rows == 1]
    found = [
        (empty, "column", "without any value"),
        (constant, "column", "with the same value in every row"),
        (full, "column", f"with more than {MOST_VALUES} different texts, the later ones counted missing"),
        ([n for n, c in zip(names, layout.columns, strict=True) if len(c.vocabulary) == tally.rows >= _SUSPICIOUS],
         "column", "with a different text in every row (an identifier?)"),
        (single, "class", "with one row only, which cannot be both trained on and held back"),
    ]  # fmt: skip
    return [_sentence(names, noun, what) for names, noun, what in found if names]


def _sentence(names: list[str], noun: str, what: str) -> str:
    plural = {"column": "columns", "class": "classes"}[noun] if len(names) > 1 else noun
    more = f", … ({len(names)} in all)" if len(names) > 5 else ""
    return f"{plural} {what}: {', '.join(names[:5])}{more}"
