"""Arrow streams: columns by name and of the right type; what a stream claims is checked before it is decoded."""

import struct
import tracemalloc

import numpy as np
import pyarrow as pa
import pytest

from app.datasets.formats.arrow_messages import row_messages
from app.errors import TooLarge, Unreadable
from core import encoding
from core.encoding import Codes, transform_matrix

ARROW = "application/vnd.apache.arrow.stream"


def batches(body):
    """Rows and whether they are compressed, of every message that has any, or a dictionary's texts."""
    return [(message.rows, message.compressed) for message in row_messages(pa.BufferReader(body))]


@pytest.mark.parametrize(
    "kind", [pa.float16(), pa.float32(), pa.int8(), pa.uint16(), pa.int64(), pa.uint64(), pa.null()]
)
def test_numbers_of_every_type_are_read_and_nulls_are_missing(numeric, read, arrow, kind):
    b = [None, None, None] if pa.types.is_null(kind) else [1, None, 3]
    oracle = np.array(
        [[1, np.nan], [2, np.nan], [3, np.nan]] if b[0] is None else [[1, 1], [2, np.nan], [3, 3]]
    )
    body = arrow({"b": pa.array(b, kind), "a": [1, 2, 3]})
    np.testing.assert_array_equal(read(numeric, body, ARROW).features, transform_matrix(numeric, oracle))


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string()), pa.null()]
)
def test_text_of_every_type_is_a_category(table, read, instances, arrow, kind):
    colours = [None] * 3 if pa.types.is_null(kind) else ["green", None, "mauve"]
    body = arrow({"new": [True, None, False], "colour": pa.array(colours, kind), "size": [1.0, 2.0, 3.0]})
    rows = [
        [size, colour, new] for size, colour, new in zip([1, 2, 3], colours, [True, None, False], strict=True)
    ]
    np.testing.assert_array_equal(read(table, body, ARROW).features, read(table, instances(rows)).features)


@pytest.mark.parametrize(
    ("columns", "column", "message"),
    [
        ({"a": [1.0]}, "b", "column 'b': the column is missing"),
        (
            {"a": [1.0], "b": [1.0], "c": [1.0]},
            "c",
            "column 'c': no such column; the model's columns are 'a', 'b'",
        ),
        ({"a": [1.0], "b": ["x"]}, "b", "column 'b': expected numbers, got Arrow type string"),
        ({"a": [1.0], "b": [True]}, "b", "column 'b': expected numbers, got Arrow type bool"),
        ({"a": [1.0], "b": [[1.0]]}, "b", "column 'b': expected numbers, got Arrow type list"),
        (
            {"a": [1.0, 2.0, np.inf], "b": [1, 2, 3]},
            "a",
            "row 2, column 'a': expected a finite number, got inf",
        ),
    ],
)
def test_columns_that_are_not_the_models_are_named(numeric, problems, arrow, columns, column, message):
    (problem,) = problems(numeric, arrow(columns), ARROW)
    assert problem.column == column
    assert problem.message.startswith(message)


def test_a_column_given_twice_is_refused(numeric, problems):
    made = pa.Table.from_arrays([pa.array([1.0])] * 3, names=["a", "b", "a"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, made.schema) as stream:
        stream.write_table(made)
    (problem,) = problems(numeric, sink.getvalue().to_pybytes(), ARROW)
    assert problem.message == "column 'a': the column is there twice"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"colour": [1, 2]}, "column 'colour': expected strings, got Arrow type int64"),
        ({"colour": [True, False]}, "column 'colour': expected strings, got Arrow type bool"),
        ({"new": [1, 0]}, "column 'new': expected booleans, got Arrow type int64"),
        ({"new": ["true", "yes"]}, "row 1, column 'new': expected true or false, got the string 'yes'"),
        ({"at": [1.0, 2.0]}, "column 'at': expected lists of 2 numbers, got Arrow type double"),
        ({"at": [["x"], ["y"]]}, "column 'at': expected lists of 2 numbers, got Arrow type list"),
        ({"at": [[1.0, 2.0], [3.0]]}, "row 1, column 'at': expected 2 numbers, got 1"),
    ],
)
def test_a_wrong_column_of_a_mixed_model_is_named(mixed, problems, arrow, changed, message):
    columns = {"size": [1, 2], "colour": ["red", "green"], "new": [True, None], "at": [[1.0, 2.0], None]}
    (problem,) = problems(mixed, arrow(columns | changed), ARROW)
    assert problem.message.startswith(message)


@pytest.mark.parametrize("compression", ["zstd", "lz4"])
def test_compressed_buffers_are_refused_before_they_fill_the_memory(numeric, problems, arrow, compression):
    body = arrow({"a": np.zeros(40), "b": np.zeros(40)}, compression)
    (problem,) = problems(numeric, body, ARROW)
    assert problem.message.startswith("compressed Arrow buffers are not read")


def test_a_compressed_dictionary_is_refused_too(table, problems, arrow):
    colours = pa.array(["red", "green"] * 9).dictionary_encode()
    columns = {
        "size": pa.array([None] * 18, pa.null()),
        "colour": colours,
        "new": pa.array([None] * 18, pa.null()),
    }
    (problem,) = problems(table, arrow(columns, "zstd"), ARROW)
    assert problem.message.startswith("compressed Arrow buffers are not read")


def test_the_first_way_of_saying_compressed_is_noticed_too():
    made = pa.record_batch({"a": [1.0]})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, made.schema) as stream:
        stream.write_batch(made, custom_metadata={"ARROW:experimental_compression": "zstd"})
    assert list(batches(sink.getvalue().to_pybytes())) == [(1, True)]


def test_the_headers_say_what_pyarrow_later_decodes(arrow):
    columns = {"a": np.arange(7.0), "c": pa.array(list("xyxyxyz")).dictionary_encode()}
    assert list(batches(arrow(columns))) == [(0, False), (2, False), (2, False), (2, False), (1, False)]
    assert all(compressed for _, compressed in batches(arrow(columns, "zstd")))


def test_a_batch_that_claims_a_billion_rows_is_refused_by_its_claim(numeric, read, arrow):
    body = arrow({"a": pa.array([None, None], pa.null()), "b": pa.array([None, None], pa.null())})
    claim = body.replace(struct.pack("<q", 2), struct.pack("<q", 10**9))
    with pytest.raises(TooLarge, match="1000000000 rows"):
        read(numeric, claim, ARROW)


@pytest.mark.parametrize("size", [0, 3, 50, 300, -20, -8, -1])
def test_a_stream_that_is_cut_short_is_unreadable(numeric, read, arrow, size):
    body = arrow({"a": [1.0, 2.0], "b": [1.0, 2.0]})[:size]
    with pytest.raises(Unreadable, match="The Arrow body could not be read"):
        read(numeric, body, ARROW)


def test_what_follows_the_end_of_a_stream_is_not_passed_over(numeric, read, arrow):
    with pytest.raises(Unreadable, match="no end marker"):
        read(numeric, arrow({"a": [1.0, 2.0], "b": [1.0, 2.0]}) + b"more", ARROW)


def test_text_that_is_not_utf8_is_unreadable(table, read, arrow):
    body = arrow({"size": [1.0], "colour": ["red!"], "new": [True]}).replace(b"red!", b"red\xff")
    with pytest.raises(Unreadable, match=r"UTF-?8"):
        read(table, body, ARROW)


def test_offsets_that_point_outside_are_unreadable(table, read, arrow):
    body = arrow({"size": [1.0], "colour": ["abcdefghijk"], "new": [True]})
    before, offsets, after = body.rpartition(struct.pack("<ii", 0, 11))
    assert offsets
    with pytest.raises(Unreadable):
        read(table, before + struct.pack("<ii", 0, 1 << 30) + after, ARROW)


def streamed(table):
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes(), "application/vnd.apache.arrow.stream"


def test_decimals_are_numbers_and_the_index_of_a_data_frame_is_no_column(numeric, read):
    numbers = {"a": pa.array([1, 3]).cast(pa.decimal128(20, 1)), "b": pa.array([2.5, None])}
    found = read(numeric, *streamed(pa.table({"__index_level_0__": ["p", "q"], **numbers}))).features
    expected = transform_matrix(numeric, np.array([[1, 2.5], [3, np.nan]]))
    np.testing.assert_array_equal(found, expected, strict=True)


def test_an_empty_text_is_a_missing_truth(table, read, instances):
    missing = read(table, instances([[1, "red", None]])).features
    rows = pa.table({"size": [1.0], "colour": ["red"], "new": [""]})
    np.testing.assert_array_equal(read(table, *streamed(rows)).features, missing)
    np.testing.assert_array_equal(read(table, instances([[1, "red", ""]])).features, missing)


def test_what_can_be_trained_on_is_predicted_too(mixed, read, instances):
    """Extension types are what they are made of, and vectors may be of booleans."""
    at = np.array([[0.0, 1.0], [1.0, 1.0]])
    rows = instances([[1, "red", True, [0, 1]], [2, "green", False, [1, 1]]])
    for vectors in (pa.FixedShapeTensorArray.from_numpy_ndarray(at), pa.array(at.astype(bool).tolist())):
        columns = {"size": [1.0, 2.0], "colour": ["red", "green"], "new": [True, False], "at": vectors}
        found = read(mixed, *streamed(pa.table(columns))).features
        np.testing.assert_array_equal(found, read(mixed, rows).features)
    small = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 2], pa.int8()))
    columns = {"size": small, "colour": ["red", "green"], "new": [True, False], "at": at.tolist()}
    found = read(mixed, *streamed(pa.table(columns))).features
    np.testing.assert_array_equal(found, read(mixed, rows).features)


@pytest.mark.parametrize(
    ("kind", "texts"), [(pa.int64(), ["7", "8"]), (pa.float64(), ["7", "8"]), (pa.bool_(), ["true", "false"])]
)
def test_dictionaries_of_other_things_are_the_texts_that_they_are_trained_on(read, kind, texts):
    """As a data frame's categories of numbers are, which any batch may have others of."""
    fitted = encoding.fit({"t": Codes(np.array([0, 1, 0]), tuple(texts)), "n": np.array([1.0, 2.0, 3.0])})
    first, second = [True, False] if pa.types.is_boolean(kind) else [7, 8]
    batches = [
        pa.record_batch(
            {"t": pa.DictionaryArray.from_arrays([0, 1, None], pa.array(values, kind)), "n": [1.0, 2.0, 3.0]}
        )
        for values in ([first, second], [second, first])
    ]
    read_as = read(fitted, *streamed(pa.Table.from_batches(batches))).features
    plain = pa.table({"t": [*texts, None, *texts[::-1], None], "n": [1.0, 2.0, 3.0] * 2})
    np.testing.assert_array_equal(read_as, read(fitted, *streamed(plain)).features)


def test_text_that_many_rows_share_is_not_written_out_for_each(table, read):
    """A hundred thousand rows of 100 KB would be ten gigabytes."""
    shared = pa.DictionaryArray.from_arrays(pa.array([0] * 50, pa.int8()), ["x" * 100_000])
    columns = {"size": np.ones(50), "colour": shared, "new": pa.nulls(50, pa.bool_())}
    body, media_type = streamed(pa.table(columns))
    tracemalloc.start()
    before = pa.default_memory_pool().max_memory()
    read(table, body, media_type)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 10 * len(body)
    assert pa.default_memory_pool().max_memory() - before < 10 * len(body)


def test_views_that_show_the_same_text_again_and_again_are_refused(table, read, problems):
    """Before any of it is looked at: a body of a few megabytes could show terabytes."""
    _, seen, text = pa.array(["x" * 1_000_000], pa.string_view()).buffers()
    many = pa.py_buffer(seen.to_pybytes()[:16] * 50)
    rows = {"size": np.ones(50), "new": pa.nulls(50, pa.bool_())}
    views = pa.Array.from_buffers(pa.string_view(), 50, [None, many, text])
    body, media_type = streamed(pa.table({**rows, "colour": views}))
    assert "texts seen through views" in problems(table, body, media_type)[0].message
    few = pa.array(["a category of more than twelve bytes", None] * 25, pa.string_view())
    assert len(read(table, *streamed(pa.table({**rows, "colour": few}))).features) == 50
