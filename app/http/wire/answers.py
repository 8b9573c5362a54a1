"""An answer as bytes, in the format that its reader asked for."""

from collections.abc import Callable

from app.http.wire import arrow_answer, json_answer, npy_answer
from app.http.wire.accept import choose
from app.http.wire.answer import Answer

WRITERS: dict[str, Callable[[Answer], bytes]] = {
    "application/json": json_answer.write,
    "application/x-npy": npy_answer.write,
    "application/vnd.apache.arrow.stream": arrow_answer.write,
}
OFFERS = tuple(WRITERS)


def write(answer: Answer, accept: str | None) -> tuple[bytes, str]:
    """The answer's bytes and their media type, by the `Accept` header; JSON where anything will do.

    `top_k` and explanations are written in JSON only. Raises `NotAcceptable` if no writer will do.
    """
    plain = answer.top_k is None and answer.explanation is None
    kind = choose(accept, OFFERS if plain else OFFERS[:1])
    return WRITERS[kind](answer), kind
