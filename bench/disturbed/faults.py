"""A disk that fails at the n-th call that would change it."""

import errno
import os
from collections.abc import Callable
from typing import Any

CALLS = ("open", "write", "fsync", "rename", "mkdir", "utime")


class FaultyOs:
    """Stands for the module `os`: its n-th changing call raises, and all of them are counted; 0 is never."""

    def __init__(self, fail_at: int, number: int = errno.ENOSPC) -> None:
        self.count, self.fail_at, self.number = 0, fail_at, number

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._counted(real) if name in CALLS else real

    def _counted(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **fields: Any) -> Any:
            self.count += 1
            if self.count == self.fail_at:
                raise OSError(self.number, os.strerror(self.number), "/secret/path")
            return real(*arguments, **fields)

        return call
