"""Models: their versions, cards, weights and aliases."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from app.errors import AliasesBroken, Invalid, ModelNotFound, Problem, StorageFailed
from app.http.bodies import read_json
from app.http.errors import checked
from app.http.parts import File
from app.http.routes.dependencies import Alias, Limit, Name, NameCursor, Ref, Rooms
from app.http.routes.examples import CONFLICT, NOT_FOUND, PROBLEMS, answer, binary, problem
from app.http.routes.feedback import FeedbackOnVersion, on_version
from app.http.routes.samples import ALIAS, CARD, MODEL, MODEL_DETAILS, ROLLED_BACK
from app.http.services import Services
from app.repository import card as cards
from app.repository.names import PRODUCTION

router = APIRouter(tags=["models"])


class ModelAnswer(BaseModel):
    """A model: its versions, and what each alias points at."""

    name: str
    versions: list[int]
    aliases: dict[str, int]
    warnings: list[str] = Field([], description="in a list only where there are any")


class DriftedColumn(BaseModel):
    """A column, and how far the rows asked about are from those trained on."""

    column: str
    index: float = Field(description="population stability index: 0 if alike")


class DriftAnswer(BaseModel):
    """How far the rows asked about are from those trained on: the columns that are farthest, those first."""

    version: int
    rows: int = Field(description="by which it is seen, the latest counting most")
    columns: list[DriftedColumn]


class ModelDetails(ModelAnswer):
    """A model, and how its production version fares."""

    feedback: FeedbackOnVersion | None = Field(None, description="what feedback says about production")
    drift: DriftAnswer | None = Field(
        None,
        description="of production; null while too few rows were asked about, or its card has no profile",
    )


class ModelPage(BaseModel):
    """A page of models, by name."""

    items: list[ModelAnswer]
    next_cursor: str | None


class Target(BaseModel):
    """Where an alias shall point."""

    model_config = ConfigDict(extra="forbid")
    version: int = Field(ge=1, lt=10**18, strict=True, examples=[7])


async def target(request: Request, rooms: Rooms) -> Target:
    """The body, read within the limits that every JSON body has."""
    return checked(Target, (await read_json(request, rooms.settings))[1])


class AliasAnswer(BaseModel):
    """An alias, where it points and where it pointed before."""

    model: str
    alias: str
    version: int
    previous: int | None = None


@router.get(
    "/v1/models",
    summary="List models",
    response_model_exclude_unset=True,
    responses={200: answer("A page", {"items": [MODEL], "next_cursor": None}), **problem(422, 503)},
)
def list_models(rooms: Rooms, limit: Limit = 50, cursor: NameCursor = None) -> ModelPage:
    names = rooms.repository.names(after=cursor or "", most=limit + 1)
    more = names[limit - 1] if len(names) > limit else None
    rooms.cache.refresh(*names[:limit])
    return ModelPage(items=[_model(rooms, name) for name in names[:limit]], next_cursor=more)


@router.get(
    "/v1/models/{ref}",
    summary="One model's versions and aliases",
    responses={200: answer("The model", MODEL_DETAILS), **NOT_FOUND, **problem(503)},
)
def get_model(rooms: Rooms, ref: Name) -> ModelDetails:
    """Takes a bare name; what is known of one version is on its card."""
    if "@" in ref:
        raise Invalid(Problem(message=f"{ref!r} is a version; its card is at /v1/models/{ref}/card"))
    rooms.cache.refresh(ref)
    found = _model(rooms, ref)
    if not found.versions:
        raise ModelNotFound(name=ref)
    return _details(rooms, found)


@router.delete(
    "/v1/models/{ref}",
    status_code=204,
    summary="Delete a version or a model",
    response_description="Deleted",
    responses={**NOT_FOUND, **CONFLICT, **problem(503)},
)
def delete_model(rooms: Rooms, ref: Ref) -> None:
    """`name@7` deletes a version that no alias points at; `name` deletes the model with all its versions."""
    name, _, version = ref.partition("@")
    if not version:
        with rooms.jobs.model_unneeded(name, rooms.repository.versions(name)):
            rooms.repository.delete_model(name)
        rooms.cache.refresh(name)
        return
    number = rooms.repository.resolve(ref)[1]
    if version != str(number):
        message = f"name the version by its number, {name}@{number}; {version!r} is an alias"
        raise Invalid(Problem(message=message, location="path.ref"))
    with rooms.jobs.version_unneeded(name, [number]):
        rooms.repository.delete_version(name, number)
    rooms.cache.refresh(name)


@router.get(
    "/v1/models/{ref}/card",
    summary="A version's card",
    responses={200: answer("The card", CARD), **NOT_FOUND, **problem(503)},
)
def get_card(rooms: Rooms, ref: Ref) -> dict[str, Any]:
    """Schema, classes, sizes, resolved hyperparameters, metrics, temperature and lineage."""
    name, version = rooms.repository.resolve(ref)
    rooms.cache.refresh(name)
    card = rooms.repository.card(name, version)
    return {**card, "schema": cards.schema(card)}


@router.get(
    "/v1/models/{ref}/weights",
    summary="The weights, as safetensors",
    response_class=File,
    response_description="A safetensors file",
    responses={
        206: {
            "description": "The part that the header `Range` asks for; several are `multipart/byteranges`",
            "content": {"application/octet-stream": binary("answer  # those bytes")},
        },
        304: {"description": "The file has the `ETag` that `If-None-Match` names"},
        **NOT_FOUND,
        **problem(400, 416, 503),
        200: {"content": {"application/octet-stream": binary("safetensors.numpy.load(answer)  # by name")}},
    },
)
def get_weights(rooms: Rooms, ref: Ref) -> File:
    name, version = rooms.repository.resolve(ref)
    return File(
        rooms.repository.weights(name, version),
        media_type="application/octet-stream",
        filename=f"{name}-{version}.safetensors",
    )


@router.put(
    "/v1/models/{name}/aliases/{alias}",
    summary="Point an alias at a version",
    responses={200: answer("Where it points now", ALIAS), **PROBLEMS, **NOT_FOUND, **CONFLICT},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/Target"},
                    "example": {"version": 1},
                }
            },
        }
    },
)
def put_alias(rooms: Rooms, name: Name, alias: Alias, to: Annotated[Target, Depends(target)]) -> AliasAnswer:
    """The version is loaded and warmed before the first request sees it; one that cannot be loaded is refused."""
    rooms.repository.resolve(f"{name}@{to.version}")
    rooms.cache.preload(name, to.version)
    previous = rooms.repository.set_alias(name, alias, to.version)
    rooms.cache.refresh(name)
    return AliasAnswer(model=name, alias=alias, version=to.version, previous=previous)


@router.delete(
    "/v1/models/{name}/aliases/{alias}",
    status_code=204,
    summary="Take an alias away",
    response_description="Taken away",
    responses={**NOT_FOUND, **problem(503)},
)
def delete_alias(rooms: Rooms, name: Name, alias: Alias) -> Response:
    rooms.repository.delete_alias(name, alias)
    rooms.cache.refresh(name)
    return Response(status_code=204)


@router.post(
    "/v1/models/{name}/rollback",
    summary="Put production back to what it was before",
    responses={
        200: answer("Where production points now", ROLLED_BACK),
        **NOT_FOUND,
        **CONFLICT,
        **problem(503),
    },
)
def rollback(rooms: Rooms, name: Name) -> AliasAnswer:
    previous, version = rooms.repository.rollback(name)
    rooms.cache.refresh(name)
    return AliasAnswer(model=name, alias=PRODUCTION, version=version, previous=previous)


def _details(rooms: Services, found: ModelAnswer) -> ModelDetails:
    """What is known of production beside its card; a database that is away costs only that."""
    production = found.aliases.get(PRODUCTION)
    feedback, drift, warnings = None, None, list(found.warnings)
    try:
        for standing in rooms.feedback.standings(found.name):
            if standing.version == production:
                feedback = on_version(standing)
    except StorageFailed as error:
        warnings.append(f"What feedback says is not known now. {error}")
    seen = None if production is None else rooms.drifts.of(found.name, production)
    if production is not None and seen is not None:
        columns = [DriftedColumn(column=name, index=index) for name, index in seen.columns]
        drift = DriftAnswer(version=production, rows=seen.rows, columns=columns)
        warnings += _drifted(columns, rooms.settings.drift_threshold)
    return ModelDetails(**{**dict(found), "warnings": warnings}, feedback=feedback, drift=drift)


def _drifted(columns: list[DriftedColumn], threshold: float) -> list[str]:
    """A sentence for each column that is at the threshold or beyond."""
    return [
        f"The rows asked about are unlike those trained on in column {each.column!r}: "
        f"population stability index {each.index:.2f}, from {threshold:g} on it is told (drift_threshold)."
        for each in columns
        if each.index >= threshold
    ]


def _model(rooms: Services, name: str) -> ModelAnswer:
    versions = rooms.repository.versions(name)
    try:
        return ModelAnswer(name=name, versions=versions, aliases=rooms.repository.aliases(name))
    except AliasesBroken as error:  # its versions can still be called by their numbers
        return ModelAnswer(name=name, versions=versions, aliases={}, warnings=[str(error)])
