"""The ONNX graph answers as the model does, in another's runtime, onnxruntime: every kind of column and network."""

import json
from functools import cache
from itertools import pairwise

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import Conflict
from app.http.oip.signature import inputs
from app.http.onnx import messages
from app.http.onnx import model as onnx_model
from app.repository.model import Model
from app.serving import predictor
from core import encoding, network
from core.encoding import CategoricalColumn, Codes, Encoding
from core.knots import with_knots

ROWS = 40
DEPTHS = [(), (8,), (9, 7, 6)]


def session(model, **options):
    content = b"".join(onnx_model.write(model, **options))
    onnx.checker.check_model(onnx.load_model_from_string(content), full_check=True)
    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def fed(model, columns, number=np.float32):
    """What a user of the graph gives it for these raw columns."""
    if model.encoding.inputs is not None:
        return {"features": np.column_stack([columns[c.name] for c in model.encoding.columns]).astype(number)}
    found = {}
    for column in model.encoding.columns:
        raw = columns[column.name]
        if isinstance(raw, Codes):
            texts = [*raw.vocabulary, ""]
            found[column.name] = np.array([texts[code] for code in raw.codes], object)[:, None]
        else:
            found[column.name] = (raw if raw.ndim == 2 else raw[:, None]).astype(number)
    return found


def answers(model, columns, **options):
    number = np.float64 if options.get("exact") else np.float32
    return session(model, **options).run(["label", "probabilities"], fed(model, columns, number))


def made(fitted, hidden=(), *, classes=("a", "b", "c"), dtype=np.float32, temperature=1.0):
    rng = np.random.default_rng(3)
    sizes = (fitted.width, *hidden, len(classes))
    parameters = tuple(
        network.Dense((rng.normal(size=(a, b)) / np.sqrt(a)).astype(dtype), rng.normal(size=b).astype(dtype))
        for a, b in pairwise(sizes)
    )
    return Model(
        name="m", version=3, parameters=parameters, encoding=fitted, classes=classes, temperature=temperature
    )


def check(model, columns, **options):
    """The graph's probabilities and labels are those that the service gives for the same numbers."""
    coarse = {
        name: raw if isinstance(raw, Codes) or options.get("exact") else raw.astype(np.float32)
        for name, raw in columns.items()
    }
    expected = predictor.predict(model, coarse)
    labels, probabilities = answers(model, columns, **options)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected.probabilities, rtol=0, atol=1e-5)
    clear = np.sort(expected.probabilities, axis=1)
    sure = (clear[:, -1] - clear[:, -2] > 1e-5) if clear.shape[1] > 1 else np.ones(len(clear), bool)
    theirs = np.array([str(expected.classes[winner]) for winner in expected.winners], object)
    assert np.array_equal(labels[sure].astype(str).astype(object), theirs[sure])


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture
def numbers(rng):
    return {f"x{place}": rng.normal(3, 2, size=ROWS) for place in range(5)}


@pytest.fixture
def gappy(numbers):
    """Numbers of which the second and fourth are missing here and there."""
    for place, name in enumerate(("x1", "x3")):
        numbers[name][place::3] = np.nan
    return numbers


@pytest.fixture
def table(rng, gappy):
    """A number that may be missing, one that may not, texts, truths, a vector with a gap, and a far number."""
    picture = rng.normal(size=(ROWS, 6)).astype(np.float32)
    picture[2, 4] = np.nan
    return {
        "age": gappy["x1"],
        "size": gappy["x0"],
        "colour": Codes(rng.integers(-1, 3, ROWS).astype(np.int32), ("red", "green", "blue ☺")),
        "new": Codes(rng.integers(-1, 2, ROWS).astype(np.int32), ("false", "true")),
        "picture": picture,
        "seconds": 1.7e9 + 131_072.0 * rng.integers(0, 99, ROWS),
    }


@pytest.mark.parametrize("hidden", DEPTHS)
@pytest.mark.parametrize("temperature", [1.0, 0.4, 3.0])
def test_numbers_without_gaps(numbers, hidden, temperature):
    check(made(encoding.fit(numbers), hidden, temperature=temperature), numbers)


@pytest.mark.parametrize("hidden", DEPTHS)
def test_numbers_with_gaps_and_so_with_indicators(gappy, hidden):
    model = made(encoding.fit(gappy), hidden)
    assert model.encoding.width == 7
    check(model, gappy)


@pytest.mark.parametrize("hidden", DEPTHS)
@pytest.mark.parametrize("exact", [False, True])
def test_numbers_cut_into_bins(gappy, hidden, exact):
    model = made(with_knots(encoding.fit(gappy), gappy, 4), hidden)
    assert model.encoding.width == 7 + 5 * 4
    check(model, gappy, exact=exact)


@pytest.mark.parametrize("exact", [False, True])
def test_a_table_whose_numbers_are_cut_into_bins(table, exact):
    check(made(with_knots(encoding.fit(table), table, 4), (8,)), table, exact=exact)


def test_gaps_where_there_were_none_in_training_count_as_the_mean(numbers):
    model = made(encoding.fit(numbers))
    check(model, {name: np.full(3, np.nan) for name in numbers})
    _, probabilities = answers(model, {name: np.full(1, np.nan) for name in numbers})
    bias = model.parameters[-1].bias.astype(float)
    np.testing.assert_allclose(probabilities[0], np.exp(bias) / np.exp(bias).sum(), atol=1e-6)


@pytest.mark.parametrize("hidden", DEPTHS)
def test_a_vector(rng, hidden):
    columns = {"picture": rng.normal(100, 30, size=(ROWS, 12)).astype(np.float32)}
    model = made(encoding.fit(columns), hidden)
    assert [each.shape for each in session(model).get_inputs()] == [["rows", 12]]
    check(model, columns)


@pytest.mark.parametrize("hidden", DEPTHS)
def test_every_kind_of_column_together(table, hidden):
    model = made(encoding.fit(table, booleans=["new"]), hidden, temperature=1.7)
    taken = {each.name: (each.type, each.shape) for each in session(model).get_inputs()}
    assert list(taken) == [port.name for port in inputs(model.encoding)] == list(table)
    assert taken["colour"] == taken["new"] == ("tensor(string)", ["rows", 1])
    assert taken["age"] == ("tensor(float)", ["rows", 1])
    assert taken["picture"] == ("tensor(float)", ["rows", 6])
    check(model, table)


def test_categories_never_seen_and_missing_ones_have_the_last_place(table):
    model = made(encoding.fit(table, booleans=["new"]))
    fresh = {name: raw for name, raw in table.items() if name != "colour"}
    unseen, missing = (
        fresh | {"colour": Codes(np.full(ROWS, code, np.int32), ("purple",))} for code in (0, -1)
    )
    check(model, unseen)
    check(model, missing)
    np.testing.assert_array_equal(answers(model, unseen)[1], answers(model, missing)[1])
    red = fresh | {"colour": Codes(np.zeros(ROWS, np.int32), ("red",))}
    assert np.abs(answers(model, red)[1] - answers(model, missing)[1]).max() > 0.01


def test_a_column_whose_every_category_was_missing(rng, numbers):
    columns = numbers | {"note": Codes(np.full(ROWS, -1, np.int32), ())}
    model = made(encoding.fit(columns))
    assert model.encoding.columns[-1].categories == ()
    check(model, columns)
    check(model, columns | {"note": Codes(np.zeros(ROWS, np.int32), ("something",))})


def test_the_empty_text_is_a_category_if_a_card_says_so(numbers):
    fitted = encoding.fit({"x0": numbers["x0"]})
    column = CategoricalColumn(name="note", categories=("", "a"))
    model = made(Encoding(columns=(*fitted.columns, column)))
    check(model, {"x0": numbers["x0"], "note": Codes(np.arange(ROWS, dtype=np.int32) % 2, ("", "a"))})


@pytest.mark.parametrize("far", [1e3, 1e6, 1.7e9, -4e12])
def test_means_far_from_zero_lose_nothing_on_the_way(rng, far):
    """The spread is some 60 steps of float32 there: a mean rounded to float32, or a folded layer, would show."""
    step = float(np.spacing(np.float32(abs(far))))
    columns = {f"x{place}": far + step * rng.integers(-99, 99, ROWS) for place in range(3)}
    check(made(encoding.fit(columns), (8,)), columns)


def test_with_float64_inputs_numbers_finer_than_float32_are_told_apart(rng):
    columns = {f"x{place}": 1.7e9 + rng.normal(size=ROWS) for place in range(3)}
    model = made(encoding.fit(columns), (8,))
    assert {each.type for each in session(model, exact=True).get_inputs()} == {"tensor(double)"}
    check(model, columns, exact=True)


def test_numbers_beyond_all_bounds_are_set_to_the_bound(numbers):
    model = made(encoding.fit(numbers))
    wild = {name: np.array([3e38, -3e38, 1e-40]) for name in numbers}
    check(model, wild)
    gentle = made(encoding.fit(numbers | {"x0": np.full(ROWS, 5.0)}))
    check(gentle, wild)


def test_weights_of_float64(numbers):
    check(made(encoding.fit(numbers), (9, 7), dtype=np.float64), numbers)


@pytest.mark.parametrize(
    ("classes", "kind"),
    [
        ((7, -3, 1 << 40), "tensor(int64)"),
        ((False, True), "tensor(bool)"),
        (("naïve", "", "b"), "tensor(string)"),
        ((0, 1 << 63, 5), "tensor(string)"),
        (("only",), "tensor(string)"),
    ],
)
def test_labels_keep_their_type(numbers, classes, kind):
    model = made(encoding.fit(numbers), classes=classes)
    assert {each.name: each.type for each in session(model).get_outputs()} == {
        "probabilities": "tensor(float)",
        "label": kind,
    }
    check(model, numbers)


def test_equally_likely_classes_are_told_as_the_service_tells_them(numbers):
    model = made(encoding.fit(numbers))
    even = network.Dense(*map(np.zeros_like, model.parameters[0]))
    tied = Model(name="m", version=1, parameters=(even,), encoding=model.encoding, classes=("a", "b", "c"))
    assert set(answers(tied, numbers)[0]) == {"a"}


def test_columns_called_as_the_outputs_and_steps_are(numbers):
    names = ("label", "probabilities", "temperature", "gemm", "classes", "layers.0.weight", "far")
    values = list(numbers.values())
    columns = {name: values[place % 5] for place, name in enumerate(names)}
    columns["features"] = Codes(np.zeros(ROWS, np.int32), ("a",))
    model = made(encoding.fit(columns))
    taken = session(model)
    given_ = dict(zip([each.name for each in taken.get_inputs()], fed(model, columns).values(), strict=True))
    assert [name for name in given_ if name in names] == list(names[2:])
    _, probabilities = taken.run(["label", "probabilities"], given_)
    coarse = {n: raw if isinstance(raw, Codes) else raw.astype(np.float32) for n, raw in columns.items()}
    np.testing.assert_allclose(probabilities, predictor.predict(model, coarse).probabilities, atol=1e-5)


@pytest.mark.parametrize("count", [0, 1])
def test_no_row_and_one(table, count):
    few = {
        name: Codes(raw.codes[:count], raw.vocabulary) if isinstance(raw, Codes) else raw[:count]
        for name, raw in table.items()
    }
    check(made(encoding.fit(table, booleans=["new"]), (8,)), few)


@settings(deadline=None)
@given(
    rows=st.lists(
        st.lists(st.floats(width=32, allow_infinity=False), min_size=3, max_size=3), min_size=1, max_size=8
    )
)
def test_any_numbers_and_gaps(rows):
    model, graph = held()
    asked = np.array(rows, np.float32)
    found = graph.run(["probabilities"], {"features": asked})[0]
    np.testing.assert_allclose(found, predictor.predict(model, asked).probabilities, atol=1e-5)


@cache
def held():
    """A model of three numbers of very different sizes, one of which was missing once, and its graph."""
    x = np.array([[1, -1e5, 1e-20], [2, 3e5, 3e-20], [5, np.nan, 2e-20]])
    model = made(encoding.fit({f"x{place}": x[:, place] for place in range(3)}), (6,), temperature=50.0)
    return model, session(model)


def test_the_file_says_what_it_is_and_holds_the_very_weights(table):
    model = made(encoding.fit(table, booleans=["new"]), (9, 7))
    file = onnx.load_model_from_string(b"".join(onnx_model.write(model)))
    assert (file.producer_name, file.model_version, file.graph.name) == ("neurona", 3, "m")
    notes = {each.key: each.value for each in file.metadata_props}
    assert (notes["model"], json.loads(notes["classes"])) == ("m@3", ["a", "b", "c"])
    held = {each.name: onnx.numpy_helper.to_array(each) for each in file.graph.initializer}
    for place, layer in enumerate(model.parameters):
        np.testing.assert_array_equal(held[f"layers.{place}.weight"], layer.weight, strict=True)
        np.testing.assert_array_equal(held[f"layers.{place}.bias"], layer.bias, strict=True)
    names = [each.name for part in (file.graph.initializer, file.graph.input) for each in part]
    names += [name for each in file.graph.node for name in each.output]
    assert len(names) == len(set(names))


def test_weights_are_not_copied(numbers):
    model = made(encoding.fit(numbers), (50,))
    pieces = onnx_model.write(model)
    assert any(
        isinstance(each, memoryview) and np.shares_memory(np.asarray(each), model.parameters[0].weight)
        for each in pieces
    )


def test_a_file_beyond_what_the_format_holds_is_refused(numbers, monkeypatch):
    model = made(encoding.fit(numbers), (50,))
    monkeypatch.setattr(onnx_model, "LARGEST", messages.size(onnx_model.write(model)))
    onnx_model.write(model)
    monkeypatch.setattr(onnx_model, "LARGEST", onnx_model.LARGEST - 1)
    with pytest.raises(Conflict, match="m@3 is more than an ONNX file can hold"):
        onnx_model.write(model)
