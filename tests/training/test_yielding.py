"""Training takes the processor time that others leave: seen in the threads of real processes."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from app.training.cluster import open_cluster
from app.training.yielding import lower_session, lower_threads

AUTOGROUP = Path("/proc/self/autogroup")


def say(*words: object) -> None:
    """Write a line to who started this process."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")


def niceness_of_threads() -> list[int]:
    """Of every thread of the process it is called in."""
    return [os.getpriority(os.PRIO_PROCESS, int(thread)) for thread in os.listdir("/proc/self/task")]  # noqa: PTH208 - names are wanted


def in_a_process(*calls: str) -> str:
    """What a new process prints that leads its session, once it has made these calls with this module as `t`."""
    code = "; ".join(["import tests.training.test_yielding as t", *calls])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, start_new_session=True
    )
    return done.stdout.strip()


def lower_beside_a_thread(niceness: int) -> None:
    """Lower a process that has a second thread already; prints the niceness of all."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    lower_threads(niceness)
    say(*sorted(set(niceness_of_threads())))
    done.set()


def show_session(niceness: int) -> None:
    """Lower a session; prints the line in which Linux tells of it."""
    lower_session(niceness)
    say(AUTOGROUP.read_text().split()[-1])


def test_all_threads_of_a_process_are_lowered_also_those_that_run_already() -> None:
    assert in_a_process("t.lower_beside_a_thread(19)") == "19"


def test_a_process_that_is_nicer_already_stays_so() -> None:
    assert in_a_process("t.lower_beside_a_thread(19)", "t.lower_beside_a_thread(5)") == "19\n19"


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this system does not group sessions")
def test_a_session_that_is_its_own_is_lowered_as_a_whole() -> None:
    assert in_a_process("t.show_session(7)") == "7"


@pytest.mark.slow  # 2 s: a cluster of real processes
def test_workers_of_the_embedded_cluster_are_nice_and_their_trainer_is_not() -> None:
    mine = os.getpriority(os.PRIO_PROCESS, 0)
    with open_cluster(None, workers=1, threads=1, niceness=min(mine + 9, 19), logs={"version": 1}) as client:
        assert set(client.submit(niceness_of_threads).result()) == {min(mine + 9, 19)}
    assert set(niceness_of_threads()) == {mine}
