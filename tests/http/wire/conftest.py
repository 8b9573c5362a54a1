"""Small models' encodings, and rows as bytes of every format, written by other hands than those under test."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from app.errors import Invalid, Problem
from app.http.wire import rows
from core import encoding
from core.arrays import Array
from core.encoding import Codes, Encoding

ARROW = "application/vnd.apache.arrow.stream"
NPY = "application/x-npy"
MOST_ROWS = 50


@pytest.fixture(scope="session")
def numeric() -> Encoding:
    """Columns a and b; b was missing once in training, so it has an indicator."""
    return encoding.fit({"a": np.array([1.0, 2.0, 4.0]), "b": np.array([np.nan, 10.0, 30.0])})


@pytest.fixture(scope="session")
def vector() -> Encoding:
    """One column, x, of three numbers."""
    return encoding.fit({"x": np.array([[1.0, 2.0, 3.0], [3.0, 2.0, 5.0]])})


@pytest.fixture(scope="session")
def mixed() -> Encoding:
    """A number, a category (red, green), a boolean and a vector of two."""
    columns = {
        "size": np.array([1.0, 2.0, 4.0]),
        "colour": Codes(np.array([0, 1, 0]), ("red", "green")),
        "new": Codes(np.array([0, 1, 0]), ("false", "true")),
        "at": np.array([[0.0, 1.0], [2.0, 3.0], [5.0, 1.0]]),
    }
    return encoding.fit(columns, booleans=["new"])


@pytest.fixture(scope="session")
def table() -> Encoding:
    """What CSV can hold: a number, a category and a boolean."""
    columns = {
        "size": np.array([1.0, 2.0, 4.0]),
        "colour": Codes(np.array([0, 1, 0]), ("red", "green")),
        "new": Codes(np.array([0, 1, 0]), ("false", "true")),
    }
    return encoding.fit(columns, booleans=["new"])


class Read(NamedTuple):
    """A request, its rows as the network sees them."""

    features: Array
    top_k: int | None
    explain: bool


@pytest.fixture(scope="session")
def read() -> Callable[..., Read]:
    """`rows.read` with at most 50 rows."""

    def call(model: Encoding, body: bytes, media_type: str = "application/json", **more: Any) -> Read:
        found = rows.read(body, media_type, model, max_rows=MOST_ROWS, **more)
        if found.check is not None:
            found.check()
        encode = encoding.transform if isinstance(found.rows, Mapping) else encoding.transform_matrix
        return Read(encode(model, found.rows), found.top_k, found.explain)

    return call


@pytest.fixture(scope="session")
def problems(read: Callable[..., Read]) -> Callable[..., tuple[Problem, ...]]:
    """The problems for which a body is refused as invalid."""

    def call(model: Encoding, body: bytes, media_type: str = "application/json") -> tuple[Problem, ...]:
        with pytest.raises(Invalid) as caught:
            read(model, body, media_type)
        return caught.value.problems

    return call


@pytest.fixture(scope="session")
def instances() -> Callable[..., bytes]:
    """A JSON body of these rows, by the standard library."""
    return lambda rows, **more: json.dumps({"instances": rows, **more}).encode()


@pytest.fixture(scope="session")
def npy() -> Callable[[Any], bytes]:
    """The bytes that `np.save` writes."""

    def call(array: Any) -> bytes:
        file = io.BytesIO()
        np.save(file, array)
        return file.getvalue()

    return call


@pytest.fixture(scope="session")
def arrow() -> Callable[..., bytes]:
    """An Arrow stream of these columns, in batches of two rows."""

    def call(columns: Mapping[str, Any], compression: str | None = None) -> bytes:
        made = pa.table(dict(columns))
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression=compression)
        with pa.ipc.new_stream(sink, made.schema, options=options) as stream:
            stream.write_table(made, max_chunksize=2)
        return sink.getvalue().to_pybytes()

    return call


@pytest.fixture(scope="session")
def csv_text() -> Callable[..., bytes]:
    """A CSV text by the standard library."""

    def call(header: list[str], rows: list[list[Any]]) -> bytes:
        file = io.StringIO(newline="")
        csv.writer(file).writerows([header, *rows])
        return file.getvalue().encode()

    return call
