"""An inference, from a request's headers and bytes to the answer's: one call, of no web framework, never waiting.

It waits for the disk only if the model is not at hand, which callers may ask first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from time import perf_counter

from app.errors import ModelNotFound, NeuronaError, VersionNotFound
from app.http.meters import Meters
from app.http.oip import ask as asks
from app.http.oip.body import split
from app.http.oip.outputs import wishes, write
from app.http.oip.reply import Reply, refused
from app.http.oip.rows import raw, rows
from app.http.oip.statistics import Statistics, Timing
from app.http.wire.json_document import Parser
from app.repository.model import Model
from app.repository.names import is_name, version_number
from app.serving.predictor import Predictor, predict
from app.settings import Settings

_SPARE = 10  # inputs beyond the model's columns that are looked at, so as to name what is wrong with them


@dataclass(frozen=True, kw_only=True)
class Inference:
    """What inferences are made with in a process. A `parser` that is busy is replaced by a new one."""

    predictor: Predictor
    settings: Settings
    meters: Meters
    parser: Parser = field(default_factory=Parser)
    statistics: Statistics = field(default_factory=Statistics)
    clock: Callable[[], float] = perf_counter

    def infer(
        self, *, model: str, version: str | None = None, headers: Mapping[str, str], body: bytes
    ) -> Reply:
        """The answer, an error too. headers: by lower-case name; body: as it came, compressed if it did."""
        began = self.clock()
        try:
            found = self.predictor.model(reference(model, version))
        except NeuronaError as error:
            return refused(error)
        try:
            return self._answer(found, headers, body, began)
        except NeuronaError as error:
            self.statistics.fail((found.name, found.version), self.clock() - began)
            return refused(error)

    def at_hand(self, model: str, version: str | None = None) -> bool:
        """Whether `infer` would not wait for the disk."""
        try:
            return self.predictor.model_at_hand(reference(model, version)) is not None
        except NeuronaError:
            return False

    def _answer(self, model: Model, headers: Mapping[str, str], body: bytes, began: float) -> Reply:
        settings = self.settings
        parts = split(headers, body, limit=settings.max_predict_bytes, setting="max_predict_bytes")
        if parts.head is None:
            ask = raw(model.encoding, parts.blobs)
        else:
            ask = asks.read(parts, self.parser, most_inputs=len(model.encoding.columns) + _SPARE)
        chosen = wishes(ask)
        asked = rows(model.encoding, ask, max_rows=settings.max_predict_rows)
        decoded = self.clock()
        prediction = predict(model, asked.rows, asked.check)
        computed = self.clock()
        reply = write(ask, chosen, prediction, accept_encoding=headers.get("accept-encoding", ""))
        count, timing = len(prediction.probabilities), Timing(began, decoded, computed, self.clock())
        self.statistics.succeed((model.name, model.version), count, timing)
        self.meters.tally("oip", model).add(asked.rows, count, *timing)
        return reply


def reference(model: str, version: str | None = None) -> str:
    """The model reference of a path: `name`, or `name@alias`, or `name` with a version.

    Raises: ModelNotFound, VersionNotFound, for names and versions that none can have.
    """
    name, at, alias = model.partition("@")
    if not is_name(name) or (at and (version is not None or not is_name(alias))):
        raise ModelNotFound(name=model[:80])
    if version is None:
        return model
    if version_number(version) is None:
        raise VersionNotFound(name=name, version=version[:80])
    return f"{name}@{version}"
