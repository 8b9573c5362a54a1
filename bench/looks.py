"""How long training goes without a look at whether it is cancelled, by shape: `python bench/looks.py [seconds]`.

Runs the training loop as a job does, on made-up data and one BLAS thread, and prints the longest and the median time
between two yields, with the share of the time that yielding takes. A cancelled job stops at most that long, and the
quarter of a second between two looks at the database, after it was cancelled.
"""

import statistics
import sys
import time

import numpy as np
from threadpoolctl import threadpool_limits

from app.training.body import steps_per_yield
from core.training import Examples, TrainingSpec, begin, fit

SHAPES = {  # rows, features, hidden layers, classes, batch
    "784-128-10, batch 128": (60_000, 784, (128,), 10, 128),
    "784-10, all rows": (60_000, 784, (), 10, None),
    "784-1024-1024-10, all rows": (60_000, 784, (1024, 1024), 10, None),
    "1000-1000-1000, batch 1": (2_000, 1_000, (1_000,), 1_000, 1),
    "4-10000, batch 8192": (40_000, 4, (), 10_000, 8192),
    "3072-4096-4096-10, batch 512": (4_000, 3_072, (4_096, 4_096), 10, 512),
    "4096-8192-5000 (75 M), batch 128": (1_000, 4_096, (8_192,), 5_000, 128),
}


def gaps(rows: int, features: int, hidden: tuple[int, ...], classes: int, batch: int | None, seconds: float):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, features), dtype=np.float32)
    examples = Examples(x, rng.integers(0, classes, rows))
    judged = Examples(x[: rows // 10], examples.labels[: rows // 10])
    spec = TrainingSpec(hidden_layer_sizes=hidden, batch_size=batch, patience=None, max_epochs=10**6)
    steps = steps_per_yield(spec, (features, *hidden, classes), rows)
    news = fit(spec, examples, judged, begin(spec, features, classes), steps_per_yield=steps)
    found, begun = [], time.perf_counter()
    last = begun
    next(news)  # the first has the buffers to make
    last = time.perf_counter()
    while last - begun < seconds or len(found) < 5:
        next(news)
        now = time.perf_counter()
        found.append(now - last)
        last = now
    return found


def main() -> None:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 5.0
    print(f"{'shape':36} {'median, s':>10} {'longest, s':>11}")
    for name, shape in SHAPES.items():
        with threadpool_limits(1):
            found = gaps(*shape, seconds)
        print(f"{name:36} {statistics.median(found):10.3f} {max(found):11.3f}", flush=True)


if __name__ == "__main__":
    main()
