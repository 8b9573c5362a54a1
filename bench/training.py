"""How fast training is, beside its peers: `python bench/training.py [--torch PYTHON] [--race mnist table]`.

Steps: 784-128-10, Adam, float32, batches of 128, 256 and 512; rows gathered at random out of 10,240, gradients,
update, the loss looked at. Times of one thread are processor time. Each peer lives in a process of its own and is
asked in turns, so that all meet the same machine; the table shows medians and their ratio to Neurona, and the part
of Neurona's step that its matrix products alone would take. --race adds the time to a given test log loss with the
same network, on MNIST (bench/fetch_mnist.py first) and on a generated table of 1,000,000 x 32: with batches and
learning rate for all as Neurona chooses them, and with the peers' own defaults; --mnist the time to 0.98 test
accuracy with every default. PyTorch may live in another environment: name its Python.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from core import defaults, encoding, network, splitting, training
from core.losses import softmax_loss

ROOT, DATA = Path(__file__).parent.parent, Path(__file__).parent / "data"
SIZES, BATCHES, ROWS, TURNS = (784, 128, 10), (128, 256, 512), 10_240, 15
TARGETS = {"mnist": 0.12, "table": 0.88}  # test log loss, in natural logarithms
RACE_BATCH, RACE_RATE, ROUNDS = 256, 2e-3, 2


def examples() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, SIZES[0])).astype(np.float32)
    return x, rng.integers(0, SIZES[-1], len(x))


def neurona(batch: int) -> Callable[[], object]:
    """One epoch of training.fit, its state yielded at the end."""
    spec = training.TrainingSpec(batch_size=batch, max_epochs=10**6)
    state = training.begin(spec, SIZES[0], SIZES[-1])
    epochs = training.fit(spec, training.Examples(*examples()), None, state)
    return lambda: next(epochs)


def products(batch: int) -> Callable[[], object]:
    """The five matrix products of the step alone: no step can be faster than the BLAS below it."""
    x, _ = examples()
    x = x[:batch]
    (w1, _), (w2, _) = network.initialise(SIZES, np.random.default_rng(0))
    a1, z, g1, g2, d1 = x @ w1, x @ w1 @ w2, np.empty_like(w1), np.empty_like(w2), x @ w1

    def epoch() -> None:
        for _ in range(ROWS // batch):
            np.matmul(x, w1, out=a1)
            np.matmul(a1, w2, out=z)
            np.matmul(a1.T, z, out=g2)
            np.matmul(z, w2.T, out=d1)
            np.matmul(x.T, d1, out=g1)
            np.multiply(z, 1e-9, out=z)

    return epoch


def sklearn(batch: int) -> Callable[[], object]:
    """One epoch of MLPClassifier.partial_fit: its own shuffle and minibatches, Adam kept between calls."""
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - each process loads its own peer

    x, labels = examples()
    model = MLPClassifier(SIZES[1:-1], batch_size=batch, alpha=0.0)
    return lambda: model.partial_fit(x, labels, classes=np.arange(SIZES[-1]))


def torch(batch: int, fused: bool = False) -> Callable[[], object]:
    """The same network, cross_entropy and Adam, eagerly; the loss is read as a number at every step."""
    x, labels = examples()
    step = torch_steps(x, labels, SIZES, fused)
    rng = np.random.default_rng(0)
    return lambda: step(rng.permutation(len(x)), batch)


def torch_steps(
    x: np.ndarray, labels: np.ndarray, sizes: tuple[int, ...], fused: bool, rate: float = RACE_RATE
) -> Callable[[np.ndarray, int], object]:
    """A function that takes steps through rows in a given order; its `logits` judges others."""
    import torch as t  # noqa: PLC0415 - each process loads its own peer

    t.set_num_threads(int(os.environ["OPENBLAS_NUM_THREADS"]))
    t.manual_seed(0)
    rows_x, rows_y = t.from_numpy(x), t.from_numpy(labels)
    model = t.nn.Sequential(t.nn.Linear(*sizes[:2]), t.nn.ReLU(), t.nn.Linear(*sizes[1:]))
    optimizer = t.optim.Adam(model.parameters(), lr=rate, fused=fused)

    def steps(order: np.ndarray, batch: int) -> None:
        for rows in t.from_numpy(order).split(batch):
            optimizer.zero_grad()
            loss = t.nn.functional.cross_entropy(model(rows_x[rows]), rows_y[rows])
            loss.backward()
            optimizer.step()
            loss.item()

    def logits(other: np.ndarray) -> np.ndarray:
        with t.no_grad():
            return model(t.from_numpy(other)).numpy()

    steps.logits = logits
    return steps


PEERS: dict[str, Callable[[int], Callable[[], object]]] = {
    "neurona": neurona,
    "its five matrix products": products,
    "scikit-learn": sklearn,
    "PyTorch": torch,
    "PyTorch, fused Adam": lambda batch: torch(batch, fused=True),
}


def clock() -> float:
    """Seconds of processor time where there is one thread: then what else runs on the machine matters less."""
    alone = os.environ.get("OPENBLAS_NUM_THREADS") == "1"
    return time.process_time() if alone else time.perf_counter()


def answer(peer: str, batch: int) -> None:
    """In a peer's process: for each line read, run one epoch and print its microseconds a step."""
    try:
        epoch = PEERS[peer](batch)
    except ModuleNotFoundError:
        print("absent", flush=True)
        return
    for _ in sys.stdin:
        begun = clock()
        epoch()
        print((clock() - begun) / (ROWS // batch) * 1e6, flush=True)


def start(peer: str, python: str, threads: int, *arguments: str) -> subprocess.Popen[str]:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONPATH": str(ROOT)}
    command = [python, __file__, "--peer", peer, *arguments]
    return subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def ask(process: subprocess.Popen[str]) -> float | None:
    """Microseconds a step, or None if the peer is not installed. A peer that fails ends the bench."""
    with suppress(BrokenPipeError):
        print(file=process.stdin, flush=True)
    line = process.stdout.readline().strip()
    if not line:
        raise SystemExit(f"{process.args[-1]} failed; its error is above")
    return None if line == "absent" else float(line)


def steps(torch_python: str, threads: int, batch: int) -> None:
    peers = {
        peer: start(peer, python_of(peer, torch_python), threads, "--batch", str(batch)) for peer in PEERS
    }
    first = {peer: ask(process) for peer, process in peers.items()}  # warms up
    there = [peer for peer in peers if first[peer] is not None]
    turns = [{peer: ask(peers[peer]) for peer in there} for _ in range(TURNS)]
    bound = statistics.median(turn["its five matrix products"] / turn["neurona"] for turn in turns)
    print(
        f"\n{'x'.join(map(str, SIZES))}, batch {batch}, {threads} thread(s): {bound:.2f} of the bound"
        f"\n{'':40}µs a step     best   time of neurona's"
    )
    for peer in PEERS:
        if peer in there:
            times = [turn[peer] for turn in turns]
            ratio = statistics.median(turn[peer] / turn["neurona"] for turn in turns)
            print(f"{peer:40}{statistics.median(times):9.0f}{min(times):9.0f}{ratio:12.2f}", flush=True)
        else:
            print(f"{peer:40}not installed: skipped")
    for process in peers.values():
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()


def python_of(peer: str, torch_python: str) -> str:
    return torch_python if peer.startswith("PyTorch") else sys.executable


def race_data(name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Rows and labels to learn from and to be tested on, standardised alike for all."""
    if name == "mnist":
        (x, labels), (x_test, y_test) = mnist("mnist"), mnist("mnist_test")
        x, x_test = (((each - x.mean()) / x.std()).astype(np.float32) for each in (x, x_test))
        return x, x_test, labels, y_test
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1_050_000, 32), np.float32)
    teacher = network.initialise((32, 64, 8), np.random.default_rng(1), even=True)
    z = network.logits((teacher[0], teacher[1]._replace(weight=teacher[1].weight * 30)), x)
    labels = (z + rng.gumbel(size=z.shape)).argmax(axis=1)  # drawn by softmax(z)
    return x[:1_000_000], x[1_000_000:], labels[:1_000_000], labels[1_000_000:]


def race_neurona(
    x: np.ndarray, labels: np.ndarray, sizes: tuple[int, ...], every: int
) -> Iterator[Callable[..., object]]:
    """Stops once when all is ready, then trains on; after every so many rows, says how to get logits."""
    yield np.asarray
    spec = training.TrainingSpec(
        hidden_layer_sizes=sizes[1:-1], batch_size=RACE_BATCH, max_epochs=10**6, learning_rate=RACE_RATE
    )
    state = training.begin(spec, sizes[0], sizes[-1])
    examples = training.Examples(x, labels)
    for epoch in training.fit(spec, examples, None, state, steps_per_yield=every // RACE_BATCH):
        yield lambda other, epoch=epoch: network.logits(epoch.state.parameters, other)


def race_sklearn(
    x: np.ndarray, labels: np.ndarray, sizes: tuple[int, ...], every: int, **said: float
) -> Iterator[Callable[..., object]]:
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - each process loads its own peer

    model = MLPClassifier(sizes[1:-1], random_state=0, **said)
    yield np.asarray
    while True:
        for start in range(0, len(x), every):  # views of rows that lie in no order
            model.partial_fit(
                x[start : start + every], labels[start : start + every], classes=np.arange(sizes[-1])
            )
            yield lambda other: np.log(np.maximum(model.predict_proba(other), 1e-38))


def race_torch(
    x: np.ndarray, labels: np.ndarray, sizes: tuple[int, ...], every: int, rate: float = 1e-3
) -> Iterator[Callable[..., object]]:
    steps, rng = torch_steps(x, labels, sizes, fused=True, rate=rate), np.random.default_rng(0)
    yield steps.logits
    while True:
        order = rng.permutation(len(x))
        for start in range(0, len(x), every):
            steps(order[start : start + every], RACE_BATCH)
            yield steps.logits


RACERS = {
    "neurona": race_neurona,
    "scikit-learn": partial(race_sklearn, batch_size=RACE_BATCH, alpha=0.0, learning_rate_init=RACE_RATE),
    "scikit-learn, its defaults": race_sklearn,
    "PyTorch, fused Adam": partial(race_torch, rate=RACE_RATE),
    "PyTorch, its default rate": race_torch,
}


def run_race(peer: str, name: str) -> None:
    """In a peer's process: train up to the target; print the seconds that training took, and the rows seen."""
    x, x_test, labels, y_test = race_data(name)
    sizes = (x.shape[1], 128, int(labels.max()) + 1)
    every = len(x) // 10 // RACE_BATCH * RACE_BATCH
    seconds, seen = 0.0, 0
    try:
        running = RACERS[peer](x, labels, sizes, every)
        next(running)  # loads what it needs
        while seen < 30 * len(x):
            begun = clock()
            logits = next(running)
            seconds, seen = seconds + clock() - begun, seen + every
            loss = float(softmax_loss(logits(x_test).astype(np.float64), y_test).mean())
            if loss <= TARGETS[name]:
                print(seconds, seen / len(x), loss, flush=True)
                return
    except ModuleNotFoundError:
        pass
    print("absent", flush=True)


def race(name: str, torch_python: str) -> None:
    """All peers in turns, several times; medians."""
    found: dict[str, list[tuple[float, float]]] = {peer: [] for peer in RACERS}
    for _ in range(ROUNDS):
        for peer in RACERS:
            process = start(peer, python_of(peer, torch_python), 1, "--run", name)
            line, _ = process.communicate()
            if process.returncode:
                raise SystemExit(f"{peer} failed; its error is above")
            if line.strip() != "absent":
                seconds, epochs, _ = map(float, line.split())
                found[peer].append((seconds, epochs))
    print(f"\n{name}: test log loss {TARGETS[name]}, one thread   seconds   epochs   time of neurona's")
    for peer, runs in found.items():
        if runs:
            ratio = statistics.median(
                mine[0] / ours[0] for mine, ours in zip(runs, found["neurona"], strict=True)
            )
            seconds, epochs = (statistics.median(each) for each in zip(*runs, strict=True))
            print(f"{peer:40}{seconds:12.1f}{epochs:9.1f}{ratio:12.2f}", flush=True)
        else:
            print(f"{peer:40}not installed, or not there in 30 epochs")


def mnist(name: str) -> tuple[np.ndarray, np.ndarray]:
    with np.load(DATA / f"{name}.npz") as file:
        return file["x"], file["y"].astype(np.intp)


def neurona_epochs() -> Iterator[float]:
    """Test accuracy, after each epoch of a run with every default, of the model that would be kept then: the
    one with the lowest validation loss. Split, encoding and validation are in its time."""
    (x, labels), (x_test, y_test) = mnist("mnist"), mnist("mnist_test")
    rows, held = splitting.stratified_split(labels, 0.1, 0)
    fitted = encoding.fit({"image": x[rows]})
    parts = [
        training.Examples(encoding.transform_matrix(fitted, x[part]), labels[part]) for part in (rows, held)
    ]
    spec = defaults.resolve(rows=len(rows), features=fitted.width, classes=10, hidden=True)
    state = training.begin(spec, fitted.width, 10)
    for epoch in training.early_stopping(training.fit(spec, *parts, state), spec.patience):
        z = network.logits(epoch.state.best.parameters, encoding.transform_matrix(fitted, x_test))
        yield float(np.mean(z.argmax(axis=1) == y_test))


def sklearn_epochs() -> Iterator[float]:
    """The same of MLPClassifier() on pixels from 0 to 1, up to where its own rule would stop it."""
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - each process loads its own peer

    (x, labels), (x_test, y_test) = mnist("mnist"), mnist("mnist_test")
    x, x_test = (pixels.astype(np.float32) / 255 for pixels in (x, x_test))
    model, best, waited = MLPClassifier(random_state=0), np.inf, 0
    while waited < model.n_iter_no_change:
        model.partial_fit(x, labels, classes=np.arange(10))
        waited = 0 if model.loss_ < best - model.tol else waited + 1
        best = min(best, model.loss_)
        yield model.score(x_test, y_test)


def time_to(target: float, name: str, epochs: Iterator[float], most: int) -> None:
    begun, best = time.perf_counter(), (0.0, 0, 0.0)
    for number, accuracy in zip(range(1, most + 1), epochs, strict=False):
        seconds = time.perf_counter() - begun
        best = max(best, (accuracy, -number, seconds))
        if accuracy >= target:
            print(f"{name:16} {target} after {number} epochs, {seconds:.1f} s")
            target = 2.0
    print(
        f"{name:16} {number} epochs, {seconds:.1f} s; best {best[0]:.4f} after {-best[1]} epochs, {best[2]:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--torch", default=sys.executable, metavar="PYTHON", help="a Python that has PyTorch")
    parser.add_argument("--threads", type=int, nargs="*", default=[1], help="threads of the steps")
    parser.add_argument("--batches", type=int, nargs="*", default=BATCHES, help="rows of the steps")
    parser.add_argument("--race", choices=TARGETS, nargs="*", default=(), help="time to a test log loss")
    parser.add_argument("--mnist", action="store_true", help="time to 0.98 as well")
    parser.add_argument("--epochs", type=int, default=40, help="most epochs that scikit-learn gets on MNIST")
    parser.add_argument("--peer", choices={**PEERS, **RACERS}, help=argparse.SUPPRESS)
    parser.add_argument("--batch", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--run", choices=TARGETS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_race(options.peer, options.run)
        return
    if options.peer:
        answer(options.peer, options.batch)
        return
    for threads in options.threads:
        for batch in options.batches:
            steps(options.torch, threads, batch)
    for name in options.race:
        race(name, options.torch)
    if options.mnist:
        print("\nMNIST, test accuracy, as many threads as given")
        time_to(0.98, "neurona", neurona_epochs(), 10**6)
        time_to(0.98, "scikit-learn", sklearn_epochs(), options.epochs)


if __name__ == "__main__":
    main()
