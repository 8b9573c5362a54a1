"""Schedules are functions of the fraction of steps taken."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.schedules import SCHEDULES, constant, cosine


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_every_schedule_begins_at_one_and_never_rises(one, two):
    for schedule in SCHEDULES.values():
        assert schedule(0.0) == 1
        assert 1 >= schedule(min(one, two)) >= schedule(max(one, two)) >= 0


def test_schedules_pass_through_the_points_that_their_names_promise():
    assert constant(0.999) == 1
    assert cosine(0.5) == pytest.approx(0.5)
    assert cosine(1 / 3) == pytest.approx(0.75)
    assert cosine(1.0) == 0
