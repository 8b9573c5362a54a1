"""The rooms behind the web side, started and stopped."""

import time

from app.bootstrap import build
from app.settings import Settings


def test_what_was_stopped_has_a_trainer_again_once_it_is_started_again(tmp_path):
    """As where tests open one application several times."""
    services = build(Settings(models=tmp_path / "models", data=tmp_path / "data"))
    assert services.trainer is not None
    for _ in range(2):
        services.start()
        until = time.monotonic() + 20
        while not services.trainer.alive and time.monotonic() < until:
            time.sleep(0.01)
        began = services.trainer.alive
        services.stop()
        assert (began, services.trainer.alive) == (True, False)
