"""Versions swapped and all processes replaced while everybody asks. bench/swaps.py does the same for longer."""

import pytest
from swaps import swap

pytestmark = [pytest.mark.slow, pytest.mark.timeout(200)]


def test_no_request_fails_and_each_answer_is_of_one_version(tmp_path) -> None:
    outcome = swap(tmp_path, swaps=6, restarts=1, connections=8, seconds=0.7)
    assert outcome.wrong == []
    assert outcome.figures["answers"] > 500
    assert len(outcome.figures["restarts, s"]) == 1
