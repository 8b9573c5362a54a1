"""CSV texts: the model's columns in any order, empty cells for missing values, lines as people count them."""

import numpy as np
import pytest

from app.errors import Unreadable
from core.encoding import transform_matrix


@pytest.mark.parametrize(
    "text",
    [
        "b,a\n2.5,1\n,3\n",
        "a,b\r\n1,2.5\r\n3,\r\n",
        "\ufeffa,b\n\n1, 2.5 \n\n3,nan",
        'a,b\n"1","2.5"\n3,""',
        "a,b\n1,25e-1\n3, ",
        "a;b\n1;2.5\n3;NA\n",
        "b\ta\n2.5\t1\n\t3",
        "\n\n a , b \n1,2.5\n3,?",
        '"a","b"\n1,2.5\n3, N/A \n',
        "a,b\n1,2.5\n3,None",
    ],
)
def test_order_quotes_line_ends_delimiters_blanks_and_words_for_missing_change_nothing(numeric, read, text):
    expected = transform_matrix(numeric, np.array([[1, 2.5], [3, np.nan]]))
    np.testing.assert_array_equal(read(numeric, text.encode(), "text/csv").features, expected, strict=True)


@pytest.mark.parametrize(
    ("text", "row", "column", "location", "message"),
    [
        ("a\n1", None, "b", "header", "column 'b': the column is missing"),
        ("a,b,y\n1,2,3", None, "y", "header", "column 'y': no such column; the model's columns are 'a', 'b'"),
        ("a,b,a\n1,2,3", None, "a", "header", "column 'a': the column is there twice"),
        ("a,b\n1,2\n1,2,3", 1, None, "line 3", "row 1: expected 2 cells, got 3"),
        ("a,b\n\n1,2\n1", 1, None, "line 4", "row 1: expected 2 cells, got 1"),
        ("a,b\n1,x", 0, "b", "line 2", "row 0, column 'b': expected a number, got the string 'x'"),
        ("b,a\n1,x", 0, "a", "line 2", "row 0, column 'a': expected a number, got the string 'x'"),
        ("a,b\n1,1_0", 0, "b", "line 2", "row 0, column 'b': expected a number, got the string '1_0'"),
        ("a,b\n1,\u0661", 0, "b", "line 2", "row 0, column 'b': expected a number, got the string '\u0661'"),
        ("a,b\n1,true", 0, "b", "line 2", "row 0, column 'b': expected a number, got the string 'true'"),
        ("a,b\n1,2\n-inf,", 1, "a", "line 3", "row 1, column 'a': expected a finite number, got -inf"),
        ("a,b\n1,1e999", 0, "b", "line 2", "row 0, column 'b': expected a finite number, got inf"),
    ],
)
def test_a_mistake_is_named_with_its_line_and_column(numeric, problems, text, row, column, location, message):
    problem = problems(numeric, text.encode(), "text/csv")[0]
    assert (problem.row, problem.column, problem.location, problem.message) == (
        row,
        column,
        location,
        message,
    )


def test_categories_and_booleans_are_text(table, read, problems, instances):
    text = b"new,colour,size\nTRUE,red,1\nfalse,1.50,\n,,2"
    rows = [[1, "red", True], [None, "1.50", False], [2, None, None]]
    np.testing.assert_array_equal(
        read(table, text, "text/csv").features, read(table, instances(rows)).features
    )
    (problem,) = problems(table, b"size,colour,new\n1,red,yes", "text/csv")
    assert problem.message == "row 0, column 'new': expected true or false, got the string 'yes'"
    (problem,) = problems(table, b"size,colour,new\ntall,red,true", "text/csv")
    assert problem.message == "row 0, column 'size': expected a number, got the string 'tall'"


def test_a_model_with_vectors_takes_no_csv(vector, problems):
    (problem,) = problems(vector, b"x\n1", "text/csv")
    assert problem.message == "CSV cannot hold the vector column 'x'; send JSON, npy or Arrow"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"a,b\n1,\xff", "not UTF-8 at byte 6"),
        (b'a,b\n"1,2', "unexpected end of data, at line 2"),
        (b'a,b\n"1"2,3', "expected after '\"', at line 2"),
        (b"a,b\n1," + b"9" * 200_000, "field larger than field limit"),
    ],
)
def test_a_text_that_is_not_csv_is_unreadable(numeric, read, body, reason):
    with pytest.raises(Unreadable, match=reason):
        read(numeric, body, "text/csv")


@pytest.mark.parametrize("text", ["", "\n \r\n", "\ufeff"])
def test_nothing_at_all_is_unreadable(numeric, read, text):
    with pytest.raises(Unreadable, match="it is empty"):
        read(numeric, text.encode(), "text/csv")
