"""JSON: lists or objects, typed by first values; every mistake told with its row and column."""

import json

import numpy as np
import pytest

from app.errors import Invalid, TooLarge, Unreadable

JSON = "application/json"
LABELS = ["a", "b", "a", "b"]


def body(instances, labels=None, **more):
    return json.dumps({"instances": instances, "labels": labels or LABELS, **more}).encode()


def problem(error):
    assert isinstance(error, Invalid)
    return error.problems[0]


def test_lists_without_names_are_called_x0_x1(opened):
    data = opened(body([[1, "u"], [2.5, "v"], [None, None], [4, "u"]]), JSON)
    assert [(c.name, c.type, c.missing) for c in data.dataset.columns] == [
        ("x0", "numeric", 1),
        ("x1", "categorical", 1),
    ]
    np.testing.assert_equal(data.columns()["x0"], [1, 2.5, np.nan, 4])
    assert data.dataset.label == "label"


def test_objects_have_the_union_of_their_keys_in_order_of_appearance(opened):
    data = opened(body([{"b": 1}, {"a": True, "b": 2}, {}, {"c": [1, None], "a": None}]), JSON)
    assert [(c.name, c.type, c.missing) for c in data.dataset.columns] == [
        ("b", "numeric", 2),
        ("a", "categorical", 3),
        ("c", "vector", 4),
    ]
    assert data.booleans == {"a"}
    np.testing.assert_equal(data.columns()["c"][3], [1, np.nan])


def test_lists_and_objects_of_the_same_rows_are_the_same_dataset(opened):
    lists = [[1, "u"], [2, None], [3, "w"], [None, "u"]]
    objects = [dict(zip("ab", row, strict=True)) for row in lists]
    first = opened(body(lists, feature_names=["a", "b"]), JSON)
    assert first.dataset.id == opened(body(objects), JSON).dataset.id
    assert first.dataset.id == opened(body(objects, feature_names=["a", "b"]), JSON).dataset.id


def test_categorical_takes_any_scalar_as_text(opened):
    data = opened(body([[1], [1.0], ["x"], [True]]), JSON, categorical=["x0"])
    assert data.columns()["x0"].vocabulary == ("1", "true", "x")


def test_a_feature_may_be_called_label(opened):
    data = opened(body([{"label": v} for v in range(4)]), JSON)
    assert data.dataset.label == "label_"
    assert data.columns()["label"].tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("labels", "classes"),
    [([3, -1, 3, 3], [-1, 3]), ([True, False, True, True], [False, True]), (["1", "2", "1", "2"], ["1", "2"]),
     ([1.0, 2, 1, 2], [1, 2]), (["true", "false", "true", "false"], ["false", "true"])],
)  # fmt: skip
def test_labels_come_back_as_they_were_sent(opened, labels, classes):
    data = opened(body([[1], [2], [3], [4]], labels), JSON)
    found = [each.label for each in data.dataset.classes]
    assert found == classes
    assert [type(v) for v in found] == [type(v) for v in classes]
    assert [found[code] for code in data.labels] == labels


@pytest.mark.parametrize(
    ("instances", "row", "column", "words"),
    [
        ([[1], [2], ["x"], [4]], 2, "x0", "wants a number"),
        ([[1], [2], [True], [4]], 2, "x0", "wants a number"),
        ([["u"], ["v"], [3], ["w"]], 2, "x0", "wants a string"),
        ([[True], [None], ["true"], [False]], 2, "x0", "wants true or false"),
        ([[[1, 2]], [None], [[1]], [[3, 4]]], 2, "x0", "a list of 2 numbers"),
        ([[[1, 2]], [None], [[1, "x"]], [[3, 4]]], 2, "x0", "has a list of 2 with 'x' in it"),
        ([[[[1]]], [[[1]]], [[[1]]], [[[1]]]], 0, "x0", "has a list of 1 with a list in it"),
        ([[{"a": 1}], [1], [2], [3]], 0, "x0", "wants a number"),
        ([[[]], [[]], [[]], [[]]], 0, "x0", "wants a number"),
        ([[1, 2], [1, 2], [1], [1, 2]], 2, None, "has 1 cells where the first has 2"),
        ([[1, 2], [1, 2], {"a": 1}, [1, 2]], 2, None, "not a list as the first"),
        ([{"a": 1}, {"a": 1}, [1], {"a": 1}], 2, None, "not an object as the first"),
        ([1, 2, 3, 4], 0, None, "neither a list nor an object"),
    ],
)
def test_rows_that_do_not_fit_are_told_with_row_and_column(fault, instances, row, column, words):
    found = problem(fault(body(instances), JSON))
    assert (found.row, found.column, found.location) == (row, column, f"instances[{row}]")
    assert words in found.message


@pytest.mark.parametrize(
    ("labels", "row", "words"),
    [
        (["a", "b", None, "a"], 2, "missing"),
        (["a", "b", "", "a"], 2, "missing"),
        (["a", "b", 3, "a"], 2, "the first label 'a' is a string"),
        ([1, 2, True, 1], 2, "the first label 1 is a number"),
        ([1, 2, 1.5, 1], 2, "not a whole number"),
        ([1, 2, [1], 1], 2, "labels are strings, integers or booleans"),
        ([[1], 2, 1, 1], 0, "labels are strings, integers or booleans"),
        ([None] * 4, 0, "missing"),
    ],
)
def test_labels_that_are_none_are_told_with_their_row(fault, labels, row, words):
    found = problem(fault(body([[1], [2], [3], [4]], labels), JSON))
    assert found.row == row
    assert words in found.message


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([], "expected an object"),
        ({"labels": LABELS}, "'instances' is missing"),
        ({"instances": [[1]]}, "'labels' is missing"),
        ({"instances": [], "labels": []}, "no instances"),
        ({"instances": [[], []], "labels": ["a", "b"]}, "no columns"),
        ({"instances": [[1]], "labels": ["a"], "more": 1}, "unknown member 'more'"),
        ({"instances": [[1]], "labels": ["a"], "feature_names": "x"}, "not a list"),
        ({"instances": [[1]], "labels": ["a"], "feature_names": [1]}, "are strings"),
        (
            {"instances": [[1, 2]], "labels": ["a"], "feature_names": ["u"]},
            "2 cells where feature_names has 1",
        ),
        ({"instances": [[1, 2]], "labels": ["a"], "feature_names": ["u", "u"]}, "'u' occurs twice"),
        ({"instances": [{"v": 1}], "labels": ["a"], "feature_names": ["u"]}, "not among feature_names"),
        ({"instances": [[1], [2], [3], [4]], "labels": ["a"]}, "4 instances but 1 labels"),
        ({"instances": [[1]], "labels": ["a"]}, "at least 4 rows"),
        ({"instances": [[1], [2], [3], [4]], "labels": ["a"] * 4}, "at least two classes"),
    ],
)
def test_values_of_another_shape_are_refused(fault, value, words):
    error = fault(json.dumps(value).encode(), JSON)
    assert isinstance(error, Invalid)
    assert words in str(error)


@pytest.mark.parametrize(
    "text", [b'{"instances": [[NaN]]}', b'{"instances": [[1e999]]}', b"{", b"\xff", b"[1,]"]
)
def test_what_is_no_json_is_unreadable(fault, text):
    assert isinstance(fault(text, JSON), Unreadable)


def test_a_label_that_is_also_a_feature_is_refused(fault):
    assert "is a feature column" in str(fault(body([{"u": 1}] * 4), JSON, label="u"))


def test_many_sparse_columns_cannot_swell_a_small_body(new_store):
    rows = [{str(i): 1} for i in range(2000)]
    with pytest.raises(TooLarge, match="2000 rows × 2000 columns"):
        new_store(max_json_bytes=1_000_000).ingest([body(rows, ["a", "b"] * 1000)], media_type=JSON)
    with pytest.raises(TooLarge, match="max_columns"):
        new_store(max_columns=100).ingest([body(rows, ["a", "b"] * 1000)], media_type=JSON)


def test_blocks_meet_without_a_seam(opened):
    cells = np.random.default_rng(0).normal(size=(1500, 800)).round(2)
    data = opened(body(cells.tolist(), [i % 7 for i in range(1500)]), JSON)
    np.testing.assert_array_equal(np.stack(list(data.columns().values()), axis=1), cells)
    assert data.labels.tolist() == [i % 7 for i in range(1500)]


def test_a_byte_order_mark_is_passed_over(opened):
    """As in the JSON of a prediction, and in CSV."""
    rows = body([[1], [2], [3], [4]])
    assert opened(b"\xef\xbb\xbf" + rows, JSON).dataset.id == opened(rows, JSON).dataset.id
