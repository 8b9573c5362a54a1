"""A dataset with later rows is the dataset that all of them in one body would have been: same bytes, same id."""

import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.datasets import rows as rows_module
from app.datasets.store import Labelled
from app.errors import DatasetNotFound, Invalid

JSON, NPZ = "application/json", "application/x-npz"
COLUMNS = ["size", "colour", "open", "shape"]
ROWS = [[1.0, "red", True, [0.0, 1.0]], [None, "blue", False, None], [3.5, None, None, [2.0, 3.0]],
        [4.0, "red", True, [4.0, None]]]  # fmt: skip
LABELS = ["a", "b", "a", "b"]


def body(rows, labels):
    return json.dumps({"feature_names": COLUMNS, "instances": rows, "labels": labels}).encode()


def piece(rows, labels, columns=COLUMNS):
    return Labelled("feedback", list(columns), [list(row) for row in rows], list(labels))


def ingested(store, rows, labels):
    return store.ingest([body(rows, labels)], media_type=JSON)[0]


def test_it_is_the_dataset_that_one_body_would_have_made(store):
    more = [[5.0, "green", False, [6.0, 7.0]], [6.0, "blue", "true", [8.0, 9.0]]]
    base = ingested(store, ROWS, LABELS)
    made, created = store.extend(base.id, lambda: [piece(more, ["c", "a"])], name="both")
    as_one = [*ROWS, more[0], [6.0, "blue", True, [8.0, 9.0]]]
    whole = ingested(store, as_one, [*LABELS, "c", "a"])
    assert created
    assert (made.id, made.rows, made.name) == (whole.id, 6, "both")
    assert (made.columns, made.classes, made.label) == (whole.columns, whole.classes, base.label)
    assert store.get(base.id).rows == 4


def test_columns_that_came_since_are_missing_and_those_that_went_are_left_out(store):
    base = ingested(store, ROWS, LABELS)
    later = piece([[2, 5.0, ""]], ["a"], ["age", "size", "open"])
    made, _ = store.extend(base.id, lambda: [later])
    whole = ingested(store, [*ROWS, [5.0, None, None, None]], [*LABELS, "a"])
    assert made.id == whole.id


CELLS = st.tuples(
    st.none() | st.floats(-1e6, 1e6),
    st.none() | st.sampled_from(["red", "blue", "green", "Ünicode", "true"]),
    st.none() | st.booleans(),
    st.none() | st.lists(st.none() | st.floats(-9, 9), min_size=2, max_size=2),
    st.sampled_from(["a", "b", "new"]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20, deadline=None)
@given(later=st.lists(CELLS, min_size=1, max_size=12), cut=st.integers(0, 12))
def test_whatever_comes_later_and_in_whatever_pieces(store, later, cut):
    rows, labels = [list(row[:-1]) for row in later], [row[-1] for row in later]
    swapped = [row[::-1] for row in rows]
    pieces = [piece(swapped[:cut], labels[:cut], COLUMNS[::-1]), piece(rows[cut:], labels[cut:])]
    base = ingested(store, ROWS, LABELS)
    made, _ = store.extend(base.id, lambda: [each for each in pieces if each.labels])
    assert made.id == ingested(store, ROWS + rows, LABELS + labels).id


def test_datasets_of_many_batches_are_read_a_batch_at_a_time(new_store, monkeypatch):
    monkeypatch.setattr(rows_module, "_MOST_ROWS", 64)
    store = new_store()
    rows = [[float(i), "red" if i % 2 else None, i % 3 == 0, [i, i]] for i in range(300)]
    labels = [i % 5 for i in range(300)]
    base = ingested(store, rows[:200], labels[:200])
    made, _ = store.extend(base.id, lambda: [piece(rows[200:], labels[200:])])
    assert made.id == ingested(store, rows, labels).id
    assert len(list(store.open(made.id).batches())) == 5


@pytest.mark.parametrize(("cell", "dtype"), [(7, "uint8"), (7.0, "uint8"), (7.5, "float32"), (-1, "float32"),
                                             (256, "float32"), (None, "float32")])  # fmt: skip
def test_images_stay_bytes_until_another_number_comes(store, npz, cell, dtype):
    pixels = np.arange(24, dtype=np.uint8).reshape(8, 3)
    base, _ = store.ingest([npz(x=pixels, y=np.arange(8) % 2)], media_type=NPZ)
    made, _ = store.extend(base.id, lambda: [Labelled("feedback", ["x"], [[[1, 2, cell]]], [1])])
    (column,) = made.columns
    assert column.dtype == dtype
    last = store.open(made.id).columns()["x"]
    np.testing.assert_array_equal(last[:8], pixels)
    np.testing.assert_array_equal(last[8], [1, 2, np.nan if cell is None else cell])


@pytest.mark.parametrize(
    ("later", "said"),
    [
        (piece([[2, 3]], ["a"], ["age", "weight"]), "it has none of its columns, 'size', 'colour'"),
        (
            piece([[1.0, "red", ["true"], None]], ["a"]),
            "it has a list of 1 with 'true' in it where 'open' is categorical",
        ),
        (piece([["big", "red", True, None]], ["a"]), "it has 'big' where 'size' is numeric"),
        (piece([[1.0, 3, True, None]], ["a"]), "it has 3 where 'colour' is categorical"),
        (piece([[1.0, "red", "maybe", None]], ["a"]), "it has 'maybe' where 'open' is categorical"),
        (
            piece([[1.0, "red", True, [1.0]]], ["a"]),
            "it has a list of 1 where 'shape' is a vector of 2 numbers",
        ),
        (piece([[1.0, "red", True, None]], [3]), "it has the label 3 where labels are strings"),
    ],
)
def test_rows_that_do_not_fit_are_refused_by_what_does_not(store, root, later, said):
    base = ingested(store, ROWS, LABELS)
    with pytest.raises(Invalid) as refused:
        store.extend(base.id, lambda: [later])
    assert str(refused.value).startswith(f"feedback does not fit dataset {base.id}: {said}")
    assert [path.name for path in root.iterdir()] == [base.id]


def test_what_is_not_there_cannot_be_extended(store):
    with pytest.raises(DatasetNotFound):
        store.extend("ds_0123456789abcdef", list)
