"""What this process has answered, by model and version, in the form of the protocol's statistics extension."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Key = tuple[str, int]
_MOST_VERSIONS = 1000  # more than are served at a time; the one that was met first goes first
_MOST_SIZES = 100  # batch sizes told apart for a version; further ones count in the totals alone


class Timing(NamedTuple):
    """Readings of a clock in seconds: at the start and after each part of a prediction."""

    began: float
    decoded: float
    computed: float
    encoded: float


@dataclass
class Duration:
    """How often, and how long in all."""

    count: int = 0
    ns: int = 0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.count += 1
        self.ns += round(seconds * 1e9)

    def to_dict(self) -> dict[str, int]:
        """As the extension has it."""
        return {"count": self.count, "ns": self.ns}


@dataclass
class Parts:
    """Durations of the three parts of a prediction."""

    input: Duration = field(default_factory=Duration)
    infer: Duration = field(default_factory=Duration)
    output: Duration = field(default_factory=Duration)

    def add(self, timing: Timing) -> None:
        """Count one prediction."""
        self.input.add(timing.decoded - timing.began)
        self.infer.add(timing.computed - timing.decoded)
        self.output.add(timing.encoded - timing.computed)

    def to_dict(self) -> dict[str, dict[str, int]]:
        """As the extension has it."""
        parts = {"input": self.input, "infer": self.infer, "output": self.output}
        return {f"compute_{name}": part.to_dict() for name, part in parts.items()}


@dataclass
class _Record:
    last_ms: int = 0
    rows: int = 0
    success: Duration = field(default_factory=Duration)
    fail: Duration = field(default_factory=Duration)
    parts: Parts = field(default_factory=Parts)
    sizes: dict[int, Parts] = field(default_factory=dict)


class Statistics:
    """Counts since the process began. `now` gives the seconds since the epoch."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._records: dict[Key, _Record] = {}

    def succeed(self, key: Key, rows: int, timing: Timing) -> None:
        """Count a request that was answered with the outputs for so many rows."""
        with self._lock:
            record = self._record(key)
            record.last_ms = int(self._now() * 1000)
            record.rows += rows
            record.success.add(timing.encoded - timing.began)
            record.parts.add(timing)
            if rows in record.sizes or len(record.sizes) < _MOST_SIZES:
                record.sizes.setdefault(rows, Parts()).add(timing)

    def fail(self, key: Key, seconds: float) -> None:
        """Count a request to a known version that was answered with an error."""
        with self._lock:
            record = self._record(key)
            record.last_ms = int(self._now() * 1000)
            record.fail.add(seconds)

    def of(self, keys: Iterable[Key]) -> dict[str, Any]:
        """The answer of the extension for these versions; zeros for one that was never asked."""
        with self._lock:
            return {"model_stats": [_described(key, self._records.get(key, _Record())) for key in keys]}

    def _record(self, key: Key) -> _Record:
        found = self._records.get(key)
        if found is None:
            if len(self._records) >= _MOST_VERSIONS:
                del self._records[next(iter(self._records))]
            found = self._records[key] = _Record()
        return found


def _described(key: Key, record: _Record) -> dict[str, Any]:
    name, version = key
    done = record.success.count
    return {
        "name": name,
        "version": str(version),
        "last_inference": record.last_ms,
        "inference_count": record.rows,
        "execution_count": done,
        "inference_stats": {
            "success": record.success.to_dict(),
            "fail": record.fail.to_dict(),
            "queue": {"count": done, "ns": 0},  # there is none
            **record.parts.to_dict(),
            "cache_hit": {"count": 0, "ns": 0},
        },
        "batch_stats": [
            {"batch_size": size, **parts.to_dict()} for size, parts in sorted(record.sizes.items())
        ],
    }
