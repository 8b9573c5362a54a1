"""Feedback: labelled rows that came after predictions. They judge production, are kept, and can be trained on."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import anyio.to_thread
import numpy as np
import orjson
from starlette.requests import Request

from app.datasets.formats.json import parse
from app.datasets.labels import settled
from app.datasets.store import Dataset, Labelled
from app.errors import Invalid, ModelNotFound, Problem, TooLarge, UnsupportedType
from app.http import uploads
from app.http.bodies import read_body
from app.http.services import Services
from app.http.wire import cells
from app.http.wire.problems import Problems, described, listed, printable, shown, wrong
from app.http.wire.schema import check_finite, finite_columns, is_vector, names
from app.jobs import Feedback, FeedbackUse, NewFeedback
from app.jobs.feedback import Content, Verdict
from app.repository.model import Class, Model, class_places, part
from app.repository.names import PRODUCTION, check_name
from app.serving import predictor
from core.arrays import Array
from core.encoding import Encoding, RawColumns

_JSON = "application/json"
_FIELDS = ("instances", "labels")
_CHUNK = 1024  # rows judged at a time
_LABELS: dict[type, str] = {str: "a string", int: "a whole number", bool: "true or false"}


class Sent(NamedTuple):
    """What a request brought: the two lists as they came, and the hash of what they say."""

    instances: list[Any]
    labels: list[Any]
    fingerprint: str


class Kept(NamedTuple):
    """A request that is kept, whether it is new, and all rows of the model by now."""

    feedback: Feedback
    created: bool
    total_rows: int


async def read(request: Request, services: Services) -> Sent:
    """The body. Raises: Unreadable, Invalid, TooLarge, TooSlow, UnsupportedType."""
    settings = services.settings
    media_type, _ = uploads.content_type(request)
    if media_type not in ("", _JSON):
        raise UnsupportedType(got=media_type, expected=_JSON)
    body = await read_body(request, settings, "max_feedback_request_bytes")
    sent = await anyio.to_thread.run_sync(lambda: _members(parse(body, most_levels=settings.max_json_depth)))
    if len(sent.instances) > settings.max_feedback_request_rows:
        raise TooLarge(
            what=f"Feedback of {len(sent.instances)} rows",
            limit=settings.max_feedback_request_rows,
            unit="rows",
            setting="max_feedback_request_rows",
        )
    return sent


def keep(services: Services, name: str, sent: Sent, key: str | None) -> Kept:
    """Judge production by labelled rows and keep them.

    Raises: Invalid, for rows that do not fit production's schema; FeedbackKeyReused; FeedbackFull; as the cache.
    """
    check_name(name)
    known = services.feedback.recall(name, key, sent.fingerprint) if key is not None else None
    if known is not None:
        return Kept(known, False, services.feedback.kept(name))
    model = services.predictor.model(name)
    rows = _rows(sent.instances, model.encoding)
    labels = _labels(sent.labels, model.classes)
    new = NewFeedback(
        model=name,
        version=model.version,
        content=_content(sent.instances, labels, model.encoding),
        **judge(model, rows, labels).model_dump(),
    )
    feedback, created = services.feedback.add(
        new,
        key=key,
        fingerprint=sent.fingerprint,
        most_rows=services.settings.max_feedback_rows,
        most_bytes=services.settings.max_feedback_bytes,
        check=lambda: services.repository.resolve(name),
    )
    return Kept(feedback, created, services.feedback.kept(name))


def judge(model: Model, rows: Array | RawColumns, labels: Sequence[Class]) -> Verdict:
    """What labelled rows say about a version. A label that it has no class for counts as not foreseen, and its loss,
    which would be infinite, is left out."""
    correct = scored = 0
    loss = 0.0
    for start in range(0, len(labels), _CHUNK):
        part = slice(start, start + _CHUNK)
        logs = predictor.log_probabilities(model, predictor.some(rows, part))
        places = class_places(model.classes, labels[part])
        known = np.flatnonzero([place is not None for place in places])
        own = np.array([place for place in places if place is not None], dtype=np.intp)
        correct += int((logs[known].argmax(axis=1) == own).sum())
        scored += len(known)
        loss -= float(logs[known, own].sum(dtype=np.float64))
    return Verdict(rows=len(labels), correct=correct, scored=scored, loss=loss)


def extended(services: Services, model: str, base: str) -> tuple[Dataset, FeedbackUse]:
    """The dataset that a model's feedback makes of another, and what that is.

    Raises: Invalid, if there is no feedback that the other does not hold, or if it does not fit; DatasetNotFound.
    """
    above, upto = services.feedback.span(model, base)
    before = services.datasets.get(base)

    def more() -> Iterator[Labelled]:
        for page in services.feedback.contents(model, above, upto):
            yield from _joined(page)

    if not services.feedback.not_in(model, base):
        message = f"there is no feedback on {model!r} that dataset {base} does not hold already"
        raise Invalid(Problem(message=message, location="include_feedback"))
    suffix = f" with feedback on {model}"
    name = (before.name or base).removesuffix(suffix) + suffix
    made, _ = services.datasets.extend(base, more, name=name)
    services.feedback.note_use(model, made.id, upto)
    return made, FeedbackUse(rows=made.rows - before.rows, base=base)


def _joined(page: Iterable[Content]) -> Iterator[Labelled]:
    """The rows of requests; those that follow each other in one piece, for most requests are small."""
    read = ((each, orjson.loads(each.content)) for each in page)
    for (version, columns), group in groupby(read, key=lambda pair: (pair[0].version, pair[1]["columns"])):
        together = list(group)
        since = together[0][0].received_at
        yield Labelled(
            origin=f"feedback on version {version}, which came at {since} or later,",
            columns=columns,
            instances=[row for _, content in together for row in content["instances"]],
            labels=[label for _, content in together for label in content["labels"]],
        )


def production_dataset(services: Services, name: str) -> str | None:
    """The dataset of a model's production version; None if there is no such version, or its card names none.

    Raises: ModelNotFound.
    """
    version = services.repository.aliases(name).get(PRODUCTION)
    if version is None:
        if not services.repository.versions(name):
            raise ModelNotFound(name=name)
        return None
    dataset = part(services.repository.card(name, version), "lineage").get("dataset")
    return dataset if isinstance(dataset, str) else None


def _members(value: object) -> Sent:
    if not isinstance(value, dict):
        raise wrong(f"expected an object with 'instances' and 'labels', got {described(value)}")
    for field in value:
        if field not in _FIELDS:
            known = listed(_FIELDS)
            raise wrong(f"unknown field {shown(field)}; feedback takes {known}", location=printable(field))
    for field in _FIELDS:
        if not isinstance(value.get(field), list):
            got = described(value.get(field))
            raise wrong(f"expected {field!r} to be a list, got {got}", location=field)
    instances, labels = value["instances"], value["labels"]
    if not instances:
        raise wrong("there are no instances", location="instances")
    if len(instances) != len(labels):
        raise wrong(f"there are {len(instances)} instances but {len(labels)} labels", location="labels")
    said = orjson.dumps([instances, labels], option=orjson.OPT_SORT_KEYS)
    return Sent(instances, labels, hashlib.sha256(said).hexdigest())


def _rows(instances: list[Any], encoding: Encoding) -> Array | RawColumns:
    """Checked as a prediction's rows are."""
    problems = Problems("instances[{}]")
    if encoding.inputs is None:
        return finite_columns(cells.columns(iter(instances), encoding, problems), problems)
    matrix = cells.matrix(iter(instances), len(instances), encoding, problems)
    check_finite(encoding, matrix, problems)
    return matrix


def _labels(labels: list[Any], classes: Sequence[Class]) -> list[Class]:
    """The labels as what the classes are: strings, integers or booleans."""
    kind, problems = type(classes[0]), Problems("labels[{}]")
    found = []
    for row, value in enumerate(labels):
        label, _ = settled(value)
        if type(label) is kind:
            found.append(label)
        else:
            problems.add(row, f"expected {_LABELS[kind]} as the label, got {described(value)}")
    problems.settle()
    return found


def _content(instances: list[Any], labels: list[Class], encoding: Encoding) -> str:
    """The rows with the names of their columns, which a later version may have in another order."""
    schema = names(encoding)
    bare = is_vector(encoding)
    rows = [
        [row[name] for name in schema] if isinstance(row, dict) else [row] if bare else row
        for row in instances
    ]
    return orjson.dumps({"columns": schema, "instances": rows, "labels": labels}).decode()
