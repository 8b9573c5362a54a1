"""A private PostgreSQL for the tests: real, on a free port, gone with them."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

_OPTIONS = ("listen_addresses=127.0.0.1", "fsync=off", "full_page_writes=off", "max_connections=200")


class Postgres:
    """A server in a temporary folder. As root it runs as the user `postgres`, since it refuses to be root."""

    def __init__(self, binaries: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="neurona-pg-"))
        self._as: dict[str, Any] = {}
        if os.getuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self._folder, user.pw_uid, user.pw_gid)
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": [], "cwd": "/"}
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        data = str(self._folder / "data")
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        make = [binaries / "initdb", "-D", data, "-A", "trust", "-U", "postgres", "-N"]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, env=environment, **self._as)
        options = [part for option in _OPTIONS for part in ("-c", option)]
        self._run = [
            binaries / "postgres",
            "-D",
            data,
            "-p",
            str(self.port),
            "-k",
            str(self._folder),
            *options,
        ]
        self._environment = environment
        self.start()

    def start(self) -> None:
        """Start, also again after `crash`."""
        self._process = subprocess.Popen(
            self._run, env=self._environment, stderr=subprocess.DEVNULL, **self._as
        )
        self._wait()

    def crash(self) -> None:
        """End at once, as in a power cut; what was committed is there after `start`."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()

    @staticmethod
    def binaries() -> Path | None:
        """Where the newest installed server's programs are."""
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        return found[-1].parent if found else None

    def database(self) -> str:
        """The SQLAlchemy URL of a new, empty database."""
        name = f"test_{secrets.token_hex(6)}"
        with self._connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        """End at once; nothing of it is needed."""
        self.crash()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _connect(self) -> "psycopg.Connection[Any]":
        return psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres", autocommit=True)

    def _wait(self) -> None:
        for _ in range(200):
            try:
                self._connect().close()
            except psycopg.OperationalError:
                time.sleep(0.05)  # the server offers no event to wait for
            else:
                return
        raise RuntimeError("PostgreSQL did not start")
