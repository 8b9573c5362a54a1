"""What this server has done, in numbers, and those of all its processes as Prometheus reads them.

Counting is on the path of every prediction, so it is a few additions to plain lists. Each process writes its numbers
to a file of its own now and then, and before it tells them, and whichever is asked adds them up: a counter never goes
back because a process ended, however it did. `prometheus_client` writes the page.
"""

import json
import os
import platform
import shutil
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

from app.http import vitals
from app.repository.model import Model
from app.serving.predictor import Rows
from app.serving.sampler import Sampler
from app.storage.folder import make_folder, write_atomic

SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
           0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # fmt: skip
MOST_VERSIONS = 1000  # more than are served at a time
_LEFT_SECONDS = 3600.0  # a living server of several processes writes every second
NOTED = 32  # predictions noted before they are counted: noting takes a tenth of that, and so few are not felt


def folder_of(data: Path, server: int) -> Path:
    """Where the processes of one server, whose parent has the number `server` on this machine, write their numbers.
    Others may share the data folder, from other machines too."""
    return data / "metrics" / f"{platform.node()}-{server}"


def sweep(data: Path, server: int) -> None:
    """Remove what an earlier server with that number left, and what no server has written to for an hour."""
    own = folder_of(data, server)
    for folder in (data / "metrics").glob("*"):
        with suppress(OSError):
            if folder == own or time.time() - folder.stat().st_mtime > _LEFT_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def make_room(kept: dict[Any, Any]) -> None:
    """Let what was met first go, if as many versions are kept as may be."""
    if len(kept) >= MOST_VERSIONS:
        del kept[next(iter(kept))]


class Durations:
    """A histogram of seconds: counts[i] of at most SECONDS[i], the last of more."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds


class Route(NamedTuple):
    """Where a request went, as its labels say."""

    method: str
    route: str
    status: int


class Served(NamedTuple):
    """Which version answered, by which protocol."""

    protocol: str
    model: str
    version: int


class Tally:
    """Good predictions by one version: how many, of how many rows, where their time went; their rows are sampled."""

    __slots__ = ("_compute", "_decode", "_encode", "_noted", "_requests", "_rows", "_sampler")

    def __init__(self, sampler: Sampler) -> None:
        self._requests = self._rows = 0
        self._decode, self._compute, self._encode = Durations(), Durations(), Durations()
        self._noted: list[tuple[int, float, float, float, float]] = []
        self._sampler = sampler

    def add(
        self, rows: Rows, count: int, began: float, decoded: float, computed: float, encoded: float
    ) -> None:
        """Note one prediction of `count` rows by the clock's readings between its parts, to be counted later."""
        self._noted.append((count, began, decoded, computed, encoded))
        if len(self._noted) >= NOTED:
            self._settle()
        if encoded >= self._sampler.due:
            self._sampler.take(rows, count, encoded)

    def plain(self) -> list[Any]:
        """Requests, rows, and for each part its counts and seconds."""
        self._settle()
        parts = (self._decode, self._compute, self._encode)
        return [self._requests, self._rows, *([part.counts, part.total] for part in parts)]

    def _settle(self) -> None:
        noted, self._noted = self._noted, []
        for count, began, decoded, computed, encoded in noted:
            self._rows += count
            self._decode.add(decoded - began)
            self._compute.add(computed - decoded)
            self._encode.add(encoded - computed)
        self._requests += len(noted)


class Meters:
    """The numbers of this process, and below `folder` those of its siblings. Rows go to the samplers of models.

    shared: whether there are siblings, who are to see these numbers.
    """

    def __init__(self, folder: Path, *, sampler_of: Callable[[Model], Sampler], shared: bool = True) -> None:
        self._folder, self._sampler_of, self.shared = folder, sampler_of, shared
        self._writing = threading.Lock()
        self._routes: dict[Route, Durations] = {}
        self._served: dict[Served, Tally] = {}
        self._failed: dict[tuple[str, str, int], int] = {}
        self._readers: dict[str, vitals.Reader] = {}

    def watch(self, readers: Mapping[str, vitals.Reader]) -> None:
        """Tell these numbers, too, whenever somebody asks; names as in `vitals.TEXTS`."""
        self._readers.update(readers)

    def fail(self, protocol: str, model: str, status: int) -> None:
        """Count a prediction that was refused."""
        self._failed[protocol, model, status] = self._failed.get((protocol, model, status), 0) + 1

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        durations = self._routes.get((method, route, status))  # type: ignore[call-overload]
        if durations is None:
            durations = self._routes[Route(method, route, status)] = Durations()
        durations.add(seconds)

    def tally(self, protocol: str, model: Model) -> Tally:
        """Where to count the predictions of one version."""
        found = self._served.get((protocol, model.name, model.version))  # type: ignore[call-overload]
        if found is None:
            make_room(self._served)
            found = Tally(self._sampler_of(model))
            self._served[Served(protocol, model.name, model.version)] = found
        return found  # type: ignore[no-any-return]

    def write(self) -> dict[str, Any]:
        """Let the other processes see these numbers, which are returned. A folder that cannot be written costs only
        that."""
        with self._writing:
            plain = self._plain()
            with suppress(OSError):
                make_folder(self._folder)
                write_atomic(self._folder / f"{os.getpid()}.json", json.dumps(plain).encode())
        return plain

    def collect(self) -> Iterator[Metric]:
        """The families of all processes, as `prometheus_client` collects them."""
        # What is told is written first: it would be missed if this process were killed, and a counter went back.
        plains = [self.write() if self.shared else self._plain(), *self._siblings()]
        yield from _requests([entry for plain in plains for entry in plain["routes"]])
        yield from _predictions([entry for plain in plains for entry in plain["served"]])
        yield _failures([entry for plain in plains for entry in plain["failed"]])
        yield from vitals.families((plain["process"], plain["vitals"]) for plain in plains)

    def _siblings(self) -> Iterator[dict[str, Any]]:
        for path in sorted(self._folder.glob("*.json")):
            if path.stem != str(os.getpid()):
                with suppress(OSError, ValueError):
                    yield json.loads(path.read_bytes())

    def _plain(self) -> dict[str, Any]:
        return {
            "routes": [[list(key), each.counts, each.total] for key, each in list(self._routes.items())],
            "served": [[list(key), *each.plain()] for key, each in list(self._served.items())],
            "failed": [[list(key), count] for key, count in list(self._failed.items())],
            "process": os.getpid(),
            "vitals": vitals.read(self._readers),
        }


def _requests(entries: Iterable[Any]) -> Iterator[Metric]:
    count = CounterMetricFamily(
        "neurona_http_requests", "Requests answered", labels=("method", "route", "status")
    )
    seconds = HistogramMetricFamily(
        "neurona_http_request_seconds", "Time to answer a request", labels=("method", "route", "status")
    )
    for labels, (counts, total) in _summed((entry[0], entry[1:]) for entry in entries):
        count.add_metric(labels, sum(counts))
        seconds.add_metric(labels, _buckets(counts), total)
    yield count
    yield seconds


def _predictions(entries: Iterable[Any]) -> Iterator[Metric]:
    names = ("protocol", "model", "version")
    requests = CounterMetricFamily("neurona_predictions", "Predictions answered", labels=names)
    rows = CounterMetricFamily("neurona_prediction_rows", "Rows predicted", labels=names)
    entries = list(entries)
    sums: dict[tuple[str, ...], list[int]] = {}
    for entry in entries:
        of = sums.setdefault(tuple(map(str, entry[0])), [0, 0])
        of[0] += entry[1]
        of[1] += entry[2]
    for labels, (number, count) in sums.items():
        requests.add_metric(labels, number)
        rows.add_metric(labels, count)
    yield requests
    yield rows
    seconds = HistogramMetricFamily(
        "neurona_prediction_seconds", "Time of a prediction, by its part", labels=(*names, "part")
    )
    for place, part in enumerate(("decode", "compute", "encode"), start=3):
        for labels, (counts, total) in _summed(([*entry[0], part], entry[place]) for entry in entries):
            seconds.add_metric(labels, _buckets(counts), total)
    yield seconds


def _failures(entries: Iterable[Any]) -> Metric:
    sums: Counter[tuple[str, ...]] = Counter()
    for key, count in entries:
        sums[tuple(map(str, key))] += count
    family = CounterMetricFamily(
        "neurona_prediction_failures", "Predictions refused", labels=("protocol", "model", "status")
    )
    for labels, count in sums.items():
        family.add_metric(labels, count)
    return family


def _summed(entries: Iterable[Any]) -> Iterable[tuple[tuple[str, ...], tuple[list[int], float]]]:
    sums: dict[tuple[str, ...], tuple[list[int], float]] = {}
    for key, (counts, total) in entries:
        labels = tuple(map(str, key))
        before, so_far = sums.get(labels, ([0] * len(counts), 0.0))
        sums[labels] = [a + b for a, b in zip(before, counts, strict=True)], so_far + total
    return sums.items()


def _buckets(counts: list[int]) -> list[tuple[str, float]]:
    total, buckets = 0, []
    for bound, count in zip((*map(str, SECONDS), "+Inf"), counts, strict=True):
        total += count
        buckets.append((bound, float(total)))
    return buckets
