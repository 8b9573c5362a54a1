"""Whether a version that was trained again came out as the one in the repository, bit for bit."""

import hashlib
from typing import Any

import numpy as np

from app.repository.model import Model, part
from app.training import origin
from core import encoding as encodings
from core.arrays import Array
from core.network import Params


def verdict(published: Model, again: Model, *, dataset_sha256: str) -> dict[str, Any]:
    """What a verification answers: its job's metrics.

    dataset_sha256: of the rows that it was trained on again. `identical` means weights, encoding, classes,
    temperature and rows; `differs` names those that are not. The hashes are those of `weights_sha256`;
    `largest_difference` is between two weights in one place, null if the layers are others.
    """
    lineage = part(published.card, "lineage")
    parts = {
        "weights": _same_bits(published.parameters, again.parameters),
        "encoding": encodings.to_dict(published.encoding) == encodings.to_dict(again.encoding),
        "classes": list(map(repr, published.classes)) == list(map(repr, again.classes)),
        "temperature": published.temperature == again.temperature,
        "dataset": lineage.get("dataset_sha256") in (None, dataset_sha256),
    }
    return {
        "identical": all(parts.values()),
        "differs": [name for name, same in parts.items() if not same],
        "weights_sha256": weights_sha256(again.parameters),
        "expected_sha256": weights_sha256(published.parameters),
        "largest_difference": _largest_difference(published.parameters, again.parameters),
        "software": origin.differences(lineage.get("software"), origin.software()),
    }


def remarks(found: dict[str, Any]) -> list[str]:
    """What the user should know beside a verdict."""
    if not found["software"]:
        return []
    changed = ", ".join(
        f"{name} {change['then']}, now {change['now']}" for name, change in found["software"].items()
    )
    return [f"the version was trained with other software, which may give other bits: {changed}"]


def weights_sha256(parameters: Params) -> str:
    """SHA-256 of all numbers, little-endian: for each layer its weight, row by row, then its bias."""
    found = hashlib.sha256()
    for array in _arrays(parameters):
        found.update(_bits(array).data)
    return found.hexdigest()


def _same_bits(ours: Params, theirs: Params) -> bool:
    """Whether both are the same numbers in the same places; 0 and −0 are not."""
    return _alike(ours, theirs) and all(
        np.array_equal(_bits(a), _bits(b)) for a, b in zip(_arrays(ours), _arrays(theirs), strict=True)
    )


def _largest_difference(ours: Params, theirs: Params) -> float | None:
    if not _alike(ours, theirs):
        return None
    pairs = zip(_arrays(ours), _arrays(theirs), strict=True)
    return max(float(np.abs(a.astype(np.float64) - b).max()) for a, b in pairs)


def _alike(ours: Params, theirs: Params) -> bool:
    return [(a.shape, a.dtype) for a in _arrays(ours)] == [(b.shape, b.dtype) for b in _arrays(theirs)]


def _arrays(parameters: Params) -> list[Array]:
    return [array for layer in parameters for array in layer]


def _bits(array: Array) -> Array:
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1).view(np.uint8)
