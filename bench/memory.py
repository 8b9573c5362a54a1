"""Whether memory grows: `python bench/memory.py [--predictions 10000000] [--swaps 1000]`.

Predictions of every format on the application in this process, most of them by the way that skips ASGI, every
hundredth by ASGI, compressed and in two parts; each answer must be the bytes of the first. Then versions swapped on a
live server that keeps one in memory at a time, so that each swap loads one and drops one, while somebody asks.
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

ROOT = Path(__file__).parent.parent
for folder in (ROOT, ROOT / "scripts", ROOT / "bench"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from disturbed.askers import Askers  # noqa: E402 - the folders above are not packages
from local_server import running  # noqa: E402
from spoilt.asked import ask  # noqa: E402
from spoilt.good import Request, requests, seed_models  # noqa: E402
from swaps import BODY, NAME, each_answer, publish  # noqa: E402

from app.bootstrap import build  # noqa: E402
from app.http.app import Application, create_app  # noqa: E402
from app.repository.aliases import HISTORY_LIMIT  # noqa: E402
from app.repository.repository import Repository  # noqa: E402
from app.settings import Settings  # noqa: E402

VERSIONS = 8
WARM_UP = 0.1  # of all predictions and swaps, before memory is looked at first
MOST_GROWTH = 4.0  # MiB that memory may come to after the warm-up beyond what it was
MEBIBYTE = 2**20


def resident(pid: int | str = "self") -> float:
    """MiB that a process has in memory."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / MEBIBYTE


def predictions(folder: Path, count: int) -> list[float]:
    """Resident MiB of this process: after the warm-up, and after each tenth of the rest."""
    settings = Settings(data=folder / "data", models=folder / "models", trainer=False)
    seed_models(settings, ROOT / "models")
    services = build(settings)
    try:
        return asyncio.run(_predict(create_app(services), count))
    finally:
        services.stop()


async def _predict(app: Application, count: int) -> list[float]:
    wanted = [(request, (await ask(app, request, 1)).body) for request in requests()]
    quick = [each for each in wanted if _at_once(app, each[0]) is not None]
    assert len(quick) >= 15, "few take the quick way"
    slow, sizes = cycle(wanted), []
    looks = {int(count * (WARM_UP + (1 - WARM_UP) * part / 10)) for part in range(11)}
    for number, (request, body) in zip(range(1, count + 1), cycle(quick), strict=False):
        if number % 100:
            assert _at_once(app, request) == body
        else:
            request, body = next(slow)  # noqa: PLW2901
            assert (await ask(app, request, 1 + number // 100 % 2)).body == body
        if number in looks:
            sizes.append(resident())
    return sizes


def _at_once(app: Application, request: Request) -> bytes | None:
    assert app.door is not None
    named = {"host": "localhost", **request.headers}
    headers = [(name.encode(), value.encode()) for name, value in named.items()]
    let_in = app.door.let_in(request.path.encode(), headers, ("127.0.0.1", 8000))
    found = None if let_in is None else app.door.at_once(let_in, request.body)
    return None if found is None else found.body


def swaps(folder: Path, count: int) -> list[float]:
    """Resident MiB of a server that loaded so many versions: after the warm-up, and after each tenth of the rest."""
    repository, sizes = Repository(folder / "models"), []
    publish(repository, VERSIONS)
    for version in (2, 1) * (HISTORY_LIMIT // 2):  # the trail of moves is as long as it gets from the start
        repository.set_alias(NAME, "production", version)
    looks = {int(count * (WARM_UP + (1 - WARM_UP) * part / 10)) for part in range(11)}
    with running(folder, trainer=False, model_cache_bytes=1) as server:
        assert server.process is not None
        expected, path = each_answer(server, VERSIONS), f"/v1/models/{NAME}/predict"
        with Askers(server.url, path, BODY, expected=expected, connections=1) as askers:
            for number, version in zip(range(1, count + 1), _others(), strict=False):
                repository.set_alias(NAME, "production", version)
                moved = time.monotonic()
                while askers.answers.last_asked.get(version, 0.0) < moved:
                    assert time.monotonic() < moved + 10, askers.answers.wrong
                    time.sleep(0.005)
                if number in looks:
                    sizes.append(resident(server.process.pid))
        assert askers.answers.wrong == []
    return sizes


def _others() -> Iterator[int]:
    return cycle([*range(2, VERSIONS + 1), 1])


def main() -> int:
    """Run once and print the figures; 1 if memory grew."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--predictions", type=int, default=10_000_000)
    parser.add_argument("--swaps", type=int, default=1_000)
    said, grown = parser.parse_args(), False
    for what, measure in (("predictions", predictions), ("swaps", swaps)):
        with tempfile.TemporaryDirectory() as place:
            began, count = time.monotonic(), getattr(said, what)
            sizes = measure(Path(place), count) if count else []
            print(f"{count} {what} in {time.monotonic() - began:.0f} s, resident MiB:", flush=True)
            print("   ", *(f"{size:.1f}" for size in sizes), flush=True)
            grown |= bool(sizes) and sizes[-1] - sizes[0] > MOST_GROWTH
    return int(grown)


if __name__ == "__main__":
    sys.exit(main())
