"""Networks into one, and back: the mean of their logits is again the logits of a network."""

from collections.abc import Sequence

import numpy as np

from core import network
from core.arrays import Array
from core.network import Dense, Params


def merge(members: Sequence[Params]) -> Params:
    """The network whose logits are the mean of the members'.

    Softmax regressions: the mean of their weights. Others: hidden units side by side, no weights between those
    of different members, and the last layers stacked, each divided by the number of members.
    Raises ValueError for members of other depths, features or classes.
    """
    if len(members) == 1:
        return members[0]
    share, sizes = 1 / len(members), [network.sizes(member) for member in members]
    if len({(len(each), each[0], each[-1]) for each in sizes}) != 1:
        raise ValueError(f"members must agree in depth, features and classes, got sizes {sizes}")
    dtype = members[0][0].weight.dtype
    last = [
        Dense(layer.weight.astype(float) * share, layer.bias.astype(float) * share)
        for layer in (member[-1] for member in members)
    ]
    bias = sum(layer.bias for layer in last)
    if len(members[0]) == 1:
        merged = [Dense(sum(layer.weight for layer in last), bias)]  # type: ignore[arg-type]
    else:
        hidden = [_side_by_side(layers) for layers in zip(*(member[:-1] for member in members), strict=True)]
        hidden[0] = Dense(np.hstack([m[0].weight for m in members]), hidden[0].bias)  # one input for all
        merged = [*hidden, Dense(np.vstack([layer.weight for layer in last]), bias)]  # type: ignore[arg-type]
    return tuple(Dense(layer.weight.astype(dtype), layer.bias.astype(dtype)) for layer in merged)


def split(parameters: Params, members: int) -> tuple[Params, ...]:
    """Members whose `merge` computes what `parameters` do: `merge` undone, for members of equal sizes.

    Biases of the last layer were added up: each member gets their sum, of which the mean is the same. Of softmax
    regression every member is the whole. Raises ValueError for layers that are not those of so many members.
    """
    if members == 1 or len(parameters) == 1:
        return (parameters,) * members
    widths = [len(layer.bias) for layer in parameters[:-1]]
    refused = ValueError(f"hidden layers {widths} are not those of {members} networks side by side")
    if any(width % members for width in widths):
        raise refused
    each = [width // members for width in widths]
    parts = tuple(_part(parameters, members, each, member) for member in range(members))
    if _nonzero(parameters) != sum(map(_nonzero, parts)):
        raise refused
    return parts


def levelled(members: Sequence[Params]) -> tuple[Params, ...]:
    """The members with one last bias for all, the mean of theirs, if they have hidden layers: as `split` gives them
    back, so that what is said of them now can be said again."""
    shared = merge(members)[-1].bias
    if len(members[0]) == 1:
        return tuple(members)
    return tuple((*before, Dense(weight, shared)) for *before, (weight, _) in members)


def shifted(parameters: Params, shift: Array) -> Params:
    """The network whose logits are greater by `shift` (c,)."""
    *before, (weight, bias) = parameters
    return (*before, Dense(weight, (bias + shift).astype(bias.dtype)))


def tempered(parameters: Params, temperature: float) -> Params:
    """The network whose logits are divided by `temperature`."""
    *before, (weight, bias) = parameters
    return (
        *before,
        Dense((weight / temperature).astype(weight.dtype), (bias / temperature).astype(bias.dtype)),
    )


def _part(parameters: Params, members: int, widths: Sequence[int], member: int) -> Params:
    """One of the members: its units of each hidden layer, of these widths, and what leads to and from them."""
    units = [slice(member * width, (member + 1) * width) for width in widths]
    ins, outs = [slice(None), *units], [*units, slice(None)]
    layers = [
        Dense(layer.weight[here, there], layer.bias[there])
        for layer, here, there in zip(parameters, ins, outs, strict=True)
    ]
    weight, bias = layers[-1]
    return (*layers[:-1], Dense((weight * members).astype(weight.dtype), bias))


def _nonzero(parameters: Params) -> int:
    return sum(int(np.count_nonzero(layer.weight)) for layer in parameters)


def _side_by_side(layers: Sequence[Dense]) -> Dense:
    """Block-diagonal."""
    rows, columns = (np.cumsum([0, *(layer.weight.shape[axis] for layer in layers)]) for axis in (0, 1))
    weight = np.zeros((rows[-1], columns[-1]), layers[0].weight.dtype)
    for number, layer in enumerate(layers):
        weight[rows[number] : rows[number + 1], columns[number] : columns[number + 1]] = layer.weight
    return Dense(weight, np.concatenate([layer.bias for layer in layers]))
