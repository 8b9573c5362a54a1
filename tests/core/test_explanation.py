"""Contributions against the closed form and gradients (JAX's, and our own) summed finely along the path."""

import tracemalloc

import jax
import numpy as np
import pytest

from core import explanation, network
from core.explanation import explain
from core.network import Dense


def riemann(params, x, baseline, label, pieces=20_000):
    """The midpoint sum of integrated gradients of one row, by automatic differentiation."""

    def logit(point):
        for weight, bias in params[:-1]:
            point = jax.nn.relu(point @ weight + bias)
        return (point @ params[-1].weight + params[-1].bias)[label]

    path = baseline + (np.arange(pieces) + 0.5)[:, None] / pieces * (x - baseline)
    gradients = jax.jit(jax.vmap(jax.grad(logit)))(path)
    return (x - baseline) * np.asarray(gradients).mean(axis=0)


def logit_gradients(params, points, label):
    """∂z_label/∂x at each point, by `input_gradients` of a network with one class more, whose logit is always 0.

    As L_k = −z_k + log Σ e^z, the gradient of z_k − 0 is that of L_0 less that of L_k; J is the mean over the points.
    """
    weight, bias = params[-1]
    last = Dense(np.hstack([weight, np.zeros((len(weight), 1))]), np.append(bias, 0.0))
    more, rows = (*params[:-1], last), len(points)
    of_zero, of_label = (
        network.input_gradients(more, points, np.full(rows, each)) for each in (len(bias), label)
    )
    return rows * (of_zero - of_label)


def test_for_softmax_regression_a_contribution_is_the_weight_times_the_difference(make_params, rng):
    params, x, baseline, classes = (
        make_params(5, 3),
        rng.normal(size=(4, 5)),
        rng.normal(size=5),
        [0, 1, 2, 0],
    )
    expected = (x - baseline) * params[0].weight.T[classes]
    np.testing.assert_allclose(explain(params, x, baseline, classes).contributions, expected, atol=1e-15)


@pytest.mark.parametrize(("hidden", "tolerance"), [((7,), 1e-3), ((7, 6), 2e-2)])
def test_for_networks_contributions_are_integrated_gradients(make_params, rng, hidden, tolerance):
    params, x, baseline = make_params(5, *hidden, 3), rng.normal(scale=3, size=(6, 5)), rng.normal(size=5)
    classes = [2, 0, 1] * 2
    ours = explain(params, x, baseline, classes).contributions
    for row, label, got in zip(x, classes, ours, strict=True):
        oracle = riemann(params, row, baseline, label)
        np.testing.assert_allclose(got, oracle, atol=tolerance * np.abs(oracle).max())


@pytest.mark.parametrize(("hidden", "tolerance"), [((), 1e-12), ((7,), 1e-3), ((7, 6), 2e-2)])
def test_they_are_the_path_integral_of_the_notes_input_gradients(make_params, rng, hidden, tolerance):
    """∂J/∂X = (ŷ − y)/m @ Wᵀ (mathematics.md, input), summed along the way from the baseline to the row."""
    params, x, baseline = make_params(5, *hidden, 3), rng.normal(scale=3, size=(3, 5)), rng.normal(size=5)
    ours = explain(params, x, baseline, [2, 0, 1]).contributions
    steps = (np.arange(20_000) + 0.5)[:, None] / 20_000
    for row, label, got in zip(x, [2, 0, 1], ours, strict=True):
        gradients = logit_gradients(params, baseline + steps * (row - baseline), label)
        expected = (row - baseline) * gradients.mean(axis=0)
        np.testing.assert_allclose(got, expected, atol=tolerance * np.abs(expected).max())


@pytest.mark.parametrize("hidden", [(), (7,), (7, 6), (7, 6, 5), (300,), (200, 100, 50, 20)])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_contributions_sum_to_the_difference_of_the_logits(make_params, rng, hidden, dtype):
    params, x, baseline = make_params(5, *hidden, 3, dtype=dtype), rng.normal(size=(6, 5)), rng.normal(size=5)
    in_full = [Dense(weight.astype(float), bias.astype(float)) for weight, bias in params]
    ends, starts = network.logits(in_full, x), network.logits(in_full, baseline[None])[0]
    classes = ends.argmax(axis=1)
    found = explain(params, x, baseline, classes)
    size = np.abs(ends).max()
    np.testing.assert_allclose(found.logits, ends[np.arange(6), classes], rtol=1e-13, atol=1e-13 * size)
    np.testing.assert_allclose(found.baseline, starts[classes], rtol=1e-13, atol=1e-13 * size)
    rise = found.logits - found.baseline
    np.testing.assert_allclose(found.contributions.sum(axis=1), rise, atol=1e-12 * size)


def test_many_rows_are_explained_in_pieces_of_bounded_memory_and_to_the_same_numbers(
    make_params, rng, monkeypatch
):
    params, x = make_params(20, 64, 64, 3), rng.normal(size=(400, 20))
    classes = np.arange(400) % 3
    at_once = explain(params, x, np.zeros(20), classes)
    monkeypatch.setattr(explanation, "CHUNK", 1 << 14)
    tracemalloc.start()
    in_pieces = explain(params, x, np.zeros(20), classes)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for ours, theirs in zip(in_pieces, at_once, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-11)
    assert peak < 10 * 8 * (1 << 14), "ten arrays of CHUNK numbers; one layer of all rows at once has 27"


def test_a_row_equal_to_the_baseline_has_nothing_to_explain(make_params, rng):
    x = rng.normal(size=5)
    found = explain(make_params(5, 7, 6, 3), x[None], x, [1])
    assert not found.contributions.any()
    assert found.logits == pytest.approx(found.baseline)


def test_a_unit_that_stays_at_its_kink_passes_nothing_on():
    """Row 7: relu's derivative at 0 is 0."""
    params = (Dense(np.ones((2, 1)), np.zeros(1)), Dense(np.array([[1.0, -1.0]]), np.zeros(2)))
    found = explain(params, np.array([[1.0, -1.0]]), np.zeros(2), [0])
    assert not found.contributions.any()


def test_no_rows_have_no_explanations(make_params):
    found = explain(make_params(5, 7, 3), np.empty((0, 5)), np.zeros(5), np.empty(0, int))
    assert [each.shape for each in found] == [(0, 5), (0,), (0,)]


def test_classes_and_shapes_that_do_not_fit_are_refused(make_params):
    with pytest.raises(ValueError, match=r"\[0, 3\)"):
        explain(make_params(5, 3), np.zeros((1, 5)), np.zeros(5), [3])
    for baseline in (np.zeros(4), np.zeros((1, 5)), np.zeros((2, 5)), np.zeros(())):
        with pytest.raises(ValueError, match=r"baseline must have shape \(5,\)"):
            explain(make_params(5, 3), np.zeros((2, 5)), baseline, [0, 1])
    for x in (np.zeros((2, 1)), np.zeros((2, 4)), np.zeros(5)):
        with pytest.raises(ValueError, match=r"x must have shape \(rows, 5\)"):
            explain(make_params(5, 3), x, np.zeros(5), [0, 1])
    with pytest.raises(ValueError, match="baseline must be an array of real numbers"):
        explain(make_params(5, 3), np.zeros((1, 5)), ["0"] * 5, [0])
