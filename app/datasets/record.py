"""What is known about a stored dataset beside its rows: `dataset.json`, and `Dataset` in the API."""

import builtins
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import orjson

from app.datasets.draft import Tally
from app.datasets.labels import Label
from app.datasets.remarks import remarks
from app.datasets.rows import Column, Layout
from app.datasets.table import Kind

_FORMAT = 1


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
        warnings=(*warnings, *remarks(layout, tally)),
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
