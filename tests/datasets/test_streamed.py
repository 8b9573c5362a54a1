"""Rows read batch by batch are those of the memory map, whatever is asked for."""

import mmap
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.datasets import rows as rows_module
from app.datasets.windows import Windows
from app.errors import DatasetNotFound, StorageFailed
from core.columns import Codes, take

CSV = "text/csv"
ROWS = 1000


@pytest.fixture(scope="module")
def pair(new_store):
    """The same dataset in batches of 64 rows, mapped as a whole and read batch by batch."""
    rng = np.random.default_rng(0)
    lines = [f"{rng.normal()},{'abc'[rng.integers(3)]},{'true' if rng.random() < 0.5 else 'false'},{row % 3}"
             for row in range(ROWS)]  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rows_module, "_MOST_ROWS", 64)
        store = new_store()
        dataset, _ = store.ingest([("n,t,b,y\n" + "\n".join(lines)).encode()], media_type=CSV)
    return store.open(dataset.id), store.stream(dataset.id)


def same(one, two):
    assert one.keys() == two.keys()
    for name, raw in one.items():
        if isinstance(raw, Codes):
            assert raw.vocabulary == two[name].vocabulary
            np.testing.assert_array_equal(raw.codes, two[name].codes)
        else:
            np.testing.assert_array_equal(raw, two[name])


@given(start=st.integers(0, ROWS), length=st.integers(0, 300))
@settings(deadline=None)
def test_a_slice_is_that_of_the_memory_map(pair, start, length):
    whole, streamed = pair
    stop = min(start + length, ROWS)
    if start < ROWS:
        same(streamed.slice(start, stop), take(whole.columns(), slice(start, stop)))


@given(index=st.sets(st.integers(0, ROWS - 1), max_size=40).map(sorted))
@settings(deadline=None)
def test_rows_taken_are_those_of_the_memory_map(pair, index):
    whole, streamed = pair
    same(streamed.take(np.array(index, np.intp)), take(whole.columns(), np.array(index, np.intp)))


def test_parts_and_labels_are_all_rows_in_order(pair):
    whole, streamed = pair
    assert len(streamed) == len(whole.labels) == ROWS
    np.testing.assert_array_equal(streamed.labels, whole.labels)
    parts = list(streamed.parts())
    assert [len(part["n"]) for part in parts] == [64] * 15 + [40]
    np.testing.assert_array_equal(np.concatenate([part["n"] for part in parts]), whole.columns()["n"])
    assert streamed.booleans == whole.booleans == {"b"}
    assert streamed.names == ("n", "t", "b")


def test_a_dataset_that_is_gone_or_damaged_is_told_as_by_the_memory_map(new_store, tmp_path):
    store = new_store()
    with pytest.raises(DatasetNotFound):
        store.stream("ds_0123456789abcdef")
    dataset, _ = store.ingest([b"a,y\n1,p\n2,q\n3,p\n4,q\n"], media_type=CSV)
    (path,) = store._root.glob("*/rows.arrow")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(StorageFailed, match="damaged"):
        store.stream(dataset.id)


def test_a_window_is_mapped_from_any_place_and_stays_when_the_file_is_closed(tmp_path):
    content = os.urandom(9 * mmap.ALLOCATIONGRANULARITY + 17)
    (path := tmp_path / "file").write_bytes(content)
    with Windows(path) as file:
        assert file.seek(-10, os.SEEK_END) == len(content) - 10
        assert bytes(file.read()) == content[-10:]
        assert file.read(5) == b""
        file.seek(mmap.ALLOCATIONGRANULARITY + 3)
        view = file.read(9000)
        assert file.tell() == mmap.ALLOCATIONGRANULARITY + 9003
    assert bytes(view) == content[mmap.ALLOCATIONGRANULARITY + 3 :][:9000]
