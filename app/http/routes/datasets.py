"""Datasets: stored, listed, deleted."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from app.http import uploads
from app.http.bodies import Patience
from app.http.routes.dependencies import Cursor, DatasetId, Limit, Rooms
from app.http.routes.examples import CONFLICT, DATA_BODY, NOT_FOUND, PROBLEMS, DatasetAnswer, answer, problem
from app.http.routes.samples import DATASET
from app.http.training_body import check_fields, names_in

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
        201: answer("Stored", DATASET),
        200: {"model": DatasetAnswer, **answer("The same content was stored before", DATASET)},
        **PROBLEMS,
        **problem(429),
    },
    openapi_extra={"requestBody": DATA_BODY},
)
async def post_dataset(
    request: Request,
    response: Response,
    rooms: Rooms,
    label: Annotated[str | None, Query(description="name of the label column; default: the last")] = None,
    name: Annotated[str | None, Query(max_length=200, description="a name for people")] = None,
    categorical: Annotated[
        list[str] | None, Query(description="columns to take as text, with commas")
    ] = None,
) -> DatasetAnswer:
    """The body is streamed to disk in bounded memory. The same content again gets the same id."""
    check_fields(request.query_params)
    dataset, created = await uploads.ingest(
        request,
        rooms.datasets,
        label=label,
        name=name,
        categorical=names_in(categorical or ()),
        patience=Patience.of(rooms.settings),
    )
    response.status_code = 201 if created else 200
    response.headers["Location"] = f"/v1/datasets/{dataset.id}"
    return DatasetAnswer.model_validate(dataset.to_dict())


@router.get(
    "/v1/datasets",
    summary="List datasets, newest first",
    responses={200: answer("A page", {"items": [DATASET], "next_cursor": None}), **problem(422)},
)
def list_datasets(rooms: Rooms, limit: Limit = 50, cursor: Cursor = None) -> DatasetPage:
    items, next_cursor = rooms.datasets.list(limit=limit, cursor=cursor)
    answers = [DatasetAnswer.model_validate(each.to_dict()) for each in items]
    return DatasetPage(items=answers, next_cursor=next_cursor)


@router.get(
    "/v1/datasets/{dataset_id}",
    summary="One dataset",
    responses={200: answer("The dataset", DATASET), **NOT_FOUND},
)
def get_dataset(rooms: Rooms, dataset_id: DatasetId) -> DatasetAnswer:
    return DatasetAnswer.model_validate(rooms.datasets.get(dataset_id).to_dict())


@router.delete(
    "/v1/datasets/{dataset_id}",
    status_code=204,
    summary="Delete a dataset that no job needs",
    response_description="Deleted",
    responses={**NOT_FOUND, **CONFLICT},
)
def delete_dataset(rooms: Rooms, dataset_id: DatasetId) -> None:
    rooms.datasets.get(dataset_id)
    with rooms.jobs.dataset_unneeded(dataset_id):
        rooms.datasets.delete(dataset_id)
