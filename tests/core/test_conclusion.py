"""What is published is judged by rows that its parts have not seen, and means what it says."""

from dataclasses import replace

import numpy as np
import pytest

from core import losses, network
from core.calibration import TEMPERING, cautious_loss, fit_temperature
from core.class_weights import class_weights
from core.committee import Held, begin, fit, held_out_logits
from core.conclusion import Conclusion, chosen, conclude, concluding
from core.merging import merge, shifted
from core.network import Dense
from core.stops import go_on
from core.training import Examples, TrainingSpec

LINEAR = TrainingSpec(hidden_layer_sizes=(), optimizer="lbfgs", l2=1e-3, max_epochs=100)
DEEP = TrainingSpec(hidden_layer_sizes=(8,), batch_size=32, max_epochs=30, learning_rate=0.01)


def members(spec, held, features, classes):
    *_, last = fit((spec,), held, begin(spec, (features, classes), [None] * held.members))
    return last.state.best.members


@pytest.fixture
def held(rng):
    """Two classes apart by a curve, which softmax regression cannot follow."""
    x = rng.normal(size=(300, 3)).astype(np.float32)
    logit = 2 * x[:, 0] + 4 * np.abs(x[:, 1]) - 3
    labels = (rng.random(300) < 1 / (1 + np.exp(-logit))).astype(int)
    return Held(Examples(x, labels), np.arange(300) % 5, 5)


def test_the_candidate_with_the_lower_log_loss_on_held_out_rows_is_chosen(held):
    candidates = {"linear": members(LINEAR, held, 3, 2), "deep": members(DEEP, held, 3, 2)}
    conclusions = {name: conclude(each, held) for name, each in candidates.items()}
    for name, each in candidates.items():
        z = held_out_logits(each, held).astype(float)
        temperature = fit_temperature(z, held.labels)
        loss, _ = losses.softmax_cross_entropy(z / temperature, held.labels)
        assert conclusions[name].log_loss == pytest.approx(loss, rel=1e-9)
        assert conclusions[name].cautious_loss == cautious_loss(z / temperature, held.labels, wrong=TEMPERING)
    assert conclusions["deep"].log_loss < conclusions["linear"].log_loss
    assert chosen(conclusions) == "deep"


def test_work_on_a_conclusion_stops_between_looks_at_the_logits_and_comes_to_the_same(held):
    one, stops = members(LINEAR, held, 3, 2), 0
    work = concluding(one, held)
    while (done := go_on(work)[1]) is None:
        stops += 1
    assert stops > 30
    assert done.temperature == conclude(one, held).temperature


def test_the_candidate_is_chosen_by_the_log_loss_and_not_by_the_cautious_one():
    one = Conclusion(
        logits=np.zeros((1, 2)),
        offset=np.zeros(2),
        shift=0.0,
        temperature=1.0,
        log_loss=0.2,
        cautious_loss=0.4,
    )
    assert chosen({"one": one, "two": replace(one, log_loss=0.3, cautious_loss=0.3)}) == "one"


@pytest.mark.parametrize("part", [0.0, 0.5, 1.0])
def test_of_what_class_weights_did_is_taken_off_what_makes_the_logits_right(rng, part):
    z, weights = rng.normal(scale=2, size=(4000, 2)), np.array([1 / 9, 9])
    truth = losses.softmax(z - part * np.log(weights))
    held = Held(Examples(z, (rng.random(4000) < truth[:, 1]).astype(int)), np.zeros(4000, int), 1)
    done = conclude([(Dense(np.eye(2), np.zeros(2)),)], held, class_weights=weights)
    assert done.shift == part
    np.testing.assert_allclose(done.offset, part * np.log(weights))
    np.testing.assert_allclose(done.logits, z - done.offset)
    assert done.temperature == pytest.approx(1, abs=0.1)


def test_class_weights_do_not_move_what_probabilities_mean(rng):
    """Trained as if both classes were equally frequent, where one is 19 times as frequent as the other."""
    labels = (rng.random(2000) < 0.05).astype(int)
    x = (rng.normal(size=(2000, 2)) + 1.5 * labels[:, None]).astype(np.float32)
    weights = class_weights(labels, 2, "balanced")
    held = Held(Examples(x, labels, weights), np.arange(2000) % 5, 5)
    by_class = np.array([weights[labels == c][0] for c in (0, 1)])
    linear = members(LINEAR, held, 2, 2)
    corrected = conclude(linear, held, class_weights=by_class)
    plain = conclude(linear, held)
    assert (corrected.shift, plain.shift) == (1, 0)
    for done, gap in ((corrected, 0.01), (plain, 0.3)):
        published = shifted(merge(linear), -done.offset)
        mean = losses.softmax(network.logits(published, x) / done.temperature)[:, 1].mean()
        assert abs(mean - labels.mean()) < gap
    assert corrected.cautious_loss < plain.cautious_loss - 0.05
