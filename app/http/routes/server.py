"""The server itself: health, limits, metrics."""

from importlib.metadata import version
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from pydantic import BaseModel

from app.http.gauges import BuildMetrics, CacheMetrics, FeedbackMetrics, JobMetrics
from app.http.routes.dependencies import Rooms
from app.http.routes.examples import answer
from app.http.routes.inference_examples import NOT_READY
from app.http.routes.samples import INFO, METRICS

router = APIRouter(tags=["server"])


class Info(BaseModel):
    """The server's version and every limit in force, by the name of its setting."""

    name: str
    version: str
    limits: dict[str, int | float]


@router.get("/v1/info", summary="Version and limits", responses={200: answer("What is in force", INFO)})
def info(rooms: Rooms) -> Info:
    return Info(name="neurona", version=version("neurona"), limits=rooms.settings.limits())


@router.get(
    "/v2/health/live", summary="Whether the server runs", responses={200: answer("It does", {"live": True})}
)
async def live() -> dict[str, bool]:
    return {"live": True}


@router.get(
    "/v2/health/ready",
    summary="Whether every production model is loaded",
    responses={200: answer("All are", {"ready": True}), **NOT_READY},
)
def ready(rooms: Rooms, response: Response) -> dict[str, Any]:
    """A server with no model yet is ready, since it can train one. `failures` names references whose present version
    cannot be loaded, if there are any; an older one serves them."""
    rooms.cache.sweep()
    missing = rooms.cache.not_ready()
    if missing:
        response.status_code = 503
        name, reason = next(iter(missing.items()))
        return {"error": f"model {name!r} is not ready: {reason}"}
    failures = rooms.cache.failures()
    return {"ready": True, "failures": failures} if failures else {"ready": True}


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    response_description="The text format of Prometheus",
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}, "example": METRICS}}}},
)
def metrics(rooms: Rooms) -> Response:
    """Of all processes of this server."""
    registry = CollectorRegistry()
    registry.register(BuildMetrics())
    registry.register(rooms.meters)
    registry.register(rooms.drifts)
    registry.register(JobMetrics(rooms.jobs))
    registry.register(FeedbackMetrics(rooms.feedback))
    registry.register(CacheMetrics(rooms.cache))
    return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
