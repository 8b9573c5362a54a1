"""Training and retraining: data in, a job out."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from app.http.routes.dependencies import IdempotencyKey, Name, Rooms
from app.http.routes.examples import PROBLEMS, DatasetClass, DatasetColumn, answer, problem, train_body
from app.http.routes.samples import JOB, PLAN, SUCCEEDED
from app.http.routes.training_query import QUERY
from app.http.training_requests import Planned, accept
from app.jobs import Algorithm, FeedbackUse, Job, plan
from core import network

router = APIRouter(tags=["training"])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    202: answer("Accepted", JOB),
    200: {
        "description": "A dry run's plan, or the job that the same Idempotency-Key made before",
        "content": {
            "application/json": {
                "schema": {
                    "anyOf": [{"$ref": "#/components/schemas/Plan"}, {"$ref": "#/components/schemas/Job"}]
                },
                "examples": {"a dry run": {"value": PLAN}, "made before": {"value": SUCCEEDED}},
            }
        },
    },
    **PROBLEMS,
    **problem(404, 409, 429),
}
_DryRun = Annotated[bool, Query(description="answer what would run, and run nothing")]


class Plan(BaseModel):
    """What a request would run."""

    model: str
    dataset: str
    rows: int
    columns: list[DatasetColumn]
    classes: list[DatasetClass]
    algorithm: Algorithm
    candidates: list[str]
    hyperparameters: dict[str, Any]
    warm_start: str | None
    promote: str
    feedback: FeedbackUse | None = None
    parameters: int
    memory_bytes: int
    warnings: list[str]


@router.post(
    "/v1/models/{name}/train",
    status_code=202,
    response_model=Job,
    summary="Train a new version",
    responses=_ANSWERS,
    openapi_extra={"requestBody": train_body("TrainBody"), "parameters": QUERY},
)
async def train(
    request: Request, rooms: Rooms, name: Name, dry_run: _DryRun = False, key: IdempotencyKey = None
) -> Response:
    """Send data with the options in the URL, or a JSON body that names a stored dataset.

    Answers at once with the job; `GET /v1/jobs/{id}/events` shows the loss falling.
    """
    return _answer(await accept(request, rooms, name, retrain=False, dry_run=dry_run, key=key))


@router.post(
    "/v1/models/{name}/retrain",
    status_code=202,
    response_model=Job,
    summary="Train again, from production",
    responses=_ANSWERS,
    openapi_extra={"requestBody": train_body("TrainBody"), "parameters": QUERY},
)
async def retrain(
    request: Request, rooms: Rooms, name: Name, dry_run: _DryRun = False, key: IdempotencyKey = None
) -> Response:
    """As `train`, with everything left out taken from the production version, and its weights to begin with.

    With `include_feedback` production's dataset and the feedback that it does not hold make a new dataset.
    """
    return _answer(await accept(request, rooms, name, retrain=True, dry_run=dry_run, key=key))


def _answer(accepted: tuple[Job, bool] | Planned) -> Response:
    if isinstance(accepted, Planned):
        return Response(_plan(accepted).model_dump_json(), media_type="application/json")
    return as_accepted(*accepted)


def as_accepted(job: Job, created: bool) -> Response:
    """The answer with a job; `created`: it is new, and not one that the same Idempotency-Key made before."""
    status, headers = 202 if created else 200, {"Location": f"/v1/jobs/{job.id}"}
    return Response(job.model_dump_json(), status, headers, "application/json")


def _plan(planned: Planned) -> Plan:
    new, dataset = planned.new, planned.dataset.to_dict()
    return Plan(
        model=new.model,
        dataset=new.dataset,
        rows=dataset["rows"],
        columns=dataset["columns"],
        classes=dataset["classes"],
        algorithm=new.algorithm,
        candidates=list(plan.CANDIDATES[new.algorithm]),
        hyperparameters=new.hyperparameters,
        warm_start=new.warm_start,
        promote=new.promote,
        feedback=new.feedback,
        parameters=network.count(plan.sizes(new.algorithm, new.given, planned.shape)),
        memory_bytes=new.memory_bytes,
        warnings=new.warnings,
    )
