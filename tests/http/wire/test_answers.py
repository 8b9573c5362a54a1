"""Answers read back, by other hands, as the very float32 probabilities that went in."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from app.http.wire.answer import Answer, Explanation
from app.http.wire.answers import write
from core import explanation

ARROW = "application/vnd.apache.arrow.stream"
CLASSES = ("setosa", "versicolor", "virginica")
probabilities = st.integers(0, 5).flatmap(
    lambda m: arrays.arrays(np.float32, (m, 3), elements=st.floats(0, 1, width=32))
)


def answer(p, **more):
    return Answer(**({"model": "iris", "version": 3, "classes": CLASSES, "probabilities": p} | more))


@given(p=probabilities, fortran=st.booleans())
def test_every_format_gives_the_probabilities_back_to_the_bit(p, fortran):
    given_ = answer(np.asfortranarray(p) if fortran else p)
    labels = [CLASSES[max(range(3), key=row.__getitem__)] for row in p.tolist()]
    body, kind = write(given_, None)
    assert kind == "application/json"
    assert list(json.loads(body)) == ["model", "version", "classes", "labels", "probabilities"]
    fields = json.loads(body)
    back = np.array(fields.pop("probabilities"), np.float32).reshape(-1, 3)
    np.testing.assert_array_equal(back, p)
    assert fields == {"model": "iris", "version": 3, "classes": list(CLASSES), "labels": labels}
    np.testing.assert_array_equal(np.load(io.BytesIO(write(given_, "application/x-npy")[0])), p, strict=True)
    table = pa.ipc.open_stream(write(given_, ARROW)[0]).read_all()
    assert table.column("label").to_pylist() == labels
    column = table.column("probabilities").combine_chunks()
    np.testing.assert_array_equal(column.flatten().to_numpy().reshape(-1, 3), p, strict=True)
    assert json.loads(table.schema.metadata[b"classes"]) == list(CLASSES)


@given(p=probabilities, k=st.integers(1, 5))
def test_top_k_has_the_k_likeliest_classes_in_order_and_agrees_with_the_label(p, k):
    fields = json.loads(write(answer(p, top_k=k), "application/json")[0])
    assert "probabilities" not in fields
    for row, label, top in zip(p.tolist(), fields["labels"], fields["top"], strict=True):
        ranked = sorted(range(3), key=lambda j: (-row[j], j))[:k]
        assert [entry["label"] for entry in top] == [CLASSES[j] for j in ranked]
        assert [np.float32(entry["probability"]) for entry in top] == [np.float32(row[j]) for j in ranked]
        assert top[0]["label"] == label


def test_equally_likely_classes_keep_their_order():
    classes = tuple(f"class {number}" for number in range(100))
    shown = answer(np.array([[0.005, 0.015] * 50], np.float32), classes=classes, top_k=50)
    (top,) = json.loads(write(shown, None)[0])["top"]
    assert [entry["label"] for entry in top] == list(classes[1::2])


def explained(encoding, contributions):
    rows = np.arange(len(contributions), dtype=np.float64)
    return Explanation(encoding, explanation.Explanation(contributions, 10.5 + rows, 0.25 * rows))


def test_explanations_are_by_column_with_vectors_element_by_element(mixed, numeric):
    contributions = np.arange(2 * mixed.width, dtype=np.float64).reshape(2, -1)
    shown = answer(np.full((2, 3), 1 / 3, np.float32), explanation=explained(mixed, contributions))
    first, second = json.loads(write(shown, None)[0])["explanations"]
    assert list(first) == ["size", "colour", "new", "at"]
    row = contributions[1]
    assert second == {"size": row[0], "colour": sum(row[1:4]), "new": sum(row[4:7]), "at": row[7:].tolist()}
    pair = answer(
        np.full((1, 3), 1 / 3, np.float32), explanation=explained(numeric, np.array([[1.0, 2.0, 4.0]]))
    )
    assert json.loads(write(pair, None)[0])["explanations"] == [{"a": 1.0, "b": 6.0}]  # b and its indicator


def test_beside_them_stand_the_winner_its_logit_and_what_that_is_at_the_baseline(mixed):
    p = np.array([[0.5, 0.3, 0.2], [0.1, 0.2, 0.7]], np.float32)
    shown = answer(p, top_k=1, explanation=explained(mixed, np.zeros((2, mixed.width))))
    assert json.loads(write(shown, None)[0])["explained"] == [
        {"label": "setosa", "baseline": 0.0, "logit": 10.5},
        {"label": "virginica", "baseline": 0.25, "logit": 11.5},
    ]


@pytest.mark.parametrize(
    ("classes", "kind", "labels"),
    [
        ((3, 7), pa.int64(), [7, 3]),
        ((False, True), pa.bool_(), [True, False]),
        (("a", 7), pa.string(), ["7", "a"]),
    ],
)
def test_labels_keep_their_type(classes, kind, labels):
    shown = answer(np.array([[0.2, 0.8], [0.6, 0.4]], np.float32), classes=classes)
    assert json.loads(write(shown, None)[0])["classes"] == list(classes)
    column = pa.ipc.open_stream(write(shown, ARROW)[0]).read_all().column("label")
    assert (column.type, column.to_pylist()) == (kind, labels)
