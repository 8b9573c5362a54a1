"""What the routes take as arguments."""

from typing import Annotated, cast

from fastapi import Depends, Query, Request

from app.http.services import Services


def services(request: Request) -> Services:
    """The rooms that this app was made with."""
    return cast(Services, request.app.state.services)


Rooms = Annotated[Services, Depends(services)]
Limit = Annotated[int, Query(ge=1, le=500, description="most items on a page")]
Cursor = Annotated[str | None, Query(description="`next_cursor` of the page before")]
