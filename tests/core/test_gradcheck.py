"""The check passes on right gradients and finds wrong ones."""

import numpy as np
import pytest

from core import gradcheck, network


def test_right_gradients_differ_by_less_than_one_part_in_a_million(make_params, rng):
    x, labels = rng.normal(size=(8, 4)).astype(np.float32), np.arange(8) % 3
    assert gradcheck.check(make_params(4, 5, 3, dtype="float32"), x, labels, l2=0.01) < 1e-6


@pytest.mark.parametrize("array", ["weight", "bias"])
def test_a_gradient_that_is_one_percent_wrong_is_found(make_params, rng, monkeypatch, array):
    right = network.loss_and_gradients

    def wrong(*args, **options):
        loss, (first, *rest) = right(*args, **options)
        return loss, (first._replace(**{array: 1.01 * getattr(first, array)}), *rest)

    monkeypatch.setattr(network, "loss_and_gradients", wrong)
    assert gradcheck.check(make_params(4, 5, 3), rng.normal(size=(8, 4)), np.arange(8) % 3) > 5e-3


def test_a_wrong_gradient_in_the_input_is_found(make_params, rng, monkeypatch):
    monkeypatch.setattr(network, "input_gradients", lambda params, x, labels: np.zeros_like(x))
    assert gradcheck.check(make_params(4, 3), rng.normal(size=(8, 4)), np.arange(8) % 3) == 1


def test_arguments_are_left_as_they_were(make_params, rng):
    params, x = make_params(4, 3), rng.normal(size=(8, 4))
    before = network.flatten(params), x.copy()
    gradcheck.check(params, x, np.arange(8) % 3)
    assert np.array_equal(network.flatten(params), before[0])
    assert np.array_equal(x, before[1])
