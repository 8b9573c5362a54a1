"""Training on a Dask cluster of the user's own, started by Dask's own commands in another folder than the server."""

import os
import signal
import socket
import sys
import time
from contextlib import suppress

import pytest
from disturbed.processes import Program, workers_of
from local_server import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A scheduler and a worker, and how each is started again; `address` is the scheduler's."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    here, there = tmp_path / "cluster", f"tcp://127.0.0.1:{port}"
    here.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_TEMPORARY_DIRECTORY": str(here)}
    dask = [sys.executable, "-m", "dask"]

    class Cluster:
        address = there
        scheduler = Program(
            [*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"],
            environment,
            here / "scheduler.log",
        )
        worker = Program(
            [*dask, "worker", there, "--nthreads", "1", "--no-dashboard", "--memory-limit", "0"],
            environment,
            here / "worker.log",
        )

        def end(self, program: Program) -> None:
            for pid in program.family() if program.process else []:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if program.process:
                program.process.wait()

    monkeypatch.setattr("disturbed.processes.ROOT", here)  # where programs are started
    found = Cluster()
    yield found
    found.end(found.worker)
    found.end(found.scheduler)


def test_a_cluster_of_the_users_own_trains_cancels_and_may_be_lost_in_part_or_as_a_whole(
    live, cluster, tmp_path
):
    data = os.path.relpath(tmp_path / "data", ROOT)
    neurona = live(dask_address=cluster.address, data=data, max_attempts=1)
    first = neurona.train("m", max_epochs=30)
    time.sleep(1.0)
    assert neurona.job(first)["state"] == "queued"  # nothing is lost before there is a cluster
    cluster.scheduler.start()
    cluster.worker.start()
    done = neurona.ended(first, seconds=90)
    assert done["state"] == "succeeded", done
    assert neurona.sequences(first) == list(range(1, 31))
    assert neurona.http.get("/v1/models/m/card").status_code == 200

    endless = neurona.train("m", max_epochs=100_000)
    neurona.epoch(endless, 0)
    assert neurona.http.post(f"/v1/jobs/{endless['id']}/cancel").status_code == 202
    assert neurona.job(endless)["state"] == "cancelled"

    job = neurona.train("m", max_epochs=600)
    neurona.epoch(job, 3)
    (killed,) = workers_of(cluster.worker.pid)
    os.kill(killed, signal.SIGKILL)
    neurona.epoch(job, neurona.sequences(job)[-1], seconds=60)
    cluster.end(cluster.scheduler)
    cluster.end(cluster.worker)
    cluster.scheduler.start()
    cluster.worker.start()
    done = neurona.ended(job, seconds=120)
    assert done["state"] == "succeeded", done
    assert neurona.sequences(job) == list(range(1, 601))
    assert neurona.http.get("/v1/models/m").json()["versions"] == [1, 3]
