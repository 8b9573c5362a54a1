"""The ReLU network: forward, and backward beside it. With no hidden layer it is softmax regression."""

import math
from collections.abc import Generator, Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from core.arrays import Array, Float, class_numbers, layer_sizes, matrix, row_weights
from core.losses import cross_entropy_into, softmax
from core.stops import finish


class Dense(NamedTuple):
    """One layer, z = x @ weight + bias: weight (fan_in, fan_out), bias (fan_out,)."""

    weight: Array
    bias: Array


Params: TypeAlias = tuple[Dense, ...]  # length 1 is softmax regression; a gradient is a Params too

CHUNK = 8192  # rows that one pass keeps activations of; larger batches are summed up in pieces


def initialise(
    sizes: Sequence[int], rng: np.random.Generator, dtype: Float = np.float32, *, even: bool = False
) -> Params:
    """Parameters to begin from, for sizes (features, *hidden, classes).

    Hidden layers: Glorot and Bengio 2010, N(0, 2/(fan_in + fan_out)); last layer: N(0, 1/fan_in). Biases: 0.
    even: hidden layers by He et al. 2015, N(0, 2/fan_in), and the last N(0, 0.01/fan_in), so that the first
    probabilities are close to 1/c: less steep at first, and better where few rows soon end the training.
    Softmax regression begins at zero: its loss is convex, and every start leads to the same place.
    """
    *hidden, (last, classes) = pairwise(layer_sizes(sizes))
    variances = [2 / (fan_in if even else fan_in + fan_out) for fan_in, fan_out in hidden]
    variances.append((0.01 if even else 1.0) / last if hidden else 0.0)
    return tuple(
        Dense(
            (rng.standard_normal((fan_in, fan_out)) * np.sqrt(variance)).astype(dtype),
            np.zeros(fan_out, dtype),
        )
        for (fan_in, fan_out), variance in zip([*hidden, (last, classes)], variances, strict=True)
    )


def muted(params: Params, silent: Array) -> Params:
    """The network that does not hear the features that `silent`, (features,) bool, marks: their weights are 0."""
    first, *rest = params
    weight = np.where(silent[:, None], first.weight.dtype.type(0), first.weight)
    return (Dense(weight, first.bias), *rest)


def sizes(params: Params) -> tuple[int, ...]:
    """(features, *hidden, classes) of these parameters."""
    return (params[0].weight.shape[0], *(len(layer.bias) for layer in params))


def count(sizes: Sequence[int]) -> int:
    """How many weights and biases a network of sizes (features, *hidden, classes) has."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))


def flatten(params: Params) -> Array:
    """All parameters in one new vector: weight then bias, layer by layer."""
    return np.concatenate([array.ravel() for layer in params for array in layer])


def layers(vector: Array, sizes: Sequence[int]) -> Params:
    """The layers that lie in `vector`, as views of its dtype: `flatten` undone. sizes: (features, *hidden, classes).

    Raises ValueError for a vector that is not as long as these need.
    """
    if vector.shape != (count(sizes),):
        raise ValueError(
            f"sizes {tuple(sizes)} need a vector of {count(sizes)} numbers, got shape {vector.shape}"
        )
    shapes = [shape for fan_in, fan_out in pairwise(sizes) for shape in ((fan_in, fan_out), (fan_out,))]
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    parts = [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)]
    return tuple(Dense(weight, bias) for weight, bias in zip(parts[::2], parts[1::2], strict=True))


@np.errstate(under="ignore")
def logits(params: Params, x: npt.ArrayLike) -> Array:
    """Z of the last layer: x (m, features) → (m, classes), in the parameters' dtype.

    Z1 = X @ W1 + b1, A1 = relu(Z1), Z2 = A1 @ W2 + b2, … (mathematics.md, one hidden layer).
    Raises ValueError if x is not (m, features).
    """
    weight = params[0].weight
    x = matrix(x, weight.shape[0]).astype(weight.dtype, copy=False)
    return _forward(params, x, [None] * len(params))[-1]


def predict_proba(params: Params, x: npt.ArrayLike) -> Array:
    """Ŷ = softmax(logits): x (m, features) → (m, classes), in the parameters' dtype.

    Raises ValueError if x is not (m, features).
    """
    return softmax(logits(params, x))


@np.errstate(under="ignore")
def loss(
    params: Params,
    x: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    l2: float = 0.0,
    weights: npt.ArrayLike | None = None,
) -> float:
    """J = (1/m) Σ_i w_i L_i + ½ l2 Σ W²; arguments as for `loss_and_gradients`."""
    x, labels, weights = _checked(params, x, labels, weights)
    workspace = Workspace(sizes(params), min(len(x), CHUNK), params[0].weight.dtype)
    return workspace.loss(params, x, labels, weights) + penalty(params, l2)


@np.errstate(under="ignore")
def loss_and_gradients(
    params: Params,
    x: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    l2: float = 0.0,
    weights: npt.ArrayLike | None = None,
) -> tuple[float, Params]:
    """J and its gradient in every parameter (mathematics.md, parameters, bias and backpropagation).

    x: (m, features), m ≥ 1; labels: (m,) integers in [0, classes); weights: (m,) factors of L_i, or None.
    l2 adds ½ l2 ΣW² to J and l2 W to ∂J/∂W; biases are free. Computed in the parameters' dtype, in memory
    bounded for any m. Raises ValueError for other shapes or dtypes.
    """
    x, labels, weights = _checked(params, x, labels, weights)
    workspace = Workspace(sizes(params), min(len(x), CHUNK), params[0].weight.dtype)
    gradients = empty_like(params)
    return workspace.loss_and_gradients(params, x, labels, gradients, l2=l2, weights=weights), gradients


@np.errstate(under="ignore")
def input_gradients(params: Params, x: npt.ArrayLike, labels: npt.ArrayLike) -> Array:
    """∂J/∂X = ∂J/∂Z1 @ W1ᵀ, (m, features), with J the mean over all m rows (mathematics.md, input).

    x: (m, features), m ≥ 1; labels: (m,) integers. In the parameters' dtype. Raises ValueError for other shapes
    or dtypes.
    """
    x, labels, _ = _checked(params, x, labels, None)
    workspace = Workspace(sizes(params), min(len(x), CHUNK), params[0].weight.dtype)
    return workspace.input_gradients(params, x, labels)


def penalty(params: Params, l2: float) -> float:
    """½ l2 Σ W², biases left out; each layer's sum is taken in its dtype."""
    return 0.5 * l2 * sum(float(np.vdot(layer.weight, layer.weight)) for layer in params) if l2 else 0.0


def empty_like(params: Params) -> Params:
    """Arrays of the same shapes, to be written into."""
    return tuple(Dense(np.empty_like(layer.weight), np.empty_like(layer.bias)) for layer in params)


class Workspace:
    """The buffers of a forward and a backward pass over at most `rows` rows; longer batches go in pieces.

    Arguments are not checked here, and what NumPy says of numbers that go over or under is the caller's to mind.
    Views that it returns are overwritten by its next call.
    """

    def __init__(self, sizes: Sequence[int], rows: int, dtype: Float) -> None:
        self.rows = rows
        self._outputs = [np.empty((rows, width), dtype) for width in sizes[1:]]
        self._delta = np.empty(rows * sizes[-1], dtype)  # ∂J/∂Zᵀ, class by class
        self._ones = np.ones(rows, dtype)
        self._decay = np.empty(0, dtype)

    def logits(self, params: Params, x: Array) -> Array:
        """(m, classes) for m ≤ rows."""
        return self._activations(params, x)[-1]

    def share_of_loss(
        self, logits: Array, labels: Array, weights: Array | None, rows: int
    ) -> tuple[float, Array]:
        """(1/rows) Σ_i w_i L_i of these rows, and their part of ∂J/∂Z, (m, classes)."""
        z = self._delta[: logits.size].reshape(logits.shape[::-1])
        return cross_entropy_into(z, logits, labels, weights, rows), z.T

    def loss(self, params: Params, x: Array, labels: Array, weights: Array | None) -> float:
        """(1/m) Σ_i w_i L_i over all m rows, without penalty."""
        return sum(
            self.share_of_loss(self.logits(params, x[part]), labels[part], _part(weights, part), len(x))[0]
            for part in self._pieces(len(x))
        )

    def loss_and_gradients(
        self,
        params: Params,
        x: Array,
        labels: Array,
        gradients: Params,
        *,
        l2: float = 0.0,
        weights: Array | None = None,
    ) -> float:
        """J over all m rows; its gradient is written into `gradients`."""
        return finish(self.gradients_in_pieces(params, x, labels, gradients, l2=l2, weights=weights))

    def gradients_in_pieces(
        self,
        params: Params,
        x: Array,
        labels: Array,
        gradients: Params,
        *,
        l2: float = 0.0,
        weights: Array | None = None,
    ) -> Generator[int, None, float]:
        """As `loss_and_gradients`, with a stop after each of several pieces that yields the rows done; returns J."""
        total = penalty(params, l2)
        target = gradients
        for part in self._pieces(len(x)):
            activations = self._activations(params, x[part])
            loss, delta = self.share_of_loss(activations.pop(), labels[part], _part(weights, part), len(x))
            total += loss
            self._backward(params, activations, delta, target)
            if target is not gradients:
                _add(gradients, target)
            elif len(x) > self.rows:
                target = empty_like(params)
            if len(x) > self.rows:
                yield min(part.stop, len(x))
        if l2:
            for layer, gradient in zip(params, gradients, strict=True):
                decay = np.multiply(layer.weight, l2, out=self._scratch(layer.weight.shape))
                np.add(gradient.weight, decay, out=gradient.weight)
        return total

    def input_gradients(self, params: Params, x: Array, labels: Array) -> Array:
        """∂J/∂X, (m, features), in an array of its own."""
        result, unused = np.empty_like(x), empty_like(params)
        for part in self._pieces(len(x)):
            activations = self._activations(params, x[part])
            _, delta = self.share_of_loss(activations.pop(), labels[part], None, len(x))
            delta = self._backward(params, activations, delta, unused)
            np.matmul(delta, params[0].weight.T, out=result[part])
        return result

    def _pieces(self, m: int) -> Iterable[slice]:
        return (slice(start, start + self.rows) for start in range(0, m, self.rows))

    def _activations(self, params: Params, x: Array) -> list[Array]:
        return _forward(params, x, [output[: len(x)] for output in self._outputs])

    def _backward(self, params: Params, activations: list[Array], delta: Array, gradients: Params) -> Array:
        """Write the gradients, given X, A1, A2, … and ∂J/∂Z; each ∂J/∂Z_l replaces A_l. Returns ∂J/∂Z1."""
        ones = self._ones[: len(delta)]
        for number in reversed(range(len(params))):
            incoming = activations[number]
            np.matmul(incoming.T, delta, out=gradients[number].weight)
            np.matmul(ones, delta, out=gradients[number].bias)  # the sum over the rows
            if number:
                active = incoming > 0  # relu's derivative, mathematics.md row 7: relu(z) > 0 where z > 0
                delta = np.matmul(delta, params[number].weight.T, out=incoming)
                delta *= active
        return delta

    def _scratch(self, shape: tuple[int, ...]) -> Array:
        """An array of that shape, kept for the next time."""
        size = math.prod(shape)
        if self._decay.size < size:
            self._decay = np.empty(size, self._decay.dtype)
        return self._decay[:size].reshape(shape)


def _forward(params: Params, x: Array, outputs: Sequence[Array | None]) -> list[Array]:
    """[X, A1, A2, …, Z], each layer written into its output if there is one."""
    activations = [x]
    for layer, output in zip(params, outputs, strict=True):
        if len(activations) > 1:
            np.maximum(activations[-1], 0, out=activations[-1])  # relu, mathematics.md row 6
        z = np.matmul(activations[-1], layer.weight, out=output)
        z += layer.bias
        activations.append(z)
    return activations


def _add(gradients: Params, more: Params) -> None:
    for gradient, other in zip(gradients, more, strict=True):
        for array, addend in zip(gradient, other, strict=True):
            np.add(array, addend, out=array)


def _part(weights: Array | None, part: slice) -> Array | None:
    return None if weights is None else weights[part]


def _checked(
    params: Params, x: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[Array, Array, Array | None]:
    dtype, (features, *_, classes) = params[0].weight.dtype, sizes(params)
    x = np.ascontiguousarray(matrix(x, features), dtype)
    if not len(x):
        raise ValueError("x must have at least one row, got none")
    return x, class_numbers(labels, len(x), classes), row_weights(weights, len(x), dtype)
