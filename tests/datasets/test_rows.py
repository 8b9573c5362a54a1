"""The stored file: batches of a size that the columns alone decide."""

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from app.datasets.rows import Column, Layout, rechunked
from app.datasets.table import Field, Kind


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 17))
def test_rechunked_rows_are_the_same_rows_in_equal_batches(sizes, size):
    numbers = pa.record_batch({"n": np.arange(sum(sizes))})
    ends = np.cumsum(sizes)
    batches = [numbers.slice(end - length, length) for end, length in zip(ends, sizes, strict=True)]
    found = list(rechunked(batches, size))
    assert [batch.num_rows for batch in found[:-1]] == [size] * (len(found) - 1)
    assert all(0 < batch.num_rows <= size for batch in found)
    assert [n for batch in found for n in batch["n"].to_pylist()] == list(range(sum(sizes)))


@given(st.lists(st.integers(1, 2_000_000), min_size=1, max_size=5))
def test_a_batch_of_any_columns_fits_into_memory(widths):
    fields = [Field(name=str(i), kind=Kind.VECTOR, width=width) for i, width in enumerate(widths)]
    layout = Layout(columns=tuple(Column(field=field) for field in fields), label="y", classes=(0, 1))
    row_bytes = 4 + 8 * sum(widths)
    assert layout.batch_rows == 1 or layout.batch_rows * row_bytes <= 64 << 20
    assert layout.batch_rows == 65_536 or 2 * layout.batch_rows * row_bytes > 8 << 20


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, unique=True))
def test_the_schema_tells_the_layout_back(names):
    columns = [
        Column(field=Field(name=names[0], kind=Kind.CATEGORICAL, dtype="int32"), vocabulary=tuple(names))
    ]
    columns += [
        Column(field=Field(name=name, kind=Kind.VECTOR, dtype="uint8", width=3)) for name in names[1:]
    ]
    for classes in (tuple(names), (False, True), (-1, 2**62)):
        layout = Layout(columns=tuple(columns), label="y", classes=classes)
        assert Layout.of(layout.schema) == layout
