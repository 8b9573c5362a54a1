"""A sampler looks at a bounded number of rows, evenly, and what it saw long ago fades."""

from math import exp, inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.serving import sampler as room
from app.serving.sampler import BURST, ROWS_PER_SECOND, Sampler
from core import profile as profiles
from core.encoding import Codes


@pytest.fixture(scope="module")
def profile():
    return profiles.measure(
        {f"x{i}": column for i, column in enumerate(np.random.default_rng(0).normal(size=(3, 900)))}
    )


def rows_of(seen):
    return seen.counts.sum(axis=1)


@given(
    gaps=st.lists(st.floats(0, 5), min_size=1, max_size=30),
    sizes=st.lists(st.integers(1, 2000), min_size=30, max_size=30),
)
def test_however_rows_come_no_more_are_looked_at_than_a_burst_and_so_many_a_second(profile, gaps, sizes):
    seen = []

    class Counting:
        expected = profile.expected

        def count(self, rows):
            seen.append(len(rows))
            return profile.count(rows)

    sampler, now = Sampler(Counting()), 100.0
    for gap, size in zip(gaps, sizes, strict=False):
        now += gap
        if now >= sampler.due:
            sampler.take(np.zeros((size, 3)), size, now)
        assert sum(seen) <= BURST + ROWS_PER_SECOND * (now - 100.0 - gaps[0]) + len(gaps) + 1


def test_rows_are_taken_at_the_rate_where_they_come_faster(profile):
    sampler = Sampler(profile)
    sampler.take(np.zeros((BURST, 3)), BURST, 0.0)
    looked_at = 0
    for now in np.arange(1, 100_001) / 1000:
        if now >= sampler.due:
            sampler.take(np.zeros((1, 3)), 1, now)
            looked_at += 1
    assert looked_at == pytest.approx(100 * ROWS_PER_SECOND, abs=2)


def test_of_many_rows_those_looked_at_are_spread_evenly(profile):
    x = np.repeat(np.arange(10.0), 1000)[:, None] * np.ones(3)
    made = profiles.measure({f"x{i}": x[:, i] for i in range(3)})
    sampler = Sampler(made)
    sampler.take(x, len(x), 0.0)
    parts = sampler.seen().counts[:, made.expected[0] > 0] / BURST
    assert np.allclose(parts, 0.1)


def test_columns_by_name_are_sampled_as_a_matrix_is(profile):
    x = np.random.default_rng(1).normal(size=(5000, 3))
    one, other = Sampler(profile), Sampler(profile)
    one.take(x, 5000, 0.0)
    other.take({f"x{i}": x[:, i] for i in range(3)}, 5000, 0.0)
    assert np.array_equal(one.seen().counts, other.seen().counts)
    words = Codes(np.arange(5000, dtype=np.int32) % 2, ("a", "b"))
    coded = Sampler(profiles.measure({"word": words}))
    coded.take({"word": words}, 5000, 0.0)
    assert rows_of(coded.seen()).tolist() == [385]  # every thirteenth


def test_the_latest_rows_count_most(profile, monkeypatch):
    monkeypatch.setattr(room, "MEMORY", 100)
    sampler = Sampler(profile)
    sampler.take(np.full((200, 3), -99.0), 200, 0.0)
    sampler.take(np.full((100, 3), 99.0), 100, 1000.0)
    counts = sampler.seen().counts
    assert counts[:, 0] == pytest.approx([200 * exp(-1)] * 3)
    assert counts[:, -2] == pytest.approx([100] * 3)
    assert sampler.seen().last == 1000.0


def test_what_was_read_off_is_not_changed_by_what_comes_then(profile):
    sampler = Sampler(profile)
    assert sampler.seen() is None
    sampler.take(np.zeros((5, 3)), 5, 0.0)
    before = sampler.seen()
    sampler.take(np.zeros((5, 3)), 5, 100.0)
    assert rows_of(before).tolist() == [5] * 3


def test_without_a_profile_nothing_is_ever_due():
    sampler = Sampler(None)
    assert sampler.due == inf
    sampler.take(np.zeros((5, 3)), 5, 0.0)
    assert sampler.seen() is None


def test_no_rows_are_no_sample(profile):
    sampler = Sampler(profile)
    sampler.take(np.zeros((0, 3)), 0, 0.0)
    assert sampler.seen() is None
    sampler.take(np.zeros((1, 3)), 1, 0.0)
    assert rows_of(sampler.seen()).tolist() == [1] * 3
