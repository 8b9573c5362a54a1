"""A version to take away: the whole of it as one ONNX file."""

from collections.abc import Iterable, Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from app.http.onnx.model import write
from app.http.routes.dependencies import Ref, Rooms
from app.http.routes.examples import CONFLICT, NOT_FOUND, binary, problem

router = APIRouter(tags=["models"])

_CHUNK = 1 << 20  # bytes sent at a time
_READ = (
    'onnxruntime.InferenceSession(answer).run(None, {"features": np.float32(rows)})  # labels, probabilities'
)


@router.get(
    "/v1/models/{ref}/onnx",
    summary="The same model as ONNX",
    response_class=StreamingResponse,
    response_description="An ONNX file",
    responses={
        **NOT_FOUND,
        **CONFLICT,
        **problem(503),
        200: {"content": {"application/octet-stream": binary(_READ)}},
    },
)
def get_onnx(
    rooms: Rooms,
    ref: Ref,
    inputs: Annotated[
        Literal["float32", "float64"],
        Query(description="what numbers the graph takes; float64 for those that float32 is too coarse for"),
    ] = "float32",
) -> StreamingResponse:
    """It takes raw columns (one input `features` for nothing but numbers or for one vector, else one a column; NaN or
    the empty text where a value is missing) and gives `label` and `probabilities`.
    """
    model = rooms.predictor.model(ref)
    pieces = write(model, exact=inputs == "float64")
    return StreamingResponse(
        _chunks(pieces),
        media_type="application/octet-stream",
        headers={
            "content-length": str(sum(map(len, pieces))),
            "content-disposition": f'attachment; filename="{model.name}-{model.version}.onnx"',
        },
    )


def _chunks(pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    for piece in pieces:
        for start in range(0, len(piece), _CHUNK):
            yield piece[start : start + _CHUNK]
