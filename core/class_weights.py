"""Weights of the rows by their class, with mean 1 over the training rows."""

from typing import Literal

import numpy as np
import numpy.typing as npt

from core.arrays import Array, class_numbers


def class_weights(
    labels: npt.ArrayLike, classes: int, rule: Literal["balanced"] | npt.ArrayLike | None
) -> Array | None:
    """Factors of L_i for these training rows: (m,) class numbers → (m,) float64 of mean 1, or None.

    rule: None, no weights; "balanced", every class that occurs weighs the same; (classes,) numbers ≥ 0, one
    weight for each class. Raises ValueError for another rule, or if all rows would weigh nothing.
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
        if by_class.shape != (classes,) or not np.isfinite(by_class).all() or (by_class < 0).any():
            raise ValueError(f"class weights must be {classes} finite numbers of at least 0, got {rule!r}")
    weights = np.asarray(by_class[labels])
    if not weights.any():
        raise ValueError("class weights must leave at least one row with a weight above 0")
    with np.errstate(under="ignore"):
        weights = weights / weights.max()
        return np.asarray(weights / weights.mean())
