"""The trainer process as its parent sees it: started, restarted when it dies, ended with its parent."""

import fcntl
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

log = logging.getLogger("neurona.trainer")

_RESTART_SECONDS = (0.2, 1.0, 5.0)  # growing pauses, so that a trainer that cannot start does not spin
_SOUND_SECONDS = 30.0  # a trainer that lived so long could start
_LOOK_SECONDS = 1.0
_STOP_SECONDS = 8.0


class TrainerWatch:
    """Keeps one trainer process alive beside the server.

    Of several server processes on one data folder, the one that holds the lock file watches; the others wait for
    the lock. The trainer reads its standard input and ends when that closes, so it never outlives its parent,
    however that dies.
    """

    def __init__(self, lock_file: Path, *, environment: Mapping[str, str]) -> None:
        self._lock_file = lock_file
        self._command: Sequence[str] = (sys.executable, "-m", "app", "trainer", "--with-parent")
        self._environment = {**os.environ, **environment}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin to watch, in a thread; after a stop, again."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="trainer-watch", daemon=True)
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Ask the trainer to write its checkpoints and end; returns at once."""
        self._stop.set()
        if (process := self._process) is not None and process.stdin is not None:
            process.stdin.close()

    def stop(self) -> None:
        """Ask the trainer to end, and wait for it for some seconds; then kill it."""
        self.ask_to_stop()
        if (process := self._process) is not None:
            _end(process)
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._lock_file.parent.mkdir(parents=True, exist_ok=True)
                with self._lock_file.open("a") as lock:
                    if _try_lock(lock):
                        self._watch()
            except OSError as error:
                log.warning("no trainer can be started: %s", error.strerror)
            self._stop.wait(_LOOK_SECONDS)

    def _watch(self) -> None:
        deaths = 0
        while not self._stop.is_set():
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, env=self._environment, start_new_session=True
            )
            if self._stop.is_set():
                _end(self._process)
            began = time.monotonic()
            code = self._process.wait()
            deaths = 0 if time.monotonic() - began > _SOUND_SECONDS else deaths
            if not self._stop.is_set():
                pause = _RESTART_SECONDS[min(deaths, len(_RESTART_SECONDS) - 1)]
                deaths += 1
                log.warning("the trainer ended with %d; it starts again in %.1f s", code, pause)
                self._stop.wait(pause)


def _try_lock(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
