"""Versions swapped and all processes replaced under full load: `python bench/swaps.py [--swaps 50] [--restarts 2]`.

A live `neurona serve --workers 2`, asked without a pause by clients that try nothing again. Each answer must be, byte
for byte, what one version answers when asked by its number, and after a swap no process may answer with the version
before for longer than a second. Every other swap is made by another process, as the trainer makes them.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np

ROOT = Path(__file__).parent.parent
for folder in (ROOT, ROOT / "scripts", ROOT / "bench"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from disturbed.askers import Askers  # noqa: E402 - the folders above are not packages
from disturbed.processes import children, words  # noqa: E402
from local_server import LocalServer, running  # noqa: E402

from app.repository.model import Model  # noqa: E402
from app.repository.repository import Repository  # noqa: E402
from core import encoding, network  # noqa: E402

NAME, WIDTH = "swapped", 64
BODY = json.dumps({"instances": np.random.default_rng(3).normal(size=(2, WIDTH)).tolist()}).encode()
JSON = {"content-type": "application/json"}


@dataclass
class Outcome:
    """What happened, in figures, and what went wrong, in words."""

    wrong: list[str]
    figures: dict[str, object] = field(default_factory=dict)


def swap(
    folder: Path, *, swaps: int, restarts: int, connections: int, seconds: float, workers: int = 2
) -> Outcome:
    """Publish, start, ask, and swap every `seconds`; restart in between."""
    repository = Repository(folder / "models")
    publish(repository, swaps + 1)
    lags, took = [], []
    with running(folder, workers=workers, trainer=False) as server:
        expected = each_answer(server, swaps + 1)
        path = f"/v1/models/{NAME}/predict"
        with Askers(server.url, path, BODY, expected=expected, connections=connections) as askers:
            begun = time.monotonic()
            for version in range(2, swaps + 2):
                at = move(server, repository, version)
                if restarts and version % (swaps // restarts) == 1:
                    took.append(restart(server))
                time.sleep(max(0.0, at + seconds - time.monotonic()))
                lags.append(askers.answers.last_asked.get(version - 1, at) - at)
            lasted = time.monotonic() - begun
    return judge(askers, lags, took, lasted)


def publish(repository: Repository, versions: int) -> None:
    """So many versions of one network, the first in production."""
    rng = np.random.default_rng(0)
    fitted = encoding.fit({"x": rng.normal(size=(50, WIDTH))})
    for version in range(1, versions + 1):
        parameters = network.initialise((WIDTH, 128, 10), rng)
        repository.publish(
            Model(
                name=NAME, version=version, parameters=parameters, encoding=fitted, classes=tuple(range(10))
            )
        )
    repository.set_alias(NAME, "production", 1)


def each_answer(server: LocalServer, versions: int) -> dict[bytes, int]:
    """What every version answers, asked by its number."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as client:
        found = {}
        for version in range(1, versions + 1):
            answer = client.post(f"/v1/models/{NAME}@{version}/predict", content=BODY, headers=JSON)
            assert answer.json()["version"] == version
            found[answer.content] = version
    assert len(found) == versions
    return found


def move(server: LocalServer, repository: Repository, version: int) -> float:
    """Put a version into production, by a call or by another process's writing; when that was done."""
    if version % 2:
        repository.set_alias(NAME, "production", version)
    else:
        url = f"{server.url}/v1/models/{NAME}/aliases/production"
        assert httpx.put(url, json={"version": version}, trust_env=False, timeout=60).is_success
    return time.monotonic()


def restart(server: LocalServer) -> float:
    """Have every process replaced; the seconds that took."""
    assert server.process is not None
    begun, before = time.monotonic(), answering(server)
    os.kill(server.process.pid, signal.SIGHUP)
    while (now := answering(server)) & before or len(now) != len(before):
        assert time.monotonic() - begun < 120, "the restart did not end"
        time.sleep(0.05)
    return time.monotonic() - begun


def answering(server: LocalServer) -> set[int]:
    """The processes that answer requests."""
    assert server.process is not None
    return {pid for pid in children(server.process.pid) if b"spawn_main" in words(pid)}


def judge(askers: Askers, lags: list[float], took: list[float], lasted: float) -> Outcome:
    seen = askers.answers
    wrong = list(seen.wrong)
    if len(seen.versions) != len(lags) + 1:
        wrong.append(f"only {len(seen.versions)} versions of {len(lags) + 1} were seen")
    if max(lags) > 1.0:
        wrong.append(f"a version was still answered with {max(lags):.2f} s after it was replaced")
    return Outcome(
        wrong,
        {
            "answers": seen.statuses.total(),
            "a second": round(seen.statuses.total() / lasted),
            "failed or wrong": len(seen.wrong),
            "swaps": len(lags),
            "restarts, s": [round(each, 1) for each in took],
            "connections made": seen.reconnected,
            "longest with the version before, s": round(max(lags), 3),
            "median of that, s": round(float(np.median(lags)), 3),
        },
    )


def main() -> int:
    """Run once and print the figures; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--swaps", type=int, default=50)
    parser.add_argument("--restarts", type=int, default=2)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=1.2, help="between two swaps")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        outcome = swap(Path(place), **vars(said))
    for name, figure in outcome.figures.items():
        print(f"{name:36} {figure}")
    for each in outcome.wrong[:20]:
        print("BROKEN:", each)
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
