"""`neurona train` and `neurona predict` against a live server."""

import csv
import json
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


def test_what_is_no_server_of_ours_is_told_in_one_sentence(neurona) -> None:
    page = neurona.server.url + "/static/style.css?"  # the command's path becomes part of the query
    for words in (("train", neurona.iris), ("predict", "iris", neurona.iris)):
        told = neurona_command(page, *words)
        assert told.returncode == 1
        assert "Traceback" not in told.stderr


def test_a_key_of_any_letters_is_sent(neurona) -> None:
    told = neurona_command(
        neurona.server.url, "predict", "no-such-model", neurona.iris, "--key", "clé-à-nous"
    )
    assert told.returncode == 1
    assert told.stderr.startswith("There is no model 'no-such-model'"), told.stderr


def test_a_dry_run_shows_what_would_be_trained(neurona) -> None:
    told = neurona_command(neurona.server.url, "train", neurona.iris, "--set", "dry_run=true")
    assert told.returncode == 0, told.stderr
    assert json.loads(told.stdout)["rows"] == 150
