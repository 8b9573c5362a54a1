"""CSV as people send it: typed by first cells, and every mistake told with its row, column and line."""

import csv
import io
import re

import numpy as np
import pytest

from app.errors import Invalid, TooLarge, Unreadable

GOOD = b"age,job,y\n39,a,no\n,b,yes\n2.5,,no\n1,c,yes\n"


def problem(error):
    assert isinstance(error, Invalid)
    return error.problems[0]


def place(error):
    found = problem(error)
    return found.row, found.column, found.location


def test_the_last_column_is_the_label_and_types_come_from_first_cells(opened):
    data = opened(GOOD)
    assert data.dataset.label == "y"
    assert [(c.name, c.type, c.missing) for c in data.dataset.columns] == [
        ("age", "numeric", 1),
        ("job", "categorical", 1),
    ]
    np.testing.assert_equal(data.columns()["age"], [39, np.nan, 2.5, 1])
    assert data.columns()["job"].vocabulary == ("a", "b", "c")
    assert data.columns()["job"].codes.tolist() == [0, 1, -1, 2]
    assert data.labels.tolist() == [0, 1, 0, 1]


def test_another_column_can_be_the_label(opened):
    data = opened(GOOD.replace(b"2.5", b"5").replace(b"\n,", b"\n7,"), label="age")
    assert [c.label for c in data.dataset.classes] == [1, 5, 7, 39]


@pytest.mark.parametrize(
    "word", ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "?", " NA", " ?", " "]
)
def test_words_for_missing_count_in_numeric_columns_only(opened, word):
    body = f"n,t,y\n{word},a,0\n1,{word},1\n2,b,0\n{word},b,1\n".encode()
    data = opened(body)
    np.testing.assert_equal(data.columns()["n"], [np.nan, 1, 2, np.nan])
    assert data.dataset.columns[1].missing == (word == "")
    assert (word in data.columns()["t"].vocabulary) == (word != "")


def test_true_and_false_in_any_case_are_one_boolean_column(opened):
    data = opened(b"b,y\nTrue,0\nFALSE,1\nfalse,0\n,1\n")
    assert data.booleans == {"b"}
    assert data.columns()["b"].vocabulary == ("false", "true")
    assert data.columns()["b"].codes.tolist() == [1, 0, 0, -1]


def test_a_boolean_column_with_another_word_is_plain_text(opened):
    data = opened(b"b,y\nTrue,0\nFALSE,1\nmaybe,0\ntrue,1\n")
    assert data.booleans == frozenset()
    assert data.columns()["b"].vocabulary == ("FALSE", "True", "maybe", "true")


def test_categorical_takes_numbers_as_the_text_they_are(opened):
    data = opened(b"zip,y\n01,0\n1,1\n1.0,0\nNA,1\n", categorical=["zip"])
    assert data.columns()["zip"].vocabulary == ("01", "1", "1.0", "NA")


def test_a_column_without_values_is_numeric_and_warned_of(opened):
    data = opened(b"n,m,y\n,1,0\nNA,1,1\n?,1,0\n,1,1\n")
    assert np.isnan(data.columns()["n"]).all()
    assert data.dataset.columns[0].type == "numeric"
    assert "column without any value: n" in data.dataset.warnings
    assert "column with the same value in every row: m" in data.dataset.warnings


def test_a_type_is_found_however_late_its_first_value_comes(opened):
    rows = "".join(f",{i},{i % 2}\n" for i in range(200_000))
    data = opened(f"late,n,y\n{rows}word,1,0\n".encode())
    assert data.columns()["late"].vocabulary == ("word",)
    assert data.columns()["late"].codes[-1] == 0
    assert data.columns()["n"][:200_000].tolist() == list(range(200_000))


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n\n"])
def test_line_ends_delimiters_marks_and_blank_lines_do_not_matter(opened, ending, delimiter, start):
    text = start + GOOD.decode().replace("\n2.5", "\n\n2.5").rstrip("\n")
    data = opened(text.replace(",", delimiter).replace("\n", ending).encode())
    assert data.dataset.id == opened(GOOD).dataset.id
    assert data.dataset.warnings == opened(GOOD).dataset.warnings


def test_quoted_cells_hold_delimiters_quotes_and_line_ends(opened):
    rows = [
        ["te\nxt", "n", "y"],
        ['a "b", c', 1, "0"],
        ["two\nlines", 2, "1"],
        ["x\r\ny", 3, "0"],
        ["", 4, "1"],
    ]
    file = io.StringIO(newline="")
    csv.writer(file).writerows(rows)
    data = opened(file.getvalue().encode())
    column = data.columns()["te\nxt"]
    assert [column.vocabulary[c] for c in column.codes[:3]] == [row[0] for row in rows[1:4]]


def test_a_row_longer_than_a_block_is_read_and_none_is_read_twice(opened):
    cells = ["a", "b" * 3_000_000, "c", "d" * 9_000_000, *"efghij" * 1000]
    body = "t,n,y\n" + "".join(f"{cell},{i},{i % 2}\n" for i, cell in enumerate(cells))
    data = opened(body.encode())
    assert data.columns()["n"].tolist() == list(range(len(cells)))
    vocabulary = data.columns()["t"].vocabulary
    assert [vocabulary[code] for code in data.columns()["t"].codes] == cells


def test_text_in_a_numeric_column_is_told_with_the_cell_that_typed_it(fault):
    error = fault(b"age,y\n,0\n39,1\n40,0\nabc,1\n5,0\n")
    assert str(error) == (
        "column 'age' is numeric by its first cell '39' (row 1), but row 3 has 'abc'; "
        "send ?categorical=age to take it as text"
    )
    assert place(error) == (3, "age", "line 5")


def test_a_fault_far_into_the_file_is_found(fault):
    rows = [f"{i},{i % 3}" for i in range(300_000)]
    rows[234_567] = "oops,1"
    error = fault(("a,y\n" + "\n".join(rows)).encode())
    assert place(error) == (234_567, "a", "line 234569")


def test_lines_are_counted_as_an_editor_counts_them(fault):
    error = fault(b'\na,t,y\n1,"two\nlines",0\n\n2,x,1\nbad,x,0\n')
    assert place(error) == (2, "a", "line 7")


@pytest.mark.parametrize("word", ["inf", "-inf", "Infinity", "-Infinity", "1e999"])
def test_infinities_are_refused(fault, word):
    error = fault(f"a,b,y\n1,1,0\n2,2,1\n3,{word},0\n4,4,1\n".encode())
    assert place(error) == (2, "b", "line 4")
    assert "infinite" in str(error)


@pytest.mark.parametrize(("row", "cells"), [("4", 1), ("4,5,6,7", 4)])
def test_ragged_rows_are_refused(fault, row, cells):
    error = fault(f"a,b,y\n1,1,0\n2,2,1\n{row}\n4,4,1\n".encode())
    assert place(error) == (2, None, "line 4")
    assert str(error) == f"row 2 has {cells} cells where the header has 3"


def test_bytes_that_are_not_utf8_are_told_with_their_line(fault):
    error = fault("a,y\n1,x\n2,caf\u00e9\n3,x\n".encode("latin-1"))
    assert isinstance(error, Unreadable)
    assert "not UTF-8: byte 0xE9 in line 3 (row 1)" in str(error)
    assert "not UTF-8: byte 0xFF in its header" in str(fault("a,y\n1,2\n".encode("utf-16")))


@pytest.mark.parametrize(
    ("header", "message", "column"),
    [
        ("a,b,a", "column name 'a' occurs twice, as columns 0 and 2", "a"),
        (",a,y", "column 0 has no name", None),
        ("a, ,y", "column 1 has no name", None),
    ],
)
def test_header_names_must_be_there_and_differ(fault, header, message, column):
    error = fault(f"{header}\n1,2,3\n".encode())
    assert problem(error).message.startswith(message)
    assert place(error) == (None, column, "line 1")


def test_an_unknown_label_column_is_told_with_those_there_are(fault):
    assert (
        str(fault(GOOD, label="z"))
        == "there is no column 'z' to take the labels from; the columns are: age, job, y"
    )


def test_an_unknown_categorical_column_is_refused(fault):
    assert problem(fault(GOOD, categorical=["z"])).column == "z"
    assert problem(fault(GOOD, categorical=["y"])).column == "y"


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (b"", Unreadable, "empty"),
        (b"\n\n", Unreadable, "no header line"),
        (b"a,y", Invalid, "a header line but no rows"),
        (b"a,y\n\n\n", Invalid, "a header line but no rows"),
        (b"y\n1\n2\n", Invalid, "two columns"),
        (b"a,y\n1,0\n2,1\n3,0\n", Invalid, "at least 4 rows"),
        (b"a,y\n1,7\n2,7\n3,7\n4,7\n", Invalid, "all 4 rows have the label 7"),
    ],
)
def test_too_little_is_refused(fault, body, error, words):
    found = fault(body)
    assert isinstance(found, error)
    assert words in str(found)


def test_a_missing_label_is_told_with_its_row(fault):
    assert place(fault(b"a,y\n1,p\n2,\n3,q\n4,q\n")) == (1, "y", "line 3")
    assert place(fault(b"a,y\n1,0\n2,1\n3,NA\n4,0\n")) == (2, "y", "line 4")


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["2", "-1", "10", "2"], [-1, 2, 10]),
        (["2", "01", "1", "2"], ["01", "1", "2"]),
        (["1.0", "2.0", "1.0", "2.0"], ["1.0", "2.0"]),
        (["-0", "1", "-0", "1"], ["-0", "1"]),
        (["9223372036854775807", "0", "0", "0"], [0, 2**63 - 1]),
        (["9223372036854775808", "0", "0", "0"], ["0", "9223372036854775808"]),
        (["true", "false", "true", "false"], [False, True]),
        (["True", "False", "True", "False"], ["False", "True"]),
        (["NA", "EU", "NA", "EU"], ["EU", "NA"]),
    ],
)
def test_labels_come_back_as_they_were_sent(opened, labels, classes):
    data = opened("a,y\n{}".format("".join(f"{i},{v}\n" for i, v in enumerate(labels))).encode())
    found = [each.label for each in data.dataset.classes]
    assert found == classes
    assert [type(v) for v in found] == [type(v) for v in classes]
    assert [str(found[code]).lower() for code in data.labels] == [v.lower() for v in labels]


def test_limits_on_columns_and_classes(new_store):
    store = new_store(max_columns=3, max_classes=2)
    with pytest.raises(TooLarge, match=re.escape("3 columns (max_columns)")):
        store.ingest([b"a,b,c,y\n1,2,3,4\n"], media_type="text/csv")
    with pytest.raises(Invalid, match="more than 2 different labels"):
        store.ingest([b"a,y\n1,2\n1,3\n1,4\n1,5\n"], media_type="text/csv")


@pytest.mark.parametrize("rows", [10, 5000])
@pytest.mark.parametrize("row", ['"never closed,3,1', 'word3,3,"1', 'word3,"3,1'])
def test_a_quote_that_nothing_closes_is_found_and_swallows_no_rows(store, rows, row):
    lines = ["note,size,label", *(f"word{i % 7},{i},{i % 2}" for i in range(rows))]
    lines[4] = row
    with pytest.raises(Unreadable, match="the quote that line 5 opens is never closed"):
        store.ingest(["\n".join(lines).encode()], media_type="text/csv")


def test_a_quote_inside_a_cell_is_a_letter(store):
    lines = ["note,size,label", *(f'{i}" wide,{i},{i % 2}' for i in range(9))]
    made, _ = store.ingest(["\n".join(lines).encode()], media_type="text/csv")
    assert (made.rows, made.columns[0].categories) == (9, 9)
