"""Both parts hold every class that has two rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.splitting import folds, stratified_split

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


@given(LABELS, st.integers(2, 10), st.integers(0, 2**40))
def test_folds_hold_every_row_out_once_but_the_only_one_of_its_class(labels, count, seed):
    dealt = folds(labels, count, seed)
    for label, rows in zip(*np.unique(labels, return_counts=True), strict=True):
        own = dealt[labels == label]
        if rows == 1:
            assert own.tolist() == [-1]
        else:
            sizes = np.bincount(own, minlength=count)
            assert sizes.sum() == rows
            assert sizes.max() - sizes.min() <= 1


def test_folds_are_of_one_size_and_a_function_of_the_seed():
    labels = np.arange(1003) % 7
    one, two, other = (folds(labels, 5, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert np.ptp(np.bincount(one)) <= 1


def test_one_fold_is_refused():
    with pytest.raises(ValueError, match="at least 2 folds, got 1"):
        folds([0, 1], 1, 0)
