"""How fast a training step is, beside its peers: `python bench/training.py [--torch PYTHON] [--mnist]`.

The step: 784-128-10, batch 256, Adam, float32; rows gathered at random out of 10,240, gradients, update, the
loss looked at. Each peer lives in a process of its own and is asked in turns, so that all meet the same
machine; the table shows medians and their ratio to Neurona. --mnist adds the time to 0.98 test accuracy
(bench/fetch_mnist.py first). PyTorch may live in another environment: name its Python.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np

from core import defaults, encoding, network, splitting, training

ROOT, DATA = Path(__file__).parent.parent, Path(__file__).parent / "data"
SIZES, BATCH, STEPS, TURNS = (784, 128, 10), 256, 40, 25


def examples() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH * STEPS, SIZES[0])).astype(np.float32)
    return x, rng.integers(0, SIZES[-1], len(x))


def neurona() -> Callable[[], object]:
    """One epoch of training.fit, its state yielded at the end."""
    spec = training.TrainingSpec(batch_size=BATCH, max_epochs=10**6)
    state = training.begin(spec, SIZES[0], SIZES[-1])
    epochs = training.fit(spec, training.Examples(*examples()), None, state)
    return lambda: next(epochs)


def products() -> Callable[[], object]:
    """The five matrix products of the step alone: no step can be faster than the BLAS below it."""
    x, _ = examples()
    x = x[:BATCH]
    (w1, _), (w2, _) = network.initialise(SIZES, np.random.default_rng(0))
    a1, z, g1, g2, d1 = x @ w1, x @ w1 @ w2, np.empty_like(w1), np.empty_like(w2), x @ w1

    def epoch() -> None:
        for _ in range(STEPS):
            np.matmul(x, w1, out=a1)
            np.matmul(a1, w2, out=z)
            np.matmul(a1.T, z, out=g2)
            np.matmul(z, w2.T, out=d1)
            np.matmul(x.T, d1, out=g1)
            np.multiply(z, 1e-9, out=z)

    return epoch


def sklearn() -> Callable[[], object]:
    """One epoch of MLPClassifier.partial_fit: its own shuffle and minibatches, Adam kept between calls."""
    from sklearn.neural_network import MLPClassifier  # noqa: PLC0415 - each process loads its own peer

    x, labels = examples()
    model = MLPClassifier(SIZES[1:-1], batch_size=BATCH, alpha=0.0)
    return lambda: model.partial_fit(x, labels, classes=np.arange(SIZES[-1]))


def torch(fused: bool = False) -> Callable[[], object]:
    """The same network, cross_entropy and Adam, eagerly; the loss is read as a number at every step."""
    import torch as t  # noqa: PLC0415 - each process loads its own peer

    t.set_num_threads(int(os.environ["OPENBLAS_NUM_THREADS"]))
    x, labels = map(t.from_numpy, examples())
    model = t.nn.Sequential(t.nn.Linear(*SIZES[:2]), t.nn.ReLU(), t.nn.Linear(*SIZES[1:]))
    optimizer = t.optim.Adam(model.parameters(), fused=fused)

    def epoch() -> None:
        for rows in t.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            loss = t.nn.functional.cross_entropy(model(x[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            loss.item()

    return epoch


PEERS: dict[str, Callable[[], Callable[[], object]]] = {
    "neurona": neurona,
    "its five matrix products": products,
    "scikit-learn": sklearn,
    "PyTorch": torch,
    "PyTorch, fused Adam": lambda: torch(fused=True),
}


def answer(peer: str) -> None:
    """In a peer's process: for each line read, run one epoch and print its microseconds a step."""
    try:
        epoch = PEERS[peer]()
    except ModuleNotFoundError:
        print("absent", flush=True)
        return
    for _ in sys.stdin:
        begun = time.perf_counter()
        epoch()
        print((time.perf_counter() - begun) / STEPS * 1e6, flush=True)


def start(peer: str, python: str, threads: int) -> subprocess.Popen[str]:
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, **dict.fromkeys(names, str(threads)), "PYTHONPATH": str(ROOT)}
    command = [python, __file__, "--peer", peer]
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


def steps(torch_python: str, threads: int) -> None:
    peers = {
        peer: start(peer, torch_python if peer.startswith("PyTorch") else sys.executable, threads)
        for peer in PEERS
    }
    first = {peer: ask(process) for peer, process in peers.items()}  # warms up
    there = [peer for peer in peers if first[peer] is not None]
    turns = [{peer: ask(peers[peer]) for peer in there} for _ in range(TURNS)]
    print(
        f"\n{'x'.join(map(str, SIZES))}, batch {BATCH}, {threads} thread(s)   µs a step   best   ratio to neurona"
    )
    for peer in PEERS:
        if peer in there:
            times = [turn[peer] for turn in turns]
            ratio = statistics.median(turn[peer] / turn["neurona"] for turn in turns)
            print(f"{peer:40}{statistics.median(times):12.0f}{min(times):9.0f}{ratio:12.2f}")
        else:
            print(f"{peer:40}not installed: skipped")
    for process in peers.values():
        with suppress(BrokenPipeError):
            process.stdin.close()
        process.wait()


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
    parser.add_argument("--mnist", action="store_true", help="time to 0.98 as well")
    parser.add_argument("--epochs", type=int, default=40, help="most epochs that scikit-learn gets on MNIST")
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.peer:
        answer(options.peer)
        return
    for threads in sorted({1, os.cpu_count() or 1}):
        steps(options.torch, threads)
    if options.mnist:
        print("\nMNIST, test accuracy, as many threads as given")
        time_to(0.98, "neurona", neurona_epochs(), 10**6)
        time_to(0.98, "scikit-learn", sklearn_epochs(), options.epochs)


if __name__ == "__main__":
    main()
