"""Long work comes in pieces that can be stopped between, and the pieces change no bit."""

import math

import numpy as np
import pytest

from core import run as run_module
from core import work
from core.training import Examples, TrainingSpec, begin, fit, to_arrays
from core.work import piece_rows, row_work

SPEC = TrainingSpec(hidden_layer_sizes=(7,), batch_size=None, max_epochs=3, patience=None)


@pytest.fixture
def examples():
    rng = np.random.default_rng(0)
    return Examples(rng.normal(size=(100, 5)), rng.integers(0, 3, 100))


@pytest.fixture
def small_pieces(monkeypatch):
    for module in (run_module, work):
        monkeypatch.setattr(module, "piece_rows", lambda _sizes: 16)


def same(left, right) -> bool:
    ours, theirs = to_arrays(left), to_arrays(right)
    return ours.keys() == theirs.keys() and all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_a_full_batch_step_yields_between_its_pieces_what_can_be_gone_on_from(small_pieces, examples):
    validation = Examples(examples.x[:60], examples.labels[:60])
    start = begin(SPEC, 5, 3)
    news = list(fit(SPEC, examples, validation, start, steps_per_yield=1))
    complete = [each for each in news if each.fraction == 1]
    assert [each.number for each in complete] == [1, 2, 3]
    first = news[: news.index(complete[0])]
    assert [each.fraction for each in first] == [0.16, 0.32, 0.48, 0.64, 0.8, 0.96, 0.99, 0.99]
    assert all(same(each.state, start) and each.number == 1 for each in first)
    assert all(math.isnan(each.train_loss) for each in first[:7])
    second = news[news.index(complete[0]) + 1]
    assert second.state is complete[0].state
    assert sum(each.rows for each in news) == 300


def test_whether_somebody_looks_between_the_pieces_changes_no_bit(small_pieces, examples):
    quiet = list(fit(SPEC, examples, examples, begin(SPEC, 5, 3)))
    watched = list(fit(SPEC, examples, examples, begin(SPEC, 5, 3), steps_per_yield=1))
    assert len(quiet) == 3 < len(watched)
    assert same(quiet[-1].state, watched[-1].state)
    assert [each.train_loss for each in quiet] == [e.train_loss for e in watched if e.fraction == 1]


@pytest.mark.parametrize("stop", range(8))
def test_a_run_stopped_inside_a_step_ends_in_the_same_bits(small_pieces, examples, stop):
    straight = list(fit(SPEC, examples, examples, begin(SPEC, 5, 3)))
    news = fit(SPEC, examples, examples, begin(SPEC, 5, 3), steps_per_yield=1)
    state = [next(news) for _ in range(stop + 1)][-1].state
    assert same(list(fit(SPEC, examples, examples, state))[-1].state, straight[-1].state)


def test_a_minibatch_of_a_large_network_comes_in_pieces_too(small_pieces, examples):
    spec = TrainingSpec(hidden_layer_sizes=(7,), batch_size=40, max_epochs=1)
    fractions = [each.fraction for each in fit(spec, examples, None, begin(spec, 5, 3), steps_per_yield=1)]
    assert fractions == [0.16, 0.32, 0.4, 0.4, 0.56, 0.72, 0.8, 0.8, 0.96, 0.99, 1.0]


@pytest.mark.parametrize("sizes", [(4, 3), (784, 128, 10), (784, 2048, 2048, 10), (10_000, 9_000, 1_000)])
def test_pieces_are_bounded_in_rows_and_work(sizes):
    rows = piece_rows(sizes)
    assert 16 <= rows <= 8192
    assert rows == 16 or rows * row_work(sizes) <= 8e9
