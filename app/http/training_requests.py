"""From a request to train or retrain to an accepted job: completed, checked, planned, submitted."""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import anyio.to_thread
import orjson
from starlette.requests import Request

from app.datasets.store import Dataset
from app.errors import Invalid, NeuronaError, Problem, TooLarge
from app.http.feedback import extended
from app.http.services import Services
from app.http.training_body import Schema, TrainBody, read
from app.http.wire.schema import is_vector, names
from app.jobs import Algorithm, FeedbackUse, Hyperparameters, Job, NewJob, plan
from app.machine import gigabytes, memory_total
from app.repository.model import Model, part
from app.repository.names import check_name
from core import network
from core.encoding import CategoricalColumn

log = logging.getLogger("neurona.jobs")

_LEAST_OF_A_CLASS = 2  # one row to learn from, one to be judged by


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as it came: of which model, what it says, and the id of the data that it names or brought."""

    model: str
    said: TrainBody
    dataset: str | None
    retrain: bool


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A request in full: the job to submit and the data it is for."""

    new: NewJob
    dataset: Dataset
    shape: plan.Shape


async def accept(
    request: Request, services: Services, model: str, *, retrain: bool, dry_run: bool, key: str | None
) -> tuple[Job, bool] | Planned:
    """Carry out `POST …/train` or `…/retrain`: the job and whether it is new, or with `dry_run` only the plan."""
    check_name(model)
    said, dataset = await read(
        request, services, lambda: _production_schema(services, model) if retrain else None
    )
    asked = Asked(model=model, said=said, dataset=dataset, retrain=retrain)
    if dry_run:
        return await anyio.to_thread.run_sync(_plan, services, asked)
    job, created = await anyio.to_thread.run_sync(_decide, services, asked, key)
    log_accepted(request, job, created)
    return job, created


def log_accepted(request: Request, job: Job, created: bool) -> None:
    """Join the request's lines in the log with the job's."""
    told = {"request_id": request.scope["request_id"], "job_id": job.id}
    log.info("job %s: %s", job.id, "accepted" if created else "asked for again", extra=told)


def shape_of(services: Services, dataset: Dataset) -> plan.Shape:
    """How large the data is, as far as its record tells."""
    return plan.Shape(**dataset.sizes(services.settings.max_categories))


def _decide(services: Services, asked: Asked, key: str | None) -> tuple[Job, bool]:
    fingerprint = _fingerprint(asked)
    lifetime = timedelta(hours=services.settings.idempotency_hours)
    if key is not None and (known := services.jobs.recall(key, fingerprint, lifetime)):
        return known, False
    new = _plan(services, asked).new
    return services.jobs.submit(
        new,
        version_floor=services.repository.last_version(asked.model),
        max_queued=services.settings.max_queued_jobs,
        key=key,
        fingerprint=fingerprint,
        key_lifetime=lifetime,
        check=lambda: _still_there(services, new),
    )


def _plan(services: Services, asked: Asked) -> Planned:
    if asked.retrain:
        asked = _completed(services, asked)
    said = asked.said
    if asked.dataset is None:
        raise Invalid(Problem(message="send data, or name a dataset", location="dataset"))
    if len(orjson.dumps(said.metadata)) > (limit := services.settings.max_metadata_bytes):
        raise TooLarge(what="metadata", limit=limit, unit="bytes", setting="max_metadata_bytes")
    algorithm, given, warm_start = _resolved(services, said)
    dataset, use = _data(services, asked.model, asked.dataset, with_feedback=said.include_feedback)
    plan.check(algorithm, Hyperparameters.model_validate(given), [each.label for each in dataset.classes])
    shape = shape_of(services, dataset)
    in_memory, most = services.settings.training_memory_bytes, services.settings.max_parameters
    fitting = plan.fitting(algorithm, given, shape, in_memory)
    candidate, bins = plan.CANDIDATES[algorithm][-1], plan.bins(algorithm, fitting, shape)
    if (count := network.count(plan.sizes(algorithm, fitting, shape))) > most:
        message = f"the network would have {count:,} weights, more than max_parameters, {most:,}"
        raise Invalid(Problem(message=message, location="hyperparameters.hidden_layer_sizes"))
    new = NewJob(
        model=asked.model,
        dataset=dataset.id,
        algorithm=algorithm,
        hyperparameters=plan.resolved(candidate, {**fitting, "bins": bins}, shape.cut(bins)),
        given=given,
        warm_start=warm_start,
        promote=said.promote,
        metadata=said.metadata,
        max_runtime_seconds=said.max_runtime_seconds,
        memory_bytes=memory_needed(services, algorithm, fitting, shape, in_memory),
        webhook=said.webhook,
        feedback=use,
        warnings=list(dataset.warnings),
    )
    return Planned(new=new, dataset=dataset, shape=shape)


def _resolved(services: Services, said: TrainBody) -> tuple[Algorithm, dict[str, Any], str | None]:
    """Algorithm, hyperparameters and the version to go on from, of which the first two may follow."""
    given = _given(said.hyperparameters)
    if said.warm_start is None:
        return said.algorithm, given, None
    source = services.repository.load(*services.repository.resolve(said.warm_start))
    return *_like(source, said, given), f"{source.name}@{source.version}"


def _data(
    services: Services, model: str, dataset_id: str, *, with_feedback: bool
) -> tuple[Dataset, FeedbackUse | None]:
    """The dataset to train on, and what of it is feedback."""
    dataset, use = services.datasets.get(dataset_id), None
    if with_feedback:
        dataset, use = extended(services, model, dataset_id)
    if max(each.rows for each in dataset.classes) < _LEAST_OF_A_CLASS:
        message = (
            f"each row has another label {dataset.label!r}, and of at least one class two are needed, one to learn"
            " from and one to be judged by: is it the right column?"
        )
        raise Invalid(Problem(message=message, location="dataset"))
    return dataset, use


def _production_schema(services: Services, model: str) -> Schema | None:
    """Of production; None if there is none, or it cannot be read, as will be said later."""
    try:
        encoding = services.predictor.model(model).encoding
    except NeuronaError:
        return None
    texts = tuple(c.name for c in encoding.columns if isinstance(c, CategoricalColumn) and not c.boolean)
    return Schema(names(encoding), texts, encoding.inputs if is_vector(encoding) else None)


def _still_there(services: Services, new: NewJob) -> None:
    """Raises: DatasetNotFound, VersionNotFound, if what was there a moment ago was deleted meanwhile."""
    services.datasets.get(new.dataset)
    if new.warm_start is not None:
        services.repository.card(*services.repository.resolve(new.warm_start))


def memory_needed(
    services: Services, algorithm: Algorithm, given: Mapping[str, Any], shape: plan.Shape, in_memory: int
) -> int:
    """About what the job needs; in_memory: bytes of encoded rows beyond which they stay on disk.

    Raises: Invalid, if the machine that trains has not so much in all.
    """
    needed = plan.memory_bytes(algorithm, given, shape, in_memory)
    total = memory_total() if services.settings.dask_address is None else None
    if total is not None and needed > total:
        message = f"training needs about {gigabytes(needed)}, and this server has {gigabytes(total)} in all"
        raise Invalid(Problem(message=f"{message}; use fewer rows or smaller layers", location="dataset"))
    return needed


def _completed(services: Services, asked: Asked) -> Asked:
    """A request to retrain, with everything left out taken from the production version."""
    name, version = services.repository.resolve(asked.model)
    card = services.repository.card(name, version)
    said, before = asked.said, part(card, "requested") or card
    fields, algorithm = said.model_fields_set, card.get("algorithm")
    inherited = {
        k: v for k, v in part(before, "hyperparameters").items() if k in Hyperparameters.model_fields
    }
    if algorithm == "softmax_regression":
        inherited.pop("hidden_layer_sizes", None)
    filled: dict[str, Any] = {
        "hyperparameters": Hyperparameters(**{**inherited, **said.hyperparameters.given()})
    }
    if "warm_start" not in fields:
        filled["warm_start"] = f"{name}@{version}"
    if "algorithm" not in fields:
        filled["algorithm"] = (before.get("algorithm") if "warm_start" in fields else algorithm) or "auto"
    if "metadata" not in fields:
        filled["metadata"] = dict(part(card, "metadata"))
    dataset = part(card, "lineage").get("dataset") if asked.dataset is None else asked.dataset
    if dataset is None:
        message = f"{name}@{version} does not tell what it was trained on: send data, or name a dataset"
        raise Invalid(Problem(message=message, location="dataset"))
    return replace(asked, said=said.model_copy(update=filled), dataset=dataset)


def _like(source: Model, said: TrainBody, given: dict[str, Any]) -> tuple[Algorithm, dict[str, Any]]:
    """Algorithm, layers, folds and bins of a warm start: those of its source, whose members go on one by one. Softmax
    regression goes to the same optimum from anywhere, in any number of folds.

    Raises: Invalid, if others were asked for.
    """
    algorithm: Algorithm = "relu_network" if len(source.parameters) > 1 else "softmax_regression"
    members = part(source.card, "committee").get("members", 1)
    trained = part(source.card, "hyperparameters")
    layers = trained.get("hidden_layer_sizes") or list(source.sizes[1:-1])
    bins = trained.get("bins") or 0
    if said.algorithm not in ("auto", algorithm):
        message = f"{said.warm_start} is a {algorithm}; a {said.algorithm} cannot go on from its weights"
        raise Invalid(Problem(message=message, location="warm_start"))
    fixed: dict[str, Any] = {"hidden_layer_sizes": layers, "folds": members, "bins": bins}
    for name, value in fixed.items() if layers else ():
        if given.get(name, value) != value:
            raise _other(f"{said.warm_start} has {name} {value}; no other can go on from its weights")
    return algorithm, {**given, **fixed} if layers else {"bins": bins, **given}


def _other(message: str) -> Invalid:
    return Invalid(Problem(message=f'{message} ("warm_start": null begins afresh)', location="warm_start"))


def _given(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """What was said; null means "left out", but for the two fields where null is a value."""
    said = hyperparameters.given()
    return {k: v for k, v in said.items() if v is not None or k in ("patience", "class_weight")}


def _fingerprint(asked: Asked) -> str:
    of = {"model": asked.model, "retrain": asked.retrain, "dataset": asked.dataset}
    fields = asked.said.model_dump(mode="json", exclude_unset=True, exclude={"data", "dataset"})
    return fingerprint_of([of, fields])


def fingerprint_of(asked: list[Any]) -> str:
    """What tells a request from another with the same Idempotency-Key: a hash of what it asks, as JSON values."""
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()
