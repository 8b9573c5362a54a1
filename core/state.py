"""A run's values: what it was asked (spec), what it learns from (examples), and how far it is (state)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np

from core import network, optimizers
from core.arrays import Array
from core.network import Dense, Params
from core.schedules import SCHEDULES


@runtime_checkable
class RowSource(Protocol):
    """Rows that need not fit in memory, and are read as an array is sliced.

    block_rows: rows that lie, and are best read, together. pool_rows: rows that may be held in memory at a time.
    """

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    @property
    def block_rows(self) -> int: ...

    @property
    def pool_rows(self) -> int: ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice | Array) -> Array:
        """(n, features) of these rows, numbered or from start to stop."""
        ...


class Examples(NamedTuple):
    """x (m, features) real, or a RowSource; labels (m,) integers; weights (m,) factors of each row's loss, or None
    for 1."""

    x: Any
    labels: Array
    weights: Array | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """How to train. hidden_layer_sizes=() is softmax regression; batch_size=None takes all rows at once,
    which with gradient_descent is plain gradient descent, and which lbfgs does always; lbfgs is for softmax
    regression. Raises ValueError for a value out of its range."""

    hidden_layer_sizes: tuple[int, ...] = (128,)
    optimizer: Literal["adam", "momentum", "gradient_descent", "lbfgs"] = "adam"
    learning_rate: float = 1e-3
    momentum: float = 0.9
    batch_size: int | None = 128
    max_epochs: int = 100
    patience: int | None = 10
    l2: float = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    seed: int = 0
    dtype: Literal["float32", "float64"] = "float32"

    def __post_init__(self) -> None:
        rules = {
            "hidden_layer_sizes": ("sizes of at least 1", all(size >= 1 for size in self.hidden_layer_sizes)),
            "optimizer": (f"one of {', '.join(optimizers.NAMES)}", self.optimizer in optimizers.NAMES),
            "hidden_layer_sizes with lbfgs": ("()", self.optimizer != "lbfgs" or not self.hidden_layer_sizes),
            "learning_rate": ("above 0 and finite", 0 < self.learning_rate < math.inf),
            "momentum": ("in [0, 1)", 0 <= self.momentum < 1),
            "batch_size": (
                "at least 1, or None for all rows",
                self.batch_size is None or self.batch_size >= 1,
            ),
            "max_epochs": ("at least 1", self.max_epochs >= 1),
            "patience": ("at least 1, or None", self.patience is None or self.patience >= 1),
            "l2": ("at least 0 and finite", 0 <= self.l2 < math.inf),
            "schedule": (f"one of {', '.join(SCHEDULES)}", self.schedule in SCHEDULES),
            "seed": ("at least 0", self.seed >= 0),
            "dtype": ("float32 or float64", self.dtype in ("float32", "float64")),
        }
        for name, (expected, kept) in rules.items():
            if not kept:
                raise ValueError(f"{name} must be {expected}, got {getattr(self, name.split()[0])!r}")


class Best(NamedTuple):
    """The epoch (1-based) of the lowest validation loss so far, and its parameters."""

    epoch: int
    validation_loss: float
    parameters: Params


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainingState:
    """Everything a run needs to go on, as a value: no array in it is ever written to again.

    epoch: epochs completed; step: steps taken in the epoch under way; updates: steps taken in all;
    loss_sum: Σ of (minibatch cost × its rows) in the epoch under way; moments: the optimizer's vectors.
    """

    parameters: Params
    moments: tuple[Array, ...]
    epoch: int = 0
    step: int = 0
    updates: int = 0
    loss_sum: float = 0.0
    best: Best | None = None


def begin(
    spec: TrainingSpec, features: int, classes: int, *, parameters: Params | None = None, even: bool = False
) -> TrainingState:
    """The state before the first step; parameters: those of another run to go on from (a warm start).

    even: begin as a member of a committee does (`network.initialise`).

    Raises ValueError if they have other sizes than (features, *hidden_layer_sizes, classes).
    """
    sizes = (features, *spec.hidden_layer_sizes, classes)
    if parameters is None:
        parameters = network.initialise(sizes, np.random.default_rng([spec.seed, 0]), spec.dtype, even=even)
    elif network.sizes(parameters) != sizes:
        raise ValueError(f"parameters must have sizes {sizes}, got {network.sizes(parameters)}")
    vector = frozen(network.flatten(parameters).astype(spec.dtype))
    moments = optimizers.moments(spec.optimizer)
    return TrainingState(
        parameters=network.layers(vector, sizes),
        moments=tuple(frozen(np.zeros_like(vector)) for _ in range(moments)),
    )


def check(spec: TrainingSpec, state: TrainingState) -> None:
    """Raises ValueError for a state that no run of this spec can be in: of other layers, dtype or moments."""
    vector = network.flatten(state.parameters)
    hidden = network.sizes(state.parameters)[1:-1]
    if hidden != tuple(spec.hidden_layer_sizes) or vector.dtype != spec.dtype:
        raise ValueError(
            f"not a training state of this spec: it has hidden layers {hidden} and is {vector.dtype}"
        )
    if len(state.moments) != optimizers.moments(spec.optimizer):
        raise ValueError(
            f"not a training state of this spec: {spec.optimizer} has not {len(state.moments)} moments"
        )
    if any(moment.shape != vector.shape or moment.dtype != vector.dtype for moment in state.moments):
        raise ValueError("not a training state of this spec: moments and parameters differ in size or dtype")


def is_finished(spec: TrainingSpec, epoch: int, updates: int, moments: Sequence[Array]) -> bool:
    """Whether a run is over: all epochs are done, or lbfgs has noted, by a gradient of 0, that J is lowest."""
    lowest = spec.optimizer == "lbfgs" and updates > 0 and not moments[0].any()
    return epoch >= spec.max_epochs or lowest


def frozen(array: Array) -> Array:
    """The array itself, from now on read-only."""
    array.flags.writeable = False
    return array


def to_arrays(state: TrainingState) -> dict[str, Array]:
    """The state as named arrays, from which `from_arrays` makes the same state to the bit."""
    arrays = _name(state.parameters, "parameters") | {
        f"moments.{number}": moment for number, moment in enumerate(state.moments)
    }
    arrays["progress"] = np.array([state.epoch, state.step, state.updates], np.int64)
    arrays["loss_sum"] = np.array(state.loss_sum, np.float64)
    if state.best is not None:
        arrays |= _name(state.best.parameters, "best")
        arrays["best.epoch"] = np.array(state.best.epoch, np.int64)
        arrays["best.validation_loss"] = np.array(state.best.validation_loss, np.float64)
    return arrays


def from_arrays(spec: TrainingSpec, arrays: Mapping[str, Array]) -> TrainingState:
    """The state that `to_arrays` wrote; ValueError if arrays are missing or do not fit the spec."""
    try:
        parameters = _read(arrays, "parameters", spec)
        epoch, step, updates = (int(number) for number in arrays["progress"])
        best = None
        if "best.epoch" in arrays:
            loss = float(arrays["best.validation_loss"])
            best = Best(int(arrays["best.epoch"]), loss, _read(arrays, "best", spec))
        count = optimizers.moments(spec.optimizer)
        moments = tuple(_take(arrays, f"moments.{number}", spec) for number in range(count))
        loss_sum = float(arrays["loss_sum"])
    except KeyError as error:
        raise ValueError(f"not a training state of this spec: there is no array {error}") from None
    state = TrainingState(
        parameters=parameters,
        moments=moments,
        epoch=epoch,
        step=step,
        updates=updates,
        loss_sum=loss_sum,
        best=best,
    )
    check(spec, state)
    return state


def _name(params: Params, prefix: str) -> dict[str, Array]:
    return {
        f"{prefix}.{number}.{kind}": array
        for number, layer in enumerate(params)
        for kind, array in layer._asdict().items()
    }


def _read(arrays: Mapping[str, Array], prefix: str, spec: TrainingSpec) -> Params:
    params = tuple(
        Dense(
            _take(arrays, f"{prefix}.{number}.weight", spec), _take(arrays, f"{prefix}.{number}.bias", spec)
        )
        for number in range(len(spec.hidden_layer_sizes) + 1)
    )
    sizes = tuple(len(layer.bias) for layer in params[:-1])
    fans = zip(params[0].weight.shape[:1] + sizes, params, strict=True)
    if sizes != tuple(spec.hidden_layer_sizes) or any(
        layer.weight.shape != (fan_in, *layer.bias.shape) for fan_in, layer in fans
    ):
        raise ValueError(f"not a training state of this spec: {prefix} has hidden layers {sizes}")
    return params


def _take(arrays: Mapping[str, Array], name: str, spec: TrainingSpec) -> Array:
    array = arrays[name]
    if array.dtype != spec.dtype:
        raise ValueError(f"not a training state of this spec: {name} is {array.dtype}, not {spec.dtype}")
    return frozen(array.copy())
