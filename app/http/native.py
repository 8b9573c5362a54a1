"""A prediction in the native protocol, from the bytes of a body to the bytes of an answer."""

from time import perf_counter
from typing import NamedTuple

from app.http.meters import Meters
from app.http.wire.answer import Answer, Explanation
from app.http.wire.answers import write
from app.http.wire.rows import JsonParser, read
from app.repository.model import Model
from app.serving.predictor import Predictor, predict_encoded


class Desk(NamedTuple):
    """What predictions are made with in this process, and where they are counted."""

    predictor: Predictor
    parser: JsonParser
    meters: Meters
    max_rows: int


def predict(desk: Desk, model: Model, body: bytes, *, media_type: str, accept: str) -> tuple[bytes, str]:
    """The answer to `body` and its media type. Raises as the wire formats and the predictor do."""
    began = perf_counter()
    asked = read(body, media_type, model.encoding, max_rows=desk.max_rows, parser=desk.parser)
    decoded = perf_counter()
    prediction = predict_encoded(model, asked.features)
    explanation = None
    if asked.explain:
        shares = desk.predictor.contributions(model, asked.features, prediction.winners)
        explanation = Explanation(model.encoding, shares)
    computed = perf_counter()
    answer = Answer(
        model=model.name,
        version=model.version,
        classes=model.classes,
        probabilities=prediction.probabilities,
        top_k=asked.top_k,
        explanation=explanation,
    )
    written = write(answer, accept)
    tally = desk.meters.tally("native", model.name, model.version)
    tally.add(len(asked.features), began, decoded, computed, perf_counter())
    return written
