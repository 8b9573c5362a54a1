"""Fixtures for tests of places for bytes."""

import errno
import os
from collections.abc import Callable
from typing import Any

import pytest

from app.storage import folder

CALLS = ("open", "write", "fsync", "rename", "mkdir", "utime")


class FailingOs:
    """The module `os`, whose n-th changing call fails as a full disk does; n = 0: none does."""

    def __init__(self, fail_at: int) -> None:
        self.count, self.fail_at = 0, fail_at

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._counted(real) if name in CALLS else real

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            if self.count == self.fail_at:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/secret/path")
            return real(*args, **kwargs)

        return call


@pytest.fixture
def failing_os(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], FailingOs]:
    """Gives `app.storage.folder` an `os` whose n-th changing call fails."""

    def install(fail_at: int) -> FailingOs:
        replacement = FailingOs(fail_at)
        monkeypatch.setattr(folder, "os", replacement)
        return replacement

    return install
