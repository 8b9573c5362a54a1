"""One run's moving parts: the flat vectors and the buffers that its steps reuse."""

import math
from collections.abc import Generator, Iterator

import numpy as np

from core import network, optimizers, quasi_newton
from core.arrays import Array
from core.feed import open_feed
from core.network import Params, Workspace
from core.quasi_newton import Solve
from core.schedules import SCHEDULES
from core.state import Best, Examples, RowSource, TrainingSpec, TrainingState, frozen, is_finished
from core.stops import go_on
from core.work import piece_rows


class Diverged(ArithmeticError):
    """The loss or a parameter became NaN or infinite in that step of that epoch, both counted from 1."""

    def __init__(self, epoch: int, step: int, loss: float, learning_rate: float) -> None:
        super().__init__(epoch, step, loss, learning_rate)
        self.epoch, self.step, self.loss, self.learning_rate = epoch, step, loss, learning_rate

    def __str__(self) -> str:
        return (
            f"the loss became {self.loss} in epoch {self.epoch}, step {self.step}"
            f" (learning rate {self.learning_rate:g})"
        )


class Run:
    """Steps from a state over examples that have been checked; states are copied in and out.

    Parameters, gradient and moments are one flat vector each, with a view for every layer, so that an
    update is a few passes over memory whatever the number of layers.
    """

    def __init__(
        self, spec: TrainingSpec, train: Examples, state: TrainingState, rows: Array | None = None
    ) -> None:
        self.spec, self.sizes = spec, network.sizes(state.parameters)
        self.rows = len(train.x) if rows is None else len(rows)
        self.newton = spec.optimizer == "lbfgs"
        self.batch = self.rows if self.newton else min(spec.batch_size or self.rows, self.rows)
        self.steps = math.ceil(self.rows / self.batch)
        self.train = train if rows is None or self.steps > 1 else _only(train, rows, spec.dtype)
        self.epoch, self.step, self.updates = state.epoch, state.step, state.updates
        self.loss_sum, self.best, self.learning_rate = state.loss_sum, state.best, spec.learning_rate
        self._vector = network.flatten(state.parameters)
        self._gradient = np.empty_like(self._vector)
        self._moments = [moment.copy() for moment in state.moments]
        self.layers = network.layers(self._vector, self.sizes)
        self._gradients = network.layers(self._gradient, self.sizes)
        if self.newton:
            labels, weights = self.train[1:]
            self._shares = np.bincount(labels, weights, self.sizes[-1]) / len(labels)
            self._inverse = self._features()
        else:
            self._optimizer = optimizers.make(spec.optimizer, momentum=spec.momentum)
        at_once = len(self.train.labels) if self.steps == 1 else self.batch
        self._workspace = Workspace(self.sizes, min(at_once, piece_rows(self.sizes)), spec.dtype)
        self._feed = open_feed(spec, train, rows, self.batch) if self.steps > 1 else None

    @property
    def seen(self) -> int:
        """Rows seen in the epoch under way."""
        return min(self.step * self.batch, self.rows)

    @property
    def finished(self) -> bool:
        """Whether there is nothing left to do: all epochs are done, or lbfgs is where J is lowest."""
        return is_finished(self.spec, self.epoch, self.updates, self._moments)

    def advance(self, steps: int | None) -> Iterator[int]:
        """Take that many steps, or as many as the epoch has left; Diverged at the first bad loss.

        Yields after each piece of a step that has several: the rows seen in the epoch, with those of the step.
        """
        until = self.steps if steps is None else min(self.steps, self.step + steps)
        while self.step < until:
            yield from self._move() if self.newton else self._take_step()

    def judge(self, workspace: Workspace, examples: Examples) -> Generator[None, None, tuple[float, float]]:
        """Mean weighted loss and accuracy of the parameters of now; Diverged if the loss is not finite.

        Yields between pieces.
        """
        m, loss, right = len(examples.x), 0.0, 0
        for start in range(0, m, workspace.rows):
            if start:
                yield
            x, labels, weights = _rows(examples, slice(start, start + workspace.rows))
            with np.errstate(all="ignore"):
                logits = workspace.logits(self.layers, x)
                right += int(np.count_nonzero(logits.argmax(axis=1) == labels))
                loss += workspace.share_of_loss(logits, labels, weights, m)[0]
        self._mind(loss)
        return loss, right / m

    def complete(self, validation_loss: float | None) -> None:
        """Close the epoch, and keep its parameters if its validation loss is the lowest so far; Diverged if they are
        not finite."""
        self._mind_parameters()
        self.epoch, self.step, self.loss_sum = self.epoch + 1, 0, 0.0
        if validation_loss is not None and (self.best is None or validation_loss < self.best.validation_loss):
            self.best = Best(self.epoch, validation_loss, self._parameters())

    def snapshot(self) -> TrainingState:
        """The state of now, as a value."""
        return TrainingState(
            parameters=self._parameters(),
            moments=tuple(frozen(m if self.newton else m.copy()) for m in self._moments),
            epoch=self.epoch,
            step=self.step,
            updates=self.updates,
            loss_sum=self.loss_sum,
            best=self.best,
        )

    def _take_step(self) -> Iterator[int]:
        x, labels, weights = self._minibatch()
        work = self._workspace.gradients_in_pieces(
            self.layers, x, labels, self._gradients, l2=self.spec.l2, weights=weights
        )
        progress = (self.epoch + self.step / self.steps) / self.spec.max_epochs
        self.learning_rate = self.spec.learning_rate * SCHEDULES[self.spec.schedule](progress)
        loss = None
        while loss is None:
            with np.errstate(all="ignore"):  # a loss that is not finite is found by looking at it
                done, loss = go_on(work)
                if loss is not None:
                    self._update(loss)
            if done is not None:
                yield self.seen + done
        self.loss_sum += loss * min(len(labels), self.rows)

    def _update(self, loss: float) -> None:
        self.step += 1
        self.updates += 1
        self._mind(loss)
        self._optimizer.update(self._vector, self._gradient, self._moments, self.updates, self.learning_rate)

    def _move(self) -> Iterator[int]:
        """A move of L-BFGS, which may look at all rows more than once."""
        work = quasi_newton.move(self._vector.copy(), self._moments, self._slope, self._curvature)
        most, moved = 0, None
        while moved is None:
            with np.errstate(all="ignore"):
                done, moved = go_on(work)
                if moved is not None:
                    self._settle(*moved)
            if done is not None:
                most = max(most, done)
                yield most

    def _settle(self, at: Array, moments: list[Array], loss: float) -> None:
        self.step += 1
        self.updates += 1
        self._mind(loss)
        self._vector[:], self._moments = at, moments
        if quasi_newton.is_lowest(self._moments, self._curvature):
            self._moments[0] = np.zeros_like(at)
        self.loss_sum += loss * self.rows

    def _slope(self, vector: Array) -> Generator[int, None, tuple[float, Array]]:
        self._vector[:] = vector
        x, labels, weights = self.train
        loss = yield from self._workspace.gradients_in_pieces(
            self.layers, x, labels, self._gradients, l2=self.spec.l2, weights=weights
        )
        return loss, self._gradient

    def _curvature(self, gradient: Array) -> Solve:
        return quasi_newton.softmax_curvature(gradient, self._shares, self._inverse)

    def _features(self) -> Array | float:
        """Without the rows where they are on disk, which another pass would be for."""
        x, _, weights = self.train
        rows = None if isinstance(x, RowSource) else x
        with np.errstate(under="ignore"):
            return quasi_newton.features_curvature(rows, weights, self._shares, self.spec.l2)

    def _minibatch(self) -> Examples:
        """All rows at once have no order."""
        return self.train if self._feed is None else self._feed.minibatch(self.epoch + 1, self.step)

    def _parameters(self) -> Params:
        self._mind_parameters()
        return network.layers(frozen(self._vector.copy()), self.sizes)

    def _mind_parameters(self) -> None:
        self._mind(0.0 if np.isfinite(self._vector).all() else math.nan)

    def _mind(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise Diverged(self.epoch + 1, self.step, loss, self.learning_rate)


def _rows(examples: Examples, part: slice) -> Examples:
    x, labels, weights = examples
    return Examples(x[part], labels[part], None if weights is None else weights[part])


def _only(examples: Examples, rows: Array, dtype: str) -> Examples:
    """The same mean loss as of these rows alone, without a copy of them: the others weigh 0."""
    x, labels, weights = examples
    only = np.zeros(len(x), dtype)
    only[rows] = len(x) / len(rows) if weights is None else weights[rows] * (len(x) / len(rows))
    return Examples(x, labels, only)
