"""The same rows are the same dataset, whatever format they came in; and they are the rows that were sent."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.none(), st.floats(allow_nan=False, allow_infinity=False), st.integers(-(2**53), 2**53).map(float)
)
TEXTS = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    st.sampled_from(["1", "NA", "x"]),
)
TRUTHS = st.one_of(st.none(), st.booleans())
CLASSES = st.sampled_from([("no", "ñ", "yes"), (20, -1, 3), (True, False), ("1", "01", "x")])


@st.composite
def tables(draw):
    rows = draw(st.integers(4, 12))

    def column(cells):
        return draw(st.lists(cells, min_size=rows, max_size=rows))

    table = {}
    for number in range(draw(st.integers(1, 4))):
        table[f"c{number}"] = column(draw(st.sampled_from([NUMBERS, TEXTS, TRUTHS])))
    classes = draw(CLASSES)
    table["label"] = [*classes[:2], *column(st.sampled_from(classes))[2:]]
    return table


def kind_of(cells):
    return next((type(cell) for cell in cells if cell is not None), float)


def expected(cells, boolean):
    """A column as plain Python sees it; the empty text is a missing one."""
    if kind_of(cells) is float:
        return [math.nan if v is None else v for v in cells]
    return [None if v in (None, "") else str(v).lower() if boolean else v for v in cells]


def plain(column):
    """A column as the store gives it, as a list."""
    if isinstance(column, np.ndarray):
        return column.tolist()
    return [None if code < 0 else column.vocabulary[code] for code in column.codes]


@settings(max_examples=25, deadline=None)
@given(tables())
def test_every_format_gives_the_columns_that_were_sent_and_the_same_id(new_store, writers, table):
    store = new_store()
    features = {name: cells for name, cells in table.items() if name != "label"}
    texts = [name for name, cells in features.items() if kind_of(cells) is str]
    ids = set()
    for media_type, write in writers.items():
        typed = {n: [None] * len(c) if not any(v is not None for v in c) else c for n, c in table.items()}
        dataset, created = store.ingest(
            [write(typed)], media_type=media_type, label="label", categorical=texts
        )
        assert created == (not ids)
        ids.add(dataset.id)
        opened = store.open(dataset.id)
        for name, cells in features.items():
            boolean = kind_of(cells) is bool
            np.testing.assert_equal(plain(opened.columns()[name]), expected(cells, boolean))
            assert (name in opened.booleans) == boolean
        classes = [each.label for each in dataset.classes]
        assert classes == sorted(set(table["label"]))
        assert [type(c) for c in classes] == [type(c) for c in sorted(set(table["label"]))]
        assert [classes[code] for code in opened.labels] == table["label"]
        assert [c.missing for c in dataset.columns] == [
            sum(v in (None, "") for v in cells) for cells in features.values()
        ]
    assert len(ids) == 1


@settings(max_examples=12, deadline=None)
@given(st.sampled_from(["float32", "float64", "uint8"]), st.integers(1, 4), st.randoms(use_true_random=False))
def test_vectors_agree_between_npz_parquet_and_arrow(new_store, writers, npz, dtype, width, random):
    import pyarrow as pa

    x = np.array([[random.randrange(256) for _ in range(width)] for _ in range(6)], dtype=dtype)
    y = np.array([0, 1, 2, 0, 1, 2])
    table = pa.table({"x": pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), width), "y": pa.array(y)})
    store, ids = new_store(), set()
    bodies = {m: w(table) for m, w in writers.items() if "apache" in m}
    bodies["application/x-npz"] = npz(x=np.asfortranarray(x) if random.random() < 0.5 else x, y=y)
    for media_type, body in bodies.items():
        dataset, _ = store.ingest([body], media_type=media_type, label="y")
        ids.add(dataset.id)
        stored = store.open(dataset.id).columns()["x"]
        assert stored.dtype == dtype
        np.testing.assert_array_equal(stored, x)
    assert len(ids) == 1


@pytest.mark.parametrize("format", ["parquet", "stream", "file", "json", "npz", "gzip"])
def test_a_body_cut_off_anywhere_is_refused_and_leaves_nothing(store, root, writers, npz, format):
    import gzip

    from app.errors import NeuronaError

    table = {"a": [1.5, 2.5, 3.5, 4.5], "b": ["x", "y", "x", "y"], "y": ["p", "q", "p", "q"]}
    media_type = {
        "parquet": "application/vnd.apache.parquet", "stream": "application/vnd.apache.arrow.stream",
        "file": "application/vnd.apache.arrow.file", "json": "application/json", "npz": "application/x-npz",
        "gzip": "text/csv",
    }[format]  # fmt: skip
    body = (
        npz(x=np.arange(8.0).reshape(4, 2), y=np.array([0, 1, 0, 1]))
        if format == "npz"
        else writers[media_type](table)
    )
    body = gzip.compress(body) if format == "gzip" else body
    step = 1 if len(body) < 600 else 7  # all lengths modulo 8 are met, and in time both ends of each
    for length in {*range(0, len(body), step), *range(len(body) - 64, len(body))}:
        with pytest.raises(NeuronaError):
            store.ingest(
                [body[:length]], media_type=media_type, encoding="gzip" if format == "gzip" else None
            )
    assert list(root.iterdir()) == []


@pytest.mark.parametrize(
    "media_type", ["application/vnd.apache.parquet", "application/vnd.apache.arrow.stream"]
)
@settings(max_examples=50, deadline=None)
@given(st.data())
def test_damaged_columnar_bytes_give_a_dataset_or_an_error_of_ours(new_store, writers, media_type, data):
    from app.errors import NeuronaError

    table = {"a": [1.5, None, 3.5, 4.5], "b": ["x", "y", None, "y"], "y": ["p", "q", "p", "q"]}
    body = bytearray(writers[media_type](table))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    store = new_store(max_dataset_bytes=1 << 24)
    try:
        store.ingest([bytes(body)], media_type=media_type)
    except NeuronaError:
        assert True
