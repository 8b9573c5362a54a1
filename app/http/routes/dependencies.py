"""What the routes take as arguments."""

from typing import Annotated, cast

from fastapi import Depends, Header, Path, Query, Request

from app.http.services import Services

_NAME = "[a-z0-9][a-z0-9._-]{0,63}"
_ALIAS = "([a-z]|[0-9]+[a-z._-])[a-z0-9._-]{0,62}"
_NUMBER = "[1-9][0-9]{0,17}"
REF = f"^{_NAME}(@({_NUMBER}|{_ALIAS}))?$"


def services(request: Request) -> Services:
    """The rooms that this app was made with."""
    return cast(Services, request.app.state.services)


Rooms = Annotated[Services, Depends(services)]
Limit = Annotated[int, Query(ge=1, le=500, description="most items on a page")]
_CURSOR = "`next_cursor` of the page before"
Cursor = Annotated[str | None, Query(description=_CURSOR)]
NumberCursor = Annotated[str | None, Query(description=_CURSOR, pattern="^[0-9]{1,18}$")]
NameCursor = Annotated[str | None, Query(description=_CURSOR, pattern=f"^{_NAME}$")]

# Patterns are for readers of the OpenAPI document; the rooms check names themselves, and say what is wrong.
Name = Annotated[
    str,
    Path(description="a model's name", examples=["iris"], json_schema_extra={"pattern": f"^{_NAME}$"}),
]
Ref = Annotated[
    str,
    Path(
        description="`name`, `name@7` or `name@alias`; a bare name means production",
        examples=["iris", "iris@1"],
        json_schema_extra={"pattern": REF},
    ),
]
Alias = Annotated[
    str,
    Path(
        description="an alias's name, not all digits; bare names mean `production`",
        examples=["staging"],
        json_schema_extra={"pattern": f"^{_ALIAS}$", "maxLength": 64},
    ),
]
DatasetId = Annotated[
    str,
    Path(
        description="a dataset's id",
        examples=["ds_7711e08ff4e76d4c"],
        json_schema_extra={"pattern": "^ds_[0-9a-f]{16}$"},
    ),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="the same key and the same body count once, and get the same answer",
    ),
]
JobId = Annotated[
    str,
    Path(
        description="a job's id",
        examples=["job_ee6c6c73c82dbe91"],
        json_schema_extra={"pattern": "^job_[0-9a-f]{16}$"},
    ),
]
