"""Requests per second beside the limit and beside the usual way, by wrk, in turns, one worker each.

    python bench/serving.py [--seconds 3] [--rounds 3] [--connections 32] [--only 1×4]

Needs wrk on the path. Every target predicts with the same weights; only one is asked at a time, in turns, and what is
quoted is the median over the rounds of the ratio within each round. The last column compares the processor time that
the servers used for a request, which other work on the machine disturbs less than their rates.
"""

import argparse
import io
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from app.repository.model import Model
from app.repository.repository import Repository
from core import encoding
from core.network import initialise

ROOT = Path(__file__).parents[1]
NPY, JSON = "application/x-npy", "application/json"
LANE = ("--http", "app.http.protocol:LaneProtocol")
LUA = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "{media_type}"
local file = io.open("{body}", "rb")
wrk.body = file:read("*a")
file:close()
done = function(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %d\\n", summary.requests, summary.duration,
    summary.errors.status + summary.errors.connect + summary.errors.read + summary.errors.timeout,
    latency:percentile(99)))
end
"""


@dataclass(frozen=True)
class Load:
    """What is sent: rows of a model's width, as JSON of 17 digits or as npy."""

    rows: int
    width: int
    media_type: str = JSON

    @property
    def name(self) -> str:
        return f"{self.rows}×{self.width} {'binary' if self.media_type == NPY else 'JSON'}"

    def body(self) -> bytes:
        x = np.random.default_rng(0).standard_normal((self.rows, self.width))
        if self.media_type == NPY:
            target = io.BytesIO()
            np.save(target, x.astype(np.float32))
            return target.getvalue()
        return json.dumps({"instances": x.tolist()}).encode()


class Target(NamedTuple):
    """A server's address, or a path of it, and its process."""

    url: str
    process: int

    def at(self, path: str) -> "Target":
        return Target(self.url + path, self.process)

    def processor_seconds(self) -> float:
        """That its process has used."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Asked(NamedTuple):
    """Requests per second, the 99th percentile in milliseconds, and microseconds of processor time a request."""

    rate: float
    late: float
    cost: float


LOADS = [Load(1, 4), Load(1, 784), Load(100, 784), Load(1000, 784), Load(100, 784, NPY), Load(1000, 784, NPY)]


def make_model(folder: Path, name: str, width: int) -> None:
    """One network for all: in the repository, and as the peers read it."""
    rng = np.random.default_rng(1)
    first, second = initialise((width, 128, 10), rng)
    table = rng.standard_normal((64, width))
    columns = {"x": table} if width > 100 else {f"x{i}": table[:, i] for i in range(width)}
    model = Model(
        name=name,
        version=1,
        parameters=(first, second),
        encoding=encoding.fit(columns),
        classes=tuple(range(10)),
        temperature=1.0,
        card={},
    )
    repository = Repository(folder / "models")
    repository.publish(model)
    repository.set_alias(name, "production", 1)
    np.savez(folder / f"{name}.npz", W1=first.weight, b1=first.bias, W2=second.weight, b2=second.bias)


@contextmanager
def server(app: str, environment: dict[str, str], probe: str, *options: str) -> Iterator[Target]:
    """One uvicorn worker with one BLAS thread, its options as `neurona serve` sets them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        app,
        "--port",
        str(port),
        "--log-level",
        "warning",
        "--no-access-log",
        "--no-proxy-headers",
        "--no-server-header",
        *options,
    ]
    settings = {**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment}
    process = subprocess.Popen(command, cwd=ROOT, env=settings, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                urllib.request.urlopen(address + probe, timeout=1)  # noqa: S310 - our own server
                break
            except urllib.error.HTTPError:
                break
            except OSError:
                time.sleep(0.05)
        yield Target(address, process.pid)
    finally:
        process.terminate()
        process.wait()


def ask(target: Target, load: Load, folder: Path, arguments: argparse.Namespace) -> Asked:
    """Send a load to it for some seconds."""
    body = folder / "body"
    body.write_bytes(load.body())
    script = folder / "post.lua"
    script.write_text(LUA.format(media_type=load.media_type, body=body))
    command = ["wrk", "-t1", f"-c{arguments.connections}", f"-d{arguments.seconds}s", "--timeout", "30s"]
    before = target.processor_seconds()
    told = subprocess.run(
        [*command, "-s", script, target.url], capture_output=True, text=True, check=True
    ).stdout
    requests, microseconds, errors, late = map(
        int, re.search(r"RESULT (\d+) (\d+) (\d+) (\d+)", told).groups()
    )
    assert errors == 0, told
    drain(target.url)
    used = target.processor_seconds() - before
    return Asked(requests / microseconds * 1e6, late / 1000, used / max(requests, 1) * 1e6)


def drain(url: str) -> None:
    """Wait until what the load generator left under way is finished: it does not stop a server by leaving."""
    quiet = 0
    while quiet < 3:
        began = time.monotonic()
        with suppress(urllib.error.HTTPError):
            urllib.request.urlopen(url.replace("/predict", "/"), timeout=120)  # noqa: S310 - our own server
        quiet = quiet + 1 if time.monotonic() - began < 0.02 else 0


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--only", default="", help="loads whose name has this in it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, width in (("small", 4), ("wide", 784)):
            make_model(folder, name, width)
        print(
            "| load | bare | Neurona | usual | Neurona / bare | Neurona / usual | p99 ms, Neurona and bare "
            "| µs a request, Neurona and bare | by those |"
        )
        print("|---|---|---|---|---|---|---|---|---|")
        for load in (each for each in LOADS if arguments.only in each.name):
            print(row(load, folder, arguments), flush=True)


def row(load: Load, folder: Path, arguments: argparse.Namespace) -> str:
    name = "small" if load.width == 4 else "wide"
    peer = {"PEER_MODEL": str(folder / f"{name}.npz")}
    own = {
        "NEURONA_MODELS": str(folder / "models"),
        "NEURONA_DATA": str(folder / "data"),
        "NEURONA_TRAINER": "false",
    }
    with ExitStack() as stack:
        targets = {
            "bare": stack.enter_context(server("bench.peers.bare:app", peer, "/")).at("/predict"),
            "own": stack.enter_context(server("app.main:app", own, "/v2/health/ready", *LANE)).at(
                f"/v1/models/{name}/predict"
            ),
        }
        if load.media_type == JSON:
            targets["usual"] = stack.enter_context(server("bench.peers.tutorial:app", peer, "/docs")).at(
                "/predict"
            )
        asked: dict[str, list[Asked]] = {target: [] for target in targets}
        for turn in range(arguments.rounds):
            for target in list(targets)[:: 1 if turn % 2 else -1]:
                asked[target].append(ask(targets[target], load, folder, arguments))
    bare, mine, usual = asked["bare"], asked["own"], asked.get("usual", [])
    known = (
        bool(usual) and middle(usual, "rate") > 0
    )  # it may not finish one large request in so many seconds
    return " | ".join(
        (
            f"| {load.name}",
            f"{middle(bare, 'rate'):.1f}",
            f"{middle(mine, 'rate'):.1f}",
            f"{middle(usual, 'rate'):.1f}" if known else "–",
            f"{ratio(mine, bare, 'rate'):.2f}",
            f"{ratio(mine, usual, 'rate'):.1f}" if known else "–",
            f"{middle(mine, 'late'):.1f}, {middle(bare, 'late'):.1f}",
            f"{middle(mine, 'cost'):.0f}, {middle(bare, 'cost'):.0f}",
            f"{ratio(bare, mine, 'cost'):.2f} |",
        )
    )


def middle(asked: list[Asked], figure: str) -> float:
    """Its median over the rounds."""
    return statistics.median(getattr(each, figure) for each in asked)


def ratio(one: list[Asked], other: list[Asked], figure: str) -> float:
    """The median over the rounds of the ratio within each."""
    pairs = zip(one, other, strict=True)
    return statistics.median(getattr(a, figure) / (getattr(b, figure) or 1e-9) for a, b in pairs)


if __name__ == "__main__":
    main()
