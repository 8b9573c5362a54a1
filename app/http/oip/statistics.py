"""What this process has answered, by model and version, in the form of the protocol's statistics extension."""

import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from app.http.meters import make_room

Key = tuple[str, int]
_MOST_SIZES = 100  # batch sizes told apart for a version; further ones count in the totals alone


class Timing(NamedTuple):
    """Readings of a clock in seconds: at the start and after each part of a prediction."""

    began: float
    decoded: float
    computed: float
    encoded: float


class Parts:
    """Predictions, and the seconds that their three parts took."""

    __slots__ = ("count", "infer", "input", "output")

    def __init__(self) -> None:
        self.count = 0
        self.input = self.infer = self.output = 0.0

    def add(self, timing: Timing) -> None:
        """Count one prediction."""
        began, decoded, computed, encoded = timing
        self.count += 1
        self.input += decoded - began
        self.infer += computed - decoded
        self.output += encoded - computed

    def to_dict(self) -> dict[str, dict[str, int]]:
        """As the extension has it."""
        return {
            "compute_input": _duration(self.count, self.input),
            "compute_infer": _duration(self.count, self.infer),
            "compute_output": _duration(self.count, self.output),
        }


class Record:
    """Of one version. `sizes`: by the number of rows; None for the sizes that are not told apart."""

    __slots__ = ("fail_seconds", "fails", "last_ms", "rows", "sizes")

    def __init__(self) -> None:
        self.last_ms = self.rows = self.fails = 0
        self.fail_seconds = 0.0
        self.sizes: dict[int | None, Parts] = {}

    def parts(self, rows: int) -> Parts:
        """Where to count a prediction of so many rows."""
        found = self.sizes.get(rows)
        if found is None:
            size = rows if len(self.sizes) < _MOST_SIZES else None
            found = self.sizes.setdefault(size, Parts())
        return found

    def total(self) -> Parts:
        """Of all sizes."""
        total = Parts()
        for parts in self.sizes.values():
            total.count += parts.count
            total.input += parts.input
            total.infer += parts.infer
            total.output += parts.output
        return total


class Statistics:
    """Counts since the process began. `now` gives the seconds since the epoch."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._records: dict[Key, Record] = {}

    def succeed(self, key: Key, rows: int, timing: Timing) -> None:
        """Count a request that was answered with the outputs for so many rows."""
        with self._lock:
            record = self._record(key)
            record.last_ms = int(self._now() * 1000)
            record.rows += rows
            record.parts(rows).add(timing)

    def fail(self, key: Key, seconds: float) -> None:
        """Count a request to a known version that was answered with an error."""
        with self._lock:
            record = self._record(key)
            record.last_ms = int(self._now() * 1000)
            record.fails += 1
            record.fail_seconds += seconds

    def of(self, keys: Iterable[Key]) -> dict[str, Any]:
        """The answer of the extension for these versions; zeros for one that was never asked."""
        with self._lock:
            return {"model_stats": [_described(key, self._records.get(key, Record())) for key in keys]}

    def _record(self, key: Key) -> Record:
        found = self._records.get(key)
        if found is None:
            make_room(self._records)
            found = self._records[key] = Record()
        return found


def _described(key: Key, record: Record) -> dict[str, Any]:
    (name, version), total = key, record.total()
    sizes = sorted((size, parts) for size, parts in record.sizes.items() if size is not None)
    return {
        "name": name,
        "version": str(version),
        "last_inference": record.last_ms,
        "inference_count": record.rows,
        "execution_count": total.count,
        "inference_stats": {
            "success": _duration(total.count, total.input + total.infer + total.output),
            "fail": _duration(record.fails, record.fail_seconds),
            "queue": _duration(total.count, 0.0),  # there is none
            **total.to_dict(),
            "cache_hit": _duration(0, 0.0),
        },
        "batch_stats": [{"batch_size": size, **parts.to_dict()} for size, parts in sizes],
    }


def _duration(count: int, seconds: float) -> dict[str, int]:
    return {"count": count, "ns": round(seconds * 1e9)}
