"""`neurona serve`: the web side and, beside it, the trainer."""

import argparse
import asyncio
import logging.config
import math
import os
import resource
import signal
import ssl
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from app.bootstrap import build_keys, seed
from app.commands.configuration import accessible, configured, refuse
from app.errors import Invalid
from app.http import meters
from app.http.keys import is_loopback, make_key
from app.settings import Settings
from app.telemetry import log_config

log = logging.getLogger("neurona")

# Files that a process may have open beside its connections: models, datasets, the database, the log.
_OTHER_FILES = 256


def configure(parser: argparse.ArgumentParser) -> None:
    """The options; each has a `NEURONA_*` variable of the same name, which it overrides."""
    parser.epilog = (
        "Each is an environment variable as well (NEURONA_HOST, ...), and so are all other settings, which README.md "
        "lists. The server has a page at / and describes its API at /docs."
    )
    place: dict[str, Any] = {"type": Path, "metavar": "FOLDER"}
    file: dict[str, Any] = {"type": Path, "metavar": "FILE"}
    parser.add_argument("--host", help="address to listen on; default: 127.0.0.1")
    parser.add_argument("--port", type=int, help="port to listen on; default: 8000")
    parser.add_argument(
        "--workers", type=int, metavar="COUNT", help="processes that answer requests; default: 1"
    )
    parser.add_argument("--data", **place, help="for datasets, checkpoints and the database; default: data")
    parser.add_argument("--models", **place, help="the model repository; default: models")
    parser.add_argument("--ssl-certfile", **file, help="certificate chain (PEM); with it, HTTPS is spoken")
    parser.add_argument("--ssl-keyfile", **file, help="its private key (PEM), if it is not in the same file")
    parser.add_argument(
        "--no-trainer",
        action="store_const",
        const=False,
        dest="trainer",
        help="answer only: jobs are taken, and wait for a trainer",
    )


def run(arguments: argparse.Namespace) -> int:
    """Serve until SIGTERM or SIGINT: then finish the requests in flight, checkpoint jobs, and return 0.

    SIGHUP replaces the processes of `--workers 2` or more, one after the other.
    """
    said = {name: value for name, value in vars(arguments).items() if name in Settings.model_fields}
    settings = configured(**said)
    _check_keys(settings)
    _check_tls(settings)
    logging.config.dictConfig(log_config(settings))
    settings = with_room(settings)
    os.environ.update(settings.environment())
    meters.sweep(settings.data, os.getpid())
    with accessible("models"):
        seed(settings.models_seed, settings.models)
    if not is_loopback(settings.host):
        with accessible("data"):
            _show_key(settings)
    options: dict[str, Any] = {
        "http": "app.http.protocol:LaneProtocol",
        "host": settings.host,
        "port": settings.port,
        "workers": settings.workers,
        "log_config": log_config(settings),
        "timeout_graceful_shutdown": math.ceil(settings.shutdown_seconds),
        "timeout_worker_healthcheck": round(settings.start_seconds),
        "access_log": False,  # the door writes it
        "server_header": False,
        "proxy_headers": False,  # nothing here asks for the client's address or scheme
        **_tls(settings),
    }
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _told_to_end)
    if settings.workers == 1:
        uvicorn.run("app.main:app", **options)
    else:
        config = uvicorn.Config("app.main:app", **options)
        Workers(config, [config.bind_socket()]).run()
    return 0


class Workers(Multiprocess):
    """Uvicorn's processes. It asks each whether it lives, and waits up to `start_seconds` for the answer; here one
    that has died meanwhile is not waited for, so that it and others are replaced at once."""

    def keep_subprocess_alive(self) -> None:
        """Called every half second."""
        for process in self.processes:
            process.child_conn.close()  # with this end left to the process alone, its death ends the wait
        super().keep_subprocess_alive()


def _told_to_end(*_: object) -> None:
    """End at once if nothing has been started yet; that is no failure.

    Else uvicorn has its own handlers. It ends by sending itself the signal that stopped it: by then all is done.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise SystemExit(0) from None


def with_room(settings: Settings) -> Settings:
    """These settings, with as many connections as this process may have files open, up to what the system allows."""
    needed = settings.max_connections * 9 // 8 + _OTHER_FILES  # some more are answered with 429
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= soft < needed:
        soft = needed if hard < 0 else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if not 0 <= soft < needed:
        return settings
    room = max(1, (soft - _OTHER_FILES) * 8 // 9)
    log.warning("only %d files may be open (ulimit -n): max_connections is %d here", soft, room)
    return settings.model_copy(update={"max_connections": room})


def _tls(settings: Settings) -> dict[str, Any]:
    """What uvicorn is told of certificates; whoever names authorities wants every client to show one of theirs."""
    if settings.ssl_certfile is None:
        return {}
    return {
        "ssl_certfile": settings.ssl_certfile,
        "ssl_keyfile": settings.ssl_keyfile,
        "ssl_keyfile_password": settings.ssl_keyfile_password,
        "ssl_ca_certs": settings.ssl_ca_certs,
        "ssl_cert_reqs": ssl.CERT_NONE if settings.ssl_ca_certs is None else ssl.CERT_REQUIRED,
    }


def _check_keys(settings: Settings) -> None:
    try:
        build_keys(settings)
    except (Invalid, OSError) as error:
        refuse([f"NEURONA_API_KEYS: {error}"])


def _check_tls(settings: Settings) -> None:
    """Refuse certificates that cannot be used before a process is started, and again, with them."""
    if settings.ssl_certfile is None:
        useless = [name for name in ("ssl_keyfile", "ssl_ca_certs") if getattr(settings, name) is not None]
        if useless:
            refuse(
                f"NEURONA_{name.upper()}: needs NEURONA_SSL_CERTFILE; without it no HTTPS is spoken"
                for name in useless
            )
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    at = "NEURONA_SSL_CERTFILE"
    try:
        context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile, settings.ssl_keyfile_password)
        if settings.ssl_ca_certs is not None:
            at = "NEURONA_SSL_CA_CERTS"
            context.load_verify_locations(settings.ssl_ca_certs)
    except OSError as error:
        refuse([f"{at}: no certificates in PEM, with their key, can be read there: {error}"])


def _show_key(settings: Settings) -> None:
    """On an address that others reach there is always a key: if none is configured, one is made and shown once."""
    if not build_keys(settings).roles and (key := make_key(settings.data)) is not None:
        print(
            f"\nAn admin key was made, since none is configured. It is shown this once:\n\n    {key}\n",
            flush=True,
        )
