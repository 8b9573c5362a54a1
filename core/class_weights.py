"""Weights of the rows by their class, with mean 1 over the training rows."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from core.arrays import Array, class_numbers

WIDEST = 1e6  # times the lightest class, that the heaviest may weigh


def class_weights(
    labels: npt.ArrayLike, classes: int, rule: Literal["balanced"] | npt.ArrayLike | None
) -> Array | None:
    """Factors of L_i for these training rows: (m,) class numbers → (m,) float64 of mean 1, or None.

    rule: None, no weights; "balanced", every class that occurs weighs the same; (classes,) numbers above 0, one
    weight for each class, the largest at most a million times the smallest: what they do to the logits, by their
    logarithms, can be taken off again. Raises ValueError for another rule.
    """
    if rule is None:
        return None
    labels = class_numbers(labels, np.size(labels), classes)
    if isinstance(rule, str):
        if rule != "balanced":
            raise ValueError(f"class weights must be None, 'balanced' or {classes} numbers, got {rule!r}")
        by_class = 1 / np.maximum(np.bincount(labels, minlength=classes), 1)
    else:
        by_class = np.asarray(rule, np.float64)
        if by_class.shape != (classes,) or not np.isfinite(by_class).all() or (by_class <= 0).any():
            raise ValueError(f"class weights must be {classes} finite numbers above 0, got {rule!r}")
        if by_class.max() / WIDEST > by_class.min():
            raise ValueError(f"class weights must differ by a factor of at most {WIDEST:,.0f}, got {rule!r}")
    weights = np.asarray(by_class[labels])
    weights = weights / weights.max()
    return np.asarray(weights / weights.mean())
