"""Spoilt predictions of every format, by the million: `python bench/fuzz.py [--bodies 1000000] [--seed 1]`.

Against the whole application in this process, without a network. No answer is 500 or above, none takes longer than a
few seconds, each has the contract's form, memory does not grow, and good requests in between get the bytes that they
got at first. A case is made from the seed and its number alone: `--only NUMBER` asks it again and shows it.
"""

import argparse
import asyncio
import logging
import multiprocessing
import os
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import simdjson  # noqa: F401 - loaded before memory is looked at

ROOT = Path(__file__).parent.parent
for folder in (ROOT, ROOT / "bench"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from spoilt.asked import Bugs, agree, ask, check  # noqa: E402 - the folders above are not packages
from spoilt.changes import spoil  # noqa: E402
from spoilt.good import Request, requests, seed_models  # noqa: E402

from app.bootstrap import build  # noqa: E402
from app.http.app import Application, create_app  # noqa: E402
from app.settings import Settings  # noqa: E402

MOST_SECONDS = 5.0
MOST_GROWTH = 48 * 2**20
_GOOD_EVERY = 200
_WARM_UP = 0.25  # of the bodies, before memory is looked at for the first time
_SHOWN = 20


@dataclass
class Outcome:
    """What was answered to how many bodies of each format, and what went wrong."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    slowest: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    good: int = 0
    growth: int = 0

    def add(self, other: "Outcome") -> None:
        """Take in what another process found."""
        self.statuses += other.statuses
        for name, seconds in other.slowest.items():
            self.slowest[name] = max(seconds, self.slowest.get(name, 0.0))
        self.wrong += other.wrong
        self.good += other.good
        self.growth = max(self.growth, other.growth)


def fuzz(folder: Path, *, seed: int, numbers: range) -> Outcome:
    """Ask the cases of these numbers, on an application with folders of its own."""
    settings = Settings(
        data=folder / "data", models=folder / "models", trainer=False, max_predict_bytes=8 * 2**20
    )
    seed_models(settings, ROOT / "models")
    bugs = Bugs()
    logger = logging.getLogger("neurona")
    logger.addHandler(bugs)
    logger.propagate = False
    services = build(settings)
    try:
        return asyncio.run(_run(create_app(services), bugs, seed, numbers))
    finally:
        services.stop()
        logger.removeHandler(bugs)
        logger.propagate = True


async def _run(app: Application, bugs: Bugs, seed: int, numbers: range) -> Outcome:
    outcome, good = Outcome(), requests()
    answers = [await ask(app, request, 1) for request in good]
    for request, answer in zip(good, answers, strict=True):
        assert answer.status == 200, (request, answer)
        check(request, answer)
    arrays = [answer for request, answer in zip(good, answers, strict=True) if request.format == "npy"]
    agree([answers[0], *arrays[:2]])  # the same rows, as text and as numbers
    before, warm = 0, numbers.start + int(len(numbers) * _WARM_UP)
    for number in numbers:
        if number == warm:
            before = _resident()
        if number % _GOOD_EVERY == 0:
            at = number // _GOOD_EVERY % len(good)
            again = await ask(app, good[at], 2)
            outcome.good += 1
            if (again.status, again.body) != (200, answers[at].body):
                outcome.wrong.append(
                    f"case {number}: the good request before it: {again.status} {again.body[:300]!r}"
                )
        await _case(app, bugs, _spoilt(seed, number, good), number, outcome)
        if len(outcome.wrong) > _SHOWN:
            break
    outcome.growth = _resident() - before
    return outcome


async def _case(app: Application, bugs: Bugs, request: Request, number: int, outcome: Outcome) -> None:
    began = time.perf_counter()
    try:
        answer = await ask(app, request, 1 + number % 3)
        seconds = time.perf_counter() - began
        outcome.statuses[request.format, answer.status] += 1
        outcome.slowest[request.format] = max(seconds, outcome.slowest.get(request.format, 0.0))
        check(request, answer)
        assert seconds < MOST_SECONDS
    except Exception as error:
        what = f"{type(error).__name__}: {str(error)[:400]}"
        shown = f"{request.path} {request.headers} {request.body[:300]!r}"
        outcome.wrong.append("\n".join([f"case {number}: {what}", shown, *bugs.seen]))
        outcome.statuses[request.format, 0] += 1
    bugs.seen.clear()


def _spoilt(seed: int, number: int, good: list[Request]) -> Request:
    return spoil(random.Random(f"{seed}:{number}"), good)


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _worker(job: tuple[int, int, int]) -> Outcome:
    seed, start, stop = job
    try:
        with tempfile.TemporaryDirectory() as folder:
            return fuzz(Path(folder), seed=seed, numbers=range(start, stop))
    except Exception:  # as text, since a pool waits for ever for an exception that cannot be unpickled
        return Outcome(wrong=[traceback.format_exc()])


def table(outcome: Outcome) -> str:
    """One line for each format: bodies, answers by status, the slowest."""
    statuses = sorted({status for _, status in outcome.statuses})
    lines = [f"{'format':24}{'bodies':>10}" + "".join(f"{each:>9}" for each in statuses) + f"{'slowest':>12}"]
    for name in sorted({name for name, _ in outcome.statuses}):
        counts = [outcome.statuses[name, status] for status in statuses]
        cells = "".join(f"{count:>9,}" for count in counts)
        lines.append(f"{name:24}{sum(counts):>10,}{cells}{outcome.slowest.get(name, 0.0) * 1000:>9.1f} ms")
    total = sum(outcome.statuses.values())
    lines.append(f"{total:,} spoilt bodies, {outcome.good:,} good ones between them; memory grew by at most ")
    return "\n".join(lines) + f"{outcome.growth / 2**20:.1f} MiB in a process"


def main() -> int:
    """All bodies in some processes; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bodies", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--only", type=int, help="ask one case, and show it")
    arguments = parser.parse_args()
    if arguments.only is not None:
        print(_spoilt(arguments.seed, arguments.only, requests()))
        outcome = _worker((arguments.seed, arguments.only, arguments.only + 1))
    else:
        outcome = _all(arguments)
    print(table(outcome))
    print("\n\n".join(outcome.wrong[:_SHOWN]))
    if outcome.growth > MOST_GROWTH:
        print("memory grew")
    return int(bool(outcome.wrong) or outcome.growth > MOST_GROWTH)


def _all(arguments: argparse.Namespace) -> Outcome:
    share = -(-arguments.bodies // arguments.processes)
    starts = range(arguments.first, arguments.first + arguments.bodies, share)
    jobs = [(arguments.seed, start, min(start + share, starts.stop)) for start in starts]
    outcome = Outcome()
    with multiprocessing.get_context("spawn").Pool(len(jobs)) as pool:
        for found in pool.imap_unordered(_worker, jobs):
            outcome.add(found)
    return outcome


if __name__ == "__main__":
    sys.exit(main())
