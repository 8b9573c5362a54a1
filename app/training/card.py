"""A version's card: what it is, how good it is, and where it comes from."""

from collections.abc import Mapping
from typing import Any

from app.jobs import Algorithm, Job
from app.repository.model import Model
from app.training.checkpoints import Finished
from app.training.material import Material
from app.training.outcome import Outcome
from app.training.profiling import profile_of
from core import profile as profiles
from core.arrays import Array
from core.conclusion import Conclusion
from core.losses import log_softmax
from core.metrics import HEADLINE, Metrics, evaluate


def compose(
    job: Job,
    outcome: Outcome,
    *,
    material: Material,
    promotion: Mapping[str, Any],
    lineage: Mapping[str, Any],
    created_at: str,
) -> tuple[Model, dict[str, Any]]:
    """The model that a job made with its card, and the headline metrics for the job's record."""
    labels, done = material.held.labels, outcome.conclusion
    judged = evaluate(log_softmax(done.logits / done.temperature), labels)
    card = {
        "algorithm": outcome.chosen,
        "hyperparameters": dict(outcome.hyperparameters),
        "requested": {"algorithm": job.algorithm, "hyperparameters": dict(job.given)},
        "committee": {
            "members": material.held.members,
            "hidden": list(outcome.hyperparameters["hidden_layer_sizes"]),
            "deal": material.deal.to_dict(),
        },
        "rows": {"train": material.learned, "validation": len(labels)},
        "metrics_on": "out-of-fold" if material.out_of_fold else "validation",
        "metrics": judged.to_dict(),
        "calibration": _calibration(done, labels, judged),
        "promotion": dict(promotion),
        "candidates": [
            _candidate(name, outcome.finished[name], outcome.conclusions[name]) for name in outcome.finished
        ],
        "profile": profiles.to_dict(profile_of(material.table)),
        "metadata": job.metadata,
        "created_at": created_at,
        "lineage": dict(lineage),
    }
    model = made(job, outcome, material, card)
    return model, {**headline(judged), "validation_rows": len(labels)}


def made(job: Job, outcome: Outcome, material: Material, card: Mapping[str, Any]) -> Model:
    """What a job has trained, as the version of its model."""
    return Model(
        name=job.model,
        version=job.version,
        parameters=outcome.parameters,
        encoding=material.encoding,
        classes=material.classes,
        temperature=outcome.conclusion.temperature,
        card=card,
    )


def _candidate(name: Algorithm, finished: Finished, done: Conclusion) -> dict[str, Any]:
    """validation_log_loss: calibrated, by which one of them is kept; uncalibrated: as in the history."""
    return {
        "algorithm": name,
        "validation_log_loss": done.log_loss,
        "uncalibrated": finished.validation_loss,
        "temperature": done.temperature,
        "epochs": finished.epochs,
    }


def _calibration(done: Conclusion, labels: Array, after: Metrics) -> dict[str, Any]:
    """What temperature did to the probabilities; class_weight_shift: how much of the weights was taken off."""
    before = evaluate(log_softmax(done.logits + done.offset), labels)
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
    return {name: getattr(metrics, name) for name in HEADLINE}
