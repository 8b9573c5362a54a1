"""The temperature is the optimum that an independent solver finds."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from core import losses
from core.calibration import HIGHEST, LOWEST, fit_temperature


@pytest.mark.parametrize("truth", [0.3, 1.0, 4.0])
def test_the_temperature_is_the_one_that_scipy_finds(rng, truth):
    z = rng.normal(scale=2, size=(2000, 4))
    labels = np.array([rng.choice(4, p=y) for y in losses.softmax(z)])
    ours = fit_temperature(z * truth, labels)
    peer = minimize_scalar(
        lambda t: losses.softmax_cross_entropy(z * truth / t, labels)[0],
        bounds=(0.05, 20),
        options={"xatol": 1e-9},
    )
    assert ours == pytest.approx(peer.x, rel=1e-5)
    assert ours == pytest.approx(truth, rel=0.15)


def test_dividing_all_logits_divides_the_temperature(rng):
    z, labels = rng.normal(size=(300, 3)), rng.integers(0, 3, 300)
    z[np.arange(300), labels] += 1
    assert fit_temperature(z * 3, labels) == pytest.approx(3 * fit_temperature(z, labels), rel=1e-9)


def test_where_no_row_is_misjudged_probabilities_stay_as_they_are():
    assert fit_temperature([[3.0, 0.0], [0.0, 0.1]], [0, 1]) == 1


def test_the_temperature_keeps_to_its_bounds():
    assert fit_temperature([[5.0, 0.0]] * 2, [1, 1]) == HIGHEST
    nearly_certain = [[5.0, 0.0]] * 10**4 + [[1e-60, 0.0]]
    assert fit_temperature(nearly_certain, [0] * 10**4 + [1]) == LOWEST


def test_logits_of_any_size_give_a_finite_temperature():
    with np.errstate(all="raise"):
        assert LOWEST <= fit_temperature(np.array([[1e4, 0.0], [1e4, 0.0], [0, 1e4]]), [0, 1, 1]) <= HIGHEST


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match=r"at least one row and one class, got shape \(0, 2\)"):
        fit_temperature(np.zeros((0, 2)), np.zeros(0, int))
