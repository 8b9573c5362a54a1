"""A version's card: what it is, how good it is, and where it comes from."""

import platform
from collections.abc import Mapping
from importlib.metadata import version as installed
from typing import Any

import numpy as np

from app.jobs import Job
from app.repository.model import Model
from app.training.checkpoints import Finished
from app.training.material import Material
from core.losses import log_softmax
from core.metrics import Metrics, evaluate
from core.network import Params, logits


def compose(
    job: Job,
    algorithm: str,
    parameters: Params,
    *,
    material: Material,
    temperature: float,
    hyperparameters: Mapping[str, Any],
    candidates: Mapping[str, Finished],
    created_at: str,
) -> tuple[Model, dict[str, Any]]:
    """The model that a job made with its card, and the headline metrics for the job's record."""
    labels = material.validation.labels
    judged = evaluate(log_softmax(logits(parameters, material.validation.x) / temperature), labels)
    card = {
        "algorithm": algorithm,
        "hyperparameters": dict(hyperparameters),
        "rows": {"train": len(material.train.labels), "validation": len(labels)},
        "metrics": judged.to_dict(),
        "candidates": [
            {"algorithm": name, "validation_log_loss": each.validation_loss, "epochs": each.epochs}
            for name, each in candidates.items()
        ],
        "metadata": job.metadata,
        "created_at": created_at,
        "lineage": {
            "dataset": job.dataset,
            "feedback": job.feedback and job.feedback.model_dump(),
            "job": job.id,
            "parent": job.warm_start,
            "seed": hyperparameters["seed"],
            "software": _software(),
        },
    }
    model = Model(
        name=job.model,
        version=job.version,
        parameters=parameters,
        encoding=material.encoding,
        classes=material.classes,
        temperature=temperature,
        card=card,
    )
    return model, {**headline(judged), "validation_rows": len(labels)}


def headline(metrics: Metrics) -> dict[str, float]:
    """The numbers that say how good a model is, without the tables."""
    names = ("accuracy", "log_loss", "macro_f1", "brier", "ece")
    return {name: getattr(metrics, name) for name in names}


def _software() -> dict[str, str]:
    return {
        "neurona": installed("neurona"),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
