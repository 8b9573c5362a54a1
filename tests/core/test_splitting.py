"""Both parts hold every class that has two rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.splitting import stratified_split

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=80).map(np.array)


@given(LABELS, st.floats(0.01, 0.99), st.integers(0, 2**40))
def test_the_parts_are_sorted_disjoint_complete_and_each_hold_every_class_of_two_rows(labels, fraction, seed):
    train, validation = stratified_split(labels, fraction, seed)
    assert np.array_equal(np.sort(np.concatenate([train, validation])), np.arange(len(labels)))
    for part in (train, validation):
        assert np.array_equal(part, np.sort(part))
    for label, count in zip(*np.unique(labels, return_counts=True), strict=True):
        held = (labels[validation] == label).sum()
        assert held == (min(max(round(fraction * count), 1), count - 1) if count > 1 else 0)


def test_the_split_is_a_function_of_the_seed_and_not_of_the_order():
    labels = np.arange(1000) % 3
    one, two, other = (stratified_split(labels, 0.2, seed)[1] for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert 400 < one.mean() < 600


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, float("nan")])
def test_a_fraction_outside_zero_and_one_is_refused(fraction):
    with pytest.raises(ValueError, match="between 0 and 1"):
        stratified_split([0, 1], fraction, 0)
