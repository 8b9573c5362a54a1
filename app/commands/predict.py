"""`neurona predict MODEL FILE`: predictions of a server for the rows of a CSV file."""

import argparse
import csv
import sys
from pathlib import Path

from app.commands.client import add_connection, answered, connect


def configure(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument("model", help="name, which means its production version; name@7 or name@alias")
    parser.add_argument(
        "file", type=Path, help="rows without labels: CSV, with the columns' names in its first line"
    )
    add_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Print label and probabilities of every row as CSV."""
    if not arguments.file.is_file():
        sys.exit(f"there is no file {arguments.file}")
    with connect(arguments) as client:
        headers = {"Content-Type": "text/csv"}
        body = arguments.file.read_bytes()
        answer = answered(client.post(f"/v1/models/{arguments.model}/predict", content=body, headers=headers))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["label", *answer["classes"]])
    for label, probabilities in zip(answer["labels"], answer["probabilities"], strict=True):
        writer.writerow([label, *probabilities])
    return 0
