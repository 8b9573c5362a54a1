"""What deploy/smoke runs inside the container, with nothing but the standard library: `begin` predicts and leaves a
job training, `finish` waits for that job's end."""

import json
import os
import random
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

EPOCHS = 300


def call(method: str, path: str, body: object = None) -> Any:
    connection = HTTPConnection("127.0.0.1", 8000, timeout=60)
    key = os.environ["NEURONA_API_KEYS"].partition(":")[2]
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    connection.request(method, path, json.dumps(body), headers)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status < 400, (answer.status, text)
    return json.loads(text)


def wait_until_ready() -> None:
    for _ in range(600):
        try:
            call("GET", "/v2/health/ready")
            return
        except (OSError, AssertionError):
            time.sleep(0.05)
    raise SystemExit("the server is not ready")


def begin() -> None:
    begun = time.monotonic()
    wait_until_ready()
    print(f"ready after {time.monotonic() - begun:.1f} s more")
    labels = call(
        "POST", "/v1/models/iris/predict", {"instances": [[5.1, 3.5, 1.4, 0.2], [7.7, 2.6, 6.9, 2.3]]}
    )["labels"]
    assert labels == ["setosa", "virginica"], labels
    wait_for_the_worker()
    print(f"idle, all processes hold {memory() / 2**20:.0f} MiB")
    draw = random.Random(0)
    rows = [[draw.random() for _ in range(64)] for _ in range(2000)]
    data = {"instances": rows, "labels": [int(sum(row[:3]) > 1.5) for row in rows]}
    steps = {"max_epochs": EPOCHS, "patience": None, "batch_size": 32}
    job = call(
        "POST",
        "/v1/models/smoke/train",
        {"data": data, "algorithm": "relu_network", "hyperparameters": steps},
    )
    epochs = call("GET", f"/v1/jobs/{job['id']}/history?wait=30")["epochs"]
    assert epochs, "no epoch came"
    state = call("GET", f"/v1/jobs/{job['id']}")["state"]
    assert state == "running", state


def finish() -> None:
    wait_until_ready()
    (job,) = call("GET", "/v1/jobs?model=smoke")["items"]
    for _ in range(600):
        job = call("GET", f"/v1/jobs/{job['id']}")
        if job["state"] not in ("queued", "running"):
            break
        time.sleep(0.1)
    assert job["state"] == "succeeded", job
    last = call("GET", f"/v1/jobs/{job['id']}/history?after={EPOCHS - 1}")["epochs"]
    assert [each["sequence"] for each in last] == [EPOCHS], last
    print("the job that was interrupted has succeeded")


def wait_for_the_worker() -> None:
    """Until server, trainer, worker and the worker's attendant are there, and have stopped growing."""
    before, now = -1, memory()
    while abs(now - before) > 2**20 or len(processes()) < 4:
        time.sleep(1.0)
        before, now = now, memory()


def processes() -> list[Path]:
    """Every process of the container but this one."""
    return [
        each for each in Path("/proc").glob("[0-9]*") if each.name != str(Path("/proc/self").resolve().name)
    ]


def memory() -> int:
    """Resident bytes of all processes, what they share counted once."""
    total = 0
    for process in processes():
        try:
            lines = (process / "smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


if __name__ == "__main__":
    {"begin": begin, "finish": finish}[sys.argv[1]]()
