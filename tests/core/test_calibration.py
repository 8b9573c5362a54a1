"""The temperature is the optimum that an independent solver finds."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from core import losses
from core.calibration import HIGHEST, LOWEST, TEMPERING, cautious_loss, fit_temperature


@pytest.mark.parametrize("truth", [0.06, 0.3, 1.0, 4.0, 17.0])
def test_the_temperature_is_the_one_that_scipy_finds(rng, truth):
    z = rng.normal(scale=2, size=(2000, 4))
    labels = np.array([rng.choice(4, p=y) for y in losses.softmax(z)])
    ours = fit_temperature(z * truth, labels)
    peer = minimize_scalar(
        lambda t: cautious_loss(z * truth / t, labels, wrong=TEMPERING),
        bounds=(0.05, 20),
        options={"xatol": 1e-9},
    )
    assert ours == pytest.approx(peer.x, rel=1e-5)
    assert ours == pytest.approx(truth, rel=0.15)


def test_dividing_all_logits_divides_the_temperature(rng):
    z, labels = rng.normal(size=(300, 3)), rng.integers(0, 3, 300)
    z[np.arange(300), labels] += 1
    assert fit_temperature(z * 3, labels) == pytest.approx(3 * fit_temperature(z, labels), rel=1e-9)


@pytest.mark.parametrize("wrong", [1.0, TEMPERING])
@pytest.mark.parametrize("classes", [2, 3, 7])
def test_the_cautious_loss_is_the_mean_over_labels_of_which_so_many_are_wrong(rng, wrong, classes):
    z, labels = rng.normal(size=(50, classes)), rng.integers(0, classes, 50)
    logs = losses.log_softmax(z)
    own = np.arange(classes) == labels[:, None]
    target = np.where(own, 1 - wrong / 52, wrong / 52 / (classes - 1))
    assert cautious_loss(z, labels, wrong=wrong) == pytest.approx(
        -(target * logs).sum(axis=1).mean(), rel=1e-12
    )


def test_on_many_rows_the_cautious_loss_is_the_log_loss(rng):
    z, labels = rng.normal(size=(200_000, 3)), rng.integers(0, 3, 200_000)
    assert cautious_loss(z, labels) == pytest.approx(losses.softmax_loss(z, labels).mean(), abs=1e-4)


@pytest.mark.parametrize("rows", [1, 2, 3, 30])
def test_however_few_rows_there_are_the_right_answer_is_the_better_one(rows):
    labels = np.zeros(rows, int)
    right, unsure, wrong = ([[z, 0.0]] * rows for z in (1.0, 0.0, -1.0))
    assert cautious_loss(right, labels) < cautious_loss(unsure, labels) < cautious_loss(wrong, labels)
    assert fit_temperature(right, labels) < 1
    assert fit_temperature(wrong, labels) == 20


@pytest.mark.parametrize("rows", [2, 50, 5000])
def test_where_no_row_is_misjudged_confidence_grows_with_the_rows_and_stays_finite(rows):
    """All rows alike: the best probability is the rule's own, 1 − 1/(3(m + 2))."""
    z, labels = np.tile([2.0, 0.0], (rows, 1)), np.zeros(rows, int)
    sure = losses.softmax(z[:1] / fit_temperature(z, labels))[0, 0]
    assert sure == pytest.approx(1 - 1 / (3 * (rows + 2)), abs=1e-6)


def test_the_temperature_keeps_to_its_bounds():
    assert fit_temperature([[5.0, 0.0]] * 2, [1, 1]) == HIGHEST == 20
    assert fit_temperature([[1e-3, 0.0]] * 10**4, [0] * 10**4) == LOWEST == 0.05


def test_logits_without_a_difference_keep_their_temperature():
    assert fit_temperature([[3.0, 3.0]] * 4, [0, 1, 1, 1]) == 1
    assert fit_temperature([[3.0, 3.0], [-5.0, -5.0]], [0, 1]) == 1


def test_logits_of_any_size_give_a_finite_temperature():
    with np.errstate(all="raise"):
        assert LOWEST <= fit_temperature(np.array([[1e4, 0.0], [1e4, 0.0], [0, 1e4]]), [0, 1, 1]) <= HIGHEST


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match=r"at least one row and one class, got shape \(0, 2\)"):
        fit_temperature(np.zeros((0, 2)), np.zeros(0, int))
