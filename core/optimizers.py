"""Gradient descent, with momentum, and Adam: how many moments each keeps, and one update.

`update` works in place on flat vectors that the training loop owns; the gradient is used up.
Moments are kept undivided by (1 − β), which leaves that factor to the step: fewer passes over memory.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from core import quasi_newton
from core.arrays import Array


class Optimizer(Protocol):
    """moments: how many vectors of the parameters' shape it keeps, zero at first."""

    moments: ClassVar[int]

    def update(
        self, parameters: Array, gradient: Array, moments: Sequence[Array], number: int, learning_rate: float
    ) -> None:
        """Take step `number` (1, 2, …) in place; `gradient` is overwritten."""


@dataclass(frozen=True, kw_only=True)
class GradientDescent:
    """W_t = W_(t−1) − α g (mathematics.md, gradient descent)."""

    moments: ClassVar[int] = 0

    def update(
        self, parameters: Array, gradient: Array, moments: Sequence[Array], number: int, learning_rate: float
    ) -> None:
        del moments, number
        gradient *= learning_rate
        parameters -= gradient


@dataclass(frozen=True, kw_only=True)
class Momentum:
    """v_t = μ v_(t−1) + g; W_t = W_(t−1) − α v_t (Polyak 1964, as PyTorch's SGD writes it)."""

    momentum: float = 0.9
    moments: ClassVar[int] = 1

    def update(
        self, parameters: Array, gradient: Array, moments: Sequence[Array], number: int, learning_rate: float
    ) -> None:
        del number
        (velocity,) = moments
        velocity *= self.momentum
        velocity += gradient
        np.multiply(velocity, learning_rate, out=gradient)
        parameters -= gradient


@dataclass(frozen=True, kw_only=True)
class Adam:
    """Kingma & Ba 2015, algorithm 1. With M = m/(1 − β₁) and V = v/(1 − β₂) the step α m̂/(√v̂ + ε) is
    α r₁/√r₂ · M/(√V + ε/√r₂), where r = (1 − β)/(1 − βᵗ)."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    moments: ClassVar[int] = 2

    def update(
        self, parameters: Array, gradient: Array, moments: Sequence[Array], number: int, learning_rate: float
    ) -> None:
        first, second = moments
        r1 = (1 - self.beta1) / (1 - self.beta1**number)
        root2 = ((1 - self.beta2) / (1 - self.beta2**number)) ** 0.5
        first *= self.beta1
        first += gradient
        np.multiply(gradient, gradient, out=gradient)
        second *= self.beta2
        second += gradient
        np.sqrt(second, out=gradient)
        gradient += self.epsilon / root2
        np.divide(first, gradient, out=gradient)
        gradient *= learning_rate * r1 / root2
        parameters -= gradient


NAMES = ("adam", "momentum", "gradient_descent", "lbfgs")


def moments(name: str) -> int:
    """How many vectors of the parameters' shape an optimizer keeps, zero at first. Raises KeyError for a name that is
    none of NAMES."""
    return quasi_newton.MOMENTS if name == "lbfgs" else make(name).moments


def make(name: str, *, momentum: float = 0.9) -> Optimizer:
    """The optimizer of that name, one of NAMES but lbfgs, which is no update; momentum is for "momentum" alone.
    Raises KeyError for another name."""
    made: dict[str, Optimizer] = {
        "adam": Adam(),
        "momentum": Momentum(momentum=momentum),
        "gradient_descent": GradientDescent(),
    }
    return made[name]
