"""Predictions: rows in, class probabilities out."""

from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query, Request, Response

from app.http import uploads
from app.http.bodies import Patience
from app.http.evaluation import evaluate
from app.http.routes.dependencies import Ref, Rooms
from app.http.routes.examples import DATA_BODY, PREDICT_BODY, PREDICTION, PROBLEMS, answer, problem
from app.http.routes.samples import EVALUATION
from app.http.training_body import check_fields

router = APIRouter(tags=["predictions"])


@router.post(
    "/v1/models/{ref}/predict",
    summary="Class probabilities for rows",
    response_class=Response,
    response_description="A prediction for each row",
    responses={200: {"content": PREDICTION}, **PROBLEMS, **problem(404, 406, 429)},
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
    responses={200: answer("The metrics", EVALUATION), **PROBLEMS, **problem(404, 429)},
    openapi_extra={"requestBody": DATA_BODY},
)
async def post_evaluate(
    request: Request,
    rooms: Rooms,
    ref: Ref,
    label: Annotated[str | None, Query(description="name of the label column; default: the last")] = None,
) -> dict[str, Any]:
    """Labelled rows with the model's columns, in any format that training takes; nothing of them is kept."""
    check_fields(request.query_params, ["label"])
    model = await anyio.to_thread.run_sync(rooms.predictor.model, ref)
    return await uploads.received(
        request,
        lambda body: evaluate(model, rooms.datasets, body, label=label),
        patience=Patience.of(rooms.settings),
    )
