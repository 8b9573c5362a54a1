"""`neurona serve`: the web side and, beside it, the trainer."""

import argparse
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import uvicorn

from app.bootstrap import build_keys
from app.http.keys import is_loopback, make_key
from app.settings import Settings
from app.telemetry import log_config


def configure(parser: argparse.ArgumentParser) -> None:
    """The options; each has a `NEURONA_*` variable of the same name, which it overrides."""
    parser.add_argument("--host", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, help="port to listen on (8000)")
    parser.add_argument("--workers", type=int, help="processes that answer requests (1)")
    parser.add_argument("--data", type=Path, help="folder for datasets, checkpoints and the database (data)")
    parser.add_argument("--models", type=Path, help="folder of the model repository (models)")
    parser.add_argument("--no-trainer", action="store_const", const=False, dest="trainer", help="answer only")


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT: then finish the requests in flight, checkpoint jobs, and return 0."""
    said = {name: value for name, value in vars(arguments).items() if name in Settings.model_fields}
    settings = Settings(**{name: value for name, value in said.items() if value is not None})
    os.environ.update(settings.environment())
    shutil.rmtree(settings.data / "metrics", ignore_errors=True)
    if not is_loopback(settings.host):
        _show_key(settings)
    options: dict[str, Any] = {
        "http": "app.http.protocol:LaneProtocol",
        "host": settings.host,
        "port": settings.port,
        "workers": settings.workers,
        "log_config": log_config(settings),
        "timeout_graceful_shutdown": round(settings.shutdown_seconds),
        "access_log": False,  # the door writes it
        "server_header": False,
        "proxy_headers": False,  # nothing here asks for the client's address or scheme
    }
    # uvicorn ends by sending itself the signal that stopped it; by then everything is done, and that is no failure.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    uvicorn.run("app.main:app", **options)
    return 0


def _show_key(settings: Settings) -> None:
    """On an address that others reach there is always a key: if none is configured, one is made and shown once."""
    if not build_keys(settings).roles and (key := make_key(settings.data)) is not None:
        print(
            f"\nAn admin key was made, since none is configured. It is shown this once:\n\n    {key}\n",
            flush=True,
        )
