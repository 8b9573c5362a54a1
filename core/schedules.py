"""Learning-rate schedules: the factor of the learning rate after a fraction of all steps, in [0, 1)."""

from collections.abc import Callable
from math import cos, pi


def constant(fraction: float) -> float:
    """1 throughout."""
    del fraction
    return 1.0


def cosine(fraction: float) -> float:
    """½ (1 + cos π·fraction), from 1 down to 0 (Loshchilov & Hutter 2017, without restarts)."""
    return 0.5 * (1 + cos(pi * fraction))


SCHEDULES: dict[str, Callable[[float], float]] = {"constant": constant, "cosine": cosine}
