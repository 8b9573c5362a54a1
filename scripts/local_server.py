"""A server of one's own, on a free port and with folders of its own, for the scripts and the end-to-end tests."""

import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
START_SECONDS = 30.0
STOP_SECONDS = 10.0
# For clients of plain HTTP: httpx would read the certificates of all of the system's authorities for each.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class LocalServer:
    """`neurona serve` on loopback: started, stopped and started again on the same port and folders.

    No setting of the caller's environment reaches it; `settings` are those that differ from the defaults. Another
    `command` may name `{port}`. With `ssl_certfile`, a certificate for localhost, it speaks HTTPS; `verify` is what
    httpx needs to trust it.
    """

    def __init__(self, folder: Path, *command: str, **settings: object) -> None:
        self.port = _free_port()
        certificate = settings.get("ssl_certfile")
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.port}"
        self.verify = ssl.create_default_context(cafile=str(certificate)) if certificate else NO_AUTHORITIES
        self.data, self.models, self.log = folder / "data", folder / "models", folder / "server.log"
        words = command or (sys.executable, "-m", "app", "serve")
        self.command = [word.format(port=self.port) for word in words]
        said = {"data": self.data, "models": self.models, "port": self.port, **settings}
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("NEURONA_")},
            **{f"NEURONA_{name.upper()}": str(value) for name, value in said.items()},
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Start, and wait until it is ready; how many seconds that took. Raises: RuntimeError with its log."""
        begun = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # so that Ctrl-C reaches the caller alone, who then ends the server
            )
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() - begun > START_SECONDS:
                self.stop()
                raise RuntimeError(f"the server did not start:\n{self.log.read_text()}")
            time.sleep(0.02)
        return time.monotonic() - begun

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code. One that does not end is killed, and so are its own."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise

    def _ready(self) -> bool:
        try:
            return httpx.get(
                f"{self.url}/v2/health/ready", trust_env=False, timeout=2, verify=self.verify
            ).is_success
        except httpx.TransportError:
            return False


@contextmanager
def running(folder: Path, **settings: object) -> Iterator[LocalServer]:
    """A server that has ended when the block has, however that ends."""
    server = LocalServer(folder, **settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
