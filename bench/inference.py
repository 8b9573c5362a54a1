"""What an inference costs in this process, from bytes to bytes, beside the least that it could be: paired rounds.

The least is `np.frombuffer`, the model's own encoding and products, and the same answer put together without a
check; for JSON, the quick parser in place of `np.frombuffer`. A ratio is the median over the rounds, each taken
within its round: other work on the machine weighs on both alike.
"""

import gc
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import orjson
import simdjson

from app.http.meters import Meters
from app.http.oip.inference import Inference
from app.repository.cache import ModelCache
from app.repository.model import Model
from app.repository.repository import Repository
from app.serving.predictor import Predictor, predict
from app.serving.sampler import Sampler
from app.settings import Settings
from core import encoding, network

SHAPES = ((1, 4), (1, 784), (100, 784), (1000, 784))
ROUNDS = 31
ROUND_SECONDS = 0.02
Work = Callable[[], object]


def main(folder: Path) -> None:
    """Prints a line for each size and kind of request."""
    print(f"{'':30}{'least µs':>10}{'ours µs':>10}{'ratio':>8}")
    for rows, width in SHAPES:
        compare(folder, rows, width)


def compare(folder: Path, rows: int, width: int) -> None:
    """One size: binary in and out, and JSON in and out, nested and flat."""
    inference, model = prepare(folder, width)
    x = np.random.default_rng(1).normal(size=(rows, width))
    kinds = {
        "binary": binary(x),
        "JSON nested": text(x, x.tolist()),
        "JSON flat": text(x, x.ravel().tolist()),
    }
    for kind, (headers, body) in kinds.items():
        is_binary = kind == "binary"
        parser = simdjson.Parser()
        head = int(headers.get("inference-header-content-length", 0))

        def numbers(body: bytes = body, head: int = head, parser: simdjson.Parser = parser) -> np.ndarray:
            if head:
                return np.frombuffer(body, "<f4", offset=head)
            return np.frombuffer(parser.parse(body)["inputs"][0]["data"].as_buffer(of_type="d"))

        def least(numbers: Callable[[], np.ndarray] = numbers, is_binary: bool = is_binary) -> bytes:
            return answer(predict(model, numbers().reshape(rows, width)).probabilities, is_binary)

        def ours(headers: dict[str, str] = headers, body: bytes = body) -> bytes:
            reply = inference.infer(model=model.name, headers=headers, body=body)
            assert reply.status == 200
            return reply.body

        times = paired({"least": least, "ours": ours})
        ratio = statistics.median(b / a for a, b in zip(times["least"], times["ours"], strict=True))
        a, b = (statistics.median(times[name]) for name in ("least", "ours"))
        print(f"{f'{rows} × {width} {kind}':30}{a:10.1f}{b:10.1f}{ratio:8.2f}")


def prepare(folder: Path, width: int) -> tuple[Inference, Model]:
    """A server's inference by a network of 128 hidden units and ten classes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, width))
    fitted = encoding.fit({"x": x} if width > 4 else {f"x{j}": x[:, j] for j in range(width)})
    parameters = network.initialise((width, 128, 10), rng)
    model = Model(
        name=f"w{width}",
        version=1,
        parameters=parameters,
        encoding=fitted,
        classes=tuple(map(str, range(10))),
    )
    repository = Repository(folder)
    repository.publish(model)
    repository.set_alias(model.name, "production", 1)
    predictor = Predictor(ModelCache(repository, 1 << 30))
    settings = Settings(models=folder, data=folder / "data")
    inference = Inference(
        predictor=predictor,
        settings=settings,
        meters=Meters(folder / "meters", sampler_of=lambda model: Sampler(model.profile)),
    )
    return inference, predictor.model(model.name)


def answer(probabilities: np.ndarray, binary: bool) -> bytes:
    """Probabilities alone, without labels."""
    if not binary:
        return orjson.dumps({"outputs": [{"data": probabilities.ravel()}]}, option=orjson.OPT_SERIALIZE_NUMPY)
    head = orjson.dumps(
        {"outputs": [{"shape": probabilities.shape, "parameters": {"size": probabilities.nbytes}}]}
    )
    return b"".join((head, probabilities.data))


def binary(x: np.ndarray) -> tuple[dict[str, str], bytes]:
    """As tritonclient sends it by default, asking for the probabilities alone."""
    blob = x.astype("<f4").tobytes()
    tensor = {
        "name": "features",
        "shape": x.shape,
        "datatype": "FP32",
        "parameters": {"binary_data_size": len(blob)},
    }
    wish = {"name": "probabilities", "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [tensor], "outputs": [wish]}).encode()
    return {"inference-header-content-length": str(len(head))}, head + blob


def text(x: np.ndarray, data: list[object]) -> tuple[dict[str, str], bytes]:
    """The same as JSON."""
    tensor = {"name": "features", "shape": x.shape, "datatype": "FP32", "data": data}
    return {}, json.dumps({"inputs": [tensor], "outputs": [{"name": "probabilities"}]}).encode()


def paired(works: dict[str, Work]) -> dict[str, list[float]]:
    """Microseconds of each in every round, the rounds alternating."""
    times: dict[str, list[float]] = {name: [] for name in works}
    repeats = {name: max(1, int(ROUND_SECONDS / max(timed(work, 2), 1e-7))) for name, work in works.items()}
    for _ in range(ROUNDS):
        for name, work in works.items():
            times[name].append(timed(work, repeats[name]) * 1e6)
    return times


def timed(work: Work, repeats: int) -> float:
    """Seconds that one of it takes."""
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats


if __name__ == "__main__":
    gc.disable()
    with tempfile.TemporaryDirectory() as place:
        main(Path(place))
