"""What a training job on the same machine does to small predictions, one at a time.

    python bench/beside_training.py [--seconds 5] [--niceness 10] [--jobs 1]

A live server with its trainer; one client on one connection sends the next request when it has the answer. First
without a job, then while so many networks of 784-128-10 train on 20,000 rows, each in a process of its own.
Milliseconds as the client sees them.
"""

import argparse
import io
import socket
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np

ROOT = Path(__file__).parent.parent
for folder in (ROOT, ROOT / "scripts", ROOT / "bench"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from local_server import LocalServer, running  # noqa: E402 - the folders above are not packages
from serving import Load, make_model  # noqa: E402

LOADS = {"small": Load(1, 4), "wide": Load(1, 784)}


def times(server: LocalServer, model: str, load: Load, seconds: float) -> np.ndarray:
    """How long each of the requests took that were answered one after the other, in milliseconds, sorted."""
    body = load.body()
    head = (
        f"POST /v1/models/{model}/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: {load.media_type}\r\n"
    )
    request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    taken, until = [], time.perf_counter() + seconds
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while (began := time.perf_counter()) < until:
            connection.sendall(request)
            answer = connection.recv(65536)
            while not answer.endswith(b"]]}"):
                answer += connection.recv(65536)
            taken.append(time.perf_counter() - began)
            assert answer.startswith(b"HTTP/1.1 200"), answer
    return np.sort(taken) * 1e3


def data() -> bytes:
    """20,000 rows of 784 numbers in ten classes."""
    rng = np.random.default_rng(2)
    target = io.BytesIO()
    np.savez(target, x=rng.standard_normal((20_000, 784), np.float32), y=rng.integers(0, 10, 20_000))
    return target.getvalue()


def train(client: httpx.Client, model: str) -> str:
    """A job that is training, and goes on."""
    options = {"algorithm": "relu_network", "patience": "null", "max_epochs": 10_000, "batch_size": 128}
    sent = client.post(
        f"/v1/models/{model}/train",
        params=options,
        content=data(),
        headers={"content-type": "application/x-npz"},
    )
    assert sent.status_code == 202, sent.text
    job = sent.json()["id"]
    assert client.get(f"/v1/jobs/{job}/history?wait=30").json()["epochs"], "it trains"
    return job


def epochs(client: httpx.Client, job: str) -> int:
    return int(client.get(f"/v1/jobs/{job}").json()["progress"]["epoch"])


def tell(when: str, name: str, taken: np.ndarray) -> None:
    middle, late, later = np.percentile(taken, (50, 99, 99.9))
    print(
        f"| {when} | {name} | {middle:.3f} | {late:.3f} | {late / middle:.2f} | {later:.2f} | {taken[-1]:.1f} |",
        flush=True,
    )


def measure(niceness: int, jobs: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, load in LOADS.items():
            make_model(folder, name, load.width)
        with running(folder, training_niceness=niceness, trainer_workers=jobs) as server:
            client = httpx.Client(base_url=server.url, trust_env=False, timeout=60)
            for name, load in LOADS.items():
                times(server, name, load, 1.0)
                tell("no job", load.name, times(server, name, load, seconds))
            running_jobs = [train(client, f"busy{number}") for number in range(jobs)]
            job = running_jobs[0]
            before, began = epochs(client, job), time.monotonic()
            for name, load in LOADS.items():
                tell(f"{jobs} training, niceness {niceness}", load.name, times(server, name, load, seconds))
            rate = (epochs(client, job) - before) / (time.monotonic() - began)
            print(f"(epochs a second meanwhile: {rate:.2f})")
            for each in running_jobs:
                client.post(f"/v1/jobs/{each}/cancel")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--niceness", type=int, nargs="*", default=[10])
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    print("| | load | p50 | p99 | p99 / p50 | p99.9 | longest |\n|---|---|---|---|---|---|---|")
    for niceness in arguments.niceness:
        measure(niceness, arguments.jobs, arguments.seconds)


if __name__ == "__main__":
    main()
