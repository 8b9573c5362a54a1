"""The rooms behind the web side, started and stopped."""

import fcntl
import time
from collections.abc import Callable
from pathlib import Path

from app.bootstrap import build
from app.settings import Settings


def waited_for(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while not condition() and time.monotonic() < until:
        time.sleep(0.01)
    return condition()


def is_locked(path: Path) -> bool:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def test_what_was_stopped_has_a_trainer_again_once_it_is_started_again(tmp_path):
    """As where tests open one application several times."""
    settings = Settings(models=tmp_path / "models", data=tmp_path / "data")
    services = build(settings)
    for _ in range(2):
        services.start()
        assert waited_for(lambda: is_locked(settings.data / "trainer.lock"))
        services.stop()
        assert not is_locked(settings.data / "trainer.lock")
