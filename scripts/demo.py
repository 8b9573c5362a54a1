"""What scripts/demo runs: a server, a training job with its curve, and predictions for rows it has not seen."""

import csv
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
from local_server import ROOT, running

DIGITS = ROOT / "examples" / "data" / "digits.csv"
EVERY = 10  # one row in so many is held back
LEAST_ACCURACY = 0.95  # 0.97 is usual; other processors' arithmetic may move a row or two of the 180
SHOWN = 12
ACROSS = 6

GO_ON = """
Go on with the models that ship (scripts/serve in one terminal, these in another):

  curl localhost:8000/v1/models/iris/predict -H 'content-type: application/json' \\
       -d '{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
  curl -F file=@examples/data/digits.csv 'localhost:8000/v1/models/mine/train?label=digit'
  curl -N localhost:8000/v1/jobs/ID/events        # ID: the job's, from the answer before
"""


def main() -> int:
    """The demo; 0 if the model is as good as it should be."""
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGHUP, _leave)
    with tempfile.TemporaryDirectory(prefix="neurona-demo-") as name:
        folder = Path(name)
        training, held_back = split(DIGITS, folder)
        print(f"{DIGITS.relative_to(ROOT)}: {training} rows to train on, {len(held_back)} held back")
        with running(folder) as server:
            print(f"a server is ready at {server.url}\n")
            train(server.url, folder)
            predictions = predict(server.url, folder / "held_back.csv")
    accuracy = report(held_back, predictions)
    if accuracy < LEAST_ACCURACY:
        print(f"\naccuracy {accuracy:.4f} is below {LEAST_ACCURACY}: something is wrong", file=sys.stderr)
        return 1
    print(GO_ON)
    return 0


def split(source: Path, folder: Path) -> tuple[int, list[list[str]]]:
    """Write digits.csv without, and held_back.csv with, every tenth row; the rows held back, labels last."""
    with source.open(newline="") as file:
        header, *rows = csv.reader(file)
    held_back = rows[::EVERY]
    kept = [row for place, row in enumerate(rows) if place % EVERY]
    _write(folder / "digits.csv", [header, *kept])
    _write(folder / "held_back.csv", [header[:-1], *(row[:-1] for row in held_back)])
    return len(kept), held_back


def train(url: str, folder: Path) -> None:
    """Send the rows and watch, as anybody would from the command line."""
    print("$ neurona train digits.csv --label digit --watch", flush=True)
    command = [
        sys.executable,
        "-m",
        "app",
        "train",
        str(folder / "digits.csv"),
        "--label",
        "digit",
        "--watch",
    ]
    environment = {**os.environ, "NEURONA_URL": url, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True)


def predict(url: str, rows: Path) -> list[tuple[str, float]]:
    """For each row of a CSV file, the label that the model finds likeliest and its probability."""
    headers = {"Content-Type": "text/csv"}
    answer = httpx.post(
        f"{url}/v1/models/digits/predict", content=rows.read_bytes(), headers=headers, trust_env=False
    )
    found: dict[str, Any] = answer.raise_for_status().json()
    return [
        (str(label), max(probabilities))
        for label, probabilities in zip(found["labels"], found["probabilities"], strict=True)
    ]


def report(rows: list[list[str]], predictions: list[tuple[str, float]]) -> float:
    """Print a sample, the accuracy and the confusion matrix; the accuracy."""
    print("\nSome of the rows held back: the digit written, what the model says, and how sure it is\n")
    sample = list(zip(rows, predictions, strict=True))[:: len(rows) // SHOWN][:SHOWN]
    for start in range(0, SHOWN, ACROSS):
        print(pictures(sample[start : start + ACROSS]))
    wrong = [pair for pair in zip(rows, predictions, strict=True) if pair[0][-1] != pair[1][0]]
    if wrong:
        print(f"{'All' if len(wrong) <= ACROSS else 'Some'} that it got wrong:\n\n{pictures(wrong[:ACROSS])}")
    pairs = [(row[-1], label) for row, (label, _) in zip(rows, predictions, strict=True)]
    right = sum(truth == label for truth, label in pairs)
    print(f"accuracy {right / len(pairs):.4f} ({right} of {len(pairs)})\n")
    print(confusion(pairs))
    return right / len(pairs)


def pictures(sample: list[tuple[list[str], tuple[str, float]]]) -> str:
    """Images of 8 × 8 pixels side by side, with truth, prediction and probability below."""
    lines = ["  ".join(_pixels(row, line) for row, _ in sample) for line in range(0, 8, 2)]
    marks = [
        f"{row[-1]} {'→' if row[-1] == label else '≠'} {label}  {sure:.2f}".ljust(11)
        for row, (label, sure) in sample
    ]
    return "\n".join([*lines, "  ".join(marks), ""])


def _pixels(row: list[str], line: int) -> str:
    """Two lines of an image as one line of text: the darker pixel of each pair, from white to black."""
    values = [int(value) for value in row[:-1]]
    upper, lower = values[8 * line : 8 * line + 8], values[8 * line + 8 : 8 * line + 16]
    return "".join(
        {(0, 0): " ", (1, 0): "▀", (0, 1): "▄", (1, 1): "█"}[int(above > 7), int(below > 7)]
        for above, below in zip(upper, lower, strict=True)
    ).ljust(11)


def confusion(pairs: list[tuple[str, str]]) -> str:
    """Rows of truth, columns of prediction."""
    labels = sorted({label for pair in pairs for label in pair})
    lines = ["truth ╲ predicted", "     " + "".join(f"{label:>4}" for label in labels)]
    for truth in labels:
        counts = [pairs.count((truth, label)) for label in labels]
        lines.append(f"{truth:>5}" + "".join(f"{count or '·':>4}" for count in counts))
    return "\n".join(lines)


def _write(file: Path, rows: list[list[str]]) -> None:
    with file.open("w", newline="") as target:
        csv.writer(target, lineterminator="\n").writerows(rows)


def _leave(number: int, _: object) -> None:
    """End as by an exception, so that everything begun is ended."""
    sys.exit(128 + number)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
