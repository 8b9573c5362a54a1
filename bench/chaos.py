"""kill -9 at many random points, and what remains of every promise: `python bench/chaos.py [--kills 200] [--seed 1]`.

A live `neurona serve --workers 2` and a second trainer on one database, while jobs are submitted under idempotency
keys, watched, cancelled, and predictions are asked for. Afterwards every accepted job is held against a run of the
same job that nothing disturbed. `--postgres` keeps the records in a private PostgreSQL.
"""

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
for folder in (ROOT, ROOT / "scripts", ROOT / "bench", ROOT / "tests" / "jobs"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from disturbed.crowd import Crowd  # noqa: E402 - the folders above are not packages
from disturbed.processes import House  # noqa: E402
from disturbed.verdict import Undisturbed, judge  # noqa: E402
from postgres import Postgres  # noqa: E402

from app.settings import Settings  # noqa: E402

_FILES = [ROOT / "examples" / "data" / f"{name}.csv" for name in ("iris", "digits")]
_MOST_UNFINISHED = 8
_CALM_SECONDS = 120.0  # in which every job is final once the killing has stopped


@dataclass
class Outcome:
    """What happened, in figures, and what went wrong, in words."""

    wrong: list[str]
    figures: dict[str, Any] = field(default_factory=dict)


def disturb(folder: Path, *, kills: int, seed: int, database_url: str | None = None) -> Outcome:
    """Kill so many times; then judge."""
    rng = random.Random(seed)
    url = {} if database_url is None else {"database_url": database_url}
    house = House(folder, checkpoint_seconds=0.3, **url)
    begun = time.monotonic()
    try:
        house.start()
        crowd = Crowd(house.place.url, {}, api_killed=lambda: house.api_killed)
        rows, expected = _prepare(crowd)
        for pause in (0.05, 0.1):
            crowd.begin(crowd.predict, rows, expected, pause)
        submitted = _storm(house, crowd, rng, kills)
        storm = time.monotonic() - begun
        crowd.begin(crowd.stop.wait, 1.0)
        _calm(crowd)
        calm = time.monotonic() - begun - storm
        _swept(house)
        crowd.stop.set()
        crowd.leave(30)
    finally:
        house.stop()
    settings = Settings(data=house.place.data, models=house.place.models, **url)
    with Undisturbed.beside(folder / "undisturbed", _FILES) as undisturbed:
        wrong = judge(crowd.seen, settings, undisturbed)
    return Outcome(wrong, _figures(house, crowd, submitted, storm, calm))


def _prepare(crowd: Crowd) -> tuple[list[Any], dict[str, Any]]:
    """The data, a first model, and what it says of some rows."""
    for file in _FILES:
        sent = crowd.request(
            "POST", "/v1/datasets", content=file.read_bytes(), headers={"content-type": "text/csv"}
        )
        assert sent.status_code == 201, sent.text
        crowd.datasets[file.stem] = sent.json()["id"]
    body = {
        "dataset": crowd.datasets["digits"],
        "algorithm": "relu_network",
        "hyperparameters": {"hidden_layer_sizes": [32], "max_epochs": 5},
    }
    job = crowd.request("POST", "/v1/models/base/train", json=body).json()
    while job["state"] not in ("succeeded", "failed"):
        time.sleep(0.1)
        job = crowd.request("GET", f"/v1/jobs/{job['id']}").json()
    assert job["state"] == "succeeded", job
    rows = [[float((i * j) % 17) for j in range(64)] for i in range(3)]
    answer = crowd.request("POST", "/v1/models/base@1/predict", json={"instances": rows})
    assert answer.status_code == 200, answer.text
    return rows, answer.json()


def _storm(house: House, crowd: Crowd, rng: random.Random, kills: int) -> int:
    """Submit and kill; how many jobs were submitted."""
    submitted = 0
    while house.kills.total() < kills:
        if crowd.unfinished < _MOST_UNFINISHED:
            crowd.begin(crowd.submit, submitted, rng.randrange(2**31))
            submitted += 1
        house.disturb(rng)
        low, high = rng.choices([(0.05, 0.5), (0.5, 3.0), (3.0, 9.0)], [3, 5, 2])[0]
        time.sleep(rng.uniform(low, high))
    return submitted


def _calm(crowd: Crowd) -> None:
    until = time.monotonic() + _CALM_SECONDS
    time.sleep(1.0)
    while crowd.unfinished and time.monotonic() < until:
        time.sleep(0.2)
    if crowd.unfinished:
        crowd.seen.wrong.append(
            f"{crowd.unfinished} jobs are not final {_CALM_SECONDS:g} s after the last kill"
        )


def _swept(house: House) -> None:
    """Give the trainer its time to remove what ended jobs have left; the verdict finds what is still there."""
    root, until = house.place.data / "checkpoints", time.monotonic() + 60
    while root.is_dir() and any(root.iterdir()) and time.monotonic() < until:
        time.sleep(0.2)


def _figures(house: House, crowd: Crowd, submitted: int, storm: float, calm: float) -> dict[str, Any]:
    seen = crowd.seen
    return {
        "kills": house.kills.total(),
        **{f"kills of {kind}": count for kind, count in sorted(house.kills.items())},
        "programs started again": house.starts,
        "storm, s": round(storm, 1),
        "all final after, s": round(calm, 1),
        "jobs": submitted,
        "jobs cancelled": len(seen.cancelled),
        "epochs watched": sum(map(len, seen.epochs.values())),
        **dict(sorted(seen.counts.items())),
        "longest until answered, s": round(seen.longest["answer"], 1),
        "latest refusal after a kill, s": round(seen.longest["refused"], 1),
    }


def main() -> int:
    """Run once and print the figures; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--folder", type=Path, help="where to work, and what to keep")
    said = parser.parse_args()
    folder = said.folder or Path(tempfile.mkdtemp(prefix="neurona-chaos-"))
    folder.mkdir(exist_ok=True)
    server = Postgres(Postgres.binaries()) if said.postgres else None
    try:
        url = server.database() if server else None
        outcome = disturb(folder, kills=said.kills, seed=said.seed, database_url=url)
    finally:
        if server:
            server.stop()
    for name, figure in outcome.figures.items():
        print(f"{name:32} {figure}")
    for each in outcome.wrong:
        print("BROKEN:", each)
    return 1 if outcome.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
