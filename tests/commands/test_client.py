"""What the commands that ask a server say when it goes wrong: a sentence, and no traceback."""

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
    with pytest.raises(SystemExit, match="cannot be read: File name too long"):
        opened(tmp_path / ("x" * 300))

    def refused(*_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "rows.csv").touch()
    monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(SystemExit, match=r"rows\.csv cannot be read: Permission denied"):
        opened(tmp_path / "rows.csv")


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
