"""Predictions: rows in, class probabilities out."""

from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Header, Request, Response

from app.http import uploads
from app.http.bodies import read_body
from app.http.evaluation import evaluate
from app.http.routes.dependencies import Rooms
from app.http.routes.examples import DATA_BODY, PREDICT_BODY, PREDICTION, PROBLEMS, problem
from app.http.routes.models import Ref
from app.http.services import Services
from app.http.wire.answer import Answer, Explanation
from app.http.wire.answers import write
from app.http.wire.rows import read
from app.serving.predictor import predict_encoded

router = APIRouter(tags=["predictions"])

_LARGE_BODY = 256 * 1024  # a larger one is computed in a thread, so that small requests pass it


@router.post(
    "/v1/models/{ref}/predict",
    summary="Class probabilities for rows",
    response_class=Response,
    responses={200: {"content": PREDICTION}, **PROBLEMS, **problem(404, 406)},
    openapi_extra={"requestBody": PREDICT_BODY},
)
async def predict(
    request: Request, rooms: Rooms, ref: Ref, accept: Annotated[str, Header()] = "application/json"
) -> Response:
    """Rows are lists in the schema's order or objects by column name. `Accept` chooses JSON, npy or Arrow."""
    settings = rooms.settings
    body = await read_body(request, limit=settings.max_predict_bytes, setting="max_predict_bytes")
    if len(body) > _LARGE_BODY or rooms.predictor.model_at_hand(ref) is None:
        return await anyio.to_thread.run_sync(_predict, request, rooms, ref, body, accept)
    return _predict(request, rooms, ref, body, accept)


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


def _predict(request: Request, rooms: Services, ref: str, body: bytes, accept: str) -> Response:
    predictor = rooms.predictor
    model = predictor.model(ref)
    media_type = request.headers.get("content-type", "")
    most, parser = rooms.settings.max_predict_rows, request.app.state.json_parser
    asked = read(body, media_type, model.encoding, max_rows=most, parser=parser)
    prediction = predict_encoded(model, asked.features)
    explanation = None
    if asked.explain:
        shares = predictor.contributions(model, asked.features, prediction.winners)
        explanation = Explanation(model.encoding, shares)
    answer = Answer(
        model=model.name,
        version=model.version,
        classes=model.classes,
        probabilities=prediction.probabilities,
        top_k=asked.top_k,
        explanation=explanation,
    )
    content, kind = write(answer, accept)
    return Response(content, media_type=kind)
