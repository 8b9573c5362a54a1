"""Models: their versions, cards, weights and aliases."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field

from app.errors import Invalid, ModelNotFound, Problem
from app.http.routes.dependencies import Cursor, Limit, Rooms
from app.http.routes.examples import CONFLICT, NOT_FOUND
from app.http.services import Services

router = APIRouter(tags=["models"])

Ref = Annotated[str, Path(description="`name`, `name@7` or `name@alias`; a bare name means production")]


class ModelAnswer(BaseModel):
    """A model: its versions, and what each alias points at."""

    name: str
    versions: list[int]
    aliases: dict[str, int]


class ModelPage(BaseModel):
    """A page of models, by name."""

    items: list[ModelAnswer]
    next_cursor: str | None


class Target(BaseModel):
    """Where an alias shall point."""

    model_config = ConfigDict(extra="forbid")
    version: int = Field(ge=1, examples=[7])


class AliasAnswer(BaseModel):
    """An alias, where it points and where it pointed before."""

    model: str
    alias: str
    version: int
    previous: int | None = None


@router.get("/v1/models", summary="List models")
def list_models(rooms: Rooms, limit: Limit = 50, cursor: Cursor = None) -> ModelPage:
    names = [name for name in rooms.repository.names() if cursor is None or name > cursor]
    more = names[limit - 1] if len(names) > limit else None
    return ModelPage(items=[_model(rooms, name) for name in names[:limit]], next_cursor=more)


@router.get("/v1/models/{name}", summary="One model's versions and aliases", responses=NOT_FOUND)
def get_model(rooms: Rooms, name: str) -> ModelAnswer:
    if "@" in name:
        raise Invalid(Problem(message=f"{name!r} is a version; its card is at /v1/models/{name}/card"))
    answer = _model(rooms, name)
    if not answer.versions:
        raise ModelNotFound(name=name)
    return answer


@router.delete("/v1/models/{ref}", status_code=204, summary="Delete a version or a model", responses=CONFLICT)
def delete_model(rooms: Rooms, ref: Ref) -> None:
    """`name@7` deletes a version that no alias points at; `name` deletes the model with all its versions."""
    name, _, version = ref.partition("@")
    if not version:
        with rooms.jobs.version_unneeded(name, rooms.repository.versions(name)):
            rooms.repository.delete_model(name)
        return
    number = rooms.repository.resolve(ref)[1]
    if version != str(number):
        message = f"name the version by its number, {name}@{number}; {version!r} is an alias"
        raise Invalid(Problem(message=message, location="path.ref"))
    with rooms.jobs.version_unneeded(name, [number]):
        rooms.repository.delete_version(name, number)


@router.get("/v1/models/{ref}/card", summary="A version's card", responses=NOT_FOUND)
def get_card(rooms: Rooms, ref: Ref) -> dict[str, Any]:
    """Schema, classes, sizes, resolved hyperparameters, metrics, temperature and lineage."""
    return rooms.repository.card(*rooms.repository.resolve(ref))


@router.get(
    "/v1/models/{ref}/weights",
    summary="The weights, as safetensors",
    response_class=FileResponse,
    responses={**NOT_FOUND, 200: {"content": {"application/octet-stream": {}}}},
)
def get_weights(rooms: Rooms, ref: Ref) -> FileResponse:
    name, version = rooms.repository.resolve(ref)
    return FileResponse(
        rooms.repository.weights(name, version),
        media_type="application/octet-stream",
        filename=f"{name}-{version}.safetensors",
    )


@router.put(
    "/v1/models/{name}/aliases/{alias}",
    summary="Point an alias at a version",
    responses={**NOT_FOUND, **CONFLICT},
)
def put_alias(rooms: Rooms, name: str, alias: str, target: Target) -> AliasAnswer:
    """The version is loaded and warmed before the first request sees it; one that cannot be loaded is refused."""
    rooms.repository.resolve(f"{name}@{target.version}")
    rooms.cache.preload(name, target.version)
    previous = rooms.repository.set_alias(name, alias, target.version)
    rooms.cache.refresh(name)
    return AliasAnswer(model=name, alias=alias, version=target.version, previous=previous)


@router.delete(
    "/v1/models/{name}/aliases/{alias}", status_code=204, summary="Take an alias away", responses=NOT_FOUND
)
def delete_alias(rooms: Rooms, name: str, alias: str) -> Response:
    rooms.repository.delete_alias(name, alias)
    rooms.cache.refresh(name)
    return Response(status_code=204)


@router.post(
    "/v1/models/{name}/rollback",
    summary="Put production back to what it was before",
    responses={**NOT_FOUND, **CONFLICT},
)
def rollback(rooms: Rooms, name: str) -> AliasAnswer:
    previous = rooms.repository.aliases(name).get("production")
    version = rooms.repository.rollback(name)
    rooms.cache.refresh(name)
    return AliasAnswer(model=name, alias="production", version=version, previous=previous)


def _model(rooms: Services, name: str) -> ModelAnswer:
    versions = rooms.repository.versions(name)
    return ModelAnswer(name=name, versions=versions, aliases=rooms.repository.aliases(name))
