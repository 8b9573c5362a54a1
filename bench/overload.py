"""Good answers as more and more ask: `python bench/overload.py [--seconds 4] [--rounds 3] [--only JSON]`.

One server process, and wrk with so many connections, each of which asks again as soon as it is answered or refused
(no client waits as Retry-After tells it to). 1× is the number of connections at which a server of one thread is busy
all the time. What a good answer costs the server in processor time, all refusals included, says what a machine of its
own would answer, whatever else this one does meanwhile. Medians over rounds, which take the numbers in turns.
"""

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
for folder in (ROOT, ROOT / "scripts", ROOT / "bench"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from disturbed.processes import processor_seconds  # noqa: E402 - the folders above are not packages
from serving import LANE, LUA, Load, drain, make_model, server  # noqa: E402

LOADS = {Load(1, 4): 16, Load(100, 784): 8}  # and the connections of 1×
TIMES = (1, 2, 4)
BEYOND = (1024, 2048)  # connections, more than have a place


def measure(url: str, pid: int, load: Load, connections: int, seconds: int, folder: Path) -> dict[str, float]:
    """What wrk saw with so many connections: good and refused answers a second, milliseconds, failures; and the
    processor's milliseconds that a good answer took."""
    body, script = folder / "body", folder / "post.lua"
    body.write_bytes(load.body())
    counting = 'io.write(string.format("STATUS %d\\n", summary.errors.status))\n'
    script.write_text(
        LUA.format(media_type=load.media_type, body=body).replace("  io.write", f"  {counting}  io.write")
    )
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "60s", "-s", str(script), url]
    before = processor_seconds(pid)
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = processor_seconds(pid) - before  # what it goes on with for clients that have left is not counted
    requests, microseconds, errors, late = map(
        int, re.search(r"RESULT (\d+) (\d+) (\d+) (\d+)", told).groups()
    )
    refused = int(re.search(r"STATUS (\d+)", told).group(1))
    drain(url)
    return {
        "cost": used / max(1, requests - refused) * 1000,
        "good": (requests - refused) / microseconds * 1e6,
        "refused": refused / microseconds * 1e6,
        "p99": late / 1000,
        "failed": errors - refused,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="", help="loads whose name has this in it")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, width in (("small", 4), ("wide", 784)):
            make_model(folder, name, width)
        settings = {"MODELS": folder / "models", "DATA": folder / "data", "TRAINER": "false"}
        environment = {f"NEURONA_{name}": str(value) for name, value in settings.items()}
        print(
            "| load | connections | good a second | refused | ms of processor each | 1× / that | p99 ms | failed |"
        )
        print("|---|---|---|---|---|---|---|---|")
        for load, single in LOADS.items():
            if said.only not in load.name:
                continue
            with server("app.main:app", environment, "/v2/health/ready", *LANE) as target:
                url = f"{target.url}/v1/models/{'small' if load.width == 4 else 'wide'}/predict"
                counts = [*(single * times for times in TIMES), *BEYOND]
                seen: dict[int, list[dict[str, float]]] = {count: [] for count in counts}
                for turn in range(said.rounds):
                    for count in counts[:: 1 if turn % 2 else -1]:
                        seen[count].append(measure(url, target.process, load, count, said.seconds, folder))
            report(load, seen, single)


def report(load: Load, seen: dict[int, list[dict[str, float]]], single: int) -> None:
    """A line for each number of connections."""
    base = [each["cost"] for each in seen[single]]
    for count, rounds in seen.items():
        kept = statistics.median(cost / each["cost"] for each, cost in zip(rounds, base, strict=True))
        good, refused, cost, late = (
            statistics.median(each[name] for each in rounds) for name in ("good", "refused", "cost", "p99")
        )
        told = f"{load.name} | {count} | {good:.0f} | {refused:.0f} | {cost:.2f} | {kept:.2f} | {late:.0f}"
        print(f"| {told} | {sum(each['failed'] for each in rounds):.0f} |", flush=True)


if __name__ == "__main__":
    main()
