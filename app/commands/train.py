"""`neurona train FILE`: send labelled data to a server, train on it, and watch."""

import argparse
import json
import re
import sys
from pathlib import Path
from urllib.parse import quote

from app.commands import curve
from app.commands.client import add_connection, answered, connect, opened


def configure(parser: argparse.ArgumentParser) -> None:
    """The options of the command."""
    parser.add_argument(
        "file", type=Path, help="labelled rows: .csv, .json, .npz, .parquet or .arrow, or one with .gz"
    )
    parser.add_argument(
        "--model",
        metavar="NAME",
        help="the model's name; default: the file's in small letters, up to its first dot",
    )
    parser.add_argument(
        "--label", metavar="COLUMN", help="the column that holds the labels; default: the last"
    )
    parser.add_argument(
        "--watch",
        action="store_true",
        help="show the loss until the job ends; without it, only start the job",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_field,
        metavar="FIELD=VALUE",
        help="a field of training, such as algorithm=softmax_regression or hidden_layer_sizes=128,64; may be "
        "said again for another field (the server's page /docs has them all)",
    )
    add_connection(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train; 0 if the job was accepted and, where it was watched, succeeded."""
    model = arguments.model or _name_after(arguments.file)
    options = dict(arguments.set)
    if arguments.label:
        options["label"] = arguments.label
    with opened(arguments.file) as file, connect(arguments) as client:
        path, form = f"/v1/models/{quote(model)}/train", {"file": (arguments.file.name, file)}
        job = answered(client.post(path, params=options, files=form))
        if "id" not in job:  # a dry run: what would be trained
            print(json.dumps(job, indent=2, ensure_ascii=False))
            return 0
        print(f"job {job['id']} trains version {job['version']} of {model}")
        if not arguments.watch:
            return 0
        try:
            job = curve.follow(client, job)
        except KeyboardInterrupt:
            sys.exit(f"\nthe job goes on; POST /v1/jobs/{job['id']}/cancel ends it")
    return _report(job)


def _name_after(file: Path) -> str:
    """A model's name that is as near to the file's as the rules for names allow."""
    name = re.sub(r"[^a-z0-9_-]", "-", file.name.partition(".")[0].lower()).lstrip("_-")[:64]
    return name or sys.exit(f"no name for a model can be made of {file.name!r}; say one with --model")


def _field(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"write FIELD=VALUE, not {text!r}")
    return name, value


def _report(job: dict) -> int:  # type: ignore[type-arg]
    if job["state"] != "succeeded":
        print(f"{job['state']}: {(job['error'] or {}).get('message', '')}")
        return 1
    metrics = job["metrics"]
    promoted = "now in production" if job["promoted"] else "not promoted"
    print(
        f"version {job['version']} ({promoted}): on {metrics['validation_rows']} validation rows "
        f"accuracy {metrics['accuracy']:.4f}, log loss {metrics['log_loss']:.4f}"
    )
    for warning in job["warnings"]:
        print(f"note: {warning}")
    return 0
