"""Several trainers on one database: one works, another takes over, and one that wakes up too late changes nothing."""

import os
import signal
import sqlite3
import time

import pytest
from disturbed.processes import alive, workers_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def wait_for(what, *, seconds: float = 40) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def is_locked(path) -> bool:
    """Whether somebody is in the middle of a write."""
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError:
        return True
    finally:
        connection.close()
    return False


def active(first, second):
    """Of two trainers the one that works, and the other."""
    return (first, second) if "trainer active" in first.log.read_text() else (second, first)


def put_to_sleep(family, database) -> None:
    """Stop processes, but not while one of them holds the database."""
    while True:
        for pid in family:
            os.kill(pid, signal.SIGSTOP)
        if not is_locked(database):
            return
        for pid in family:
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.01)


def test_the_second_trainer_takes_over_within_seconds_and_one_that_wakes_up_late_changes_nothing(
    live,
) -> None:
    neurona = live(trainer=False)
    one, two = neurona.trainer("one"), neurona.trainer("two")
    job = neurona.train("m", max_epochs=500)
    reached = neurona.epoch(job, 3)
    worker, waiter = active(one, two)
    assert "trainer active" not in waiter.log.read_text()
    sleepers = [worker.pid, *workers_of(worker.pid)]
    put_to_sleep(sleepers, neurona.server.data / "neurona.db")
    began = time.monotonic()
    reached = neurona.sequences(job)[-1]
    neurona.epoch(job, reached)
    assert time.monotonic() - began < 12
    assert "1 jobs taken over" in waiter.log.read_text()
    for pid in sleepers:
        os.kill(pid, signal.SIGCONT)
    done = neurona.ended(job)
    assert done["state"] == "succeeded", done
    assert neurona.sequences(job) == list(range(1, 501))
    assert neurona.http.get("/v1/models/m").json()["versions"] == [1]
    time.sleep(1.0)
    assert neurona.job(job) == done
    assert all(alive(pid) for pid in (worker.pid, waiter.pid))
    next_job = neurona.train("m", max_epochs=250)
    neurona.epoch(next_job, 0)
    for pid in waiter.family():
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    neurona.epoch(next_job, neurona.sequences(next_job)[-1])
    assert time.monotonic() - began < 12
    assert neurona.ended(next_job)["state"] == "succeeded"


def test_a_job_that_loses_its_worker_three_times_fails_and_others_do_not(live) -> None:
    neurona = live(trainer=False)
    trainer = neurona.trainer("only")
    bad = neurona.train("bad", max_epochs=100_000)
    others = [neurona.train(f"good{i}", max_epochs=20) for i in range(2)]
    killed: set[int] = set()
    for _ in range(3):
        neurona.epoch(bad, (neurona.sequences(bad) or [0])[-1])
        worker = next(each for each in workers_of(trainer.pid) if each not in killed)
        os.kill(worker, signal.SIGKILL)
        killed.add(worker)
        wait_for(lambda worker=worker: not alive(worker))
    ended = neurona.ended(bad)
    assert (ended["state"], ended["error"]["code"]) == ("failed", "worker_lost")
    assert "3 times" in ended["error"]["message"]
    assert [neurona.ended(job)["state"] for job in others] == ["succeeded", "succeeded"]
    assert neurona.http.get("/v1/models/bad").status_code == 404


def test_a_cluster_whose_worker_dies_while_it_is_replaced_is_replaced_as_a_whole(live) -> None:
    """Dask gives such a worker up; the trainer would wait for one that never comes."""
    neurona = live(trainer=False)
    trainer = neurona.trainer("only")
    job = neurona.train("m", max_epochs=300)
    neurona.epoch(job, 2)
    first = workers_of(trainer.pid)
    os.kill(first[0], signal.SIGKILL)
    wait_for(lambda: set(workers_of(trainer.pid)) - set(first))
    os.kill(next(iter(set(workers_of(trainer.pid)) - set(first))), signal.SIGKILL)
    done = neurona.ended(job, seconds=60)
    assert done["state"] == "succeeded", done
    assert neurona.sequences(job) == list(range(1, 301))
    assert alive(trainer.pid)
