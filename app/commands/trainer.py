"""`neurona trainer`: takes queued jobs from the database and trains them."""

import argparse
import logging.config
import os
import signal
import sys
import threading
import time

from app.commands.configuration import configured
from app.errors import Unavailable
from app.jobs import JobQueue
from app.telemetry import log_config
from app.training.trainer import Trainer
from app.training.webhooks import Webhooks
from app.training.yielding import lower_session

log = logging.getLogger("neurona.trainer")


def configure(parser: argparse.ArgumentParser) -> None:
    """The options; everything else is a `NEURONA_*` variable."""
    parser.epilog = (
        "The database and the folders are those of the server: NEURONA_DATABASE_URL (default: SQLite in the data "
        "folder), NEURONA_DATA, NEURONA_MODELS. README.md lists all settings. A second trainer waits until the "
        "first is gone."
    )
    told = "end when standard input closes, for the process that started this one and may die"
    parser.add_argument("--with-parent", action="store_true", help=told)


def run(arguments: argparse.Namespace) -> int:
    """Train until SIGTERM or SIGINT, or until the parent is gone; then write checkpoints and return 0."""
    settings = configured()
    logging.config.dictConfig(log_config(settings))
    lower_session(settings.training_niceness)
    body, jobs = "app.bootstrap:train_job", JobQueue(settings.database)
    trainer = Trainer(settings=settings, jobs=jobs, body=body, stop=threading.Event())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _end(trainer))
    if arguments.with_parent:
        threading.Thread(target=_until_closed, args=(trainer,), daemon=True).start()
    webhooks = Webhooks(
        jobs=jobs,
        secret=settings.webhook_secret,
        allow_private=settings.webhook_private_addresses,
        most_tries=settings.webhook_tries,
        now=time.time,
    )
    threading.Thread(target=webhooks.run, args=(trainer.stop,), daemon=True).start()
    code = 0
    try:
        trainer.run()
    except Exception as error:
        log.error("the trainer ends: %s", error, exc_info=not isinstance(error, Unavailable))
        code = 1
    # All is closed. On the way out Python takes its modules apart, which a process that yields to others may do for
    # ten seconds on a busy machine, and Dask may wait, for ever, for what it has left half made.
    os._exit(code)


def _until_closed(trainer: Trainer) -> None:
    """Read standard input to its end, which is the end of the parent however it dies."""
    while os.read(sys.stdin.fileno(), 1024):
        pass
    _end(trainer)


def _end(trainer: Trainer) -> None:
    """Let the trainer end; one whose cluster is still starting holds no job, and is not waited for."""
    trainer.stop.set()
    if not trainer.ready.is_set():
        os._exit(0)
