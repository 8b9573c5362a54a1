"""Jobs: seen, watched and cancelled."""

import asyncio
import csv
import io
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel

from app.errors import Invalid, JobFinished, Problem
from app.http.event_stream import EventStream
from app.http.feeds import Feeds
from app.http.routes.dependencies import JobId, Limit, NumberCursor, Rooms
from app.http.routes.examples import CONFLICT, EVENTS, HISTORY, HISTORY_CSV, NOT_FOUND, answer, problem
from app.http.routes.samples import CANCELLED, JOB, SUCCEEDED
from app.http.wire.accept import choose
from app.jobs import EpochRecord, Job, Kind, State
from app.repository.cache import ModelCache

router = APIRouter(tags=["jobs"])

_HEARTBEAT = b": still here\n\n"


class JobPage(BaseModel):
    """A page of jobs, newest first."""

    items: list[Job]
    next_cursor: str | None


class History(BaseModel):
    """A job's loss history."""

    epochs: list[EpochRecord]


@router.get(
    "/v1/jobs",
    summary="List jobs, newest first",
    responses={200: answer("A page", {"items": [JOB], "next_cursor": "1"}), **problem(422)},
)
def list_jobs(
    rooms: Rooms,
    model: Annotated[str | None, Query(description="only jobs of this model")] = None,
    state: Annotated[State | None, Query(description="only jobs in this state")] = None,
    kind: Annotated[Kind | None, Query(description="only jobs of this kind")] = None,
    limit: Limit = 50,
    cursor: NumberCursor = None,
) -> JobPage:
    before = None if cursor is None else int(cursor)
    items, last = rooms.jobs.page(model=model, state=state, kind=kind, limit=limit, before=before)
    rooms.cache.refresh(*(job.model for job in items if job.promoted))
    return JobPage(items=items, next_cursor=None if last is None else str(last))


@router.get(
    "/v1/jobs/{job_id}", summary="One job", responses={200: answer("The job", SUCCEEDED), **NOT_FOUND}
)
def get_job(rooms: Rooms, job_id: JobId) -> Job:
    job = rooms.jobs.get(job_id)
    if job.promoted:
        rooms.cache.refresh(job.model)
    return job


@router.get(
    "/v1/jobs/{job_id}/history",
    summary="The loss history, as JSON or CSV",
    response_model=History,
    response_description="The epochs, oldest first",
    responses={
        **NOT_FOUND,
        **problem(406),
        200: {"content": {"application/json": HISTORY, "text/csv": HISTORY_CSV}},
    },
)
async def get_history(
    request: Request,
    rooms: Rooms,
    job_id: JobId,
    after: Annotated[int, Query(ge=0, lt=2**63, description="only epochs with a higher sequence")] = 0,
    wait: Annotated[float, Query(ge=0, le=30, description="seconds to wait for one, if there is none")] = 0,
    accept: Annotated[str, Header(description="`text/csv` for CSV")] = "application/json",
) -> Response:
    """With `wait` the answer waits until there is an epoch after `after`, or the job has ended."""
    if wait:
        await _first(request.app.state.feeds, job_id, after, wait)
    kind = choose(accept, ("application/json", "text/csv"))
    write = _csv if kind == "text/csv" else _json
    text = await anyio.to_thread.run_sync(lambda: write(rooms.jobs.history(job_id, after=after)))
    return Response(text, media_type=kind)


@router.get(
    "/v1/jobs/{job_id}/events",
    summary="The loss falling, live",
    response_class=Response,
    response_description="Server-sent events, until the job has ended",
    responses={**NOT_FOUND, 200: {"content": {"text/event-stream": EVENTS}}},
)
async def get_events(
    request: Request,
    rooms: Rooms,
    job_id: JobId,
    last_event_id: Annotated[
        str, Header(description="resume behind this event", json_schema_extra={"pattern": "^[0-9]{0,17}$"})
    ] = "0",
) -> Response:
    """An `epoch` event for each epoch and a `state` event for each change; the last is a final state."""
    after = _sequence(last_event_id)
    await anyio.to_thread.run_sync(rooms.jobs.get, job_id)
    return EventStream(_events(request.app.state.feeds, rooms.cache, job_id, after))


@router.post(
    "/v1/jobs/{job_id}/cancel",
    status_code=202,
    summary="Cancel a job",
    responses={202: answer("Cancelled", CANCELLED), **NOT_FOUND, **CONFLICT},
)
def cancel_job(rooms: Rooms, job_id: JobId) -> Job:
    """A job that has reached a final state, or has begun to publish its version, is no longer cancelled (409)."""

    def check(job: Job) -> None:
        """An attempt that was killed, or lost the database, after it had published left a job that is to end yet."""
        if job.kind == "train" and job.version in rooms.repository.versions(job.model):
            raise JobFinished(id=job.id, state="published its version")

    return rooms.jobs.cancel(job_id, check=check)


async def _events(feeds: Feeds, cache: ModelCache, job_id: str, after: int) -> AsyncGenerator[bytes, None]:
    async with aclosing(feeds.watch(job_id, after)) as watch:
        async for news in watch:
            if news is None:
                yield _HEARTBEAT
                continue
            if news.state:
                if news.job.promoted:
                    await anyio.to_thread.run_sync(cache.refresh, news.job.model)
                yield news.state
            if news.epochs:
                yield news.epochs


def _sequence(last_event_id: str) -> int:
    text = last_event_id.strip() or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 18):
        message = f"Last-Event-ID is the id of an epoch event, a number, not {text!r}"
        raise Invalid(Problem(message=message, location="header.Last-Event-ID"))
    return int(text)


async def _first(feeds: Feeds, job_id: str, after: int, seconds: float) -> None:
    """Wait for new epochs, a final state, or the end of the time."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds), aclosing(feeds.watch(job_id, after)) as watch:
            async for news in watch:
                if news is not None and (news.epochs or news.job.finished):
                    return


def _json(epochs: list[EpochRecord]) -> str:
    return History(epochs=epochs).model_dump_json()


def _csv(epochs: list[EpochRecord]) -> str:
    target = io.StringIO()
    writer = csv.DictWriter(target, list(EpochRecord.model_fields), lineterminator="\n")
    writer.writeheader()
    writer.writerows(epoch.model_dump() for epoch in epochs)
    return target.getvalue()
