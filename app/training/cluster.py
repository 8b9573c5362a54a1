"""The Dask cluster that jobs run on: one inside this machine, or the user's own."""

import importlib
import logging.config
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import dask
from distributed import Client, LocalCluster, Worker, WorkerPlugin
from distributed.security import Security

from app.errors import Unavailable
from app.training.yielding import Yielding

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Logging(WorkerPlugin):
    """Has every worker of a cluster log as its trainer does, in place of Dask's own lines."""

    name = "logging"

    def __init__(self, config: dict[str, Any]) -> None:
        self.config = config

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - the form of a plugin
        """Called in the worker's process."""
        logging.config.dictConfig(self.config)


@contextmanager
def open_cluster(
    address: str | None, *, workers: int, threads: int, niceness: int, logs: dict[str, Any]
) -> Iterator[Client]:
    """A client of the cluster at `address`, or of one started here with `workers` processes of that niceness, which
    log as the `logging.config` dictionary `logs` says.

    Raises: Unavailable, where there is none to be had. What Dask leaves of it then may keep the process from ending.
    """
    with dask.config.set(_settings(threads)), ExitStack() as opened:
        try:
            if address is None:
                client = opened.enter_context(_embedded(workers))
                client.register_plugin(Yielding(niceness))
                client.register_plugin(Logging(logs))
            else:
                client = opened.enter_context(Client(address, set_as_default=False))
        except (OSError, ValueError, TypeError) as error:  # TypeError: tls:// without certificates
            what = (
                "no worker can be started" if address is None else f"no Dask scheduler answers at {address!r}"
            )
            raise Unavailable(reason=f"{what}: {error}") from error
        yield client


@contextmanager
def _embedded(workers: int) -> Iterator[Client]:
    """A cluster in this machine. It listens on loopback only, and speaks TLS with certificates made for this run,
    since whoever can talk to a Dask scheduler can run code on it."""
    security = Security.temporary()
    with (
        LocalCluster(
            host="127.0.0.1",
            n_workers=workers,
            threads_per_worker=1,
            memory_limit=0,
            dashboard_address="127.0.0.1:0",
            security=security,
            silence_logs="ERROR",
        ) as cluster,
        Client(cluster, security=security, set_as_default=False) as client,
    ):
        yield client


def has_workers(client: Client) -> bool:
    """Whether there is anybody to work; of a cluster that others run, nothing is known and the answer is yes."""
    return client.cluster is None or bool(client.cluster.scheduler.workers)


def call(path: str, *arguments: Any) -> Any:
    """Call the function at `module:name`: imported here, in the worker, and not by who submits the call."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)(*arguments)


def _settings(threads: int) -> dict[str, object]:
    # A worker that dies under a job is reported at once: the job's own record counts its attempts.
    return {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.scheduler.http.routes": [],  # nothing to see or do over plain HTTP
        "distributed.worker.http.routes": [],
        "distributed.nanny.pre-spawn-environ": {name: str(threads) for name in _THREAD_VARIABLES},
        "distributed.worker.memory.target": False,
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.pause": False,
        "distributed.worker.memory.terminate": False,
        # Nobody looks at Dask's own profiles here, and they would cost an idle server some per cent of a core.
        "distributed.worker.profile.enabled": False,
        "distributed.admin.system-monitor.interval": "10s",
        "distributed.admin.system-monitor.gil.enabled": False,
        "distributed.admin.tick.interval": "1s",
        "distributed.admin.tick.limit": "1h",
    }
