"""Feedback: what became of predictions, sent in as labelled rows."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import BaseModel, Field

from app.errors import ModelNotFound
from app.http import feedback
from app.http.feedback import Sent
from app.http.routes.dependencies import IdempotencyKey, Name, Rooms
from app.http.routes.examples import FEEDBACK_BODY, NOT_FOUND, PROBLEMS, answer, problem
from app.http.routes.samples import FEEDBACK, FEEDBACK_SUMMARY
from app.jobs import Standing, Time
from app.repository.names import check_name

router = APIRouter(tags=["feedback"])


class FeedbackAnswer(BaseModel):
    """A request that is kept, and what it said about production."""

    model: str
    version: int = Field(description="which was production when it came")
    rows: int
    accuracy: float = Field(description="the part of these rows whose label production foresaw")
    log_loss: float | None = Field(description="over the rows whose label is one of its classes")
    unknown_labels: int = Field(description="rows whose label is none of its classes: never foreseen")
    received_at: Time
    total_rows: int = Field(description="all rows of feedback that are kept of this model")


class FeedbackOnVersion(BaseModel):
    """What all feedback says about the version that was production when it came."""

    version: int
    rows: int
    accuracy: float
    log_loss: float | None = Field(description="over the rows whose label is one of its classes")
    unknown_labels: int = Field(description="rows whose label is none of its classes: never foreseen")
    since: Time
    until: Time


class FeedbackSummary(BaseModel):
    """The feedback on a model."""

    model: str
    rows: int = Field(description="that are kept")
    new_rows: int | None = Field(
        description="of these, what the dataset of production does not hold; null without a production version"
    )
    versions: list[FeedbackOnVersion]


async def sent(request: Request, rooms: Rooms) -> Sent:
    """The body, read within the limits of feedback."""
    return await feedback.read(request, rooms)


@router.post(
    "/v1/models/{name}/feedback",
    status_code=201,
    summary="Send labels that came after predictions",
    responses={
        201: answer("Kept", FEEDBACK),
        200: {"model": FeedbackAnswer, **answer("The same key and body came before", FEEDBACK)},
        **PROBLEMS,
        **problem(404, 409),
    },
    openapi_extra={"requestBody": FEEDBACK_BODY},
)
def post_feedback(
    response: Response,
    rooms: Rooms,
    name: Name,
    body: Annotated[Sent, Depends(sent)],
    key: IdempotencyKey = None,
) -> FeedbackAnswer:
    """Rows as for a prediction, and what each turned out to be. Production is judged by them at once.

    They are kept until they are deleted; `retrain` with `include_feedback` adds them to what is trained on. A label
    that production has no class for is taken, and becomes a class then.
    """
    kept = feedback.keep(rooms, name, body, key)
    response.status_code = 201 if kept.created else 200
    response.headers["Location"] = f"/v1/models/{name}/feedback"
    found = kept.feedback
    return FeedbackAnswer(
        model=found.model,
        version=found.version,
        rows=found.rows,
        accuracy=found.accuracy,
        log_loss=found.log_loss,
        unknown_labels=found.rows - found.scored,
        received_at=found.received_at,
        total_rows=kept.total_rows,
    )


@router.get(
    "/v1/models/{name}/feedback",
    summary="What feedback says about each version",
    responses={200: answer("The sums", FEEDBACK_SUMMARY), **NOT_FOUND, **problem(503)},
)
def get_feedback(rooms: Rooms, name: Name) -> FeedbackSummary:
    dataset = feedback.production_dataset(rooms, check_name(name))
    return FeedbackSummary(
        model=name,
        rows=rooms.feedback.kept(name),
        new_rows=None if dataset is None else rooms.feedback.not_in(name, dataset),
        versions=[on_version(each) for each in rooms.feedback.standings(name)],
    )


@router.delete(
    "/v1/models/{name}/feedback",
    status_code=204,
    summary="Forget feedback",
    response_description="Forgotten",
    responses={**NOT_FOUND, **problem(503)},
)
def delete_feedback(
    rooms: Rooms,
    name: Name,
    used: Annotated[bool, Query(description="only rows that the dataset of production holds")] = False,
) -> Response:
    """Rows, figures and keys. With `used` only the rows that production has learned from go, and the figures stay.

    Datasets that were made with feedback stay as they are.
    """
    check_name(name)
    if used:
        dataset = feedback.production_dataset(rooms, name)
        if dataset is not None:
            rooms.feedback.give_up(name, dataset)
    elif not rooms.feedback.forget(name) and not rooms.repository.versions(name):
        raise ModelNotFound(name=name)
    return Response(status_code=204)


def on_version(standing: Standing) -> FeedbackOnVersion:
    """The sums as figures."""
    return FeedbackOnVersion(
        version=standing.version,
        rows=standing.rows,
        accuracy=standing.accuracy,
        log_loss=standing.log_loss,
        unknown_labels=standing.rows - standing.scored,
        since=standing.since,
        until=standing.until,
    )
