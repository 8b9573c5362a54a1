"""The settings of a command, or a sentence about each that is wrong."""

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from app.errors import Invalid
from app.jobs import check_database
from app.settings import Settings, mistakes


def configured(**said: Any) -> Settings:
    """The settings, those said before those of the environment. Ends the process, with code 2, if one is wrong.

    Folders are absolute, for the workers of a Dask cluster, who were started elsewhere.
    """
    try:
        settings = Settings(**{name: value for name, value in said.items() if value is not None})
        check_database(settings.database)
    except ValueError as error:
        refuse(mistakes(error))
    except Invalid as error:
        refuse([f"NEURONA_DATABASE_URL: {error}"])
    folders = {"data": settings.data, "models": settings.models}
    _refuse_files(**folders)
    return settings.model_copy(update={name: place.absolute() for name, place in folders.items()})


def _refuse_files(**folders: Path) -> None:
    """Refuse what is said to be a folder, and is a file, or lies where this user may not look."""
    for name, place in folders.items():
        with accessible(name):
            if place.exists() and not place.is_dir():
                refuse([f"NEURONA_{name.upper()}: {place} is a file; name a folder"])


@contextmanager
def accessible(name: str) -> Iterator[None]:
    """Refuse what the system forbids in the folder of that setting."""
    try:
        yield
    except OSError as error:
        told = f"{error.filename}: {error.strerror}; let user {os.geteuid()} read and write there"
        refuse([f"NEURONA_{name.upper()}: {told}, or name another folder"])


def refuse(wrong: Iterable[str]) -> NoReturn:
    """Say what is wrong with the settings, and end the process with code 2."""
    print("\n".join(wrong), file=sys.stderr)
    raise SystemExit(2)
