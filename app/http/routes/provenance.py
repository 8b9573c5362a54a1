"""Where versions come from: what changed between two, how aliases moved, and whether one can be made again."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.http import difference, verification
from app.http.difference import Difference
from app.http.routes.dependencies import REF, IdempotencyKey, Limit, Name, NumberCursor, Ref, Rooms
from app.http.routes.examples import CONFLICT, NOT_FOUND, PROBLEMS, answer, problem
from app.http.routes.samples import ALIAS_PAGE, DIFFERENCE, VERIFICATION, VERIFIED
from app.http.routes.training import as_accepted
from app.jobs import Job, Time

router = APIRouter(tags=["models"])


class AliasMove(BaseModel):
    """One move of an alias. `from` and `to` are versions, null for nothing."""

    sequence: int = Field(description="counts the moves of all aliases of the model, from 1")
    alias: str
    from_: int | None = Field(serialization_alias="from")
    to: int | None
    at: Time = Field(description="RFC 3339, UTC")
    rollback: bool
    job: str | None = Field(description="the job whose promotion it was; null: somebody asked for it")


class AliasPage(BaseModel):
    """Where the aliases point, and a page of their moves, newest first."""

    name: str
    aliases: dict[str, int]
    items: list[AliasMove]
    next_cursor: str | None


@router.get(
    "/v1/models/{name}/aliases",
    summary="The aliases and every move of them, newest first",
    responses={200: answer("A page of moves", ALIAS_PAGE), **NOT_FOUND, **problem(503)},
)
def list_aliases(
    rooms: Rooms,
    name: Name,
    alias: Annotated[str | None, Query(description="only moves of this alias")] = None,
    limit: Limit = 50,
    cursor: NumberCursor = None,
) -> AliasPage:
    """The newest 1,000 moves are kept."""
    record = rooms.repository.alias_record(name)
    before = int(cursor) if cursor is not None else record.moves + 1
    found = [
        AliasMove(
            sequence=sequence,
            alias=move.alias,
            from_=move.origin,
            to=move.target,
            at=move.at,
            rollback=move.rollback,
            job=move.job,
        )
        for sequence, move in record.newest_first()
        if sequence < before and alias in (None, move.alias)
    ]
    more = str(found[limit - 1].sequence) if len(found) > limit else None
    return AliasPage(name=name, aliases=dict(record.targets), items=found[:limit], next_cursor=more)


@router.get(
    "/v1/models/{ref}/diff",
    summary="What changed from a version to another",
    responses={200: answer("What changed", DIFFERENCE), **NOT_FOUND, **problem(503)},
)
def get_diff(
    rooms: Rooms,
    ref: Ref,
    other: Annotated[
        str,
        Query(
            alias="with",
            description="the later version, as `name`, `name@7` or `name@alias`; it may be another model's",
            examples=["iris@2"],
            json_schema_extra={"pattern": REF},
        ),
    ],
) -> Difference:
    """From the version in the path, `before`, to that of `with`, `after`."""
    cards = [rooms.repository.card(*rooms.repository.resolve(each)) for each in (ref, other)]
    return difference.compare(*cards)


@router.post(
    "/v1/models/{ref}/verify",
    status_code=202,
    response_model=Job,
    summary="Train a version again and compare the bits",
    responses={
        202: answer("Accepted", VERIFICATION),
        200: {"model": Job, **answer("The job that the same Idempotency-Key made before", VERIFIED)},
        **PROBLEMS,
        **NOT_FOUND,
        **CONFLICT,
        **problem(429),
    },
    openapi_extra={
        "requestBody": {
            "required": False,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/VerifyBody"},
                    "example": {"max_runtime_seconds": 3600},
                }
            },
        },
    },
)
async def post_verify(request: Request, rooms: Rooms, ref: Ref, key: IdempotencyKey = None) -> Response:
    """A job of kind `verify`: it trains on the dataset that the card names, as the card says, and publishes nothing.

    Its `metrics` then tell whether weights, encoding, classes and temperature are `identical`, what `differs`, both
    hashes of the weights, their `largest_difference`, and what `software` is another than that of the card.
    """
    return as_accepted(*await verification.accept(request, rooms, ref, key))
