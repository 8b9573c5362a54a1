"""What the commands that ask a server say when it goes wrong: a sentence, and no traceback."""

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import httpx
import pytest

from app import __main__
from app.commands import predict
from app.commands.client import answered, connect, opened


def test_an_answer_that_is_no_json_is_shown(capsys):
    request = httpx.Request("POST", "http://elsewhere/v1/models/iris/predict")
    for status in (200, 502):
        with pytest.raises(SystemExit, match=rf"elsewhere.* answered {status}, not in JSON: <html>"):
            answered(httpx.Response(status, text="<html>", request=request))


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    with pytest.raises(SystemExit, match=r"there is no file .*rows\.csv"):
        opened(tmp_path / "rows.csv")
    with pytest.raises(SystemExit, match=r"^/.* is no file$"):
        opened(tmp_path)
    with pytest.raises(SystemExit, match="cannot be read: File name too long"):
        opened(tmp_path / ("x" * 300))

    def refused(*_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "rows.csv").touch()
    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(SystemExit, match=r"rows\.csv cannot be read: Permission denied"):
        opened(tmp_path / "rows.csv")


def test_who_is_refused_or_finds_no_server_is_told_what_to_give():
    request = httpx.Request("POST", "http://elsewhere/v1/models/iris/predict")
    for status, told in ((401, "no key\ngive a key with --key or NEURONA_KEY"), (403, "no key")):
        with pytest.raises(SystemExit) as ended:
            answered(httpx.Response(status, json={"detail": "no key"}, request=request))
        assert ended.value.code == told
    for url, told in (
        ("localhost:8000", "begins with http://"),
        ("http://127.0.0.1:9", "--url says elsewhere"),
    ):
        with pytest.raises(SystemExit, match=told), connect(Namespace(url=url, key=None)) as client:
            client.get("/")


def test_a_key_may_have_any_letters():
    with connect(Namespace(url="http://127.0.0.1:9", key="clé")) as client:
        assert client.headers.raw[-1][1] == "Bearer clé".encode()


def test_ctrl_c_ends_a_command_without_a_word(monkeypatch, capsys, tmp_path):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(predict, "run", interrupted)
    assert __main__.main(["predict", "iris", str(tmp_path)]) == 130
    assert capsys.readouterr() == ("", "")


def test_whoever_reads_no_more_is_not_told_of_it():
    talk = "predict.run = lambda _: print('row\\n' * 1_000_000) or 0; sys.exit(main(['predict', 'iris', 'rows.csv']))"
    program = f"import sys; from app.__main__ import main; from app.commands import predict; {talk}"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as talking:
        assert talking.stdout.readline() == b"row\n"
        talking.stdout.close()
        assert talking.stderr.read() == b""
    assert talking.returncode == 1


def test_names_of_any_letters_are_printed_whatever_letters_the_terminal_has(tmp_path):
    program = (
        "import sys; from app.__main__ import main; from app.commands import predict, train; "
        "predict.connect = __import__('unittest.mock').mock.MagicMock(); "
        "predict.answered = lambda _: {'classes': ['é'], 'labels': ['é'], 'probabilities': [[1.0]]}; "
        "train.run = lambda _: print('é') or 0; sys.exit(main(sys.argv[1:]))"
    )
    (tmp_path / "rows.csv").touch()
    for words, told in ((["predict", "iris"], "label,é\né,1.0\n".encode()), (["train"], b"\\xe9\n")):
        ended = subprocess.run(
            [sys.executable, "-c", program, *words, tmp_path / "rows.csv"],
            capture_output=True,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
        )
        assert ended.stderr == b""
        assert ended.stdout == told


@pytest.mark.parametrize(
    ("file", "model"),
    [("iris.v2.csv", "iris"), ("_Größe (1).csv", "gr--e--1-"), (f"{'a' * 80}.csv", "a" * 64), (".csv", None)],
)
def test_a_model_is_called_as_its_file_is_as_far_as_that_goes(file, model, tmp_path, monkeypatch):
    class Told(Exception):
        """What is asked is known."""

    def post(_, path, **__):
        raise Told(path)

    (tmp_path / file).touch()
    monkeypatch.setattr(httpx.Client, "post", post)
    with pytest.raises(SystemExit if model is None else Told) as ended:
        __main__.main(["train", str(tmp_path / file)])
    assert "--model" in str(ended.value) if model is None else str(ended.value) == f"/v1/models/{model}/train"
