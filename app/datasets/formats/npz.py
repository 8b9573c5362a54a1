"""NPZ: arrays x (rows × anything) and y (labels), streamed out of the zip archive."""

import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from app.datasets.formats.npy import Member, read_member, row_blocks
from app.datasets.formats.reading import reading
from app.datasets.inline import label_name
from app.datasets.table import (
    Array,
    ArrowArray,
    Block,
    Cells,
    Field,
    Kind,
    Options,
    check_categorical,
    text_of,
)
from app.datasets.vector_types import vector_dtype
from app.errors import Invalid, Problem, Unreadable

_BLOCK_BYTES = 4 << 20


class NpzSource:
    """An .npz archive of which both headers have been checked. Raises Unreadable, Invalid, TooLarge."""

    labels_are_text = False

    def __init__(self, path: Path, options: Options) -> None:
        self._path = path
        with reading("The .npz"), zipfile.ZipFile(path) as archive:
            names = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            _check_members(names)
            self._x, self._y = (
                read_member(archive, names[n], options.limits.max_dataset_bytes) for n in "xy"
            )
        extra = sorted(names.keys() - {"x", "y"})
        self.warnings = [f"arrays beside x and y were left out: {', '.join(extra[:5])}"] if extra else []
        self.fields: tuple[Field, ...] = (_field(self._x, options.categorical),)
        check_categorical([self.fields[0].name], options)
        self.label = label_name(options.label, [self.fields[0].name], "y")
        _check_labels(self._x, self._y)

    def place(self, row: int, column: str) -> str | None:
        """The row of x, or of y."""
        return f"{'y' if column == self.label else 'x'}[{row}]"

    def blocks(self) -> Iterator[Block]:
        """The rows, some mebibytes at a time."""
        rows = max(1, _BLOCK_BYTES // max(1, self._x.row_bytes, self._y.row_bytes))
        scratch = self._path.with_name("columns")
        with reading("The .npz"):
            archive = zipfile.ZipFile(self._path)
        with archive:
            xs = row_blocks(archive, self._x, rows, scratch)
            ys = row_blocks(archive, self._y, rows, scratch)
            for x, y in zip(xs, ys, strict=True):
                yield Block([_cells(self.fields[0], x)], _label_array(y))


def _check_members(names: dict[str, zipfile.ZipInfo]) -> None:
    missing = [name for name in "xy" if name not in names]
    if missing:
        shown = ", ".join(sorted(names)[:10]) or "nothing"
        message = (
            f"the .npz has no array {missing[0]!r}; it has: {shown}. Save it by numpy.savez(file, x=…, y=…)"
        )
        raise Invalid(Problem(message=message, location=missing[0]))


def _field(x: Member, categorical: frozenset[str]) -> Field:
    kind = x.dtype.kind
    if kind not in "biuf" or not x.shape or 0 in x.shape:
        message = f"x is an array of {x.dtype} of shape {x.shape}; it must hold numbers, one row or more"
        raise Invalid(Problem(message=message, location="x"))
    if len(x.shape) == 1:
        if "x0" in categorical:
            return Field(name="x0", kind=Kind.CATEGORICAL, forced=True)
        return Field(name="x0", dtype="float32" if x.dtype.name in ("float32", "float16") else "float64")
    width = math.prod(x.shape[1:])
    return Field(name="x", kind=Kind.VECTOR, dtype=vector_dtype(x.dtype), width=width)


def _check_labels(x: Member, y: Member) -> None:
    message = None
    if len(y.shape) != 1:
        message = f"y has shape {y.shape}; it must be one label for each row, of shape ({x.shape[0]},)"
    elif y.dtype.kind not in "biufU":
        message = f"y is an array of {y.dtype}; labels are integers, booleans or text (<U)"
    elif y.shape[0] != x.shape[0]:
        message = f"x has {x.shape[0]} rows but y has {y.shape[0]} labels"
    if message:
        raise Invalid(Problem(message=message, location="y"))


def _cells(field: Field, x: Array) -> Cells:
    if field.kind is Kind.CATEGORICAL:
        return pa.array(["" if np.isnan(v) else text_of(v) for v in x.tolist()], pa.string())
    return x.reshape(len(x), -1).astype(field.dtype) if field.kind is Kind.VECTOR else x.astype(field.dtype)


def _label_array(y: Array) -> ArrowArray:
    if y.dtype.kind == "f":
        return pa.array(y.astype(np.float64), from_pandas=True)
    if y.dtype.kind != "U":
        return pa.array(y.astype(y.dtype.newbyteorder("=")))
    try:
        return pa.array(y.tolist(), pa.string())
    except (UnicodeError, ValueError) as error:
        raise Unreadable(what="Array 'y' of the .npz", reason="it holds text that is not Unicode") from error
