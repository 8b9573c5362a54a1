"""A version's card: what it is, how good it is, and where it comes from."""

import platform
from collections.abc import Mapping
from importlib.metadata import version as installed
from typing import Any

import numpy as np

from app.jobs import Algorithm, Job
from app.repository.model import Model
from app.training.checkpoints import Finished
from app.training.material import Material
from core import network
from core.conclusion import Conclusion
from core.losses import log_softmax
from core.metrics import Metrics, evaluate


def compose(
    job: Job,
    done: Conclusion,
    *,
    material: Material,
    hyperparameters: Mapping[str, Any],
    candidates: Mapping[Algorithm, Finished],
    created_at: str,
) -> tuple[Model, dict[str, Any]]:
    """The model that a job made with its card, and the headline metrics for the job's record."""
    labels = material.held.labels
    judged = evaluate(log_softmax(done.logits / done.temperature), labels)
    card = {
        "algorithm": done.name,
        "hyperparameters": dict(hyperparameters),
        "requested": {"algorithm": job.algorithm, "hyperparameters": dict(job.given)},
        "layers": list(network.sizes(done.parameters)[1:-1]),
        "committee": {
            "members": material.held.members,
            "softmax_share": None if done.share is None else round(1 - done.share, 3),
        },
        "rows": {"train": material.learned, "validation": len(labels)},
        "metrics_on": "out-of-fold" if material.out_of_fold else "validation",
        "metrics": judged.to_dict(),
        "calibration": _calibration(done, evaluate(log_softmax(done.logits), labels), judged),
        "candidates": [
            {
                "algorithm": name,
                "validation_log_loss": each.validation_loss,
                "calibrated_loss": done.scores[name],
                "epochs": each.epochs,
            }
            for name, each in candidates.items()
        ],
        "metadata": job.metadata,
        "created_at": created_at,
        "lineage": {
            "dataset": job.dataset,
            "job": job.id,
            "parent": job.warm_start,
            "seed": hyperparameters["seed"],
            "software": _software(),
        },
    }
    model = Model(
        name=job.model,
        version=job.version,
        parameters=done.parameters,
        encoding=material.encoding,
        classes=material.classes,
        temperature=done.temperature,
        card=card,
    )
    return model, {**headline(judged), "validation_rows": len(labels)}


def _calibration(done: Conclusion, before: Metrics, after: Metrics) -> dict[str, Any]:
    """What temperature did to the probabilities; class_weight_shift: how much of the weights it took off."""
    told = ("log_loss", "ece", "reliability")
    return {
        "temperature": done.temperature,
        "class_weight_shift": done.shift,
        **{
            moment: {name: metrics.to_dict()[name] for name in told}
            for moment, metrics in (("before", before), ("after", after))
        },
    }


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
