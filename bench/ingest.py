"""How fast a CSV goes in, and how much memory that takes: seconds, MiB/s and peak resident memory.

python bench/ingest.py [MEBIBYTES]     (default 1024; numbers in 20 columns, three classes)
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from app.datasets.store import DatasetStore

MIB = 1 << 20
COLUMNS = 20


def generate(path: Path, size: int) -> None:
    """Write a CSV of about `size` bytes."""
    rng = np.random.default_rng(0)
    rows = [",".join(f"{v:.6g}" for v in row) for row in 100 * rng.normal(size=(20_000, COLUMNS))]
    with path.open("w") as file:
        file.write(",".join(f"c{i}" for i in range(COLUMNS)) + ",label\n")
        while file.tell() < size:
            labels = rng.integers(0, 3, len(rows))
            file.writelines(f"{row},{label}\n" for row, label in zip(rows, labels, strict=True))


def chunks(path: Path) -> Iterator[bytes]:
    """The file as a server receives it: 64 KiB at a time."""
    with path.open("rb") as file:
        while chunk := file.read(1 << 16):
            yield chunk


def peak() -> float:
    """Most resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(path: Path) -> None:
    """Take the file in once, in this process, and print the figures."""
    before = peak()
    with tempfile.TemporaryDirectory(dir=path.parent) as root:
        start, start_cpu = time.perf_counter(), time.process_time()
        dataset, _ = DatasetStore(Path(root)).ingest(chunks(path), media_type="text/csv", label="label")
        seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    size = path.stat().st_size / MIB
    print(f"{size:.0f} MiB of CSV, {dataset.rows} rows -> {dataset.bytes / MIB:.0f} MiB of Arrow")
    print(f"{seconds:.1f} s ({cpu:.1f} s of processor time), {size / seconds:.0f} MiB/s")
    print(f"peak resident memory {peak():.0f} MiB, of which {before:.0f} MiB before the first byte")


def main() -> None:
    """Generate a file, then measure in a process of its own, whose peak is that of the ingestion alone."""
    if sys.argv[1:2] == ["--file"]:
        measure(Path(sys.argv[2]))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "numbers.csv"
        generate(path, int(sys.argv[1] if sys.argv[1:] else 1024) * MIB)
        subprocess.run([sys.executable, __file__, "--file", str(path)], check=True)


if __name__ == "__main__":
    main()
