"""What `train` and `predict` share: a connection to a server, and its errors as one sentence."""

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import httpx


def add_connection(parser: argparse.ArgumentParser) -> None:
    """The options that say which server."""
    url, key = os.environ.get("NEURONA_URL", "http://127.0.0.1:8000"), os.environ.get("NEURONA_KEY")
    told = "the server's address; default: NEURONA_URL, else http://127.0.0.1:8000"
    parser.add_argument("--url", default=url, help=told)
    parser.add_argument(
        "--key",
        default=key,
        help="a key, where the server wants one; default: NEURONA_KEY, which other users of this machine do not see",
    )


@contextmanager
def connect(arguments: argparse.Namespace) -> Iterator[httpx.Client]:
    """A client of the server that the options name. Raises: SystemExit where none answers."""
    if not arguments.url.startswith(("http://", "https://")):
        sys.exit(f"a server's address begins with http:// or https://, unlike {arguments.url!r}")
    headers = {b"Authorization": f"Bearer {arguments.key}".encode()} if arguments.key else {}
    timeout = httpx.Timeout(60, read=600)
    try:
        with httpx.Client(base_url=arguments.url, headers=headers, timeout=timeout) as client:
            yield client
    except (httpx.TransportError, httpx.InvalidURL) as error:
        sys.exit(
            f"no answer from {arguments.url}: {error}\nis it served there? `neurona serve` does; --url says elsewhere"
        )


def opened(path: Path) -> BinaryIO:
    """That file, to be read. Raises: SystemExit where there is none, or it may not be read."""
    try:
        if not path.is_file():
            sys.exit(f"{path} is no file" if path.exists() else f"there is no file {path}")
        return path.open("rb")
    except OSError as error:
        sys.exit(f"the file {path} cannot be read: {error.strerror}")


def answered(response: httpx.Response) -> Any:
    """The JSON of a good answer. Raises: SystemExit with the server's sentence for any other."""
    try:
        told = response.json()
    except ValueError:
        sys.exit(f"{response.url} answered {response.status_code}, not in JSON: {response.text[:500]}")
    if response.is_success:
        return told
    detail = told.get("detail") or told.get("error") or response.text[:500]
    sys.exit(f"{detail}\ngive a key with --key or NEURONA_KEY" if response.status_code == 401 else detail)
