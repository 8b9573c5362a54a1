"""Rows come in every epoch's own order, once each, also from where there are more of them than fit in memory."""

import math
from dataclasses import replace
from threading import Event

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import network, training
from core.arrays import Array
from core.feed import Pooled, Shuffled, block_order
from core.losses import softmax_cross_entropy
from core.training import Examples, TrainingSpec


class Disk:
    """Stands for rows that lie elsewhere: says what was read, and how much was held at a time at most."""

    def __init__(self, x: Array, block_rows: int, pool_rows: int) -> None:
        self.x, self.block_rows, self.pool_rows, self.largest = x, block_rows, pool_rows, 0
        self.shape, self.dtype = x.shape, x.dtype

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, rows: slice | Array) -> Array:
        read = self.x[rows].copy()
        self.largest = max(self.largest, len(read))
        return read


def numbered(rows, block=8, pool=40):
    """Rows that hold their own number, and labels that do so too, and weights that hold half of it."""
    number = np.arange(rows)
    return Examples(Disk(number.astype(np.float32)[:, None], block, pool), number, number * 0.5)


@settings(deadline=None, max_examples=30)
@given(
    rows=st.integers(1, 300),
    block=st.integers(1, 40),
    pool=st.integers(1, 120),
    batch=st.integers(1, 50),
    seed=st.integers(0, 9),
    held=st.booleans(),
)
def test_an_epoch_has_every_wanted_row_once_with_its_own_label(rows, block, pool, batch, seed, held):
    wanted = np.flatnonzero(np.arange(rows) % 5 != 1) if held and rows > 2 else None
    count = rows if wanted is None else len(wanted)
    batch = min(batch, count)
    spec = TrainingSpec(seed=seed, max_epochs=2)
    feed = Pooled(spec, numbered(rows, block, pool), wanted, batch)
    for epoch in (1, 2):
        batches = [feed.minibatch(epoch, step) for step in range(math.ceil(count / batch))]
        seen = np.concatenate([each.labels for each in batches])
        assert [len(each.labels) for each in batches[:-1]] == [batch] * (len(batches) - 1)
        assert np.array_equal(np.sort(seen), np.arange(rows) if wanted is None else wanted)
    each = feed.minibatch(1, 0)
    assert np.array_equal(each.x[:, 0], each.labels)
    assert np.array_equal(each.weights, each.labels * 0.5)


def test_a_minibatch_is_a_function_of_seed_epoch_and_step_alone():
    straight = Pooled(TrainingSpec(max_epochs=3), numbered(200), None, 16)
    every = {(e, s): straight.minibatch(e, s).labels.copy() for e in (1, 2) for s in range(13)}
    back_and_forth = Pooled(TrainingSpec(max_epochs=3), numbered(200), None, 16)
    for epoch, step in [(2, 7), (1, 12), (1, 0), (2, 3)]:
        later = Pooled(TrainingSpec(max_epochs=3), numbered(200), None, 16)
        for feed in (later, back_and_forth):
            assert np.array_equal(feed.minibatch(epoch, step).labels, every[epoch, step])
    assert not np.array_equal(every[1, 0], every[2, 0])
    other = Pooled(TrainingSpec(max_epochs=3, seed=1), numbered(200), None, 16)
    assert not np.array_equal(other.minibatch(1, 0).labels, every[1, 0])


def test_the_blocks_of_a_pool_are_others_in_every_epoch_and_for_every_seed():
    def pool(seed, epoch):
        """The first of five."""
        feed = Pooled(TrainingSpec(seed=seed, max_epochs=3), numbered(200), None, 40)
        return frozenset(feed.minibatch(epoch, 0).labels.tolist())

    assert len({pool(seed, epoch) for seed in (0, 1) for epoch in (1, 2)}) == 4


def test_the_rows_of_the_first_pool_come_in_another_order_than_blocks_do():
    """The streams [seed, epoch] and [seed, epoch, 0] are the same."""
    feed = Pooled(TrainingSpec(seed=5, max_epochs=1), numbered(64, 8, 64), None, 64)
    of_blocks = np.random.default_rng([5, 1]).permutation(64)
    assert not np.array_equal(feed.minibatch(1, 0).labels, of_blocks)


def test_the_next_pool_is_read_while_one_is_used_up_and_none_after_the_last():
    class Watched(Disk):
        """Counts the rows that were read, and says when those of so many pools were."""

        def __init__(self, *arguments):
            super().__init__(*arguments)
            self.read, self.pools = 0, [Event() for _ in range(4)]

        def __getitem__(self, rows):
            self.read += rows.stop - rows.start
            for event in self.pools[: self.read // 40]:
                event.set()
            return super().__getitem__(rows)

    examples = numbered(80)
    disk = Watched(examples.x.x, 8, 40)
    feed = Pooled(TrainingSpec(max_epochs=2), examples._replace(x=disk), None, 40)
    for pool, (epoch, step) in enumerate([(1, 0), (1, 1), (2, 0)], start=1):
        feed.minibatch(epoch, step)
        assert disk.pools[pool].wait(10)
    feed.minibatch(2, 1)
    assert disk.read == 4 * 40


def test_no_more_than_a_block_is_read_at_a_time():
    examples = numbered(1000, block=10, pool=100)
    feed = Pooled(TrainingSpec(max_epochs=1), examples, None, 20)
    for step in range(50):
        feed.minibatch(1, step)
    assert examples.x.largest == 10


@given(blocks=st.integers(1, 200), together=st.integers(1, 30), seed=st.integers(0, 99))
def test_blocks_that_come_together_come_from_all_over(blocks, together, seed):
    order = block_order(blocks, together, np.random.default_rng(seed))
    assert np.array_equal(np.sort(order), np.arange(blocks))
    together = min(together, blocks)
    if blocks % together == 0:
        stretch = order.reshape(-1, together) // (blocks // together)
        assert (np.sort(stretch, axis=1) == np.arange(together)).all()


def test_rows_travel_as_far_as_in_a_full_shuffle():
    """The mean way from a row's place to its place in the epoch is a third of the rows if all orders are equally
    likely, and neighbours part: by pools of a twentieth of the rows, within two hundredths of that."""
    rows, batch = 20_000, 50
    spec = TrainingSpec(max_epochs=1)
    places = {}
    for kind, x in ((Shuffled, np.zeros((rows, 1), np.float32)), (Pooled, numbered(rows, 20, 1000).x)):
        feed = kind(spec, Examples(x, np.arange(rows)), None, batch)
        order = np.concatenate([feed.minibatch(1, step).labels for step in range(rows // batch)])
        place = np.empty(rows)
        place[order] = np.arange(rows)
        places[kind] = place
    ways = {kind: np.abs(place - np.arange(rows)).mean() / rows for kind, place in places.items()}
    assert ways[Shuffled] == pytest.approx(1 / 3, abs=0.01)
    assert ways[Pooled] == pytest.approx(1 / 3, abs=0.02)
    parted = np.abs(np.diff(places[Pooled])) > batch
    assert parted.mean() > 0.9
    related = np.corrcoef(np.arange(rows), places[Pooled])[0, 1]
    assert abs(related) < 0.02


@pytest.mark.parametrize(("optimizer", "rate"), [("adam", 0.002), ("momentum", 0.02)])
def test_label_sorted_rows_are_learned_as_well_as_rows_in_a_full_shuffle(make_examples, optimizer, rate):
    rows = make_examples(12_000, 8, 6)
    order = np.argsort(rows.labels, kind="stable")
    train, test = (Examples(rows.x[part], rows.labels[part]) for part in (order[::2], order[1::2]))
    spec = TrainingSpec(
        hidden_layer_sizes=(16,), optimizer=optimizer, learning_rate=rate, batch_size=50, max_epochs=3
    )
    losses = {}
    for name, x in (
        ("memory", train.x),
        ("disk", Disk(train.x, 25, 600)),
        ("sorted", Disk(train.x, 600, 600)),
    ):
        state = training.begin(spec, 8, 6)
        *_, last = training.fit(spec, train._replace(x=x), None, state)
        z = network.logits(last.state.parameters, test.x)
        losses[name], _ = softmax_cross_entropy(z, test.labels)
    assert losses["disk"] == pytest.approx(losses["memory"], rel=0.02)
    assert losses["sorted"] > 1.2 * losses["memory"]  # what a pool of one class at a time would do


@pytest.mark.parametrize("rows", [None, np.flatnonzero(np.arange(300) % 7)])
@pytest.mark.parametrize("batch_size", [32, None])
def test_going_on_from_inside_an_epoch_ends_in_the_same_bits(make_examples, rows, batch_size):
    train, validation = make_examples(300), make_examples(40)
    spec = TrainingSpec(hidden_layer_sizes=(5,), batch_size=batch_size, max_epochs=3)

    def run(state, **options):
        disk = train._replace(x=Disk(train.x, 16, 100))
        return list(training.fit(spec, disk, validation, state, rows=rows, **options))

    start = training.begin(spec, 5, 3)
    end = training.to_arrays(run(start)[-1].state)
    for epoch in run(start, steps_per_yield=3)[:-1]:
        stored = training.from_arrays(spec, training.to_arrays(epoch.state))
        again = training.to_arrays(run(stored)[-1].state)
        assert all(np.array_equal(end[name], again[name]) for name in end)


def test_a_full_batch_from_disk_is_that_from_memory(make_examples):
    train = make_examples(100)
    spec = TrainingSpec(hidden_layer_sizes=(5,), batch_size=None, max_epochs=3, dtype="float32")
    ends = [
        training.to_arrays(
            list(training.fit(spec, train._replace(x=x), None, training.begin(spec, 5, 3)))[-1].state
        )
        for x in (train.x, Disk(train.x, 16, 64))
    ]
    assert all(np.array_equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_validation_rows_may_lie_elsewhere_too(make_examples):
    train, spec = make_examples(90), TrainingSpec(hidden_layer_sizes=(5,), batch_size=30, max_epochs=2)
    start = training.begin(spec, 5, 3)
    one, two = (
        [(e.validation_loss, e.validation_accuracy) for e in training.fit(spec, train, held, start)]
        for held in (train, train._replace(x=Disk(train.x, 16, 64)))
    )
    assert one == two


def test_rows_of_another_width_or_dtype_are_refused(make_examples):
    train, spec = make_examples(50), TrainingSpec(max_epochs=1)
    start = training.begin(spec, 5, 3)
    for x in (train.x[:, :4], train.x.astype(np.float64)):
        with pytest.raises(ValueError, match=r"x must have shape \(rows, 5\) and be float32"):
            training.fit(spec, train._replace(x=Disk(x, 8, 16)), None, start)


def test_what_goes_wrong_in_the_reading_thread_is_raised_by_the_run(make_examples):
    class Broken(Disk):
        def __getitem__(self, rows):
            if self.largest and rows.start:
                raise OSError("the disk is gone")
            return super().__getitem__(rows)

    train, spec = make_examples(300), TrainingSpec(batch_size=20, max_epochs=1)
    with pytest.raises(OSError, match="the disk is gone"):
        list(
            training.fit(spec, train._replace(x=Broken(train.x, 300, 100)), None, training.begin(spec, 5, 3))
        )


def test_the_seed_reaches_both_the_blocks_and_the_rows_in_them(make_examples):
    feeds = [Pooled(replace(TrainingSpec(), seed=seed), numbered(64, 8, 64), None, 64) for seed in (0, 1)]
    orders = [feed.minibatch(1, 0).labels.copy() for feed in feeds]
    assert not np.array_equal(*orders)
