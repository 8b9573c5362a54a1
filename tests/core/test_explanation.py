"""Contributions against the closed form and JAX's gradients, summed finely along the path."""

import jax
import numpy as np
import pytest

from core import network
from core.explanation import contributions


def riemann(params, x, baseline, label, pieces=20_000):
    """The midpoint sum of integrated gradients of one row, by automatic differentiation."""

    def logit(point):
        for weight, bias in params[:-1]:
            point = jax.nn.relu(point @ weight + bias)
        return (point @ params[-1].weight + params[-1].bias)[label]

    path = baseline + (np.arange(pieces) + 0.5)[:, None] / pieces * (x - baseline)
    gradients = jax.jit(jax.vmap(jax.grad(logit)))(path)
    return (x - baseline) * np.asarray(gradients).mean(axis=0)


def test_for_softmax_regression_a_contribution_is_the_weight_times_the_difference(make_params, rng):
    params, x, baseline, classes = (
        make_params(5, 3),
        rng.normal(size=(4, 5)),
        rng.normal(size=5),
        [0, 1, 2, 0],
    )
    expected = (x - baseline) * params[0].weight.T[classes]
    np.testing.assert_allclose(contributions(params, x, baseline, classes), expected, atol=1e-15)


@pytest.mark.parametrize(("hidden", "tolerance"), [((7,), 1e-3), ((7, 6), 2e-2)])
def test_for_networks_contributions_are_integrated_gradients(make_params, rng, hidden, tolerance):
    params, x, baseline = make_params(5, *hidden, 3), rng.normal(scale=3, size=(6, 5)), rng.normal(size=5)
    classes = [2, 0, 1] * 2
    ours = contributions(params, x, baseline, classes)
    for row, label, got in zip(x, classes, ours, strict=True):
        oracle = riemann(params, row, baseline, label)
        np.testing.assert_allclose(got, oracle, atol=tolerance * np.abs(oracle).max())


@pytest.mark.parametrize("hidden", [(), (7,), (7, 6), (7, 6, 5)])
def test_contributions_sum_to_the_difference_of_the_logits(make_params, rng, hidden):
    params, x, baseline = make_params(5, *hidden, 3), rng.normal(size=(6, 5)), np.zeros(5)
    classes = network.logits(params, x).argmax(axis=1)
    difference = (network.logits(params, x) - network.logits(params, baseline[None]))[np.arange(6), classes]
    np.testing.assert_allclose(
        contributions(params, x, baseline, classes).sum(axis=1), difference, atol=1e-12
    )


def test_a_row_equal_to_the_baseline_has_nothing_to_explain(make_params, rng):
    x = rng.normal(size=5)
    assert not contributions(make_params(5, 7, 6, 3), x[None], x, [1]).any()


def test_classes_and_shapes_that_do_not_fit_are_refused(make_params):
    with pytest.raises(ValueError, match=r"\[0, 3\)"):
        contributions(make_params(5, 3), np.zeros((1, 5)), np.zeros(5), [3])
    with pytest.raises(ValueError, match=r"baseline must have shape \(rows, 5\)"):
        contributions(make_params(5, 3), np.zeros((1, 5)), np.zeros(4), [0])
