"""Disks that fill up, rooms of a test's own, live servers with their trainers, and a real PostgreSQL."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from disturbed.faults import FaultyOs
from disturbed.processes import Program
from local_server import ROOT, LocalServer
from postgres import Postgres

from app.storage import folder

IRIS = ROOT / "examples" / "data" / "iris.csv"
DIGITS = ROOT / "examples" / "data" / "digits.csv"
FINAL = ("succeeded", "failed", "cancelled")
LONG = {"algorithm": "relu_network", "hidden_layer_sizes": 128, "patience": "null", "batch_size": 64}


@pytest.fixture
def faulty_os(monkeypatch: pytest.MonkeyPatch) -> Callable[..., FaultyOs]:
    """Gives `app.storage.folder` an `os` whose n-th changing call fails; 0 takes the fault away."""

    def install(*arguments: int) -> FaultyOs:
        replacement = FaultyOs(*arguments)
        monkeypatch.setattr(folder, "os", replacement)
        return replacement

    return install


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """A file system of so many kilobytes: `disk(64)`; made anew, it is empty."""
    place = tmp_path / "disk"
    place.mkdir()
    mounted = False

    def make(kilobytes: int) -> Path:
        nonlocal mounted
        if os.geteuid() != 0 or shutil.which("mount") is None:
            pytest.skip("needs the right to mount")
        if mounted:
            subprocess.run(["umount", place], check=True)
            mounted = False
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "none", place], check=False
        )
        if made.returncode:
            pytest.skip("needs the right to mount")
        mounted = True
        return place

    yield make
    if mounted:
        subprocess.run(["umount", "-l", place], check=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real server; where none is installed its tests are skipped, but never in CI."""
    binaries = Postgres.binaries()
    if binaries is None:
        reason = "PostgreSQL is not installed (on Debian: apt install postgresql)"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    server = Postgres(binaries)
    yield server
    server.stop()


@dataclass
class Live:
    """A running server, more trainers if the test starts them, and a client that minds no broken connection."""

    server: LocalServer
    http: httpx.Client
    stack: ExitStack

    def trainer(self, name: str) -> Program:
        """A standalone trainer on the same database."""
        environment = {**self.server.environment, "NEURONA_TRAINER": "True"}
        command = [self.server.command[0], "-m", "app", "trainer"]
        program = Program(command, environment, self.server.log.with_name(f"{name}.log"))
        program.start()
        self.stack.callback(_end, program)
        return program

    def train(self, model: str, **options: Any) -> dict[str, Any]:
        answer = self.http.post(
            f"/v1/models/{model}/train",
            params={**LONG, **options},
            content=DIGITS.read_bytes(),
            headers={"content-type": "text/csv"},
        )
        assert answer.status_code == 202, answer.text
        return answer.json()

    def job(self, job: dict[str, Any]) -> dict[str, Any]:
        return self.http.get(f"/v1/jobs/{job['id']}").json()

    def sequences(self, job: dict[str, Any]) -> list[int]:
        epochs = self.http.get(f"/v1/jobs/{job['id']}/history").json()["epochs"]
        return [each["sequence"] for each in epochs]

    def epoch(self, job: dict[str, Any], after: int, *, seconds: float = 30) -> int:
        """Wait for an epoch after `after`; the newest."""
        until = time.monotonic() + seconds
        while not (found := self.sequences(job)) or found[-1] <= after:
            assert time.monotonic() < until, self.server.log.read_text()[-3000:]
            time.sleep(0.05)
        return found[-1]

    def ended(self, job: dict[str, Any], *, seconds: float = 60) -> dict[str, Any]:
        until = time.monotonic() + seconds
        while (now := self.job(job)).get("state") not in FINAL:
            assert time.monotonic() < until, (now, self.server.log.read_text()[-3000:])
            time.sleep(0.05)
        return now


def _end(program: Program) -> None:
    for pid in program.family():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    assert program.process is not None
    program.process.wait()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Callable[..., Live]]:
    """`live(**settings)`: a server of the test's own."""
    with ExitStack() as stack:

        def make(**settings: object) -> Live:
            server = LocalServer(tmp_path, **{"checkpoint_seconds": 0.3, **settings})
            server.start()
            stack.callback(server.stop)
            http = stack.enter_context(
                httpx.Client(base_url=server.url, trust_env=False, timeout=60, verify=server.verify)
            )
            return Live(server=server, http=http, stack=stack)

        yield make
