"""Where minibatches come from: rows shuffled in memory, or read in blocks from where there are more than fit.

The order of an epoch is a function of the seed and the epoch's number alone, so that a run that goes on from
inside an epoch sees the same minibatches.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple, Protocol

import numpy as np

from core.arrays import Array
from core.state import Examples, RowSource, TrainingSpec


class Feed(Protocol):
    """The minibatches of a run."""

    def minibatch(self, epoch: int, step: int) -> Examples:
        """Minibatch `step` (0, 1, …) of an epoch (1, 2, …); the next call may overwrite it."""
        ...


def open_feed(spec: TrainingSpec, examples: Examples, rows: Array | None, batch: int) -> Feed:
    """Minibatches of `batch` rows out of those that are numbered in `rows`, None for all."""
    return (Shuffled if isinstance(examples.x, np.ndarray) else Pooled)(spec, examples, rows, batch)


class Shuffled:
    """Rows in memory, in a new order for every epoch: every order is as likely as any other."""

    def __init__(self, spec: TrainingSpec, examples: Examples, rows: Array | None, batch: int) -> None:
        self._examples, self._rows, self._batch, self._seed = examples, rows, batch, spec.seed
        self._gathered = np.empty((batch, examples.x.shape[1]), spec.dtype)
        self._epoch, self._order = 0, np.empty(0, np.intp)

    def minibatch(self, epoch: int, step: int) -> Examples:
        """As `Feed` says."""
        if epoch != self._epoch:
            count = len(self._examples.labels) if self._rows is None else len(self._rows)
            order = np.random.default_rng([self._seed, epoch]).permutation(count)
            self._epoch, self._order = epoch, order if self._rows is None else self._rows[order]
        chosen = self._order[step * self._batch : (step + 1) * self._batch]
        return _gathered(self._examples, chosen, chosen, self._gathered)


class Pool(NamedTuple):
    """Rows in memory: x (n, features), their numbers in the source (n,), and the order to take them in (n,)."""

    x: Array
    rows: Array
    order: Array


class Pooled:
    """Rows read in blocks into a pool and shuffled there; while one pool is used up, a thread fills the next.

    Each pool takes blocks from all over the source (`block_order`), so that rows mix even where they are sorted.
    """

    def __init__(self, spec: TrainingSpec, examples: Examples, rows: Array | None, batch: int) -> None:
        source: RowSource = examples.x
        self._source, self._examples, self._wanted, self._spec = source, examples, rows, spec
        self._batch, self._block = batch, source.block_rows
        self._size = max(1, source.pool_rows // batch) * batch
        edges = np.append(np.arange(0, len(source), self._block), len(source))
        self._edges = edges if rows is None else np.searchsorted(rows, edges)  # of the blocks, in wanted rows
        self._gathered = np.empty((batch, source.shape[1]), spec.dtype)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rows")
        self._here: tuple[tuple[int, int], Pool] | None = None
        self._coming: tuple[tuple[int, int], Future[Pool]] | None = None

    def minibatch(self, epoch: int, step: int) -> Examples:
        """As `Feed` says."""
        number, at = divmod(step * self._batch, self._size)
        pool = self._pool(epoch, number)
        chosen = pool.order[at : at + self._batch]
        return _gathered(self._examples._replace(x=pool.x), chosen, pool.rows[chosen], self._gathered)

    def _pool(self, epoch: int, number: int) -> Pool:
        """That pool of an epoch; the one after it is asked for."""
        here = (epoch, number)
        if self._here is None or self._here[0] != here:
            self._here = None  # two pools at a time, no three
            coming = self._coming if self._coming is not None and self._coming[0] == here else None
            self._here = here, coming[1].result() if coming else self._fill(*here)
            self._coming = None
            after = (epoch, number + 1) if (number + 1) * self._size < self._edges[-1] else (epoch + 1, 0)
            if after[0] <= self._spec.max_epochs:
                self._coming = after, self._thread.submit(self._fill, *after)
        return self._here[1]

    def _fill(self, epoch: int, number: int) -> Pool:
        first = number * self._size
        count = min(self._size, int(self._edges[-1]) - first)
        x = np.empty((count, self._source.shape[1]), self._spec.dtype)
        rows, done = np.empty(count, np.intp), 0
        for part in self._parts(epoch, first, first + count):
            numbers = np.arange(part.start, part.stop) if self._wanted is None else self._wanted[part]
            start, until = int(numbers[0]), done + len(numbers)
            read = self._source[start : int(numbers[-1]) + 1]
            x[done:until] = read if len(read) == len(numbers) else read[numbers - start]
            rows[done:until], done = numbers, until
        # + 1, since [seed, epoch, 0] gives the stream of [seed, epoch], by which blocks are put in order
        order = np.random.default_rng([self._spec.seed, epoch, number + 1]).permutation(count)
        return Pool(x, rows, order)

    def _parts(self, epoch: int, first: int, until: int) -> Iterator[slice]:
        """Places among the wanted rows of those from `first` to `until` in this epoch's order of blocks."""
        counts = np.diff(self._edges)
        blocks = block_order(
            len(counts), max(1, self._size // self._block), np.random.default_rng([self._spec.seed, epoch])
        )
        ends = np.cumsum(counts[blocks])
        used = slice(
            np.searchsorted(ends, first, side="right"), np.searchsorted(ends, until, side="left") + 1
        )
        for place in sorted(range(len(blocks))[used], key=lambda place: blocks[place]):
            block, end = blocks[place], int(ends[place])
            begin = end - int(counts[block])
            low, high = max(first, begin) - begin, min(until, end) - begin
            if low < high:
                yield slice(int(self._edges[block]) + low, int(self._edges[block]) + high)


def block_order(blocks: int, together: int, rng: np.random.Generator) -> Array:
    """All of 0 … blocks − 1, so that any `together` in turn come from all over: one of each of as many stretches.

    From stretch to stretch and turn to turn the choice is at random.
    """
    stretches = np.array_split(np.arange(blocks), min(together, blocks))
    turns = np.full((len(stretches[0]), len(stretches)), -1)
    for column, stretch in enumerate(stretches):
        turns[rng.permutation(len(turns))[: len(stretch)], column] = rng.permutation(stretch)
    order = turns.ravel()
    return order[order >= 0]


def _gathered(examples: Examples, places: Array, rows: Array, out: Array) -> Examples:
    """The rows of x at `places`, copied into `out`, with the labels and weights of the rows of these numbers."""
    x, labels, weights = examples
    gathered = np.take(x, places, axis=0, out=out[: len(places)], mode="clip")  # the quick mode
    return Examples(gathered, labels.take(rows), None if weights is None else weights.take(rows))
