"""A prediction in the native protocol, from the bytes of a body to the bytes of an answer."""

from time import perf_counter
from typing import NamedTuple

from app.http.meters import Meters
from app.http.wire.answer import Answer, Explanation
from app.http.wire.answers import write
from app.http.wire.json_document import Parser
from app.http.wire.rows import read
from app.repository.model import Model
from app.serving import predictor
from app.serving.predictor import Predictor


class Desk(NamedTuple):
    """What predictions are made with in this process, and where they are counted."""

    predictor: Predictor
    parser: Parser
    meters: Meters
    max_rows: int


def predict(
    desk: Desk, model: Model, body: bytes, *, media_type: str, accept: str, long: bool = True
) -> tuple[bytes, str] | None:
    """The answer to `body` and its media type. Raises as the wire formats and the predictor do.

    None where it asks for explanations, each of which costs many predictions, and no `long` work is wanted.
    """
    began = perf_counter()
    asked = read(body, media_type, model.encoding, max_rows=desk.max_rows, parser=desk.parser)
    if asked.explain and not long:
        return None
    decoded = perf_counter()
    prediction = predictor.predict(model, asked.rows, asked.check)
    explanation = None
    if asked.explain:
        explanation = Explanation(model.encoding, desk.predictor.explain(model, asked.rows, prediction))
    computed = perf_counter()
    written = write(Answer(*prediction, asked.top_k, explanation), accept)
    tally = desk.meters.tally("native", model)
    tally.add(asked.rows, len(prediction.probabilities), began, decoded, computed, perf_counter())
    return written
