"""Each optimizer against its paper's algorithm, written out in float64."""

import numpy as np
import pytest

from core import optimizers


def adam(w, gradients, rate, beta1=0.9, beta2=0.999, epsilon=1e-8):
    """Kingma & Ba 2015, algorithm 1, line by line."""
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t, g in enumerate(gradients, start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        w = w - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + epsilon)
    return w


def momentum(w, gradients, rate):
    velocity = np.zeros_like(w)
    for g in gradients:
        velocity = 0.5 * velocity + g
        w = w - rate * velocity
    return w


def gradient_descent(w, gradients, rate):
    return w - rate * sum(gradients)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-13), ("float32", 2e-5)])
@pytest.mark.parametrize("oracle", [adam, momentum, gradient_descent])
def test_fifty_updates_equal_the_papers_algorithm(rng, oracle, dtype, tolerance):
    w, gradients = rng.normal(size=40), rng.normal(size=(50, 40)) * 10.0 ** rng.integers(-6, 3, 40)
    gradients[:, 0] = 0
    optimizer = optimizers.make(oracle.__name__, momentum=0.5)
    vector = w.astype(dtype)
    moments = [np.zeros_like(vector) for _ in range(optimizer.moments)]
    for number, gradient in enumerate(gradients.astype(dtype), start=1):
        optimizer.update(vector, gradient, moments, number, 0.01)
    assert vector.dtype == dtype
    np.testing.assert_allclose(vector, oracle(w, gradients, 0.01), rtol=tolerance, atol=tolerance)


def test_every_name_makes_an_optimizer():
    assert [type(optimizers.make(name)).__name__ for name in optimizers.NAMES if name != "lbfgs"] == [
        "Adam",
        "Momentum",
        "GradientDescent",
    ]
