"""Fixtures for tests of the model repository: small real models, a clock to turn by hand, a failing disk."""

import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from app.repository.model import Model
from app.repository.repository import Repository
from app.storage import folder
from core import encoding, network

CALLS = ("open", "write", "fsync", "rename", "mkdir", "utime")


class Clock:
    """A clock that goes on by a second at every look."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


class FaultyOs:
    """The module `os`, whose n-th changing call does `fault` instead; all of them are counted."""

    def __init__(self, fail_at: int, fault: Callable[[], None]) -> None:
        self.count, self.fail_at, self.fault = 0, fail_at, fault

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._counted(real) if name in CALLS else real

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.count == self.fail_at:
                self.fault()
            return real(*args, **kwargs)

        return call


def disk_full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/secret/path")


@pytest.fixture
def faulty_os(monkeypatch):
    """Gives `app.storage.folder` an `os` whose n-th changing call fails; 0 takes the fault away."""

    def install(fail_at: int, fault: Callable[[], None] = disk_full) -> FaultyOs:
        replacement = FaultyOs(fail_at, fault)
        monkeypatch.setattr(folder, "os", replacement)
        return replacement

    return install


@pytest.fixture(scope="session")
def make_model():
    """Makes models with weights drawn from their version, over two numeric and one categorical column."""

    def make(version=1, name="iris", hidden=(5,), classes=("a", "b", "c"), dtype=np.float32, **card) -> Model:
        rng = np.random.default_rng(version)
        words = encoding.Codes(np.array([0, 1, 1], np.int32), ("left", "right"))
        fitted = encoding.fit({"x": np.array([1.0, 2, 4]), "y": np.array([0, np.nan, 1]), "side": words})
        parameters = network.initialise((fitted.width, *hidden, len(classes)), rng, dtype)
        parameters = tuple(layer._replace(bias=layer.bias + dtype(version)) for layer in parameters)
        return Model(
            name=name,
            version=version,
            parameters=parameters,
            encoding=fitted,
            classes=classes,
            temperature=1.25,
            card=card,
        )

    return make


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "models", clock=Clock())


@pytest.fixture
def root(tmp_path):
    return tmp_path / "models"
