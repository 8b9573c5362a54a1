"""Weights of rows have mean 1, whatever the rule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_sample_weight

from core.class_weights import class_weights

LABELS = st.lists(st.integers(0, 3), min_size=1, max_size=40).map(np.array)


@given(LABELS)
def test_balanced_equals_scikit_learns_and_has_mean_one(labels):
    weights = class_weights(labels, 4, "balanced")
    np.testing.assert_allclose(weights, compute_sample_weight("balanced", labels))
    assert weights.mean() == pytest.approx(1)


@given(LABELS, st.lists(st.floats(1, 1e6), min_size=4, max_size=4), st.sampled_from([1e-306, 1.0, 1e301]))
def test_a_weight_for_each_class_is_scaled_to_mean_one_over_the_rows(labels, by_class, unit):
    by_class = [weight * unit for weight in by_class]
    weights = class_weights(labels, 4, by_class)
    assert weights.mean() == pytest.approx(1)
    np.testing.assert_allclose(
        weights / weights.max(), np.array(by_class)[labels] / np.max(np.array(by_class)[labels])
    )


def test_no_rule_means_no_weights():
    assert class_weights([0, 1], 2, None) is None


@pytest.mark.parametrize("rule", ["even", [1.0], [1.0, -1.0], [1.0, 0.0], [1.0, float("nan")]])
def test_a_rule_that_is_none_of_these_is_refused(rule):
    with pytest.raises(ValueError, match="class weights must be"):
        class_weights([0, 1], 2, rule)


@pytest.mark.parametrize("rule", [[1e-300, 1e300], [1.0, 2e6]])
def test_weights_whose_logarithms_could_not_be_taken_off_again_are_refused(rule):
    with pytest.raises(ValueError, match="by a factor of at most 1,000,000"):
        class_weights([0, 1], 2, rule)
