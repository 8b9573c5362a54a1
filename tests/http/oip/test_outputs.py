"""The outputs that were asked for come in their order, as JSON or binary, each as it was asked for."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

X = np.random.default_rng(3).normal(size=(7, 3)).astype("<f4")
choices = st.sampled_from([None, True, False])


@pytest.fixture(scope="session")
def answer(inference, sent):
    """The reply's head as JSON, for seven rows of `numeric`; inputs are binary or JSON."""

    def call(*outputs, binary_in=True, model="numeric", **parameters):
        data = X.tobytes() if binary_in else X.tolist()
        headers, body = sent().add("features", "FP32", X.shape, data).wishing(*outputs, **parameters).bytes()
        reply = inference.infer(model=model, headers=headers, body=body)
        assert reply.status == 200, reply.body
        length = int(reply.headers.get("inference-header-content-length", len(reply.body)))
        return reply, json.loads(reply.body[:length])

    return call


@given(
    wishes=st.lists(
        st.tuples(st.sampled_from(["probabilities", "label"]), choices), unique_by=lambda w: w[0]
    ),
    overall=choices,
    binary_in=st.booleans(),
)
def test_each_output_is_binary_if_it_says_so_else_if_the_request_does(
    answer, opened, models, expected, wishes, overall, binary_in
):
    """`binary_data` of an output goes before `binary_data_output` of the request, in both directions."""
    named = [(name, {} if own is None else {"binary_data": own}) for name, own in wishes]
    reply, head = answer(
        *named, binary_in=binary_in, **({} if overall is None else {"binary_data_output": overall})
    )
    wishes = wishes or [("probabilities", None), ("label", None)]
    assert [output["name"] for output in head["outputs"]] == [name for name, _ in wishes]
    for output, (_, own) in zip(head["outputs"], wishes, strict=True):
        assert ("parameters" in output) is bool(overall if own is None else own)
        assert ("data" in output) is not ("parameters" in output)
    found = opened(reply)
    if "probabilities" in found:
        np.testing.assert_allclose(
            found["probabilities"], expected(models["numeric"], X), rtol=2e-4, atol=2e-6
        )


def test_names_version_and_id_come_with_every_answer(answer, inference, sent):
    _, head = answer()
    assert (head["model_name"], head["model_version"]) == ("numeric", "1")
    assert "id" not in head
    request = sent().add("features", "FP32", (1, 3), [1, 2, 3])
    for identity in ("", "a", "ß\n"):
        request.head["id"] = identity
        reply = inference.infer(model="numeric", version="1", headers={}, body=request.bytes()[1])
        assert json.loads(reply.body)["id"] == identity


@pytest.mark.parametrize(
    ("model", "labels"), [("word", {"false", "true"}), ("vector", {str(n) for n in range(10)})]
)
def test_labels_that_are_numbers_or_booleans_come_as_text(inference, sent, opened, model, labels):
    name, datatype, shape, data = {
        "word": ("colour", "BYTES", (3,), ["red", "green", "ß"]),
        "vector": ("features", "FP32", (2, 4), [9, 0, 0, 0, 0, 0, 0, 9]),
    }[model]
    headers, body = sent().add(name, datatype, shape, data).bytes()
    assert set(opened(inference.infer(model=model, headers=headers, body=body))["label"]) <= labels


@pytest.mark.parametrize("count", [1, 2, 3, 4, 100, 2**40])
@pytest.mark.parametrize("binary", [False, True])
def test_classification_gives_the_highest_classes_as_value_index_and_label(
    answer, opened, models, count, binary
):
    probabilities = opened(answer()[0])["probabilities"]
    reply, head = answer(("probabilities", {"classification": count, "binary_data": binary}))
    assert head["outputs"][0]["datatype"] == "BYTES"
    found = opened(reply)["probabilities"]
    assert found.shape == (7, min(count, 3))
    for row, texts in zip(probabilities, found, strict=True):
        parts = [text.split(":", 2) for text in texts]
        values, places, labels = zip(*parts, strict=True)
        assert [np.float32(value) for value in values] == sorted(row, reverse=True)[: len(parts)]
        assert [row[int(place)] for place in places] == [np.float32(value) for value in values]
        assert list(labels) == [models["numeric"].classes[int(place)] for place in places]


def test_a_classification_of_0_is_none(answer):
    assert answer(("probabilities", {"classification": 0}))[1]["outputs"][0]["datatype"] == "FP32"


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("name", ["numeric", "word"])
def test_no_rows_are_answered_with_no_rows(check, sent, binary, name):
    column, datatype, shape = {"numeric": ("features", "FP32", (0, 3)), "word": ("colour", "BYTES", (0, 1))}[
        name
    ]
    request = sent().add(column, datatype, shape, b"" if binary else []).wishing(binary_data_output=binary)
    found = check(name, request, np.empty((0, 3)) if name == "numeric" else {"colour": []})
    assert found["label"].shape == (0,)


def test_no_rows_are_classified_as_none(inference, sent, opened):
    request = sent().add("features", "FP32", (0, 3), []).wishing(("probabilities", {"classification": 2}))
    headers, body = request.bytes()
    assert opened(inference.infer(model="numeric", headers=headers, body=body))["probabilities"].shape == (
        0,
        2,
    )
