"""Whether the trainer's BLAS threads change the bits of a run, by shape: `python bench/threads.py`.

Each shape is trained for some epochs in a process of its own with 1, 1 again, 2 and 4 threads; what then
ends in other bits than with 1 is told, and by how much.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from core.network import flatten
from core.training import Examples, TrainingSpec, begin, fit

SHAPES = {  # rows, features, hidden layers, classes, batch, epochs
    "iris: 4-3, batch 32": (150, 4, (), 3, 32, 50),
    "iris: 4-16-3, batch 32": (150, 4, (16,), 3, 32, 50),
    "digits: 64-128-10, batch 128": (1_800, 64, (128,), 10, 128, 10),
    "784-10, batch 256": (6_000, 784, (), 10, 256, 3),
    "784-128-10, batch 256": (6_000, 784, (128,), 10, 256, 3),
    "784-512-256-10, batch 256": (6_000, 784, (512, 256), 10, 256, 2),
    "784-128-10, all rows": (20_000, 784, (128,), 10, None, 3),
    "20-100, batch 8192": (50_000, 20, (), 100, 8192, 3),
}


def weights(name: str) -> np.ndarray:
    """The parameters that the shape's run ends in."""
    rows, features, hidden, classes, batch, epochs = SHAPES[name]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, features), dtype=np.float32)
    labels = (x @ rng.standard_normal((features, classes))).argmax(axis=1)
    spec = TrainingSpec(hidden_layer_sizes=hidden, batch_size=batch, max_epochs=epochs, patience=None)
    *_, last = fit(spec, Examples(x, labels), None, begin(spec, features, classes))
    return flatten(last.state.parameters)


def elsewhere(name: str, threads: int) -> np.ndarray:
    """The same, from another process with so many threads."""
    said = {f"{library}_NUM_THREADS": str(threads) for library in ("OMP", "OPENBLAS", "MKL")}
    command = [sys.executable, __file__, name]
    answer = subprocess.run(command, env={**os.environ, **said}, capture_output=True, check=True)
    return np.frombuffer(answer.stdout, np.float32)


def main() -> None:
    """Print the table, or with an argument the bytes of one run."""
    if len(sys.argv) > 1:
        sys.stdout.buffer.write(weights(sys.argv[1]).tobytes())
        return
    print(f"{'shape':32} {'1 again':>10} {'2 threads':>14} {'4 threads':>14}")
    for name in SHAPES:
        one = elsewhere(name, 1)
        told = []
        for threads in (1, 2, 4):
            other = elsewhere(name, threads)
            same = other.tobytes() == one.tobytes()
            told.append("same bits" if same else f"by {np.abs(other - one).max():.1e}")
        print(f"{name:32} {told[0]:>10} {told[1]:>14} {told[2]:>14}", flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent.parent))
    main()
