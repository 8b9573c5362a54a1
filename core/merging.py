"""Networks into one: the mean of their logits is again the logits of a network, and so is a mixture's."""

from collections.abc import Sequence

import numpy as np

from core import network
from core.arrays import Array
from core.network import Dense, Params


def merge(members: Sequence[Params], shares: Sequence[float] | None = None) -> Params:
    """The network whose logits are Σ share · logits of the members; shares: 1/K each, where none are said.

    Softmax regressions: the same sum of their weights. Others: hidden units side by side, no weights between
    those of different members, and the last layers stacked, each times its share.
    Raises ValueError for members of other depths, features or classes.
    """
    shares = [1 / len(members)] * len(members) if shares is None else list(shares)
    sizes = [network.sizes(member) for member in members]
    if len({(len(each), each[0], each[-1]) for each in sizes}) != 1 or len(shares) != len(members):
        raise ValueError(f"members must agree in depth, features and classes, got sizes {sizes}")
    dtype = members[0][0].weight.dtype
    last = [
        Dense(layer.weight.astype(float) * share, layer.bias.astype(float) * share)
        for layer, share in zip((member[-1] for member in members), shares, strict=True)
    ]
    bias = sum(layer.bias for layer in last)
    if len(members[0]) == 1:
        merged = [Dense(sum(layer.weight for layer in last), bias)]  # type: ignore[arg-type]
    else:
        hidden = [_side_by_side(layers) for layers in zip(*(member[:-1] for member in members), strict=True)]
        hidden[0] = Dense(np.hstack([m[0].weight for m in members]), hidden[0].bias)  # one input for all
        merged = [*hidden, Dense(np.vstack([layer.weight for layer in last]), bias)]  # type: ignore[arg-type]
    return tuple(Dense(layer.weight.astype(dtype), layer.bias.astype(dtype)) for layer in merged)


def deepen(linear: Params, hidden_layers: int) -> Params:
    """Softmax regression as a ReLU network: z = relu(z) − relu(−z), through 2c units in each hidden layer."""
    ((weight, bias),) = linear
    if not hidden_layers:
        return linear
    identity = np.eye(len(bias), dtype=weight.dtype)
    first = Dense(np.hstack([weight, -weight]), np.concatenate([bias, -bias]))
    between = Dense(np.eye(2 * len(bias), dtype=weight.dtype), np.zeros(2 * len(bias), weight.dtype))
    return (
        first,
        *[between] * (hidden_layers - 1),
        Dense(np.vstack([identity, -identity]), np.zeros_like(bias)),
    )


def mix(linear: Params, deep: Params, share: float) -> Params:
    """The network whose logits are (1 − share) · those of the softmax regression + share · those of the other."""
    return merge([deep, deepen(linear, len(deep) - 1)], [share, 1 - share])


def shifted(parameters: Params, shift: Array) -> Params:
    """The network whose logits are greater by `shift` (c,)."""
    *before, (weight, bias) = parameters
    return (*before, Dense(weight, (bias + shift).astype(bias.dtype)))


def _side_by_side(layers: Sequence[Dense]) -> Dense:
    """Block-diagonal."""
    rows, columns = (np.cumsum([0, *(layer.weight.shape[axis] for layer in layers)]) for axis in (0, 1))
    weight = np.zeros((rows[-1], columns[-1]), layers[0].weight.dtype)
    for number, layer in enumerate(layers):
        weight[rows[number] : rows[number + 1], columns[number] : columns[number + 1]] = layer.weight
    return Dense(weight, np.concatenate([layer.bias for layer in layers]))
