"""The Open Inference Protocol, version 2. Health is among the server's own routes."""

from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Path, Request, Response

from app.errors import ModelNotFound
from app.http.bodies import read_body
from app.http.oip import metadata, repository
from app.http.oip.inference import Inference, reference
from app.http.routes.dependencies import Rooms
from app.http.routes.inference_examples import (
    ERRORS,
    HEADER,
    INDEX,
    INFER_ANSWER,
    INFER_BODY,
    LOADED,
    MODEL,
    OPTIONAL_BODY,
    READY,
    SERVER,
    STATISTICS,
    UNLOADED,
)
from app.repository.names import is_name, version_number

router = APIRouter(prefix="/v2", tags=["inference protocol"])

Name = Annotated[
    str,
    Path(description="a model's name, which means its production version, or name@alias", examples=["iris"]),
]
Version = Annotated[str, Path(description="a version's number", examples=["1"])]


@router.get("", summary="The server's metadata", responses=SERVER)
async def get_server() -> dict[str, Any]:
    return metadata.server()


@router.get("/models/stats", summary="Statistics of all models", responses=STATISTICS)
def get_all_statistics(request: Request, rooms: Rooms) -> dict[str, Any]:
    """Counts and durations since this process began."""
    return _inference(request).statistics.of(repository.keys(rooms.repository))


@router.get("/models/{name}", summary="A model's metadata", responses=MODEL)
def get_model(rooms: Rooms, name: Name) -> dict[str, Any]:
    """Its inputs and outputs, with datatypes and shapes; -1 is the number of rows."""
    return _model(rooms, name)


@router.get("/models/{name}/versions/{version}", summary="A version's metadata", responses=MODEL)
def get_version(rooms: Rooms, name: Name, version: Version) -> dict[str, Any]:
    return _model(rooms, name, version)


@router.get("/models/{name}/ready", summary="Whether a model can answer", responses=READY)
def get_ready(rooms: Rooms, name: Name) -> dict[str, Any]:
    """Loads the model if it is not in memory."""
    return _ready(rooms, name)


@router.get(
    "/models/{name}/versions/{version}/ready", summary="Whether a version can answer", responses=READY
)
def get_version_ready(rooms: Rooms, name: Name, version: Version) -> dict[str, Any]:
    return _ready(rooms, name, version)


@router.get("/models/{name}/stats", summary="Statistics of a model's versions", responses=STATISTICS)
def get_statistics(request: Request, rooms: Rooms, name: Name) -> dict[str, Any]:
    return _inference(request).statistics.of(repository.keys(rooms.repository, _known(name)))


@router.get(
    "/models/{name}/versions/{version}/stats", summary="Statistics of a version", responses=STATISTICS
)
def get_version_statistics(request: Request, rooms: Rooms, name: Name, version: Version) -> dict[str, Any]:
    number = version_number(reference(_known(name), version).partition("@")[2])
    return _inference(request).statistics.of(repository.keys(rooms.repository, name, number))


@router.post(
    "/models/{name}/infer",
    summary="Class probabilities for tensors",
    response_class=Response,
    responses={200: INFER_ANSWER, **ERRORS},
    openapi_extra={"requestBody": INFER_BODY, "parameters": [HEADER]},
)
async def infer(request: Request, name: Name) -> Response:
    """JSON, or JSON and binary data behind it: see docs/inference-protocol.md."""
    response: Response = await request.app.state.lane.respond(request)
    return response


@router.post(
    "/models/{name}/versions/{version}/infer",
    summary="Class probabilities for tensors, by a version",
    response_class=Response,
    responses={200: INFER_ANSWER, **ERRORS},
    openapi_extra={"requestBody": INFER_BODY, "parameters": [HEADER]},
)
async def infer_version(request: Request, name: Name, version: Version) -> Response:
    response: Response = await request.app.state.lane.respond(request)
    return response


@router.post(
    "/repository/index",
    summary="All versions and their states",
    responses=INDEX,
    openapi_extra={"requestBody": OPTIONAL_BODY},
)
async def post_index(request: Request, rooms: Rooms) -> list[dict[str, str]]:
    """READY is in memory. Another version is loaded by its first request. `{"ready": true}` leaves those out."""
    body = await read_body(request, rooms.settings)
    return await anyio.to_thread.run_sync(repository.index, rooms.repository, rooms.cache, body)


@router.post(
    "/repository/models/{name}/load",
    summary="Load what a model's name means now",
    responses=LOADED,
    openapi_extra={"requestBody": OPTIONAL_BODY},
)
async def post_load(request: Request, rooms: Rooms, name: Name) -> dict[str, Any]:
    """Models are followed by themselves; this does it at once."""
    body = await read_body(request, rooms.settings)
    reference(name)
    await anyio.to_thread.run_sync(repository.load, rooms.repository, rooms.cache, name, body)
    return {}


@router.post(
    "/repository/models/{name}/unload",
    summary="Let go of a model's memory",
    responses=UNLOADED,
    openapi_extra={"requestBody": OPTIONAL_BODY},
)
async def post_unload(request: Request, rooms: Rooms, name: Name) -> dict[str, Any]:
    """Of this process. The model stays in the repository: its next request loads it again."""
    body = await read_body(request, rooms.settings)
    await anyio.to_thread.run_sync(repository.unload, rooms.repository, rooms.cache, _known(name), body)
    return {}


def _inference(request: Request) -> Inference:
    found = request.app.state.inference
    assert isinstance(found, Inference)
    return found


def _model(rooms: Rooms, name: str, version: str | None = None) -> dict[str, Any]:
    model = rooms.predictor.model(reference(name, version))
    versions = rooms.repository.versions(model.name) if version is None else [model.version]
    return metadata.of_model(model, versions)


def _ready(rooms: Rooms, name: str, version: str | None = None) -> dict[str, Any]:
    rooms.predictor.model(reference(name, version))
    return {"name": name, "ready": True}


def _known(name: str) -> str:
    """The name itself, if a model can have it; there is none of another."""
    if not is_name(name):
        raise ModelNotFound(name=name[:80])
    return name
