"""Training on more rows than fit in memory: `python bench/larger_than_memory.py [--gigabytes 10] [--limit 1]`.

Makes a dataset of vectors of 784 float32 in ten classes that overlap, SORTED BY CLASS, and trains 784-128-10 on it,
one epoch, in a process that may have no more than `limit` GB of addresses (RLIMIT_AS). Then, without a limit and in
memory, on every tenth row for ten epochs: as many steps. Prints rows a second, peak memory, and the log loss on
rows of neither, beside the lowest that there is (the classes are known). All files are removed at the end.
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
from pyarrow import ipc

from app.bootstrap import build_workplace
from app.jobs import JobStore, NewJob
from app.settings import MIB, Settings
from app.training.body import run_job
from core import encoding, losses, network

FEATURES, CLASSES, BLOCK, GB = 784, 10, 2048, 10**9
STREAM = "application/vnd.apache.arrow.stream"
CENTRES = np.random.default_rng(7).normal(size=(CLASSES, FEATURES)).astype(np.float32) * 0.06
MOST = 64 * MIB  # of encoded rows: beyond that, they stay on disk
QUIET = {  # what would reserve addresses without using them
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "MALLOC_ARENA_MAX": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


def block(label: int, rows: int, seed: list[int]) -> np.ndarray:
    """Rows of one class: its centre, and noise of spread 1."""
    return CENTRES[label] + np.random.default_rng(seed).standard_normal((rows, FEATURES), np.float32)


class Sink(io.RawIOBase):
    """Where a writer writes, and what it wrote is taken from."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.written.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        written, self.written = self.written, []
        return b"".join(written)


def body(rows: int, every: int = 1) -> Iterator[bytes]:
    """An Arrow stream of that many rows, sorted by class, or of every so many of them."""
    schema = pa.schema([("x", pa.list_(pa.float32(), FEATURES)), ("label", pa.int32())])
    sink = Sink()
    with ipc.new_stream(pa.PythonFile(sink, "w"), schema) as writer:
        for label in range(CLASSES):
            for start in range(0, rows // CLASSES, BLOCK):
                x = block(label, min(BLOCK, rows // CLASSES - start), [1, label, start])[::every]
                flat = pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), FEATURES)
                labels = pa.array(np.full(len(x), label, np.int32))
                writer.write_batch(pa.record_batch([flat, labels], schema=schema))
                yield sink.taken()
    yield sink.taken()


def chosen(folder: Path, **settings: object) -> Settings:
    return Settings(data=folder / "data", models=folder / "models", trainer=False, **settings)


def train(asked: dict[str, object]) -> None:
    """In a process of its own: train one job, and print what came of it as a line of JSON."""
    if asked["limit"]:
        resource.setrlimit(resource.RLIMIT_AS, (asked["limit"], asked["limit"]))
    settings = chosen(Path(asked["folder"]), training_memory_bytes=asked["most"])
    place, store = build_workplace(settings), JobStore(settings.database)
    store.prepare()
    given = {"hidden_layer_sizes": [128], "max_epochs": asked["epochs"], "learning_rate": asked["rate"]}
    store.submit(
        NewJob(model=asked["model"], dataset=asked["dataset"], algorithm="relu_network", given=given)
    )
    begun = time.perf_counter()
    job, attempt = place.jobs.claim()
    state = run_job(place, job.id, attempt)
    job = store.get(job.id)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(
        json.dumps(
            {
                "state": state,
                "error": job.error and job.error.message,
                "warnings": job.warnings,
                "seconds": time.perf_counter() - begun,
                "rows_per_second": job.progress.rows_per_second,
                "resident": int(status["VmHWM"].split()[0]) * 1024,
                "addresses": int(status["VmPeak"].split()[0]) * 1024,
            }
        )
    )


def trained(folder: Path, dataset: str, model: str, **asked: object) -> dict[str, object]:
    """What `train` says, in a process that begins with as few addresses as can be."""
    asked = {"folder": str(folder), "dataset": dataset, "model": model, "rate": 1e-3, **asked}
    environment = {**os.environ, **QUIET, "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, __file__, "--train", json.dumps(asked)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def unseen(rows: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Rows that no dataset here has."""
    per_class = rows // CLASSES
    x = np.concatenate([block(label, per_class, [2, label]) for label in range(CLASSES)])
    return x, np.repeat(np.arange(CLASSES), per_class)


def log_loss(folder: Path, model: str) -> float:
    """Of the published version, on the test rows."""
    x, labels = unseen()
    loaded = build_workplace(chosen(folder)).repository.load(model, 1)
    z = network.logits(loaded.parameters, encoding.transform_matrix(loaded.encoding, x))
    return float(losses.softmax_loss(z / loaded.temperature, labels).mean())


def lowest() -> float:
    """The log loss of who knows the classes: equally likely, with noise of spread 1."""
    x, labels = unseen()
    z = x @ CENTRES.T - 0.5 * np.sum(CENTRES**2, axis=1)
    return float(losses.softmax_loss(z, labels).mean())


def compare(folder: Path, rows: int, limit: int, *, most: int = MOST) -> dict[str, dict[str, object]]:
    """Both runs, with their log losses on the test rows."""
    store = build_workplace(chosen(folder)).datasets
    found = {}
    for name, every, asked in (
        ("streamed", 1, {"limit": limit, "most": most, "epochs": 1}),
        ("in memory", 10, {"limit": 0, "most": 1 << 40, "epochs": 10}),
    ):
        begun = time.perf_counter()
        dataset, _ = store.ingest(body(rows, every), media_type=STREAM)
        taken_in = time.perf_counter() - begun
        result = trained(folder, dataset.id, name.replace(" ", "-"), **asked)
        store.delete(dataset.id)
        loss = log_loss(folder, name.replace(" ", "-")) if result["state"] == "succeeded" else None
        found[name] = {
            **result,
            "rows": dataset.rows,
            "bytes": dataset.bytes,
            "ingest": taken_in,
            "loss": loss,
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--limit", type=float, default=1.0, help="GB of addresses")
    parser.add_argument("--folder", type=Path, help="where to work; default: the system's folder for such")
    parser.add_argument("--train", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.train:
        train(json.loads(options.train))
        return
    rows = int(options.gigabytes * GB / (4 * FEATURES + 4)) // CLASSES * CLASSES
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for name, each in compare(Path(folder), rows, int(options.limit * GB)).items():
            print(
                f"{name:10} {each['state']}: {each['rows']:,} rows, {each['bytes'] / GB:.2f} GB, taken in within"
                f" {each['ingest']:.0f} s; job {each['seconds']:.0f} s, {each['rows_per_second'] or 0:,.0f} rows/s in"
                f" training; peak {each['resident'] / GB:.2f} GB resident, {each['addresses'] / GB:.2f} GB of"
                f" addresses; test log loss {each['loss']}"
            )
            print("          ", each["error"], each["warnings"])
    print(f"lowest possible log loss {lowest():.4f}")


if __name__ == "__main__":
    main()
