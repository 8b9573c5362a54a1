"""Stored rows as arrays: views of the file where one batch holds them, the right ones everywhere."""

import numpy as np
import pyarrow as pa
import pytest

from app.datasets import rows as rows_module

STREAM = "application/vnd.apache.arrow.stream"
ROWS = 1000


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    return {
        "n": rng.normal(size=ROWS),
        "t": np.array(list("abc"))[rng.integers(0, 3, ROWS)],
        "v": rng.normal(size=(ROWS, 3)).astype("float32"),
        "y": np.arange(ROWS) % 3,
    }


@pytest.fixture(scope="module")
def many(new_store, writers, table):
    """The table in batches of 64 rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_module, "_MOST_ROWS", 64)
        store = new_store()
        dataset, _ = store.ingest([writers[STREAM](as_arrow(table))], media_type=STREAM)
    return store.open(dataset.id)


def as_arrow(table):
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(table["v"].ravel()), 3)
    return pa.table({**{k: pa.array(table[k]) for k in "nt"}, "v": vectors, "y": pa.array(table["y"])})


def check(columns, table, index):
    np.testing.assert_array_equal(columns["n"], table["n"][index])
    np.testing.assert_array_equal(np.array(columns["t"].vocabulary)[columns["t"].codes], table["t"][index])
    np.testing.assert_array_equal(columns["v"], table["v"][index])


def test_one_batch_is_seen_through_the_memory_map_without_a_copy(opened, writers, table):
    data = opened(writers[STREAM](as_arrow(table)), STREAM)
    before = pa.total_allocated_bytes()
    columns = data.columns()
    check(columns, table, slice(None))
    assert pa.total_allocated_bytes() == before
    for column in (columns["n"], columns["t"].codes, columns["v"], data.labels):
        assert not column.flags.owndata
        assert not column.flags.writeable


def test_many_batches_are_joined(many, table):
    assert len(list(many.batches())) == 16
    check(many.columns(), table, slice(None))
    np.testing.assert_array_equal(many.labels, table["y"])


def test_batches_are_all_rows_in_order(many, table):
    start = 0
    for columns, labels in many.batches():
        rows = slice(start, start + len(labels))
        check(columns, table, rows)
        np.testing.assert_array_equal(labels, table["y"][rows])
        start = rows.stop
    assert start == ROWS


def test_batches_depend_on_the_columns_alone(new_store, writers, table):
    """Sent in one batch or in many, the same rows are the same file."""
    store, whole = new_store(), as_arrow(table)
    import io

    from pyarrow import ipc

    file = io.BytesIO()
    with ipc.new_stream(file, whole.schema) as writer:
        writer.write_table(whole, max_chunksize=7)
    first, _ = store.ingest([writers[STREAM](whole)], media_type=STREAM)
    assert store.ingest([file.getvalue()], media_type=STREAM) == (first, False)
