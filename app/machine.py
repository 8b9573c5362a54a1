"""How much memory there is: of the machine, or of the container where that is less."""

from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


def memory_total(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int | None:
    """Bytes that processes here may use in all; None where that cannot be told."""
    return _least(_meminfo(meminfo, "MemTotal"), _number(cgroup / "memory.max"))


def memory_available(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int | None:
    """Bytes that could be had now without swapping; None where that cannot be told."""
    limit, used = _number(cgroup / "memory.max"), _number(cgroup / "memory.current")
    left = None if limit is None or used is None else max(limit - used + _reclaimable(cgroup), 0)
    return _least(_meminfo(meminfo, "MemAvailable"), left)


def gigabytes(count: int) -> str:
    """A number of bytes as people say it."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"


def _least(*counts: int | None) -> int | None:
    return min((count for count in counts if count is not None), default=None)


def _meminfo(path: Path, name: str) -> int | None:
    for line in _lines(path):
        label, _, rest = line.partition(":")
        if label == name:
            return int(rest.split()[0]) * 1024
    return None


def _reclaimable(cgroup: Path) -> int:
    """Pages of files, which the kernel gives up when it is asked for memory."""
    counts = dict(line.split(" ", 1) for line in _lines(cgroup / "memory.stat") if " " in line)
    return int(counts.get("inactive_file", 0)) + int(counts.get("active_file", 0))


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
