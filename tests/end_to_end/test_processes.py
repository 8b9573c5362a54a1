"""Servers and trainers that are stopped, killed and started again."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from local_server import ROOT, LocalServer

pytestmark = pytest.mark.slow


def children(pid: int) -> list[int]:
    """Processes started by any thread of a process."""
    lists = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for each in lists for child in each.read_text().split()]


def trainer_of(server) -> int:
    for child in children(server.process.pid):
        if b"trainer" in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    raise AssertionError("no trainer runs")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def worker_of(trainer: int) -> int:
    for child in descendants(trainer):
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    raise AssertionError("no worker runs")


def descendants(pid: int) -> list[int]:
    below = children(pid)
    return below + [each for child in below for each in descendants(child)]


def gone(pids: list[int], *, seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    return not any(map(alive, pids))


def test_a_job_and_its_history_outlive_the_server(own) -> None:
    neurona = own()
    job = neurona.ended(neurona.train("kept", neurona.iris, max_epochs=3))
    epochs = neurona.epochs(job)
    assert neurona.server.stop() == 0
    neurona.server.start()
    assert neurona.job(job) == job
    assert neurona.epochs(job) == epochs
    assert neurona.predict("kept", [5.1, 3.5, 1.4, 0.2])["labels"] == ["setosa"]


def test_sigterm_ends_it_with_0_in_time_while_a_job_trains_and_the_job_goes_on_afterwards(own) -> None:
    neurona = own()
    job = neurona.train_long("interrupted", epochs=150)
    family = descendants(neurona.server.process.pid)
    begun = time.monotonic()
    assert neurona.server.stop() == 0
    assert time.monotonic() - begun < 10
    assert gone(family)
    neurona.server.start()
    done = neurona.ended(job)
    assert done["state"] == "succeeded", done
    assert [each["sequence"] for each in neurona.epochs(job)] == list(range(1, 151))


def test_who_watches_a_job_does_not_keep_the_server_from_stopping(own) -> None:
    neurona = own()
    job = neurona.train_long("watched")
    events = neurona.events(job)
    next(events)
    polled: list[int] = []
    path = f"/v1/jobs/{job['id']}/history?after=1000000&wait=30"
    poll = threading.Thread(target=lambda: polled.append(neurona.http.get(path).status_code))
    poll.start()
    time.sleep(0.5)  # until it waits inside the server, which nothing tells
    begun = time.monotonic()
    assert neurona.server.stop() == 0
    assert time.monotonic() - begun < 6
    assert {event for event, _ in events} <= {"epoch", "state"}, "and the stream ends in order"
    poll.join()
    assert polled == [200]
    assert "Traceback" not in neurona.server.log.read_text()


def test_a_request_in_flight_is_finished_before_the_server_ends(own) -> None:
    neurona = own()
    half = threading.Event()

    def slowly() -> Iterator[bytes]:
        head, *rest = neurona.iris.read_bytes().splitlines(keepends=True)
        yield head
        half.set()
        for line in rest:
            time.sleep(1 / len(rest))
            yield line

    def send() -> None:
        answers.append(
            neurona.http.post("/v1/datasets", content=slowly(), headers={"Content-Type": "text/csv"})
        )

    answers: list[httpx.Response] = []
    sender = threading.Thread(target=send)
    sender.start()
    assert half.wait(10)
    assert neurona.server.stop() == 0
    sender.join()
    assert [answer.status_code for answer in answers] == [201]
    assert answers[0].json()["rows"] == 150


def test_it_stops_at_once_while_its_trainer_is_still_starting(own) -> None:
    neurona = own()
    begun = time.monotonic()
    assert neurona.server.stop() == 0
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("seconds", [0.4, 1.0])
def test_it_can_be_stopped_before_it_has_started(tmp_path: Path, number: int, seconds: float) -> None:
    server = LocalServer(tmp_path, trainer=False)
    with server.log.open("wb") as log:
        server.process = subprocess.Popen(
            server.command, env=server.environment, cwd=ROOT, stdout=log, stderr=log
        )
    time.sleep(seconds)  # somewhere among its imports, where nothing tells
    assert server.stop(number) in (0, -number), "the signal's own effect, or none left to have"
    assert "Traceback" not in server.log.read_text() or number == signal.SIGINT


@pytest.mark.parametrize("victim", ["trainer", "worker"])
def test_a_job_succeeds_though_what_trains_it_is_killed(own, victim: str) -> None:
    neurona = own(checkpoint_seconds=0.2)
    job = neurona.train_long("killed", epochs=150)
    trainer = trainer_of(neurona.server)
    killed = [trainer, *descendants(trainer)] if victim == "trainer" else [worker_of(trainer)]
    os.kill(killed[0], signal.SIGKILL)
    done = neurona.ended(job)
    assert done["state"] == "succeeded", done
    assert [each["sequence"] for each in neurona.epochs(job)] == list(range(1, 151))
    assert gone(killed)
    assert neurona.http.get("/v1/models/killed").json()["versions"] == [1]


def test_no_process_outlives_a_server_that_is_killed(own) -> None:
    neurona = own()
    neurona.train_long("orphaned")
    family = descendants(neurona.server.process.pid)
    neurona.server.stop(signal.SIGKILL)
    assert gone(family)


def test_bare_uvicorn_serves_and_trains(own) -> None:
    command = (sys.executable, "-m", "uvicorn", "app.main:app", "--port", "{port}")
    neurona = own(*command)
    job = neurona.ended(neurona.train("bare", neurona.iris, max_epochs=3))
    assert job["state"] == "succeeded", job
    assert neurona.predict("bare", [5.1, 3.5, 1.4, 0.2])["labels"] == ["setosa"]


def test_the_processes_of_bare_uvicorn_tell_their_numbers_together(own) -> None:
    command = (sys.executable, "-m", "uvicorn", "app.main:app", "--workers", "2", "--port", "{port}")
    neurona = own(*command, trainer=False, models=ROOT / "models")

    def count() -> float:
        lines = httpx.get(f"{neurona.server.url}/metrics", trust_env=False).text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("neurona_predictions_total"))

    said = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
    for _ in range(30):  # each on a connection of its own, so that both processes answer
        httpx.post(
            f"{neurona.server.url}/v1/models/iris/predict", json=said, trust_env=False
        ).raise_for_status()
    until = time.monotonic() + 20
    while any(count() != 30 for _ in range(10)):
        assert time.monotonic() < until
        time.sleep(0.2)


def test_an_empty_repository_is_seeded_with_the_models_that_ship(own) -> None:
    neurona = own(models_seed="models")
    assert neurona.predict("iris", [5.1, 3.5, 1.4, 0.2], [7.7, 2.6, 6.9, 2.3])["labels"] == [
        "setosa",
        "virginica",
    ]
    assert neurona.http.get("/v1/models/digits").json()["aliases"] == {"production": 1}
