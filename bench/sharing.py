"""Memory that several processes take for one large model: `python bench/sharing.py [--workers 4] [--weights N]`.

A live `neurona serve`, asked until every process has answered; then the kernel's own account of each
(/proc/PID/smaps_rollup), with the weights mapped and with the weights copied.
"""

import argparse
import os
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

import httpx
import numpy as np

ROOT = Path(__file__).parent.parent
for folder in (ROOT, ROOT / "scripts", ROOT / "bench"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from disturbed.processes import children, processor_seconds, words  # noqa: E402 - the folders above are not packages
from local_server import running  # noqa: E402

from app.repository.model import Model  # noqa: E402
from app.repository.repository import Repository  # noqa: E402
from core import encoding  # noqa: E402
from core.network import Dense  # noqa: E402

HIDDEN, CLASSES = 10_000, 10
FIGURES = ("Rss", "Pss", "Private_Dirty", "Shared_Clean")


def make_model(folder: Path, weights: int) -> int:
    """A network of about so many weights, in production; the width of its rows."""
    rng = np.random.default_rng(0)
    width = weights // HIDDEN - CLASSES - 2
    sizes = (width, HIDDEN, CLASSES)
    layers = tuple(
        Dense(rng.standard_normal((n, m), np.float32) / n**0.5, np.zeros(m, np.float32))
        for n, m in pairwise(sizes)
    )
    table = rng.standard_normal((8, width))
    model = Model(
        name="large",
        version=1,
        parameters=layers,
        encoding=encoding.fit({"x": table}),
        classes=tuple(range(CLASSES)),
        card={},
    )
    repository = Repository(folder / "models")
    repository.publish(model)
    repository.set_alias("large", "production", 1)
    return width


def measure(folder: Path, width: int, workers: int, **settings: object) -> dict[str, float]:
    """Mebibytes of all processes that answer, once each has answered, by the kernel's names."""
    with running(folder, workers=workers, trainer=False, **settings) as server:
        assert server.process is not None
        answering = [pid for pid in children(server.process.pid) if b"spawn_main" in words(pid)]
        before = {pid: processor_seconds(pid) for pid in answering}
        body = {"instances": [[0.5] * width]}
        until = time.monotonic() + 120
        while time.monotonic() < until and any(
            processor_seconds(pid) < before[pid] + 0.2 for pid in answering
        ):
            with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
                assert client.post("/v1/models/large/predict", json=body).status_code == 200
        found = [rollup(pid) for pid in answering]
    assert len(found) == workers, "one process or none was found"
    return {name: sum(each[name] for each in found) / 1024 for name in FIGURES}


def rollup(pid: int) -> dict[str, int]:
    """Kibibytes by name."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) for line in lines}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--weights", type=int, default=99_900_000)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        width = make_model(folder, said.weights)
        size = os.path.getsize(folder / "models" / "large" / "1" / "model.safetensors") / 2**20  # noqa: PTH202
        print(f"{said.workers} processes, a file of {size:.0f} MiB; mebibytes, all processes together")
        print(f"{'':10}" + "".join(f"{name:>16}" for name in FIGURES))
        for name, least in (("mapped", 0), ("copied", 1 << 40)):
            found = measure(folder, width, said.workers, map_weights_bytes=least)
            print(f"{name:10}" + "".join(f"{found[each]:16.0f}" for each in FIGURES), flush=True)


if __name__ == "__main__":
    main()
