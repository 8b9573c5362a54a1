"""Parquet and Arrow: columns by their types, and files that are not what they claim."""

import datetime
import decimal
import io
import struct

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import ipc, parquet

from app.datasets.formats import arrow_messages
from app.errors import Invalid, TooLarge, Unreadable

PARQUET = "application/vnd.apache.parquet"
STREAM = "application/vnd.apache.arrow.stream"
FILE = "application/vnd.apache.arrow.file"
ALL = pytest.mark.parametrize("media_type", [PARQUET, STREAM, FILE])
Y = pa.array(["a", "b", "a", "b"])


@ALL
@pytest.mark.parametrize(
    ("column", "dtype", "cells"),
    [
        (pa.array([1, None, 3, 4], pa.int8()), "float64", [1, np.nan, 3, 4]),
        (pa.array([1, None, 3, 2**63], pa.uint64()), "float64", [1, np.nan, 3, 2.0**63]),
        (pa.array([1.5, None, np.nan, 4], pa.float32()), "float32", [1.5, np.nan, np.nan, 4]),
        (pa.array(np.array([1, 2, 3, 4], "float16")), "float32", [1, 2, 3, 4]),
        (pa.array([decimal.Decimal("1.25"), None, decimal.Decimal(3), decimal.Decimal(4)]), "float64",
         [1.25, np.nan, 3, 4]),
        (pa.nulls(4), "float64", [np.nan] * 4),
    ],
)  # fmt: skip
def test_numbers_are_numeric(opened, writers, media_type, column, dtype, cells):
    data = opened(writers[media_type]({"n": column, "y": Y}), media_type)
    assert data.dataset.columns[0].dtype == dtype
    assert data.columns()["n"].dtype == dtype
    np.testing.assert_equal(data.columns()["n"], np.array(cells, dtype))


@ALL
@pytest.mark.parametrize(
    ("column", "cells", "boolean"),
    [
        (pa.array(["u", None, "v", "u"]), ["u", None, "v", "u"], False),
        (pa.array(["true", None, "false", "true"]), ["true", None, "false", "true"], False),
        (pa.array(["u", None, "v", "u"], pa.large_string()), ["u", None, "v", "u"], False),
        (pa.array(["u", None, "v", "u"]).dictionary_encode(), ["u", None, "v", "u"], False),
        (pa.array([True, None, False, True]), ["true", None, "false", "true"], True),
    ],
)
def test_text_dictionaries_and_booleans_are_categorical(opened, writers, media_type, column, cells, boolean):
    data = opened(writers[media_type]({"t": column, "y": Y}), media_type)
    codes, vocabulary = data.columns()["t"]
    assert [None if c < 0 else vocabulary[c] for c in codes] == cells
    assert list(vocabulary) == sorted(vocabulary)
    assert ("t" in data.booleans) == boolean


@pytest.mark.parametrize("media_type", [STREAM, FILE])
def test_dictionaries_of_numbers_are_categorical(opened, writers, media_type):
    column = pa.array([7, None, 5, 7]).dictionary_encode()
    codes, vocabulary = opened(writers[media_type]({"t": column, "y": Y}), media_type).columns()["t"]
    assert vocabulary == ("5", "7")
    assert codes.tolist() == [1, -1, 0, 1]


@ALL
@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float32()), pa.large_list(pa.float32()), pa.list_(pa.float32(), 2)]
)
def test_lists_of_one_length_are_vectors(opened, writers, media_type, kind):
    column = pa.array([None, [1, 2], [3, None], [5, 6]], kind)
    data = opened(writers[media_type]({"v": column, "y": Y}), media_type)
    np.testing.assert_equal(
        data.columns()["v"], np.array([[np.nan] * 2, [1, 2], [3, np.nan], [5, 6]], "float32")
    )
    assert data.dataset.columns[0].missing == 2


@ALL
def test_columns_asked_for_as_text_become_text(opened, writers, media_type):
    body = writers[media_type]({"i": pa.array([1, None, 2, 1]), "f": pa.array([1.0, 2.5, 1.0, 1.0]), "y": Y})
    columns = opened(body, media_type, categorical=["i", "f"]).columns()
    assert columns["i"].vocabulary == ("1", "2")
    assert columns["i"].codes.tolist() == [0, -1, 1, 0]
    assert columns["f"].vocabulary == ("1", "2.5")


@ALL
@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (pa.array([2, 1, 2, 1], pa.uint8()), [1, 2]),
        (pa.array([2.0, 1.0, 2.0, 1.0]), [1, 2]),
        (pa.array([True, False, True, False]), [False, True]),
        (pa.array(["1", "2", "1", "2"]), ["1", "2"]),
        (pa.array(["b", "a", "b", "a"]).dictionary_encode(), ["a", "b"]),
    ],
)
def test_labels_come_back_as_they_were_sent(opened, writers, media_type, labels, classes):
    data = opened(writers[media_type]({"n": pa.array([1, 2, 3, 4]), "y": labels}), media_type)
    found = [each.label for each in data.dataset.classes]
    assert found == classes
    assert [type(v) for v in found] == [type(v) for v in classes]
    assert [found[code] for code in data.labels] == labels.to_pylist()


@ALL
@pytest.mark.parametrize(
    "column",
    [
        pa.array([datetime.date(2020, 1, 1)] * 4),
        pa.array([{"a": 1}] * 4),
        pa.array([b"x"] * 4),
        pa.array([["x"]] * 4),
        pa.array([[[1.0]]] * 4),
    ],
    ids=str,
)
def test_other_types_are_refused_by_name(fault, writers, media_type, column):
    error = fault(writers[media_type]({"c": column, "y": Y}), media_type)
    assert isinstance(error, Invalid)
    assert error.problems[0].column == "c"
    assert "column 'c' is " in str(error)
    assert "label column 'c' is " in str(fault(writers[media_type]({"y": Y, "c": column}), media_type))


@ALL
@pytest.mark.parametrize(
    ("column", "words"),
    [
        (pa.array([1, 2, -np.inf, 4]), "infinite value in row 2"),
        (pa.array([[1.0], [1.0], [1.0, 2.0], [1.0]]), "list of 2 in row 2, the first of 1"),
        (pa.array([[1.0], [1.0], [np.inf], [1.0]]), "infinite value in row 2"),
        (pa.array([[1], [1], None, [1]], pa.list_(pa.uint8())), "missing value in row 2; send floats"),
    ],
)
def test_bad_cells_are_told_with_row_and_column(fault, writers, media_type, column, words):
    (problem,) = fault(writers[media_type]({"c": column, "y": Y}), media_type).problems
    assert (problem.row, problem.column) == (2, "c")
    assert words in problem.message


@ALL
def test_missing_labels_one_class_and_empty_tables_are_refused(fault, writers, media_type):
    write = writers[media_type]
    (problem,) = fault(
        write({"n": pa.array([1, 2, 3, 4]), "y": pa.array([1, 2, None, 1])}), media_type
    ).problems
    assert (problem.row, problem.column) == (2, "y")
    assert "all 4 rows" in str(
        fault(write({"n": pa.array([1, 2, 3, 4]), "y": pa.array([1] * 4)}), media_type)
    )
    assert "at least 4 rows" in str(fault(write({"n": pa.array([1.0]), "y": pa.array([1])}), media_type))
    assert "at least 4 rows" in str(fault(write({"n": pa.nulls(0), "y": pa.nulls(0)}), media_type))


@ALL
def test_the_index_that_a_data_frame_leaves_is_no_column(opened, writers, media_type):
    table = {"n": pa.array([1, 2, 3, 4]), "y": Y, "__index_level_0__": pa.array([9, 8, 7, 6])}
    data = opened(writers[media_type](table), media_type)
    assert data.dataset.label == "y"
    assert "index columns of a data frame were left out: 1" in data.dataset.warnings


@pytest.mark.parametrize("compression", ["lz4", "zstd", "uncompressed"])
def test_compressed_arrow_files_are_read(opened, writers, compression):
    table = pa.table({"n": np.arange(100_000.0), "y": np.arange(100_000) % 3})
    data = opened(writers[FILE](table, compression), FILE)
    np.testing.assert_array_equal(data.columns()["n"], np.arange(100_000.0))


def test_a_compressed_batch_is_weighed_before_it_is_unpacked(fault, monkeypatch):
    monkeypatch.setattr(arrow_messages, "MOST_UNPACKED", 1_000_000)
    for values, compression in ((np.zeros(300_000), "zstd"), (np.zeros(300_000), "lz4")):
        table = pa.table({"n": values, "y": np.arange(len(values)) % 2})
        file = io.BytesIO()
        with ipc.new_stream(
            file, table.schema, options=ipc.IpcWriteOptions(compression=compression)
        ) as writer:
            writer.write_table(table)
        assert isinstance(fault(file.getvalue(), STREAM), TooLarge)


def test_the_first_way_of_saying_compressed_is_weighed_too(fault, monkeypatch):
    """A buffer that claims to be a gigabyte, told of in the metadata of its message as Arrow 0.17 did."""
    claim, codec = struct.pack("<q", 1 << 30), {"ARROW:experimental_compression": "zstd"}
    batch = pa.record_batch({"n": np.frombuffer(claim + bytes(24)), "y": np.zeros(4, "int64")})
    file = io.BytesIO()
    with ipc.new_stream(file, batch.schema) as writer:
        writer.write_batch(batch, custom_metadata=codec)
    monkeypatch.setattr(arrow_messages, "MOST_UNPACKED", 1_000_000)
    assert isinstance(fault(file.getvalue(), STREAM), TooLarge)


def test_a_table_beyond_the_limit_is_too_large(new_store, writers):
    store = new_store(max_dataset_bytes=500_000)
    table = pa.table({"n": np.zeros(300_000), "y": np.arange(300_000) % 2})
    for media_type in (PARQUET, FILE):
        body = writers[media_type](table) if media_type == PARQUET else writers[FILE](table, "zstd")
        with pytest.raises(TooLarge, match="max_dataset_bytes"):
            store.ingest([body], media_type=media_type)


def test_arrow_offsets_that_point_outside_are_refused(fault, writers):
    body = bytearray(writers[STREAM]({"t": pa.array(["aa", "bb", "cc", "dd"]), "y": Y}))
    offsets = np.array([0, 2, 4, 6, 8], "int32").tobytes()
    at = body.index(offsets)
    body[at + 8 : at + 12] = (10**6).to_bytes(4, "little")
    assert isinstance(fault(bytes(body), STREAM), Unreadable)


def test_a_stream_without_its_end_is_refused(fault, writers):
    error = fault(writers[STREAM]({"n": pa.array([1, 2, 3, 4]), "y": Y})[:-8], STREAM)
    assert "no end marker" in str(error)


def test_a_parquet_file_with_its_middle_torn_out_is_refused(fault, writers):
    body = writers[PARQUET]({"n": pa.array(np.arange(10_000.0)), "y": pa.array(np.arange(10_000) % 2)})
    torn = body[:2000] + b"\xff" * 3000 + body[5000:]
    assert isinstance(fault(torn, PARQUET), Unreadable)


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
@pytest.mark.parametrize("name", ["t", "y"])
def test_text_in_deltas_is_refused_with_its_column_and_what_to_do(opened, encoding, name):
    sink = io.BytesIO()
    table = pa.table({"n": [1, 2, 3, 4], "t": Y, "y": Y})
    parquet.write_table(table, sink, use_dictionary=False, column_encoding={name: encoding})
    with pytest.raises(Invalid) as caught:
        opened(sink.getvalue(), PARQUET)
    assert caught.value.problems[0].column == name
    assert f"{encoding}; write its text PLAIN" in str(caught.value)


@pytest.mark.parametrize("media_type", [STREAM, FILE])
def test_views_that_show_the_same_text_again_and_again_are_weighed(
    fault, opened, writers, monkeypatch, media_type
):
    """Before any of it is looked at: a few megabytes could show terabytes."""
    monkeypatch.setattr(arrow_messages, "MOST_UNPACKED", 1_000_000)
    _, seen, text = pa.array(["x" * 50_000], pa.string_view()).buffers()
    many = pa.py_buffer(seen.to_pybytes()[:16] * 40)
    views = pa.Array.from_buffers(pa.string_view(), 40, [None, many, text])
    labels = pa.array(["a", "b"] * 20)
    told = fault(writers[media_type]({"t": views, "y": labels}), media_type)
    assert isinstance(told, TooLarge)
    few = pa.array(["a category of more than twelve bytes", None] * 20, pa.string_view())
    data = opened(writers[media_type]({"t": few, "y": labels}), media_type)
    assert data.columns()["t"].vocabulary == ("a category of more than twelve bytes",)
