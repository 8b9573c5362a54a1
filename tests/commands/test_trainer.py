"""How `neurona trainer` ends where it cannot begin."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def test_a_cluster_that_is_none_ends_the_trainer_at_once_with_a_sentence(tmp_path):
    data = tmp_path / "not" / "there"
    environment = {**os.environ, "NEURONA_DATA": str(data), "NEURONA_DASK_ADDRESS": "nowhere"}
    command = [sys.executable, "-m", "app", "trainer"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "no Dask scheduler answers at 'nowhere': missing port number" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert (data / "neurona.db").exists()  # a server may come later
