"""A merged network's logits are the sum that it stands for."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import merging, network

VALUES = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
HIDDEN = st.lists(st.integers(1, 6), max_size=3)


@VALUES
@given(HIDDEN, st.integers(1, 5), st.integers(2, 4), st.integers(1, 5))
def test_a_committees_logits_are_the_mean_of_its_members(
    make_params, rng, hidden, features, classes, members
):
    networks = [make_params(features, *hidden, classes) for _ in range(members)]
    x = rng.normal(size=(7, features))
    mean = np.mean([network.logits(each, x) for each in networks], axis=0)
    np.testing.assert_allclose(network.logits(merging.merge(networks), x), mean, rtol=1e-9, atol=1e-9)


@VALUES
@given(HIDDEN.filter(len), st.integers(1, 5), st.integers(2, 4), st.floats(0, 1))
def test_a_mixtures_logits_are_those_of_its_parts_by_their_shares(
    make_params, rng, hidden, features, classes, share
):
    linear, deep = make_params(features, classes), make_params(features, *hidden, classes)
    x = rng.normal(size=(7, features))
    expected = (1 - share) * network.logits(linear, x) + share * network.logits(deep, x)
    mixed = merging.mix(linear, deep, share)
    np.testing.assert_allclose(network.logits(mixed, x), expected, rtol=1e-9, atol=1e-9)
    assert len(mixed) == len(deep)


def test_members_of_different_widths_are_merged(make_params, rng):
    networks = [make_params(3, 4, 2), make_params(3, 6, 2)]
    x = rng.normal(size=(5, 3))
    expected = 0.25 * network.logits(networks[0], x) + 0.75 * network.logits(networks[1], x)
    np.testing.assert_allclose(network.logits(merging.merge(networks, [0.25, 0.75]), x), expected)


def test_members_that_do_not_go_together_are_refused(make_params):
    with pytest.raises(ValueError, match="agree in depth, features and classes"):
        merging.merge([make_params(3, 4, 2), make_params(3, 2)])


def test_a_shift_adds_to_the_logits(make_params, rng):
    params, x = make_params(3, 4, 2), rng.normal(size=(5, 3))
    shifted = merging.shifted(params, np.array([1.0, -2.0]))
    np.testing.assert_allclose(network.logits(shifted, x), network.logits(params, x) + np.array([1, -2]))
