"""`neurona train` and `neurona predict` against a live server."""

import csv
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def neurona_command(url: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "app", *map(str, words), "--url", url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_train_watches_to_the_end_and_predict_answers_as_csv(neurona, tmp_path) -> None:
    url = neurona.server.url
    done = neurona_command(url, "train", neurona.iris, "--model", "cli", "--label", "species", "--watch")
    assert done.returncode == 0, done.stderr
    (
        first,
        header,
        *_,
        last,
    ) = [line for line in done.stdout.splitlines() if not line.startswith("note:")]
    assert "trains version 1 of cli" in first
    assert header.split()[:2] == ["candidate", "epoch"]
    assert last.startswith("version 1 (now in production)")

    rows = tmp_path / "rows.csv"
    rows.write_text("sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n")
    answer = neurona_command(url, "predict", "cli", rows)
    assert answer.returncode == 0, answer.stderr
    header, row = csv.reader(answer.stdout.splitlines())
    assert header == ["label", "setosa", "versicolor", "virginica"]
    assert row[0] == "setosa"


def test_a_mistake_is_told_in_one_sentence(neurona, tmp_path) -> None:
    url = neurona.server.url
    missing = neurona_command(url, "train", tmp_path / "none.csv")
    assert missing.returncode == 1
    assert missing.stderr.startswith("there is no file")
    wrong = neurona_command(url, "train", neurona.iris, "--set", "no_such_field=1")
    assert wrong.returncode == 1
    assert "no_such_field" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    unequal = neurona_command(url, "train", neurona.iris, "--set", "max_epochs")
    assert unequal.returncode == 2
    assert "write FIELD=VALUE, not 'max_epochs'" in unequal.stderr
    nowhere = neurona_command("http://127.0.0.1:9", "train", neurona.iris)
    assert nowhere.returncode == 1
    assert nowhere.stderr.startswith("no answer from http://127.0.0.1:9: ")
