"""Memory does not grow with predictions or versions. bench/memory.py does the same for longer."""

import subprocess
import sys

import pytest
from local_server import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


def test_memory_does_not_grow_over_predictions_of_every_format_and_versions_swapped() -> None:
    command = [sys.executable, "bench/memory.py", "--predictions", "10000", "--swaps", "20"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stdout + told.stderr
    assert told.stdout.count("resident MiB") == 2
