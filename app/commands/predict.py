"""`neurona predict MODEL FILE`: predictions of a server for the rows of a CSV file."""

import argparse
import csv
import io
import sys
from pathlib import Path
from urllib.parse import quote

from app.commands.client import add_connection, answered, connect, opened


def configure(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("model", help="name, which means its production version; name@7 or name@alias")
    parser.add_argument(
        "file", type=Path, help="rows without labels: CSV, with the columns' names in its first line"
    )
    add_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print label and probabilities of every row as CSV."""
    path, headers = f"/v1/models/{quote(arguments.model)}/predict", {"Content-Type": "text/csv"}
    with opened(arguments.file) as file, connect(arguments) as client:
        answer = answered(client.post(path, content=file.read(), headers=headers))
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As the CSV that is read here, whatever the terminal's letters.
        sys.stdout.reconfigure(encoding="utf-8")
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["label", *answer["classes"]])
    for label, probabilities in zip(answer["labels"], answer["probabilities"], strict=True):
        writer.writerow([label, *probabilities])
    return 0
