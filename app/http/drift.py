"""How far the rows that versions are asked about are from those they were trained on, over all processes.

Each process counts a sample of its own rows and writes the counts to a file now and then; whichever is asked adds up.
What nobody has asked about for an hour is told no more: it says nothing of the present.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from math import inf
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
import orjson
from prometheus_client.core import GaugeMetricFamily, Metric

from app.errors import NeuronaError
from app.http.meters import make_room
from app.repository.model import Model
from app.serving.sampler import Sampler
from app.storage.folder import make_folder, write_atomic
from core.profile import Counts, Profile

LEAST_ROWS = 200.0  # with fewer, chance alone comes near the threshold
FORGOTTEN_SECONDS = 3600.0

Key = tuple[str, int]


class Column(NamedTuple):
    """A column and its population stability index."""

    name: str
    distance: float


class Drift(NamedTuple):
    """The columns of a version that are farthest from its training rows, and by how many rows that was seen."""

    rows: int
    columns: tuple[Column, ...]


class Drifts:
    """What the processes of this server have seen, theirs below `folder`.

    profile_of: of a version that only other processes have met; may raise. clock: seconds, the same in all processes.
    """

    def __init__(
        self,
        folder: Path,
        *,
        profile_of: Callable[[str, int], Profile | None],
        most_columns: int,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder, self._most_columns, self._clock = folder, most_columns, clock
        self._profile_of = lru_cache(maxsize=64)(profile_of)
        self._samplers: dict[Key, Sampler] = {}
        self._written = -inf  # the latest look at rows that the others know of

    def sampler(self, model: Model) -> Sampler:
        """Where to count the rows of one version."""
        key = (model.name, model.version)
        if key not in self._samplers:
            make_room(self._samplers)
            self._samplers[key] = Sampler(model.profile)
        return self._samplers[key]

    def write(self) -> None:
        """Let the other processes see these counts. A folder that cannot be written costs only that."""
        seen = [each for sampler in list(self._samplers.values()) if (each := sampler.seen()) is not None]
        newest = max((each.last for each in seen), default=-inf)
        if newest <= self._written:
            return
        with suppress(OSError):
            make_folder(self._folder)
            plain = [[*key, at, counts] for key, at, counts in self._own()]
            data = orjson.dumps(plain, option=orjson.OPT_SERIALIZE_NUMPY)
            write_atomic(self._folder / f"{os.getpid()}.json", data)
            self._written = newest

    def of(self, name: str, version: int) -> Drift | None:
        """What is seen of a version; None while nothing is, or too little to tell."""
        return self._found((name, version)).get((name, version))

    def collect(self) -> Iterator[Metric]:
        """The families, of the worst columns of each version."""
        index = GaugeMetricFamily(
            "neurona_drift",
            "Population stability index of the rows asked about against those trained on",
            labels=("model", "version", "column"),
        )
        rows = GaugeMetricFamily("neurona_drift_rows", "Rows it is seen by", labels=("model", "version"))
        for (name, version), drift in self._found().items():
            rows.add_metric((name, str(version)), drift.rows)
            for column in drift.columns:
                index.add_metric((name, str(version), column.name), column.distance)
        yield from (index, rows)

    def _found(self, only: Key | None = None) -> dict[Key, Drift]:
        """Of all versions, or only of one."""
        sums: dict[Key, Counts] = {}
        for key, at, counts in (*self._own(), *self._siblings()):
            if only in (None, key) and self._clock() - at < FORGOTTEN_SECONDS:
                before = sums.get(key)
                if before is None or before.shape == counts.shape:
                    sums[key] = counts if before is None else before + counts
        found = ((key, self._drift(key, counts)) for key, counts in sums.items())
        return {key: drift for key, drift in found if drift is not None}

    def _drift(self, key: Key, counts: Counts) -> Drift | None:
        rows = float(counts[0].sum())
        profile = self._profile(key) if rows >= LEAST_ROWS else None
        if profile is None or counts.shape != profile.expected.shape:
            return None
        columns = sorted(map(Column._make, profile.drift(counts).items()), key=lambda each: -each.distance)
        return Drift(round(rows), tuple(columns[: self._most_columns]))

    def _profile(self, key: Key) -> Profile | None:
        if key in self._samplers:
            return self._samplers[key].profile
        try:
            return self._profile_of(*key)
        except NeuronaError:  # deleted meanwhile
            return None

    def _own(self) -> Iterator[tuple[Key, float, Counts]]:
        for key, sampler in list(self._samplers.items()):
            seen = sampler.seen()
            if seen is not None:
                yield key, self._clock() - (perf_counter() - seen.last), seen.counts

    def _siblings(self) -> Iterator[tuple[Key, float, Counts]]:
        for path in sorted(self._folder.glob("*.json")):
            if path.stem != str(os.getpid()):
                with suppress(OSError, ValueError, TypeError):
                    entries: list[Any] = orjson.loads(path.read_bytes())
                    for name, version, at, counts in entries:
                        yield (name, version), at, np.array(counts, dtype=np.float64)
