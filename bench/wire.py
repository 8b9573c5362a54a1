"""What the JSON wire format costs beside its peers: paired rounds, medians, ratios.

Peers turn the same body into the same float array, with no check at all, and write the same fields. A ratio is
the median over the rounds, each taken within its round: other work on the machine weighs on both alike.
"""

import gc
import json
import statistics
import time
from collections.abc import Callable

import numpy as np
import orjson
import simdjson

from app.http.wire import answers, npy_answer, rows
from app.http.wire.answer import Answer
from core import encoding

SIZES = ((1, 4), (1, 784), (100, 784), (1000, 784))
ROUNDS = 41
ROUND_SECONDS = 0.02
Work = Callable[[], object]


def paired(works: dict[str, Work]) -> dict[str, list[float]]:
    """Microseconds of each in every round, the rounds alternating."""
    times: dict[str, list[float]] = {name: [] for name in works}
    repeats = {name: max(1, int(ROUND_SECONDS / max(timed(work, 1), 1e-7))) for name, work in works.items()}
    for _ in range(ROUNDS):
        for name, work in works.items():
            times[name].append(timed(work, repeats[name]) / repeats[name] * 1e6)
    return times


def timed(work: Work, repeats: int) -> float:
    """Seconds that `repeats` of it take."""
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return time.perf_counter() - start


def compare(m: int, d: int) -> None:
    """Prints the table of one size."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(m, d))
    numeric = d < 10
    model = encoding.fit({str(j): x[:, j] for j in range(d)} if numeric else {"x": x})
    body = orjson.dumps({"instances": x.tolist()})
    probabilities = rng.dirichlet(np.ones(10), m).astype(np.float32)
    classes = tuple(map(str, range(10)))
    answer = {
        "model": "m",
        "version": 1,
        "classes": classes,
        "labels": ["0"] * m,
        "probabilities": probabilities,
    }
    parser = simdjson.Parser()

    def flat() -> np.ndarray:
        return np.frombuffer(parser.parse(body)["instances"].as_buffer(of_type="d")).reshape(m, d)

    def ours() -> object:
        return rows.read(body, "application/json", model, max_rows=100_000, parser=parser).features

    def write() -> object:
        made = Answer(model="m", version=1, classes=classes, probabilities=probabilities)
        return answers.write(made, "application/json")

    def plain() -> object:
        return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)

    array = npy_answer.write(
        Answer(model="m", version=1, classes=classes, probabilities=x.astype(np.float32))
    )
    works: dict[str, Work] = {
        "json.loads, np.array": lambda: np.array(json.loads(body)["instances"]),
        "orjson, np.array": lambda: np.array(orjson.loads(body)["instances"]),
        "as_buffer, unchecked": flat,
        "as_buffer, encoded": lambda: encoding.transform_matrix(model, flat()),
        "rows.read": ours,
        "rows.read, fresh parser": lambda: (
            rows.read(body, "application/json", model, max_rows=100_000).features
        ),
        "rows.read, npy float32": lambda: (
            rows.read(array, "application/x-npy", model, max_rows=100_000).features
        ),
        "orjson of the same answer": plain,
        "answers.write": write,
        "as_buffer, encoded + orjson": lambda: (encoding.transform_matrix(model, flat()), plain()),
        "rows.read + answers.write": lambda: (ours(), write()),
    }
    times = paired(works)
    print(f"\n{m} × {d}, {len(body):,} bytes" + " " * 20 + "× as_buffer  × encoded")
    for name, each in times.items():
        bare, encoded = (ratio(each, times[peer]) for peer in ("as_buffer, unchecked", "as_buffer, encoded"))
        print(f"  {name:30} {statistics.median(each):12,.1f} µs {bare:11.2f} {encoded:10.2f}")


def ratio(times: list[float], peer: list[float]) -> float:
    """The median over the rounds of time to peer's time."""
    return statistics.median(ours / theirs for ours, theirs in zip(times, peer, strict=True))


if __name__ == "__main__":
    gc.disable()
    for size in SIZES:
        compare(*size)
