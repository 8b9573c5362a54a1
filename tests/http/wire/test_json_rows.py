"""JSON bodies: numbers are those that the standard library reads, and every mistake is named with its place."""

import json
import threading

import numpy as np
import pytest
import simdjson
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Invalid, Unreadable
from core.encoding import transform_matrix

styles = st.sampled_from(["{!r}", "{:.17g}", "{:e}", "{:.3f}", "{:E}", "{:.0f}"])
written = st.builds(
    lambda style, x: style.format(x), styles, st.floats(allow_nan=False, allow_infinity=False, width=64)
)
spaces = st.sampled_from(["", " ", "\n\t"])


@given(rows=st.lists(st.tuples(written, written), min_size=1, max_size=6), space=spaces)
def test_numbers_in_any_notation_are_what_the_standard_library_reads(numeric, read, rows, space):
    body = f'{{"instances":{space}[' + f",{space}".join(f"[{a}{space},{b}]" for a, b in rows) + "]}"
    oracle = np.array([[float(json.loads(a)), float(json.loads(b))] for a, b in rows])
    features = read(numeric, body.encode()).features
    np.testing.assert_array_equal(features, transform_matrix(numeric, oracle), strict=True)


@pytest.mark.parametrize(
    ("rows", "row", "column", "message"),
    [
        ([[1, 2], [1, 2, 3]], 1, None, "row 1: expected 2 values, got 3"),
        ([[1, 2], [1]], 1, None, "row 1: expected 2 values, got 1"),
        ([[1, 2], []], 1, None, "row 1: expected 2 values, got 0"),
        ([[1, [2]], [3, 4]], 0, "b", "row 0, column 'b': expected a number, got a list of 1"),
        ([[1, {}], [3, 4]], 0, "b", "row 0, column 'b': expected a number, got an object"),
        ([[1, 2], ["abc", 4]], 1, "a", "row 1, column 'a': expected a number, got the string 'abc'"),
        ([[1, 2], [3, True]], 1, "b", "row 1, column 'b': expected a number, got true"),
        ([[1, 2], {"a": 1, "b": 2}], 1, None, "row 1: got an object among lists; rows are never mixed"),
        ([{"a": 1, "b": 2}, [1, 2]], 1, None, "row 1: got a list among objects; rows are never mixed"),
        ([[1, 2], 5], 1, None, "row 1: expected a list of 2 values or an object, got the number 5"),
        ([None], 0, None, "row 0: expected a list of 2 values or an object, got null"),
        ([{"a": 1}], 0, "b", "row 0, column 'b': the row has no such key; send null for a missing value"),
        (
            [{"a": 1, "b": 2, "c": 3}],
            0,
            "c",
            "row 0, column 'c': no such column; the model's columns are 'a', 'b'",
        ),
        ([{"a": "1", "b": 2}], 0, "a", "row 0, column 'a': expected a number, got the string '1'"),
    ],
)
def test_a_wrong_row_is_named_with_what_was_expected_and_what_came(
    numeric, problems, instances, rows, row, column, message
):
    (problem,) = problems(numeric, instances(rows))
    assert (problem.row, problem.column, problem.location) == (row, column, f"instances[{row}]")
    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    ("rows", "column", "message"),
    [
        ([[1, 2]], "x", "row 0, column 'x': expected 3 numbers, got 2"),
        ([[1, "b", 3]], "x", "row 0, column 'x': expected a number as element 1, got the string 'b'"),
        ([[[1, 2]]], "x", "row 0, column 'x': expected 3 numbers, got 2"),
        ([[[[1, 2, 3]]]], "x", "row 0, column 'x': expected 3 numbers, got 1"),
        ([[1, [2], 3]], "x", "row 0, column 'x': expected a number as element 1, got a list of 1"),
        ([{"x": 5}], "x", "row 0, column 'x': expected a list of 3 numbers, got the number 5"),
        ([5], None, "row 0: expected a list of 3 values or an object, got the number 5"),
    ],
)
def test_a_wrong_vector_is_named_with_its_element(vector, problems, instances, rows, column, message):
    (problem,) = problems(vector, instances(rows))
    assert (problem.row, problem.column, problem.message) == (0, column, message)


@pytest.mark.parametrize(
    ("row", "column", "message"),
    [
        (["1", "red", True, [1, 2]], "size", "expected a number, got the string '1'"),
        ([1, 5, True, [1, 2]], "colour", "expected a string, got the number 5"),
        ([1, True, True, [1, 2]], "colour", "expected a string, got true"),
        ([1, "red", "yes", [1, 2]], "new", "expected true or false, got the string 'yes'"),
        ([1, "red", 1, [1, 2]], "new", "expected true or false, got the number 1"),
        ([1, "red", [], [1, 2]], "new", "expected true or false, got a list of 0"),
        ([1, "red", True, [1, 2, 3]], "at", "expected 2 numbers, got 3"),
        ([1, "red", True, [1, False]], "at", "expected a number as element 1, got false"),
    ],
)
def test_a_wrong_cell_of_a_mixed_model_is_named(mixed, problems, instances, row, column, message):
    good = [1, "red", "true", [1, 2]]
    (problem,) = problems(mixed, instances([good, row]))
    assert (problem.row, problem.column) == (1, column)
    assert problem.message == f"row 1, column {column!r}: {message}"


def test_rows_of_unequal_lengths_are_refused_though_their_numbers_would_fill_the_matrix(
    numeric, problems, instances
):
    first, second = problems(numeric, instances([[1, 2, 3], [4]]))
    assert (first.message, second.message) == (
        "row 0: expected 2 values, got 3",
        "row 1: expected 2 values, got 1",
    )


def test_up_to_twenty_problems_are_told_at_once(numeric, problems, instances):
    assert len(problems(numeric, instances([["a", 1], ["b", None], [1, True]]))) == 3
    assert len(problems(numeric, instances([["x", "y"]] * 30))) == 20


def test_categories_never_seen_and_missing_ones_share_a_place(mixed, read, instances):
    rows = [[1, "mauve", None, None], [1, None, None, [None, None]]]
    first, second = read(mixed, instances(rows)).features
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(first[1:4], [0, 0, 1])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[]", "expected an object with 'instances', got a list"),
        (b"5", "expected an object with 'instances', got the number 5"),
        (b"null", "expected an object with 'instances', got null"),
        (b"{}", "the body has no 'instances'"),
        (b'{"top_k": 1}', "the body has no 'instances'"),
        (b'{"instances": 5}', "expected 'instances' to be a list of rows, got the number 5"),
        (b'{"instances": {}}', "expected 'instances' to be a list of rows, got an object"),
        (
            b'{"instances": [[1, 2]], "topk": 1}',
            "unknown field 'topk'; a prediction takes 'instances', 'top_k'",
        ),
        (b'{"instances": [], "instances": []}', "'instances' is given twice in the body"),
        (b'{"instances": [{"a": 1, "b": 2, "a": 1}]}', "'a' is given twice in instances[0]"),
        (b'{"instances": [{"a": 1e5, "b": 2, "a": 99999999999999999999}]}', "'a' is given twice in the body"),
        (
            b'{"instances": [], "top_k": 0}',
            "expected 'top_k' to be null or a whole number from 1, got the number 0",
        ),
        (b'{"instances": [], "top_k": 1.0}', "expected 'top_k' to be null or a whole number from 1"),
        (
            b'{"instances": [], "top_k": true}',
            "expected 'top_k' to be null or a whole number from 1, got true",
        ),
        (
            b'{"instances": [], "top_k": [1]}',
            "expected 'top_k' to be null or a whole number from 1, got a list",
        ),
        (b'{"instances": [], "explain": null}', "expected 'explain' to be true or false, got null"),
        (b'{"instances": [], "explain": 1}', "expected 'explain' to be true or false, got the number 1"),
    ],
)
def test_a_wrong_field_is_named(numeric, problems, body, message):
    (problem,) = problems(numeric, body)
    assert problem.message.startswith(message)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b'{"instances": [[1, 2]', "unexpected end of data at line 1, column 22"),
        (b'{"instances": [[1, NaN]]}', r"at line 1, column 20 \(character 19\)"),
        (b'{"instances": [[1, 2,]]}', "trailing comma"),
        (b'{"instances": [[1, 1e999]]}', "number is infinity"),
        (b'{"instances": [[1, 2]]} x', "content after document"),
        (b'{"instances": [["\xff", 2]]}', "UTF-8"),
        (b'{"instances": ' + b"[" * 5000 + b"]" * 5000 + b"}", "depth"),
        (b'{"instances": ' + b'{"a":' * 500_000, "depth"),
    ],
)
def test_what_is_not_json_is_unreadable_with_the_reason(numeric, read, body, reason):
    with pytest.raises(Unreadable, match=reason):
        read(numeric, body)


def test_what_is_nested_too_deeply_for_the_careful_parser_is_refused(numeric, read):
    """How deep that is hangs on Python's release; 1,000 levels are no row in any."""
    deep = b'{"instances": ' + b"[" * 1000 + b"9" * 30 + b"]" * 1000 + b"}"
    with pytest.raises((Unreadable, Invalid), match=r"nested too deeply|expected 2 values"):
        read(numeric, deep)


def test_a_vector_may_stand_in_a_list_as_the_one_cell_of_its_row(vector, read, instances):
    bare, wrapped = read(vector, instances([[1, 2, 3]])), read(vector, instances([[[1, 2, 3]]]))
    np.testing.assert_array_equal(wrapped.features, bare.features, strict=True)


def test_top_k_and_explain_are_read(numeric, read, instances):
    request = read(numeric, instances([[1, 2]], top_k=3, explain=True))
    assert (request.top_k, request.explain) == (3, True)
    request = read(numeric, instances([[1, 2]], top_k=None))
    assert (request.top_k, request.explain) == (None, False)


def test_integers_beyond_64_bits_are_numbers(numeric, read, instances):
    oracle = transform_matrix(numeric, np.array([[1e20, 2.0]]))
    np.testing.assert_array_equal(read(numeric, instances([[10**20, 2]])).features, oracle)


@pytest.mark.parametrize("row", [[1.5, 2], {"a": 1.5, "b": 2}, {"b": 2, "a": 1.5}])
def test_a_byte_order_mark_and_escaped_keys_change_nothing(numeric, read, row):
    body = json.dumps({"instances": [row]}).replace("inst", "\\u0069nst").encode()
    expected = transform_matrix(numeric, np.array([[1.5, 2]]))
    np.testing.assert_array_equal(read(numeric, b"\xef\xbb\xbf" + body).features, expected)


def test_a_kept_parser_serves_one_body_after_another_even_after_a_refusal(numeric, read, instances):
    parser = simdjson.Parser()
    kept = []
    for rows in ([[1, 2]], [["x", 2]], [[3, 4]], [[1, 2, 3]], [[5, 6]]):
        try:
            kept.append(read(numeric, instances(rows), parser=parser).features)
        except Invalid as error:
            kept.append(error)  # its traceback holds views of the document
    expected = transform_matrix(numeric, np.array([[1.0, 2], [3, 4], [5, 6]]))
    np.testing.assert_array_equal(np.vstack(kept[::2]), expected)


def test_threads_that_share_a_parser_never_see_each_others_rows(numeric, read, instances):
    parser = simdjson.Parser()
    wrong = []

    def work(number):
        body = instances([[number, row] for row in range(40)])
        expected = transform_matrix(numeric, np.array([[number, row] for row in range(40)], dtype=float))
        for _ in range(200):
            if not np.array_equal(read(numeric, body, parser=parser).features, expected):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
