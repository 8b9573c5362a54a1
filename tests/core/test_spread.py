"""Mean and spread in pieces equal those of the whole."""

import numpy as np
import pytest

from core import spread


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int16, np.uint8, bool])
def test_spread_in_pieces_equals_numpys_own(rng, monkeypatch, dtype):
    x = (rng.integers(0, 100, (57, 3)) % (2 if dtype is bool else 100)).astype(dtype)
    monkeypatch.setattr(spread, "CHUNK", 10)
    (mean, _), missing = spread.measure(x)
    np.testing.assert_allclose(mean, x.mean(axis=0, dtype=float))
    (mean, scale), _ = spread.measure(x[:, 0])
    np.testing.assert_allclose([mean, scale], [x[:, 0].mean(dtype=float), x[:, 0].std(dtype=float)])
    assert not missing


def test_numbers_of_any_size_have_a_finite_spread():
    with np.errstate(all="raise"):
        (mean, scale), _ = spread.measure(np.array([1.7e308, -1.7e308]))
        (_, small), _ = spread.measure(np.array([0.0, 2e-308]))
    assert (mean, scale) == (0, 1.7e308)
    assert small == 1e-308
