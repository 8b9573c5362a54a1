"""The rooms behind the web side, started and stopped."""

import asyncio
import fcntl
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from app.bootstrap import build
from app.http.app import create_app
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


def test_an_application_that_is_told_nothing_of_its_life_starts_with_its_first_requests(built, tmp_path):
    """As under a host without ASGI's lifespan; with several requests at once, once."""
    settings = Settings(models=tmp_path / "models", data=tmp_path / "data")
    services = built(settings)
    body = {"data": {"instances": [[0.0], [1.0]] * 10, "labels": ["a", "b"] * 10}}

    async def call() -> dict[str, object]:
        transport = httpx.ASGITransport(app=create_app(services))
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answers = await asyncio.gather(*(client.get("/v1/jobs") for _ in range(5)))
            assert [answer.status_code for answer in answers] == [200] * 5
            accepted = await client.post("/v1/models/two/train", json=body)
            assert accepted.status_code == 202, accepted.text
            watched = await client.get(f"{accepted.headers['location']}/events", timeout=60)
            assert "succeeded" in watched.text
            return (await client.get("/v1/models/two/card")).json()

    assert asyncio.run(call())["classes"] == ["a", "b"]
