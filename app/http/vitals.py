"""What a process does now and what it takes: numbers by name, read when somebody asks, and shared with siblings."""

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

# A total is summed over all processes that ever were; the rest over those alive, or for `process_` told one by one.
TEXTS: Mapping[str, str] = {
    "neurona_predictions_in_flight": "Large predictions that have a place now",
    "neurona_predictions_waiting": "Large predictions that wait for a place now",
    "neurona_predictions_refused_total": "Predictions that found no place and no room to wait",
    "neurona_uploads_in_flight": "Uploads under way now",
    "neurona_model_cache_bytes": "Memory of all loaded models; mapped weights are shared by processes",
    "neurona_model_loads_total": "Versions loaded",
    "neurona_model_load_failures_total": "Loads that failed",
    "neurona_model_evictions_total": "Versions dropped from memory to make room",
    "process_resident_memory_bytes": "Resident memory",
    "process_cpu_seconds_total": "Processor time used",
    "process_open_fds": "Open files",
    "process_start_time_seconds": "When the process began, in seconds since 1970",
}
Reader = Callable[[], float]


def of_process() -> dict[str, Reader]:
    """What any process takes; its beginning is now."""
    began = time.time()
    return {
        "process_resident_memory_bytes": _resident,
        "process_cpu_seconds_total": time.process_time,
        "process_open_fds": lambda: len(os.listdir("/proc/self/fd")),  # noqa: PTH208 - names alone are wanted
        "process_start_time_seconds": lambda: began,
    }


def read(readers: Mapping[str, Reader]) -> dict[str, float]:
    """The numbers now; without those that this system does not tell."""
    found = {}
    for name, reader in readers.items():
        with suppress(OSError):
            found[name] = reader()
    return found


def families(processes: Iterable[tuple[int, Mapping[str, Any]]]) -> Iterator[Metric]:
    """Of the numbers of all processes, by process id."""
    each = [(pid, numbers, _alive(pid)) for pid, numbers in processes]
    for name, text in TEXTS.items():
        told = [(pid, numbers[name], alive) for pid, numbers, alive in each if name in numbers]
        if not told:
            continue
        kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
        single = name.startswith("process_")
        family = kind(name.removesuffix("_total"), text, labels=("pid",) if single else ())
        if single:
            for pid, value, alive in told:
                if alive:
                    family.add_metric((str(pid),), value)
        else:
            kept = [value for _, value, alive in told if alive or kind is CounterMetricFamily]
            family.add_metric((), sum(kept))
        yield family


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
