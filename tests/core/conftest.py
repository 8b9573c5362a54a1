"""Data and networks that the tests of core share."""

from collections.abc import Callable

import jax
import numpy as np
import pytest
from numpy.typing import NDArray

from core import network
from core.network import Dense, Params
from core.training import Examples


@pytest.fixture(scope="session", autouse=True)
def _double_precision() -> None:
    jax.config.update("jax_enable_x64", True)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(2018)


@pytest.fixture
def make_params(rng: np.random.Generator) -> Callable[..., Params]:
    """Parameters of these sizes, all of them, biases too, away from zero."""

    def make(*sizes: int, dtype: str = "float64") -> Params:
        return tuple(
            Dense(*(rng.normal(size=array.shape).astype(dtype) for array in layer))
            for layer in network.initialise(sizes, rng)
        )

    return make


@pytest.fixture
def make_examples(rng: np.random.Generator) -> Callable[..., Examples]:
    """Rows around one centre for each class, which overlap a little."""

    def make(rows: int = 200, features: int = 5, classes: int = 3, *, weights: bool = False) -> Examples:
        centres: NDArray[np.float64] = rng.normal(size=(classes, features))
        labels = np.arange(rows) % classes
        x = (centres[labels] + rng.normal(size=(rows, features))).astype(np.float32)
        return Examples(x, labels, rng.uniform(0.5, 1.5, rows) if weights else None)

    return make
