"""The processes of a server with two trainers: found, killed, and started again as a container runtime would."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from local_server import ROOT, LocalServer

KINDS = {"worker": 10, "api": 6, "trainer": 3, "second": 3, "parent": 2, "container": 2, "all": 2}
_API_KINDS = ("api", "parent", "container", "all")


def children(pid: int) -> list[int]:
    """Processes started by any thread of a process."""
    found: list[int] = []
    for each in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += map(int, each.read_text().split())
    return found


def descendants(pid: int) -> list[int]:
    """Children, and theirs."""
    below = children(pid)
    return below + [each for child in below for each in descendants(child)]


def words(pid: int) -> bytes:
    """The command line of a process; empty if it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def alive(pid: int) -> bool:
    """Whether a process runs, or is stopped; one that only waits to be noticed as dead does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def processor_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def workers_of(trainer: int) -> list[int]:
    """The Dask workers of a trainer."""
    return [each for each in descendants(trainer) if b"spawn_main" in words(each)]


class Program:
    """A command that is started again whenever it has died."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.command, self.environment, self.log = command, environment, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; nothing is waited for."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Of the process now."""
        assert self.process is not None
        return self.process.pid

    @property
    def dead(self) -> bool:
        """Whether it has to be started again."""
        return self.process is not None and self.process.poll() is not None

    def family(self) -> list[int]:
        """Its process and all below."""
        return [self.pid, *descendants(self.pid)]


class House:
    """`neurona serve --workers 2` and a second, standalone trainer on one database."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.place = LocalServer(folder, workers=2, max_attempts=1_000_000, **settings)
        environment = self.place.environment
        self.server = Program(self.place.command, environment, folder / "server.log")
        second = [sys.executable, "-m", "app", "trainer"]
        self.second = Program(second, environment, folder / "second.log")
        self.kills: Counter[str] = Counter()
        self.starts = 0
        self.api_killed = 0.0  # when a process that answers requests was last killed
        self._stop = threading.Event()
        self._keeper = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        """Start everything, and from now on whatever dies."""
        self.place.start()
        self.server.process = self.place.process
        self.second.start()
        self._keeper.start()

    def stop(self) -> None:
        """End everything."""
        self._stop.set()
        if self._keeper.is_alive():
            self._keeper.join()
        programs = [each for each in (self.server, self.second) if each.process]
        family = [pid for program in programs for pid in program.family()]
        for program in programs:
            if program.process and not program.dead:
                program.process.terminate()
        for program in programs:
            with suppress(subprocess.TimeoutExpired):
                assert program.process is not None
                program.process.wait(15)
        self._kill(family)

    def trainer(self) -> int | None:
        """The trainer beside the server."""
        found = [each for each in descendants(self.server.pid) if b"trainer" in words(each)]
        return found[0] if found else None

    def disturb(self, rng: random.Random) -> str | None:
        """Kill -9 something; what it was, or None if there was no such process just then."""
        kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
        victims = self._victims(kind, rng)
        if not victims:
            return None
        if kind in _API_KINDS:
            self.api_killed = time.monotonic()
        self._kill(victims)
        if kind in _API_KINDS:
            self.api_killed = time.monotonic()
        self.kills[kind] += 1
        return kind

    def _victims(self, kind: str, rng: random.Random) -> list[int]:
        trainer = self.trainer()
        beside = [] if trainer is None else [trainer]
        workers = [each for pid in (*beside, self.second.pid) for each in workers_of(pid)]
        api = [each for each in children(self.server.pid) if b"spawn_main" in words(each)]
        return {
            "worker": rng.sample(workers, min(1, len(workers))),
            "api": rng.sample(api, min(1, len(api))),
            "trainer": beside,
            "second": [self.second.pid],
            "parent": [self.server.pid],
            "container": self.server.family(),
            "all": [*self.server.family(), *self.second.family()],
        }[kind]

    def _kill(self, victims: list[int]) -> None:
        for pid in victims:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _keep(self) -> None:
        while not self._stop.wait(0.1):
            for program in (self.server, self.second):
                if program.dead:
                    self.starts += 1
                    program.start()
                    self._stop.wait(0.2)
