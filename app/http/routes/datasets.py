"""Datasets: stored, listed, deleted."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from app.http import uploads
from app.http.routes.dependencies import Cursor, Limit, Rooms
from app.http.routes.examples import CONFLICT, DATA_BODY, NOT_FOUND, PROBLEMS, DatasetAnswer
from app.http.training_body import names_in

router = APIRouter(tags=["datasets"])


class DatasetPage(BaseModel):
    """A page of datasets, newest first."""

    items: list[DatasetAnswer]
    next_cursor: str | None


@router.post(
    "/v1/datasets",
    status_code=201,
    summary="Store labelled data",
    responses={
        200: {"model": DatasetAnswer, "description": "The same content was stored before"},
        **PROBLEMS,
    },
    openapi_extra={"requestBody": DATA_BODY},
)
async def post_dataset(
    request: Request,
    response: Response,
    rooms: Rooms,
    label: Annotated[str | None, Query(description="name of the label column; default: the last")] = None,
    name: Annotated[str | None, Query(max_length=200, description="a name for people")] = None,
    categorical: Annotated[str | None, Query(description="columns to take as text, with commas")] = None,
) -> DatasetAnswer:
    dataset, created = await uploads.ingest(
        request, rooms.datasets, label=label, name=name, categorical=names_in(categorical)
    )
    response.status_code = 201 if created else 200
    response.headers["Location"] = f"/v1/datasets/{dataset.id}"
    return DatasetAnswer.model_validate(dataset.to_dict())


@router.get("/v1/datasets", summary="List datasets, newest first")
def list_datasets(rooms: Rooms, limit: Limit = 50, cursor: Cursor = None) -> DatasetPage:
    items, next_cursor = rooms.datasets.list(limit=limit, cursor=cursor)
    answers = [DatasetAnswer.model_validate(each.to_dict()) for each in items]
    return DatasetPage(items=answers, next_cursor=next_cursor)


@router.get("/v1/datasets/{dataset_id}", summary="One dataset", responses=NOT_FOUND)
def get_dataset(rooms: Rooms, dataset_id: str) -> DatasetAnswer:
    return DatasetAnswer.model_validate(rooms.datasets.get(dataset_id).to_dict())


@router.delete(
    "/v1/datasets/{dataset_id}",
    status_code=204,
    summary="Delete a dataset that no job needs",
    responses={**NOT_FOUND, **CONFLICT},
)
def delete_dataset(rooms: Rooms, dataset_id: str) -> None:
    rooms.datasets.get(dataset_id)
    with rooms.jobs.dataset_unneeded(dataset_id):
        rooms.datasets.delete(dataset_id)
