"""The whole application on a real port, without its trainer; jobs are run by the test when it wants them run."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import uvicorn
from local_server import NO_AUTHORITIES

from app.bootstrap import build, build_workplace
from app.http.app import create_app
from app.http.protocol import LaneProtocol
from app.http.services import Services
from app.settings import Settings
from app.training.body import run_job

DATA = Path(__file__).parents[2] / "examples" / "data"


@dataclass
class Site:
    """A client of the application, and its training side on demand."""

    client: httpx.Client
    settings: Settings
    server: "Listening"

    def work(self) -> list[str]:
        """Run every queued job to its end; what became of each."""
        place = build_workplace(self.settings)
        ended = []
        while claimed := place.jobs.claim():
            ended.append(run_job(place, claimed[0].id, claimed[1]))
        place.jobs.close()
        return ended

    def train(self, model: str = "iris", query: str = "label=species", **fields: Any) -> dict[str, Any]:
        """Train on iris and wait for the end; the job."""
        options = httpx.QueryParams("hidden_layer_sizes=8&max_epochs=15").merge(httpx.QueryParams(query))
        sent = self.client.post(
            f"/v1/models/{model}/train?{options}",
            content=(DATA / "iris.csv").read_bytes(),
            headers={"content-type": "text/csv"},
            **fields,
        )
        assert sent.status_code in (200, 202), sent.text
        self.work()
        return self.client.get(f"/v1/jobs/{sent.json()['id']}").json()

    def train_on(self, model: str, data: dict[str, Any], **said: Any) -> dict[str, Any]:
        """Train on a JSON body's data and wait for the end; the job."""
        sent = self.client.post(f"/v1/models/{model}/train", json={"data": data, **said})
        assert sent.status_code == 202, sent.text
        self.work()
        return self.client.get(f"/v1/jobs/{sent.json()['id']}").json()


def mixed_rows(count: int = 60, seed: int = 0) -> tuple[list[dict[str, Any]], list[int]]:
    """Rows with every kind of column (numbers, some far from 0, some missing; texts; truths; a vector) and labels."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for place in range(count):
        width = float(rng.normal(3, 2))
        rows.append(
            {
                "width": None if place % 7 == 3 else width,
                "seconds": 1.7e9 + 131_072 * int(rng.integers(100)),
                "colour": [None, "red", "green", "blue"][int(rng.integers(4))],
                "new": bool(rng.integers(2)),
                "picture": rng.normal(size=5).astype(np.float32).tolist(),
            }
        )
    labels = [int((row["width"] or 0) > 3) + (row["colour"] == "red") for row in rows]
    return rows, labels


class Listening(uvicorn.Server):
    """A server in a thread of this process; `ready` once it listens."""

    def __init__(self, app: Any) -> None:
        options = {
            "http": LaneProtocol,
            "proxy_headers": False,
            "log_config": None,
        }  # as `neurona serve` has them
        super().__init__(uvicorn.Config(app, port=0, timeout_graceful_shutdown=2, **options))
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run)

    async def startup(self, *arguments: Any, **named: Any) -> None:
        await super().startup(*arguments, **named)
        self.ready.set()

    async def main_loop(self) -> None:
        """As uvicorn's, but it looks ten times as often whether it should end: a thousand servers do."""
        while not await self.on_tick(0):
            await asyncio.sleep(0.01)

    async def shutdown(self, sockets: Any = None) -> None:
        """As uvicorn's, without the tenth of a second that it gives to connections, if there is none."""
        if self.server_state.connections:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()
        await self.lifespan.shutdown()

    def open(self) -> str:
        self.thread.start()
        assert self.ready.wait(20)
        return f"http://127.0.0.1:{self.servers[0].sockets[0].getsockname()[1]}"

    def close(self) -> None:
        self.should_exit = True
        self.thread.join(20)
        assert not self.thread.is_alive()


@pytest.fixture
def make_site(tmp_path: Path, empty_database: Path) -> Iterator[Callable[..., Site]]:
    (tmp_path / "data").mkdir()
    shutil.copy(empty_database, tmp_path / "data")
    with ExitStack() as opened:

        def make(**settings: Any) -> Site:
            given = {"data": tmp_path / "data", "models": tmp_path / "models", "drain_seconds": 0, **settings}
            chosen = Settings(trainer=False, **given)
            server = Listening(create_app(build(chosen)))
            opened.callback(server.close)
            client = opened.enter_context(
                httpx.Client(base_url=server.open(), timeout=30, verify=NO_AUTHORITIES)
            )
            return Site(client=client, settings=chosen, server=server)

        yield make


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    return make_site()


@pytest.fixture
def built() -> Iterator[Callable[[Settings], Services]]:
    """Builds rooms for an application that no server starts and stops; stops them in the end."""
    made: list[Services] = []

    def make(settings: Settings) -> Services:
        made.append(build(settings))
        return made[-1]

    yield make
    for services in made:
        services.stop()


@pytest.fixture
def client(site: Site) -> httpx.Client:
    return site.client


@pytest.fixture
def mixed() -> Callable[..., tuple[list[dict[str, Any]], list[int]]]:
    """Makes rows with every kind of column, and their labels: integers 0 to 2."""
    return mixed_rows


@pytest.fixture
def iris_csv() -> bytes:
    return (DATA / "iris.csv").read_bytes()
