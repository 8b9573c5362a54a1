"""How good probabilities are, on labelled rows that the model has not learned from."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Array, class_numbers, matrix
from core.losses import one_hot

CHUNK = 1 << 22  # probabilities looked at at a time
HEADLINE = ("accuracy", "log_loss", "macro_f1", "brier", "ece")  # how good a model is, without the tables
LARGEST_MATRIX = 1000  # classes, beyond which no confusion matrix is made


@dataclass(frozen=True, kw_only=True)
class ClassMetrics:
    """precision, recall and f1 are 0 where nothing was predicted or nothing is there; support: its rows."""

    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Rows whose highest probability lies in (low, high]: their mean of it, and how many were right.

    confidence and accuracy are None where rows is 0.
    """

    low: float
    high: float
    rows: int
    confidence: float | None
    accuracy: float | None


@dataclass(frozen=True, kw_only=True, eq=False)
class Metrics:
    """log_loss: mean −log of the label's probability. macro_f1: over classes that occur or are predicted.

    confusion_matrix: (c, c) int64, row the label, column the prediction; None beyond 1000 classes.
    brier: mean Σ_j (ŷ_j − y_j)², from 0 to 2 (Brier 1950). ece: mean |accuracy − confidence| over the
    reliability bins, weighted by rows (Guo et al. 2017).
    """

    rows: int
    accuracy: float
    log_loss: float
    macro_f1: float
    per_class: tuple[ClassMetrics, ...]
    confusion_matrix: Array | None
    brier: float
    ece: float
    reliability: tuple[ReliabilityBin, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        matrix = None if self.confusion_matrix is None else self.confusion_matrix.tolist()
        return asdict(self) | {"confusion_matrix": matrix}


def evaluate(log_probabilities: npt.ArrayLike, labels: npt.ArrayLike, *, bins: int = 15) -> Metrics:
    """The metrics of (m, c) log probabilities, as log_softmax gives them, against (m,) labels; m ≥ 1.

    Log probabilities, for no probability that is rounded to 0 then makes the loss infinite. bins: of the
    reliability table, at least 1, of equal width.
    Raises ValueError for other shapes or dtypes, no row, or no bin.
    """
    logs = matrix(log_probabilities, name="log_probabilities")
    (m, c), labels = logs.shape, class_numbers(labels, *logs.shape)
    if not m:
        raise ValueError("metrics need at least one row, got none")
    if bins < 1:
        raise ValueError(f"bins must be at least 1, got {bins}")
    predicted = logs.argmax(axis=1)
    right, rows = predicted == labels, np.arange(m)
    per_class = _per_class(labels, predicted, c)
    reliability = _reliability(np.exp(logs[rows, predicted].astype(np.float64)), right, bins)
    return Metrics(
        rows=m,
        accuracy=float(right.mean()),
        log_loss=float(-logs[rows, labels].mean(dtype=np.float64)),
        macro_f1=float(np.mean([per_class[k].f1 for k in np.union1d(labels, predicted)])),
        per_class=per_class,
        confusion_matrix=_confusion_matrix(labels, predicted, c) if c <= LARGEST_MATRIX else None,
        brier=_brier(logs, labels),
        ece=sum(b.rows / m * abs(b.accuracy - b.confidence) for b in reliability if b.rows),  # type: ignore[operator]
        reliability=reliability,
    )


def _confusion_matrix(labels: Array, predicted: Array, classes: int) -> Array:
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def _per_class(labels: Array, predicted: Array, classes: int) -> tuple[ClassMetrics, ...]:
    support, claimed, hit = (
        np.bincount(which, minlength=classes) for which in (labels, predicted, labels[labels == predicted])
    )
    columns = (hit / np.maximum(claimed, 1), hit / np.maximum(support, 1))
    f1 = 2 * hit / np.maximum(claimed + support, 1)
    return tuple(
        ClassMetrics(precision=p, recall=r, f1=f, support=s)
        for p, r, f, s in zip(*(column.tolist() for column in (*columns, f1, support)), strict=True)
    )


def _brier(logs: Array, labels: Array) -> float:
    step, total = max(1, CHUNK // logs.shape[1]), 0.0
    for start in range(0, len(logs), step):
        part = slice(start, start + step)
        with np.errstate(under="ignore"):
            error = np.exp(logs[part].astype(np.float64)) - one_hot(labels[part], logs.shape[1])
            total += float(np.vdot(error, error))
    return total / len(logs)


def _reliability(confidence: Array, right: Array, bins: int) -> tuple[ReliabilityBin, ...]:
    which = np.clip(np.ceil(confidence * bins).astype(np.intp) - 1, 0, bins - 1)
    counts = np.bincount(which, minlength=bins)
    sums = (np.bincount(which, weights, bins) for weights in (confidence, right))
    confidences, accuracies = (total / np.maximum(counts, 1) for total in sums)
    return tuple(
        ReliabilityBin(
            low=number / bins,
            high=(number + 1) / bins,
            rows=int(counts[number]),
            confidence=float(confidences[number]) if counts[number] else None,
            accuracy=float(accuracies[number]) if counts[number] else None,
        )
        for number in range(bins)
    )
