"""How much memory there is: of the machine, or of the cgroup (a container, a service) where that is less."""

from collections.abc import Iterator
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


def memory_total(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP, own: Path = _OWN) -> int | None:
    """Bytes that processes here may use in all; None where that cannot be told."""
    return _least(_meminfo(meminfo, "MemTotal"), *(limit for limit, _ in _limits(cgroup, own)))


def memory_available(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP, own: Path = _OWN) -> int | None:
    """Bytes that could be had now without swapping; None where that cannot be told."""
    return _least(_meminfo(meminfo, "MemAvailable"), *(left for _, left in _limits(cgroup, own)))


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


def _limits(cgroup: Path, own: Path) -> Iterator[tuple[int, int | None]]:
    """Of each group that has a limit: how much it may have, and how much of that is left."""
    for group in _groups(cgroup, own):
        for names in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
            limit, used = (_number(group / name) for name in names)
            if limit is not None:
                yield limit, None if used is None else max(limit - used + _reclaimable(group), 0)


def _groups(cgroup: Path, own: Path) -> Iterator[Path]:
    """The folders of the group that this process is in and of all above it, be it version 2 of cgroups or 1.

    A container may be told of more groups than it sees: then its own is the topmost that is there.
    """
    yield cgroup
    for line in _lines(own):
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            group = cgroup / controllers / path.lstrip("/")
            yield from (each for each in (group, *group.parents) if cgroup in each.parents)


def _reclaimable(group: Path) -> int:
    """Pages of files, which the kernel gives up when it is asked for memory; `total_` is version 1's word for those
    of the groups below, too."""
    counts = dict(line.split(" ", 1) for line in _lines(group / "memory.stat") if " " in line)
    names = ("inactive_file", "active_file")
    return sum(int(counts.get(f"total_{name}", counts.get(name, 0))) for name in names)


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdigit() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:
        return []
