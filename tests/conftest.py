"""What all tests share: no setting of the caller's environment, no hurried example, arithmetic that complains,
and a database to copy."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

# A busy machine is no failure; CI tries the same examples in every run.
settings.register_profile("neurona", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("neurona")


@pytest.fixture(scope="session", autouse=True)
def _plain_environment() -> Iterator[None]:
    said = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("NEURONA_")}
    yield
    os.environ.update(said)


@pytest.fixture(autouse=True)
def _strict_arithmetic() -> Iterator[None]:
    """No overflow, division by zero or invalid operation passes in silence; underflow to 0 is meant."""
    with np.errstate(all="raise", under="ignore"):
        yield


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with all tables and nothing in them: a copy is there sooner than one that is made."""
    from app.jobs import JobStore  # the tests of core need nothing of the server

    path = tmp_path_factory.mktemp("database") / "neurona.db"
    store = JobStore(f"sqlite:///{path}")
    store.prepare()
    store.close()
    return path
