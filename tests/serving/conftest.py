"""Fixtures for tests of predictions: models over every kind of column, and rows for them."""

from itertools import pairwise

import numpy as np
import pytest

from app.repository.cache import ModelCache
from app.repository.model import Model
from app.repository.repository import Repository
from app.serving.predictor import Predictor
from core import encoding, network
from core.knots import with_knots


@pytest.fixture(scope="session")
def mixed_rows():
    """Nine rows with a numeric column with a missing value, a categorical one and a vector."""
    rng = np.random.default_rng(5)
    return {
        "length": np.array([1.0, 2, np.nan, 4, 5, 6, 7, 8, 9]),
        "side": encoding.Codes(np.array([0, 1, 1, 0, -1, 1, 0, 1, 0], np.int32), ("left", "right")),
        "picture": rng.normal(size=(9, 4)).astype(np.float32),
    }


@pytest.fixture(scope="session")
def make_model(mixed_rows):
    """Makes models with random weights: over the mixed rows, or over a plain matrix of `inputs` columns."""

    def make(hidden=(8,), *, inputs=None, bins=0, dtype=np.float32, temperature=1.0, classes=("a", "b", "c")):
        rng = np.random.default_rng(7)
        columns = mixed_rows
        if inputs is not None:
            columns = {f"x{i}": column for i, column in enumerate(rng.normal(3, 2, size=(inputs, 50)))}
        fitted = encoding.fit(columns)
        fitted = with_knots(fitted, columns, bins) if bins else fitted
        sizes = (fitted.width, *hidden, len(classes))
        parameters = tuple(
            network.Dense(rng.normal(size=(a, b)).astype(dtype), rng.normal(size=b).astype(dtype))
            for a, b in pairwise(sizes)
        )
        return Model(
            name="iris",
            version=1,
            parameters=parameters,
            encoding=fitted,
            classes=classes,
            temperature=temperature,
        )

    return make


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "models")


@pytest.fixture
def predictor(repository):
    return Predictor(ModelCache(repository, 1 << 30), max_explain_rows=20)
