"""Predictions: rows in, class probabilities out."""

from typing import Any

import anyio.to_thread
from fastapi import APIRouter, Request, Response

from app.http import uploads
from app.http.evaluation import evaluate
from app.http.routes.dependencies import Rooms
from app.http.routes.examples import DATA_BODY, PREDICT_BODY, PREDICTION, PROBLEMS, problem
from app.http.routes.models import Ref

router = APIRouter(tags=["predictions"])


@router.post(
    "/v1/models/{ref}/predict",
    summary="Class probabilities for rows",
    response_class=Response,
    responses={200: {"content": PREDICTION}, **PROBLEMS, **problem(404, 406)},
    openapi_extra={"requestBody": PREDICT_BODY},
)
async def predict(request: Request, ref: Ref) -> Response:
    """Rows are lists in the schema's order or objects by column name. `Accept` chooses JSON, npy or Arrow."""
    # Described here, answered by the lane, which takes this path before the framework sees it.
    response: Response = await request.app.state.lane.respond(request)
    return response


@router.post(
    "/v1/models/{ref}/evaluate",
    summary="The card's metrics on new labelled data",
    responses={**PROBLEMS, **problem(404)},
    openapi_extra={"requestBody": DATA_BODY},
)
async def post_evaluate(request: Request, rooms: Rooms, ref: Ref, label: str | None = None) -> dict[str, Any]:
    """Labelled rows with the model's columns; nothing of them is kept."""
    model = await anyio.to_thread.run_sync(rooms.predictor.model, ref)
    dataset, created = await uploads.ingest(request, rooms.datasets, label=label, name=None, categorical=())
    try:
        return await anyio.to_thread.run_sync(evaluate, model, rooms.datasets, dataset)
    finally:
        if created:
            await anyio.to_thread.run_sync(rooms.datasets.delete, dataset.id)
