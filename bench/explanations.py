"""What explaining `max_explain_rows` predictions costs, by layers: `python bench/explanations.py`.

1,000 rows of 784 columns, one BLAS thread: seconds to explain them, to predict them alone, and to write the answer;
and the peak of the memory that explaining takes.
"""

import statistics
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

from app.http.wire.answer import Answer, Explanation
from app.http.wire.json_answer import write
from core import encoding, network
from core.explanation import explain

ROWS, FEATURES, CLASSES = 1_000, 784, 10
HIDDEN = ((), (128,), (1_280,), (256, 256), (512, 512))


def seconds(call: Callable[[], object], rounds: int = 5) -> float:
    found = []
    for _ in range(rounds):
        begun = time.perf_counter()
        call()
        found.append(time.perf_counter() - begun)
    return statistics.median(found)


def peak(call: Callable[[], object]) -> float:
    tracemalloc.start()
    call()
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most / 2**20


def main() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, FEATURES), dtype=np.float32)
    columns = encoding.fit({f"x{place}": x[:, place] for place in range(FEATURES)})
    print(f"{'layers':20} {'explain, s':>11} {'predict, s':>11} {'write, s':>9} {'peak, MiB':>10}")
    for hidden in HIDDEN:
        params = network.initialise((FEATURES, *hidden, CLASSES), rng)
        probabilities = network.predict_proba(params, x)
        arguments = params, x, np.zeros(FEATURES), probabilities.argmax(axis=1)
        answer = Answer(
            "m", 1, tuple(range(CLASSES)), probabilities, None, Explanation(columns, explain(*arguments))
        )
        with threadpool_limits(1):
            took = (
                seconds(lambda a=arguments: explain(*a)),
                seconds(lambda p=params: network.predict_proba(p, x)),
                seconds(lambda a=answer: write(a)),
            )
        name = "-".join(map(str, (FEATURES, *hidden, CLASSES)))
        most = peak(lambda a=arguments: explain(*a))
        print(f"{name:20} {took[0]:11.3f} {took[1]:11.3f} {took[2]:9.3f} {most:10.0f}", flush=True)


if __name__ == "__main__":
    main()
