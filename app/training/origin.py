"""Where a version comes from, for its card: data, request and parent, and what computed it, down to the last bits."""

import hashlib
import platform
from collections.abc import Mapping
from functools import cache
from importlib import resources
from importlib.metadata import version as installed
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from app.jobs import Job

_ROOMS = ("core", "app.training", "app.jobs")
LIMITS = ("training_memory_bytes", "max_categories")  # settings that a version's bits depend on


def lineage(job: Job, *, dataset_sha256: str, seed: int, limits: Mapping[str, int]) -> dict[str, Any]:
    """All that a version comes from, and that it can be made from again; for its card.

    dataset_sha256: of the rows as stored; limits: those of `LIMITS` in force.
    """
    return {
        "dataset": job.dataset,
        "dataset_sha256": dataset_sha256,
        "feedback": job.feedback and job.feedback.model_dump(),
        "job": job.id,
        "parent": job.warm_start,
        "seed": seed,
        **limits,
        "software": software(),
    }


def software() -> dict[str, Any]:
    """Releases, the code that trains, the BLAS, its kernels and threads, and the instruction sets that NumPy found.

    Two runs that agree in all of this give the same bits; where they do not, the bits may differ.
    """
    blas = _blas()
    return {
        "neurona": installed("neurona"),
        "code": _code(),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "blas": f"{blas.get('internal_api', 'unknown')} {blas.get('version')}",
        "blas_kernels": blas.get("architecture"),
        "blas_threads": blas.get("num_threads"),
        "simd": _instruction_sets(),
    }


def differences(then: object, now: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a card says of its software that is otherwise now; nothing of what it does not say."""
    said = then if isinstance(then, dict) else {}
    return {
        name: {"then": said[name], "now": value}
        for name, value in now.items()
        if name in said and said[name] != value
    }


@cache
def _code() -> str:
    """The first digits of the SHA-256 of the files that bits depend on: within a release they may change."""
    found = hashlib.sha256()
    for room in _ROOMS:
        for file in sorted(resources.files(room).iterdir(), key=lambda file: file.name):
            if file.name.endswith(".py"):
                found.update(file.name.encode() + b"\0" + file.read_bytes())
    return found.hexdigest()[:16]


def _blas() -> dict[str, Any]:
    """The library that NumPy multiplies with, among those that this process has loaded."""
    found = [each for each in threadpool_info() if each["user_api"] == "blas"]
    ours = [each for each in found if "numpy" in each["filepath"]]
    return dict((ours or found or [{}])[0])


def _instruction_sets() -> str:
    sets = np.show_config(mode="dicts")["SIMD Extensions"]
    return " ".join([*sets.get("baseline", []), *sets.get("found", [])])
