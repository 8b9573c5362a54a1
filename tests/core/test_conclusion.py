"""What is published is judged by rows that its parts have not seen, and means what it says."""

import numpy as np
import pytest

from core import losses, network, splitting
from core.class_weights import class_weights
from core.committee import Held, begin, fit, held_out_logits
from core.conclusion import conclude
from core.training import Examples, TrainingSpec

LINEAR = TrainingSpec(hidden_layer_sizes=(), optimizer="lbfgs", l2=1e-3, max_epochs=100)
DEEP = TrainingSpec(hidden_layer_sizes=(8,), batch_size=32, max_epochs=30, learning_rate=0.01)


def members(spec, held, features, classes):
    *_, last = fit((spec,), held, begin(spec, (features, classes), [None] * held.members))
    return last.state.best.members


@pytest.fixture
def held(rng):
    """Two classes apart by a line and, beyond it, by a curve: a mixture of both candidates is the best."""
    x = rng.normal(size=(300, 3)).astype(np.float32)
    logit = 2 * x[:, 0] + 2 * np.abs(x[:, 1]) - 1.5
    labels = (rng.random(300) < 1 / (1 + np.exp(-logit))).astype(int)
    return Held(Examples(x, labels), splitting.folds(labels, 5, 0))


def test_the_conclusion_is_never_worse_on_held_out_rows_than_a_candidate_alone(held):
    candidates = {"linear": members(LINEAR, held, 3, 2), "deep": members(DEEP, held, 3, 2)}
    losses_of = {name: conclude({name: each}, held).cautious_loss for name, each in candidates.items()}
    assert conclude(candidates, held).cautious_loss == min(losses_of.values())
    assert conclude(candidates, held, mixture=True).cautious_loss <= min(losses_of.values())


def test_a_mixture_publishes_the_network_that_its_logits_promise(held):
    candidates = {"linear": members(LINEAR, held, 3, 2), "deep": members(DEEP, held, 3, 2)}
    done = conclude(candidates, held, mixture=True)
    x = held.examples.x
    parts = {
        name: np.mean([network.logits(p, held.examples.x) for p in each], 0)
        for name, each in candidates.items()
    }
    share = done.share if done.share is not None else float(done.name == "deep")
    expected = (1 - share) * parts["linear"] + share * parts["deep"]
    np.testing.assert_allclose(network.logits(done.parameters, x), expected, atol=1e-4)
    oof = (1 - share) * held_out_logits(candidates["linear"], held) + share * held_out_logits(
        candidates["deep"], held
    )
    np.testing.assert_allclose(done.logits, oof, atol=1e-5)


def test_class_weights_do_not_move_what_probabilities_mean(rng):
    """Trained as if both classes were equally frequent, where one is 19 times as frequent as the other."""
    labels = (rng.random(2000) < 0.05).astype(int)
    x = (rng.normal(size=(2000, 2)) + 1.5 * labels[:, None]).astype(np.float32)
    weights = class_weights(labels, 2, "balanced")
    held = Held(Examples(x, labels, weights), splitting.folds(labels, 5, 0))
    by_class = np.array([weights[labels == c][0] for c in (0, 1)])
    candidates = {"linear": members(LINEAR, held, 2, 2)}
    corrected = conclude(candidates, held, class_weights=by_class)
    plain = conclude(candidates, held)
    assert corrected.shift == 1
    for done, gap in ((corrected, 0.01), (plain, 0.3)):
        mean = losses.softmax(network.logits(done.parameters, x) / done.temperature)[:, 1].mean()
        assert abs(mean - labels.mean()) < gap
    assert corrected.cautious_loss < plain.cautious_loss - 0.05
