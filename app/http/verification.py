"""From a request to verify a version to an accepted job: its card, read back as the request that made it."""

from datetime import timedelta

import anyio.to_thread
from pydantic import Field, TypeAdapter, ValidationError
from starlette.requests import Request

from app.errors import DatasetNotFound, NotFound, NotVerifiable
from app.http.bodies import read_json
from app.http.errors import checked
from app.http.services import Services
from app.http.training_requests import fingerprint_of, log_accepted, memory_needed, shape_of
from app.jobs import Algorithm, Hyperparameters, Job, NewJob, plan
from app.jobs.records import Record, Webhook
from app.repository.model import limit, part

_ALGORITHM: TypeAdapter[Algorithm] = TypeAdapter(Algorithm)


class VerifyBody(Record):
    """How the verification is run. What is trained, its version's card says."""

    max_runtime_seconds: float | None = Field(
        None, gt=0, strict=True, allow_inf_nan=False, description="the job fails after so much training time"
    )
    webhook: Webhook | None = Field(None, description="told of the job's end by POST, its body as GET's")


async def accept(request: Request, services: Services, ref: str, key: str | None) -> tuple[Job, bool]:
    """Carry out `POST …/verify`: the job, and whether it is new.

    Raises: NotVerifiable, if what the version was trained from is gone or not known; and as submitting does.
    """
    said = checked(VerifyBody, (await read_json(request, services.settings))[1])
    job, created = await anyio.to_thread.run_sync(_decide, services, ref, said, key)
    log_accepted(request, job, created)
    return job, created


def _decide(services: Services, ref: str, said: VerifyBody, key: str | None) -> tuple[Job, bool]:
    asked = ["verify", ref, said.model_dump(mode="json", exclude_unset=True)]
    fingerprint = fingerprint_of(asked)
    lifetime = timedelta(hours=services.settings.idempotency_hours)
    if key is not None and (known := services.jobs.recall(key, fingerprint, lifetime)):
        return known, False
    name, version = services.repository.resolve(ref)
    new = _new_job(services, name, version, said)
    return services.jobs.submit(
        new,
        max_queued=services.settings.max_queued_jobs,
        key=key,
        fingerprint=fingerprint,
        key_lifetime=lifetime,
        check=lambda: _new_job(services, name, version, said),
    )


def _new_job(services: Services, name: str, version: int, said: VerifyBody) -> NewJob:
    """The job that made the version, to be done again."""
    ref, card = f"{name}@{version}", services.repository.card(name, version)
    lineage, asked = part(card, "lineage"), part(card, "requested")
    try:
        algorithm = _ALGORITHM.validate_python(asked.get("algorithm"))
        given = Hyperparameters.model_validate(asked.get("hyperparameters")).given()
        # As chosen; a version of before there were bins has none.
        given["bins"] = part(card, "hyperparameters").get("bins") or 0
    except ValidationError as error:
        reason = "its card does not say what was asked for, or asks for what is not known here"
        raise NotVerifiable(ref=ref, reason=reason) from error
    try:
        dataset = services.datasets.get(str(lineage.get("dataset")))
    except DatasetNotFound as error:
        reason = f"its dataset {lineage.get('dataset')!r} is not here"
        raise NotVerifiable(ref=ref, reason=reason) from error
    parent = lineage.get("parent")
    _check_parent(services, ref, parent)
    shape, in_memory = shape_of(services, dataset), services.settings.training_memory_bytes
    in_memory = limit(card, "training_memory_bytes", in_memory)
    fitting = plan.fitting(algorithm, given, shape, in_memory)
    return NewJob(
        kind="verify",
        verifies=version,
        model=name,
        dataset=dataset.id,
        algorithm=algorithm,
        hyperparameters=dict(part(card, "hyperparameters")),
        given=given,
        warm_start=parent,
        promote="never",
        max_runtime_seconds=said.max_runtime_seconds,
        memory_bytes=memory_needed(services, algorithm, fitting, shape, in_memory),
        webhook=said.webhook,
    )


def _check_parent(services: Services, ref: str, parent: object) -> None:
    """Raises: NotVerifiable, if the version whose weights it went on from is gone."""
    try:
        if parent is not None:
            services.repository.card(*services.repository.resolve(str(parent)))
    except NotFound as error:
        reason = f"{parent}, whose weights it went on from, is not here"
        raise NotVerifiable(ref=ref, reason=reason) from error
