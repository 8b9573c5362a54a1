"""Are the gradients the derivatives of the loss? By central differences, in float64."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from core import network
from core.arrays import Array
from core.network import Params

FLOOR = 1e-3  # of what an error is relative to: below it, differences are mostly rounding


def check(
    params: Params,
    x: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    l2: float = 0.0,
    weights: npt.ArrayLike | None = None,
    epsilon: float = 1e-6,
) -> float:
    """The worst relative error over all weights, biases and ∂J/∂X (mathematics.md, backpropagation).

    Of each array: max |analytic − numeric| / max |numeric|, with numeric (J(w + ε) − J(w − ε))/2ε for every
    entry. Arguments as for network.loss_and_gradients; computed in float64 copies. A unit within ε of its
    kink shows as an error. ∂J/∂X is checked where there are no weights. Below 1e-6 is right.
    """
    sizes = network.sizes(params)
    vector = network.flatten(params).astype(np.float64)
    inputs, layers = np.array(x, np.float64), network.layers(vector, sizes)

    def loss() -> float:
        return network.loss(layers, inputs, labels, l2=l2, weights=weights)

    _, gradients = network.loss_and_gradients(layers, inputs, labels, l2=l2, weights=weights)
    pairs = [
        (layer[i], gradient[i]) for layer, gradient in zip(layers, gradients, strict=True) for i in (0, 1)
    ]
    if weights is None:
        pairs.append((inputs, network.input_gradients(layers, inputs, labels)))
    return max(_error(gradient, _numeric(loss, array, epsilon)) for array, gradient in pairs)


def _numeric(loss: Callable[[], float], array: Array, epsilon: float) -> Array:
    numeric = np.empty_like(array)
    for place in np.ndindex(array.shape):
        kept = array[place]
        array[place] = kept + epsilon
        above = loss()
        array[place] = kept - epsilon
        numeric[place] = (above - loss()) / (2 * epsilon)
        array[place] = kept
    return numeric


def _error(analytic: Array, numeric: Array) -> float:
    return float(np.abs(analytic - numeric).max() / max(np.abs(numeric).max(), FLOOR))
