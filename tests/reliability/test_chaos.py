"""Whatever is killed, every promise is kept. bench/chaos.py does the same for longer."""

import pytest
from chaos import disturb

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def test_no_promise_is_broken_by_kills_at_random(tmp_path) -> None:
    outcome = disturb(tmp_path, kills=6, seed=11)
    assert outcome.wrong == []


def test_nor_with_the_records_on_postgresql(tmp_path, postgres) -> None:
    outcome = disturb(tmp_path, kills=3, seed=12, database_url=postgres.database())
    assert outcome.wrong == []
