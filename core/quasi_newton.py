"""L-BFGS for softmax regression: the loss is convex, so a few dozen passes over all rows reach its optimum."""

from collections.abc import Callable, Generator, Sequence

import numpy as np

from core.arrays import Array

PAIRS = 8  # of the last moves, and of the changes of gradient that came with them
MOMENTS = 1 + 2 * PAIRS  # the gradient where we stand, then moves, then changes, oldest first; zeros for none
FLATTER = 0.5  # a move ends where the slope along it is at most this part of what it was at first, up or down
PASSES = 30  # over the rows, in search of such a place
GAP = 1e-5  # of J above its lowest value, at which J counts as lowest
KNOWN = 4  # pairs without which nobody can say so
LEAST = 1e-6  # share of a class, or of a feature's spread, below which float32 tells none apart
SAMPLED = 8  # rows for each feature, without which their covariance is not known well enough
RIDGE = 0.01  # of the features' mean curvature, added to all: where it is least by all rows, it may not be by those
# on which the classes meet in the end
WORTH = 10  # passes over all rows that it may cost

Evaluate = Callable[[Array], Generator[int, None, tuple[float, Array]]]
"""Parameters (p,) → J and its gradient (p,), with stops on the way; the next call may overwrite the gradient."""
Solve = Callable[[Array], Array]
"""A vector (p,) → about the inverse of the matrix H by which J curves, times it. H is positive definite."""
Curvature = Callable[[Array], Solve]
"""The gradient (p,) → how J curves there."""
Moved = tuple[Array, list[Array], float]


def move(
    point: Array, moments: Sequence[Array], evaluate: Evaluate, curvature: Curvature
) -> Generator[int, None, Moved]:
    """One move of L-BFGS (Nocedal & Wright 2006, algorithm 7.5): the new point, its moments, and J there. Stops where
    `evaluate` does, and yields what that yields.

    J is convex, so that the slope along the direction tells everything: the search brackets its zero, with no
    use of differences of J, which drown in rounding near the optimum. Where no place is flatter, arithmetic
    has no more to give: we stay, and the gradient is kept as 0, which says so.
    moments: as returned by the last move; only zeros before the first. curvature: where to begin from in learning
    how J curves.
    """
    gradient, moves, changes = moments[0], list(moments[1 : 1 + PAIRS]), list(moments[1 + PAIRS :])
    if not gradient.any():
        gradient = (yield from evaluate(point))[1].copy()
    solve = curvature(gradient)
    direction = -_inverse_hessian_times(gradient, moves, changes, solve)
    if not direction @ gradient < 0:
        direction, moves, changes = -solve(gradient), *([np.zeros_like(point)] * PAIRS for _ in range(2))
    start = 1.0 if moves[-1].any() else 1.0 / max(1.0, float(np.abs(direction).max()))
    found = yield from _flatter(point, direction, float(direction @ gradient), evaluate, start)
    if found is None:
        return point, [np.zeros_like(point), *moves, *changes], (yield from evaluate(point))[0]
    there, loss, slope = found
    step, change = there - point, slope - gradient
    if step @ change > 0:
        moves, changes = [*moves[1:], step], [*changes[1:], change]
    return there, [slope, *moves, *changes], loss


def is_lowest(moments: Sequence[Array], curvature: Curvature) -> bool:
    """Whether J is above its lowest value by at most GAP, as far as the moves have shown how it curves.

    So if ½ ∂Jᵀ H⁻¹ ∂J, which the next move promises to gain, is a thousandth of it. J curves by at least l2 in every
    weight, but there is no such bound for the biases, which are not penalised.
    """
    gradient, moves, changes = moments[0], list(moments[1 : 1 + PAIRS]), list(moments[1 + PAIRS :])
    if float(gradient @ gradient) <= 1e-14:
        return True
    if not moves[-KNOWN].any():
        return False
    promised = gradient @ _inverse_hessian_times(gradient, moves, changes, curvature(gradient))
    return 0.5 * float(promised) <= GAP / 1000


def softmax_curvature(gradient: Array, shares: Array, inverse: Array | float) -> Solve:
    """About how J of softmax regression curves where it has this gradient (p,).

    It is Σ w ŷ (1 − ŷ)/m along a class's bias, and what moves all biases alike makes no difference: so as if ŷ were
    the same in every row, Σ w ŷ/m will do, which is the class's share plus ∂J/∂b. Not less than the share, so that no
    bias moves by more than 1. Along the weights of each class it is what `features_curvature` is the inverse of.
    shares: (c,) Σ w/m over the rows of each class; inverse: (n, n), or a number where that is all the same.
    """
    classes = len(shares)
    by_class = np.maximum(np.maximum(shares, shares + gradient[-classes:]), LEAST)

    def solve(vector: Array) -> Array:
        weights = vector[:-classes].reshape(-1, classes)
        weights = weights * inverse if isinstance(inverse, float) else inverse @ weights
        return np.concatenate([weights.ravel(), vector[-classes:] / by_class]).astype(vector.dtype)

    return solve


def features_curvature(x: Array | None, weights: Array | None, shares: Array, l2: float) -> Array | float:
    """The inverse of how J of softmax regression curves along the weights of a class: (n, n) float64.

    As if ŷ were the same in every row, that is the mean share of a class times the covariance of the n features, plus
    l2 and a ridge (Böhning 1992 has a bound of this kind). x: (m, n), of which as many rows are looked at, evenly, as
    take the time of `WORTH` passes over all; weights: (m,) of the rows, or None for 1. A number, as for features of
    spread 1 that know nothing of each other, where these are too few to tell, or x is None.
    """
    share = float(shares.mean())
    alone = 1 / (l2 + share)
    if x is None:
        return alone
    m, n = x.shape
    worth = 2 * WORTH * m * len(shares) // n - n
    rows = slice(None, None, max(1, m // max(worth, 1)))
    counted = np.ones(len(x[rows])) if weights is None else weights[rows].astype(np.float64)
    if worth < min(m, SAMPLED * n) or not counted.any():
        return alone
    counted = counted[:, None] / counted.sum()
    sample = x[rows].astype(np.float64)
    sample -= (counted * sample).sum(axis=0)
    curvature = share * ((counted * sample).T @ sample)
    curvature.flat[:: n + 1] += l2 + RIDGE * np.trace(curvature) / n + LEAST * share
    inverse: Array = np.linalg.inv(curvature)
    return (inverse + inverse.T) / 2


def _flatter(
    point: Array, direction: Array, first: float, evaluate: Evaluate, length: float
) -> Generator[int, None, tuple[Array, float, Array] | None]:
    """A place along the direction where the slope is flat enough, J and the gradient there; None if none is."""
    low, low_slope, high, high_slope = 0.0, first, 0.0, 0.0
    for _ in range(PASSES if first < 0 else 0):
        there = point + direction * point.dtype.type(length)
        loss, gradient = yield from evaluate(there)
        slope = float(direction @ gradient)
        if abs(slope) <= FLATTER * -first:
            return there, loss, gradient.copy()
        if slope < 0:
            low, low_slope = length, slope
        else:  # also where it is not finite
            high, high_slope = length, slope if np.isfinite(slope) else 9 * -low_slope
        length = 4 * length if not high else _between(low, low_slope, high, high_slope)
    return None


def _between(low: float, low_slope: float, high: float, high_slope: float) -> float:
    """Where the slope is 0 on a straight line between the two, kept off the ends."""
    return low + (high - low) * min(max(low_slope / (low_slope - high_slope), 0.1), 0.9)


def _inverse_hessian_times(gradient: Array, moves: list[Array], changes: list[Array], solve: Solve) -> Array:
    """The two-loop recursion (Nocedal & Wright 2006, algorithm 7.4), which begins with `solve` times the number that
    suits the last pair."""
    pairs = [(s, y, s @ y) for s, y in zip(moves, changes, strict=True) if s.any()]
    result, factors = gradient.copy(), []
    for s, y, along in reversed(pairs):
        factors.append(s @ result / along)
        result -= factors[-1] * y
    result = solve(result)
    if pairs:
        _, y, along = pairs[-1]
        result *= along / (y @ solve(y))
    for (s, y, along), factor in zip(pairs, reversed(factors), strict=True):
        result += (factor - y @ result / along) * s
    return result
