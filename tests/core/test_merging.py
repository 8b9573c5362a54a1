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
@given(HIDDEN, st.integers(1, 5), st.integers(2, 4), st.integers(1, 5))
def test_what_was_split_and_merged_again_computes_the_same(
    make_params, rng, hidden, features, classes, members
):
    merged = merging.merge([make_params(features, *hidden, classes) for _ in range(members)])
    parts = merging.split(merged, members)
    x = rng.normal(size=(7, features))
    assert {network.sizes(part) for part in parts} == {(features, *hidden, classes)}
    again = merging.merge(parts)
    np.testing.assert_allclose(network.logits(again, x), network.logits(merged, x), rtol=1e-9, atol=1e-9)


def test_the_parts_are_the_members_with_one_last_bias_for_all(make_params, rng):
    networks = [make_params(3, 4, 2, 3) for _ in range(3)]
    x = rng.normal(size=(5, 3))
    parts = merging.split(merging.merge(networks), 3)
    for part, levelled, member in zip(parts, merging.levelled(networks), networks, strict=True):
        np.testing.assert_allclose(network.logits(part, x), network.logits(levelled, x), atol=1e-12)
        gap = network.logits(part, x) - network.logits(member, x)
        np.testing.assert_allclose(gap, np.broadcast_to(gap[0], gap.shape), atol=1e-12)


def test_softmax_regressions_are_left_as_they_are(make_params):
    members = tuple(make_params(3, 2) for _ in range(3))
    assert merging.levelled(members) == members


@pytest.mark.parametrize("hidden", [(7,), (6, 6)])
def test_a_network_that_is_no_committee_is_not_split(make_params, hidden):
    with pytest.raises(ValueError, match="not those of 3 networks side by side"):
        merging.split(make_params(2, *hidden, 3), 3)


def test_members_of_different_widths_are_merged(make_params, rng):
    networks = [make_params(3, 4, 2), make_params(3, 6, 2)]
    x = rng.normal(size=(5, 3))
    expected = 0.5 * network.logits(networks[0], x) + 0.5 * network.logits(networks[1], x)
    np.testing.assert_allclose(network.logits(merging.merge(networks), x), expected)


def test_members_that_do_not_go_together_are_refused(make_params):
    with pytest.raises(ValueError, match="agree in depth, features and classes"):
        merging.merge([make_params(3, 4, 2), make_params(3, 2)])


def test_a_shift_adds_to_the_logits(make_params, rng):
    params, x = make_params(3, 4, 2), rng.normal(size=(5, 3))
    shifted = merging.shifted(params, np.array([1.0, -2.0]))
    np.testing.assert_allclose(network.logits(shifted, x), network.logits(params, x) + np.array([1, -2]))


def test_a_temperature_divides_the_logits(make_params, rng):
    params, x = make_params(3, 4, 2), rng.normal(size=(5, 3))
    np.testing.assert_allclose(
        network.logits(merging.tempered(params, 1.7), x), network.logits(params, x) / 1.7
    )
