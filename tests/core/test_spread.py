"""Mean and spread in pieces equal those of the whole."""

import numpy as np
import pytest

from core import spread


def measure(*parts):
    """mean and scale of rows that come in parts, and whether a number is missing."""
    gauge = spread.Gauge(int(np.prod(parts[0].shape[1:])))
    for part in parts:
        gauge.look([part])
    for part in parts:
        gauge.weigh([part])
    return gauge.spreads(), gauge.missing


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.uint8, bool])
def test_spread_in_pieces_equals_numpys_own(rng, monkeypatch, dtype):
    x = (rng.integers(0, 100, (57, 3)) % (2 if dtype is bool else 100)).astype(dtype)
    monkeypatch.setattr(spread, "CHUNK", 10)
    for parts in ([x], [x[:13], x[13:50], x[50:]]):
        (mean, scale), missing = measure(*parts)
        np.testing.assert_allclose(mean, x.mean(axis=0, dtype=float))
        np.testing.assert_allclose(scale, x.std(axis=0, dtype=float))
        assert not missing.any()


def test_rows_sorted_by_size_and_far_from_zero_have_the_spread_of_the_same_rows_mixed(rng):
    x = np.sort(rng.normal(1e9, 1, 3000))
    (mean, scale), _ = measure(*np.split(x, 30))
    np.testing.assert_allclose([mean[0], scale[0]], [x.mean(), x.std()], rtol=1e-12)


def test_what_is_missing_in_a_part_or_in_all_of_one_is_left_out(rng):
    x = rng.normal(size=(60, 3))
    x[:20, 0] = np.nan
    x[::7, 1] = np.nan
    (mean, scale), missing = measure(x[:20], x[20:45], x[45:])
    np.testing.assert_allclose(mean, np.nanmean(x, axis=0))
    np.testing.assert_allclose(scale, np.nanstd(x, axis=0))
    assert missing.tolist() == [True, True, False]


def test_numbers_of_any_size_have_a_finite_spread():
    with np.errstate(all="raise"):
        (mean, scale), _ = measure(np.array([1.7e308, -1.7e308]))
        (_, small), _ = measure(np.array([0.0, 2e-308]))
        parts, _ = measure(np.array([1.7e308]), np.array([-1.7e308]))
    assert (mean, scale) == (0, 1.7e308)
    assert (parts.mean, parts.scale) == (0, 1.7e308)
    assert small == 1e-308
