"""How `neurona trainer` ends where it cannot begin."""

import argparse
import os
import subprocess
import sys

import pytest

from app.commands import trainer


def test_a_trainer_that_has_closed_everything_ends_there(monkeypatch):
    """Python's own way out took a process that yields to others ten seconds, and the server waits for eight."""
    ended = []
    monkeypatch.setattr(trainer.Trainer, "run", lambda _: None)
    monkeypatch.setattr(trainer, "lower_session", lambda _: None)
    monkeypatch.setattr(trainer.os, "_exit", ended.append)
    monkeypatch.setattr(trainer.signal, "signal", lambda *_: None)
    monkeypatch.setattr(trainer.threading.Thread, "start", lambda _: None)
    monkeypatch.setattr(trainer.logging.config, "dictConfig", lambda _: None)
    trainer.run(argparse.Namespace(with_parent=False))
    assert ended == [0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("address", "reason"),
    [("nowhere", "missing port number"), ("tls://127.0.0.1:1", "TLS expects a `ssl_context`")],
)
def test_a_cluster_that_is_none_ends_the_trainer_at_once_with_a_sentence(tmp_path, address, reason):
    data = tmp_path / "not" / "there"
    environment = {**os.environ, "NEURONA_DATA": str(data), "NEURONA_DASK_ADDRESS": address}
    command = [sys.executable, "-m", "app", "trainer"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert f"no Dask scheduler answers at {address!r}: {reason}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (data / "neurona.db").exists()  # a server may come later
