"""How training leaves the processor to those who answer requests: it takes what they do not need."""

import os
from contextlib import suppress
from pathlib import Path

from distributed import Worker, WorkerPlugin

_THREADS, _AUTOGROUP = Path("/proc/self/task"), Path("/proc/self/autogroup")


class Yielding(WorkerPlugin):
    """Makes every worker of a cluster nice, as it starts, the ones that replace others too."""

    name = "yielding"

    def __init__(self, niceness: int) -> None:
        self.niceness = niceness

    def setup(self, worker: Worker) -> None:  # noqa: ARG002 - the form of a plugin
        """Called in the worker's process."""
        lower_threads(self.niceness)


def lower_threads(niceness: int) -> None:
    """Give all threads of this process that niceness, and so those that they will start; never less than they have.

    On Linux it belongs to a thread, not to a process. A system that will not have it is left as it is.
    """
    for thread in [int(path.name) for path in _THREADS.glob("*")] or [0]:
        with suppress(OSError):  # a thread that has just ended
            if os.getpriority(os.PRIO_PROCESS, thread) < niceness:
                os.setpriority(os.PRIO_PROCESS, thread, niceness)


def lower_session(niceness: int) -> None:
    """The same for this process's session as a whole, if the process leads one.

    Where Linux groups processes by their session (autogroup: its default outside of containers), it shares the
    processor out among sessions first, and a thread's niceness counts within its own alone.
    """
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            _AUTOGROUP.write_text(str(niceness))
