"""Quick predictions are those of the network behind its encoding, as exactly as float32 is; or there are none."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import encoding, inference, losses, network
from core.knots import with_knots


def exact(params, fitted, x, temperature):
    """In float64, by the definitions."""
    wide = tuple(network.Dense(*(array.astype(np.float64) for array in layer)) for layer in params)
    mean, scale = fitted.spread
    return losses.softmax(network.logits(wide, (x - mean) / scale) / temperature)


def make(rng, hidden=(16,), *, centre=0.0, columns=5):
    """A network, its encoding and the rows it was fitted on."""
    x = rng.normal(centre, 1, size=(40, columns)) * 10.0 ** rng.integers(-3, 4, columns)
    fitted = encoding.fit({f"x{i}": x[:, i] for i in range(columns)})
    return network.initialise((columns, *hidden, 3), rng), fitted, x


@pytest.mark.parametrize("hidden", [(), (16,), (7, 6)])
@pytest.mark.parametrize("rows", [0, 1, 2, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_folded_network_answers_raw_rows_as_the_network_does_encoded_ones(rng, hidden, rows, dtype):
    params, fitted, x = make(rng, hidden, centre=3.0)
    x = x[:rows].astype(dtype)
    found = inference.probabilities_of_raw(inference.fold(params, fitted), x, 0.5)
    assert (found.shape, found.dtype) == ((rows, 3), np.float32)
    assert np.allclose(found, exact(params, fitted, x, 0.5), atol=2e-6)


@pytest.mark.parametrize("hidden", [(), (16,)])
@pytest.mark.parametrize("rows", [0, 1, 40])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_folded_network_cuts_raw_rows_into_bins_as_the_encoding_does(rng, hidden, rows, dtype):
    _, fitted, x = make(rng, centre=3.0)
    columns = {f"x{i}": x[:, i] for i in range(x.shape[1])}
    cut = with_knots(fitted, {**columns, "x1": np.sign(x[:, 1])}, 4)  # one column has no bins
    params = network.initialise((cut.width, *hidden, 3), rng)
    rows = np.vstack([x[:rows], x[:rows] * 3 - 7]).astype(dtype)
    found = inference.probabilities_of_raw(inference.fold(params, cut), rows, 0.5)
    expected = inference.probabilities(params, encoding.transform_matrix(cut, rows), 0.5)
    assert (found.shape, found.dtype) == ((len(rows), 3), np.float32)
    assert np.allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e300])
def test_a_number_that_is_none_is_declined_where_there_are_bins_too(rng, value):
    _, fitted, x = make(rng)
    cut = with_knots(fitted, {f"x{i}": x[:, i] for i in range(5)}, 4)
    x[1, 2] = value
    folded = inference.fold(network.initialise((cut.width, 8, 3), rng), cut)
    assert inference.probabilities_of_raw(folded, x) is None
    assert inference.probabilities_of_raw(folded, x[1:2]) is None


@given(
    centre=st.floats(-7, 7),
    place=st.integers(0, 4),
    value=st.floats(allow_nan=True, allow_infinity=True, width=32),
    dtype=st.sampled_from([np.float32, np.float64]),
)
def test_whatever_number_comes_the_answer_is_right_or_there_is_none(centre, place, value, dtype):
    params, fitted, x = make(np.random.default_rng(1), centre=centre)
    x = x[:3].astype(dtype)
    x[1, place] = value
    folded = inference.fold(params, fitted)
    if folded is None:  # chance has put a mean too far out
        return
    found = inference.probabilities_of_raw(folded, x)
    if found is None:
        assert not np.isfinite(value) or abs(value) > 1e30
    else:
        with np.errstate(all="ignore"):
            assert np.allclose(found, exact(params, fitted, x.astype(np.float64), 1.0), atol=1e-4)


def test_what_float32_or_one_matrix_cannot_hold_is_not_folded(rng, monkeypatch):
    params, fitted, _ = make(rng, centre=9.0)
    assert inference.fold(params, fitted) is None
    params, fitted, x = make(rng)
    assert inference.fold(params, fitted) is not None
    holes = x.copy()
    holes[0, 0] = np.nan
    indicated = encoding.fit({f"x{i}": holes[:, i] for i in range(5)})
    assert inference.fold(network.initialise((indicated.width, 3), rng), indicated) is None
    assert inference.fold(params, encoding.fit({"x": np.array([0, 1e-20])})) is None
    narrow = encoding.Encoding(
        columns=tuple(replace(column, knots=(0.0, 1e-10, 1.0)) for column in fitted.columns)
    )
    assert inference.fold(network.initialise((narrow.width, 3), rng), narrow) is None
    monkeypatch.setattr(inference, "LARGEST", 10)
    assert inference.fold(params, fitted) is None


def test_rows_of_another_shape_or_kind_are_declined(rng):
    params, fitted, x = make(rng)
    folded = inference.fold(params, fitted)
    for other in (x[:, :3], x.astype(np.int64), x.astype(np.float16)):
        assert inference.probabilities_of_raw(folded, other) is None


@pytest.mark.parametrize("rows", [1, 2])
def test_an_answer_that_is_no_number_is_none(rows):
    steep = (network.Dense(np.full((2, 3), 1e30, np.float32), np.zeros(3, np.float32)),)
    assert inference.probabilities(steep, np.full((rows, 2), 1e15, np.float32)) is None


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("weight", [-1.0, 0.0, 1.0])
def test_no_weight_hides_what_is_no_number(value, rows, weight):
    """A hidden unit that an infinity sends below zero is 0 to all that follows."""
    first = network.Dense(np.full((70, 40), weight, np.float32), np.zeros(40, np.float32))
    last = network.Dense(np.ones((40, 3), np.float32), np.zeros(3, np.float32))
    folded, x = inference.Folded((first, last), *[np.empty(0, int)] * 3), np.ones((rows, 70), np.float32)
    assert inference.probabilities_of_raw(folded, x) is not None
    for place in (0, 33, 69):
        holed = x.copy()
        holed[-1, place] = value
        assert inference.probabilities_of_raw(folded, holed) is None


@given(
    rows=st.lists(st.lists(st.sampled_from([0.0, 0.25, 0.5]), min_size=4, max_size=4), max_size=4),
    count=st.integers(1, 6),
)
def test_the_top_classes_are_those_of_a_stable_sort(rows, count):
    top = inference.top(np.array(rows, np.float32).reshape(-1, 4), count)
    assert top.places.shape == (len(rows), min(count, 4))
    assert top.places.tolist() == [sorted(range(4), key=lambda i: -row[i])[:count] for row in rows]
    assert top.probabilities.tolist() == [sorted(row, reverse=True)[:count] for row in rows]
