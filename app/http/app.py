"""The application: the only place where routes, error answers and middleware meet."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

import anyio
import anyio.to_thread
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from starlette.types import ASGIApp, Receive, Scope, Send

from app.http import errors, vitals
from app.http.cors import origins, shared
from app.http.door import Door
from app.http.feeds import Feeds
from app.http.lane import Lane
from app.http.native import Desk
from app.http.oip.inference import Inference
from app.http.openapi import describe
from app.http.protocol import QuickDoor
from app.http.routes import (
    datasets,
    feedback,
    inference,
    jobs,
    models,
    onnx,
    pages,
    predictions,
    provenance,
    server,
    training,
)
from app.http.services import Services
from app.http.shutdown import at_stop, end_with_parent, end_within
from app.http.wire.json_document import Parser
from app.settings import Settings

_DESCRIPTION = """
Post labelled rows, watch the loss fall, post new rows and get class probabilities.

**From a file to a prediction in two calls**

    curl -F file=@iris.csv 'localhost:8000/v1/models/iris/train?label=species'
    curl localhost:8000/v1/models/iris/predict -H 'content-type: application/json' \\
         -d '{"instances": [[5.1, 3.5, 1.4, 0.2]]}'

Between the two, `curl -N localhost:8000/v1/jobs/ID/events` shows the loss falling. A model reference is `name`,
`name@7` (a version) or `name@alias`; a bare name means `name@production`. Errors are problem details (RFC 9457)
that say what was wrong, where, and what would be right.
"""
_TAGS = [
    {"name": "predictions", "description": "Rows in, class probabilities out."},
    {
        "name": "inference protocol",
        "description": "The same predictions in the Open Inference Protocol, version 2.",
    },
    {"name": "training", "description": "Data in, a job out: it makes a version of a model."},
    {"name": "jobs", "description": "Watch and cancel jobs. A job's record stays."},
    {"name": "datasets", "description": "Labelled data, stored once and named by its content."},
    {"name": "models", "description": "Versions, cards, weights and aliases."},
    {
        "name": "feedback",
        "description": "What became of predictions: how good production is, and more to learn from.",
    },
    {"name": "server", "description": "Health, limits, metrics."},
]
_FOLLOW_SECONDS = 0.5  # between two looks at what the models that are held have come to mean
_TELL_SECONDS = 2.0  # for a collector to hear the rest at shutdown; one that is away would take a minute
_SHARE_SECONDS = 1.0  # between two times that this process shows its numbers to the others

log = logging.getLogger("neurona.http")


class Application(FastAPI):
    """FastAPI behind the door: what the lane does not take comes to the framework."""

    front: ASGIApp
    settings: Settings  # of whose limits app.http.connections takes its own
    crowded: ASGIApp  # answers on a connection too many
    door: QuickDoor | None  # asked by app.http.protocol, before a request becomes one of ASGI

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer through the door, and what stands before it.

        A prefix that a proxy took away (uvicorn's `--root-path`) is none of the path by which keys have their roles;
        it is one of the paths that callers are told.
        """
        if root := scope.get("root_path"):
            path = scope["path"].removeprefix(root) or "/"
            scope = {**scope, "path": path, "root_path": "", "prefix": root}
        await self.front(scope, receive, send)

    async def framework(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as FastAPI does."""
        services: Services = self.state.services
        if scope["type"] == "http" and not services.started.is_set():
            await anyio.to_thread.run_sync(services.start_once)
        await super().__call__(scope, receive, send)


def create_app(services: Services) -> Application:
    """The web side of Neurona on the given rooms; it starts and stops them with itself."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.feeds = Feeds(services.jobs)  # anew: those of an earlier life are closed
        end_with_parent()
        share = (
            asyncio.create_task(_every(_SHARE_SECONDS, services.meters.write, services.drifts.write))
            if services.meters.shared
            else None
        )
        await anyio.to_thread.run_sync(services.start)
        follow = asyncio.create_task(_every(_FOLLOW_SECONDS, services.cache.follow))

        def begin_to_stop() -> None:
            app.state.feeds.close()
            services.begin_to_stop()

        try:
            with at_stop(begin_to_stop):
                yield
        finally:
            begin_to_stop()
            follow.cancel()
            if share is not None:
                share.cancel()
                await anyio.to_thread.run_sync(services.meters.write)
            await anyio.to_thread.run_sync(services.stop)
            if settings.opentelemetry:
                end_within(_TELL_SECONDS)

    app = Application(
        title="Neurona",
        version=version("neurona"),
        summary="Train and serve classifiers over HTTP",
        description=_DESCRIPTION,
        openapi_tags=_TAGS,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        lifespan=lifespan,
        telemetry=_telemetry(services.settings),
        docs_url=None,  # app.http.routes.pages has them, from this server's own files
        redoc_url=None,
    )
    settings = services.settings
    desk = Desk(services.predictor, Parser(), services.meters, settings.max_predict_rows)
    app.state.services, app.state.feeds = services, Feeds(services.jobs)
    app.state.uploads = anyio.CapacityLimiter(settings.max_uploads)
    app.state.inference = Inference(
        predictor=services.predictor, settings=settings, meters=services.meters, parser=desk.parser
    )
    app.state.lane = Lane(desk, app.state.inference, settings)
    services.meters.watch({**vitals.of_process(), **_at_work(app, services)})
    door = Door(
        app.framework,
        lane=app.state.lane,
        keys=services.keys,
        meters=services.meters,
        metrics_open=settings.metrics_open,
        traced=settings.opentelemetry,
    )
    app.settings, app.crowded = settings, door.crowded
    app.door = None if settings.opentelemetry else door
    app.front = shared(door, origins(settings.cors_origins))
    errors.install(app)
    describe(app, open_here=not services.keys.roles)
    rooms = (predictions, inference, training, jobs, datasets, models)
    for room in (*rooms, provenance, onnx, feedback, server, pages):
        app.include_router(room.router)
    return app


def _telemetry(settings: Settings) -> TelemetryConfig:
    """FastAPI's own hooks, without its logs: what it says there of a wrong request may hold the caller's data."""
    reported = settings.opentelemetry
    return {"auto_configure": reported, "tracing": reported, "metrics": reported, "logs": False}


def _at_work(app: FastAPI, services: Services) -> dict[str, vitals.Reader]:
    """What this process is busy with, by the names of its metrics."""
    turns, uploads, cache = app.state.lane.turns, app.state.uploads, services.cache
    return {
        "neurona_predictions_in_flight": lambda: turns.taken,
        "neurona_predictions_waiting": lambda: turns.waiting,
        "neurona_predictions_refused_total": lambda: turns.refused,
        "neurona_uploads_in_flight": lambda: uploads.borrowed_tokens,
        "neurona_model_cache_bytes": lambda: sum(cache.loaded().values()),
        "neurona_model_loads_total": lambda: cache.counts()[0],
        "neurona_model_load_failures_total": lambda: cache.counts()[1],
        "neurona_model_evictions_total": lambda: cache.counts()[2],
    }


async def _every(seconds: float, *tasks: Callable[[], object]) -> None:
    """Do these again and again, in a thread; a fault is logged when it comes, and the next round tries again."""
    broken = False
    while True:
        try:
            for task in tasks:
                await anyio.to_thread.run_sync(task)
            broken = False
        except Exception:
            if not broken:
                log.exception("what is done every %g seconds failed, and is tried again", seconds)
            broken = True
        await asyncio.sleep(seconds)
