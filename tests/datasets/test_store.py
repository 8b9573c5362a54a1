"""The store: the same rows are one dataset, whatever breaks leaves nothing, and pages come newest first."""

import errno
import gzip
import hashlib
import json
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.datasets.store import Dataset, DatasetStore
from app.errors import DatasetNotFound, Invalid, StorageFailed, Unreadable

CSV = "text/csv"
ROWS = b"a,b,y\n1,u,p\n2,v,q\n,u,p\n4,v,q\n"


def rows(number):
    return ROWS + f"{number},w,p\n".encode()


def test_the_id_is_the_hash_of_the_file(store, root):
    dataset, created = store.ingest([ROWS], media_type=CSV, name="mine")
    data = (root / dataset.id / "rows.arrow").read_bytes()
    assert created
    assert dataset.id == "ds_" + hashlib.sha256(data).hexdigest()[:16]
    assert dataset.bytes == len(data)
    assert {path.name for path in (root / dataset.id).iterdir()} == {"rows.arrow", "dataset.json"}


def test_the_same_rows_again_are_the_dataset_that_is_there(store, root):
    first, _ = store.ingest([ROWS], media_type=CSV, name="first")
    for again in ({"source": [ROWS[:9], ROWS[9:]]}, {"source": [gzip.compress(ROWS)], "encoding": "gzip"}):
        assert store.ingest(**again, media_type=CSV, name="second") == (first, False)
    assert [path.name for path in root.iterdir()] == [first.id]


def test_another_label_column_or_type_is_another_dataset(store):
    ids = {
        store.ingest([ROWS], media_type=CSV, **o)[0].id for o in ({}, {"label": "b"}, {"categorical": ["a"]})
    }
    assert len(ids) == 3


def test_a_dataset_says_what_the_api_says(store, root):
    dataset, _ = store.ingest([ROWS], media_type=CSV, name="mine")
    described = dataset.to_dict()
    created = datetime.fromisoformat(described.pop("created_at"))
    assert abs(datetime.now(UTC) - created) < timedelta(minutes=1)
    assert dataset.created_at.endswith("Z")
    assert described == {
        "id": dataset.id,
        "name": "mine",
        "rows": 4,
        "bytes": dataset.bytes,
        "label": "y",
        "columns": [
            {"name": "a", "type": "numeric", "missing": 1, "dtype": "float64"},
            {"name": "b", "type": "categorical", "missing": 0, "categories": 2, "boolean": False},
        ],
        "classes": [{"label": "p", "rows": 2}, {"label": "q", "rows": 2}],
        "warnings": [],
        "sha256": hashlib.sha256((root / dataset.id / "rows.arrow").read_bytes()).hexdigest(),
    }
    assert Dataset.from_json(dataset.to_json()) == dataset


def test_the_digest_is_of_the_rows_as_they_are_now(store, root):
    dataset, _ = store.ingest([ROWS], media_type=CSV)
    looks = []
    assert store.digest(dataset.id, look=lambda: looks.append(1)) == dataset.sha256
    assert dataset.id == f"ds_{dataset.sha256[:16]}"
    assert looks
    with (root / dataset.id / "rows.arrow").open("ab") as file:
        file.write(b"x")
    assert store.digest(dataset.id) != dataset.sha256
    with pytest.raises(DatasetNotFound):
        store.digest("ds_0123456789abcdef")


def test_a_record_of_before_the_digest_was_kept_is_read(store, root):
    dataset, _ = store.ingest([ROWS], media_type=CSV)
    path = root / dataset.id / "dataset.json"
    record = json.loads(path.read_bytes())
    del record["sha256"]
    path.write_text(json.dumps(record))
    assert store.get(dataset.id) == replace(dataset, sha256=None)


def test_values_already_parsed_are_stored_like_a_body(store):
    value = {"instances": [[1, "u"], [2, "v"], [None, "u"], [4, "v"]], "labels": ["p", "q", "p", "q"],
             "feature_names": ["a", "b"]}  # fmt: skip
    dataset, created = store.ingest_value(value, label="y")
    assert created
    assert store.ingest([ROWS], media_type=CSV) == (dataset, False)
    with pytest.raises(Invalid):
        store.ingest_value({"instances": [[1]], "labels": [None]})


def test_a_source_that_breaks_off_leaves_nothing_and_its_error_goes_through(store, root):
    class Gone(Exception):
        pass

    def broken(error):
        yield ROWS
        raise error

    for error in (Gone(), ConnectionResetError(errno.ECONNRESET, "gone"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            store.ingest(broken(error), media_type=CSV)
        assert list(root.iterdir()) == []


@pytest.mark.parametrize("size", [50, 500, 1500])
def test_a_full_disk_is_told_without_a_path_and_leaves_nothing(store, root, full_disk, size):
    body = b"a,b,y\n" + b"1,2,x\n3,4,z\n" * size
    with pytest.raises(StorageFailed) as caught, full_disk(size * 10):
        store.ingest([body], media_type=CSV)
    assert os.strerror(errno.EFBIG).lower() in str(caught.value).lower()
    assert str(root) not in str(caught.value)
    assert list(root.iterdir()) == []


def test_no_byte_count_of_free_disk_leaves_half_a_dataset(store, root, full_disk):
    needed = store.ingest([ROWS], media_type=CSV)[0]
    store.delete(needed.id)
    for size in range(1, needed.bytes, 131):
        with pytest.raises(StorageFailed), full_disk(size):
            store.ingest([ROWS], media_type=CSV)
        assert list(root.iterdir()) == []


def test_many_threads_storing_the_same_rows_make_one_dataset(store, root):
    results, gate = [], threading.Barrier(8)

    def work():
        gate.wait()
        results.append(store.ingest([ROWS], media_type=CSV))

    threads = [threading.Thread(target=work) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert len({dataset.id for dataset, _ in results}) == 1
    assert sum(created for _, created in results) == 1
    assert [path.name for path in root.iterdir()] == [results[0][0].id]


def test_pages_are_newest_first_and_meet_without_gap_or_overlap(root):
    now = datetime(2024, 1, 1, tzinfo=UTC)
    times = iter(now + timedelta(seconds=i // 2) for i in range(9))
    store = DatasetStore(root, clock=lambda: next(times))
    made = [store.ingest([rows(i)], media_type=CSV)[0] for i in range(9)]
    newest_first = sorted(made, key=lambda d: (d.created_at, d.id), reverse=True)
    found, cursor = store.list(limit=4)
    while cursor:
        page, cursor = store.list(limit=4, cursor=cursor)
        found += page
    assert found == newest_first
    assert store.list(limit=9) == (newest_first, None)


@pytest.mark.parametrize("cursor", ["x", "", "é", "eA=="])
def test_a_cursor_that_no_page_gave_is_refused(store, cursor):
    with pytest.raises(Invalid, match="not a cursor"):
        store.list(cursor=cursor)


def test_an_empty_store_has_no_datasets(store):
    assert store.list() == ([], None)
    assert store.sweep() == 0


@pytest.mark.parametrize(
    "id", ["ds_0123456789abcdef", "ds_../../etc/passwd", "", "..", "ds_0123456789ABCDEF", "ds_0\0"]
)
def test_an_unknown_id_is_not_found(store, id):
    store.ingest([ROWS], media_type=CSV)
    for call in (store.get, store.open, store.delete):
        with pytest.raises(DatasetNotFound):
            call(id)


def test_a_deleted_dataset_is_gone_but_those_who_opened_it_go_on(store, root):
    dataset, _ = store.ingest([ROWS], media_type=CSV)
    data = store.open(dataset.id)
    store.delete(dataset.id)
    assert list(root.iterdir()) == []
    assert data.columns()["a"][3] == 4
    with pytest.raises(DatasetNotFound):
        store.get(dataset.id)
    assert store.ingest([ROWS], media_type=CSV)[1]


@pytest.mark.parametrize("damage", [b"", b"{}", b"[]", b'{"format": 99}', b"\xff"])
def test_a_damaged_record_is_told_and_left_out_of_lists(store, root, damage):
    dataset, _ = store.ingest([ROWS], media_type=CSV)
    (root / dataset.id / "dataset.json").write_bytes(damage)
    with pytest.raises(StorageFailed, match="damaged"):
        store.get(dataset.id)
    assert store.list() == ([], None)


def test_a_damaged_file_is_told(store, root):
    dataset, _ = store.ingest([ROWS], media_type=CSV)
    path = root / dataset.id / "rows.arrow"
    for damaged in (path.read_bytes()[:100], b"", b"a,b\n"):
        path.write_bytes(damaged)
        with pytest.raises(StorageFailed, match="damaged"):
            store.open(dataset.id)
    path.unlink()
    with pytest.raises(StorageFailed):
        store.open(dataset.id)


def test_a_lying_type_is_refused_before_anything_is_parsed(fault):
    error = fault(b"PK\x03\x04" + ROWS)
    assert isinstance(error, Unreadable)
    assert "looks like a zip archive" in str(error)
