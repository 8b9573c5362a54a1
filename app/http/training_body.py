"""What a request to train says: read from its body and its URL, with data that came along stored as a dataset."""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Annotated, Any, NamedTuple

import anyio.to_thread
import orjson
from pydantic import Field, model_validator
from starlette.datastructures import QueryParams
from starlette.requests import Request

from app.datasets.inline import as_cells
from app.datasets.store import Dataset
from app.errors import Invalid, Problem, Unreadable
from app.http import uploads
from app.http.bodies import Patience, read_json
from app.http.errors import checked
from app.http.services import Services
from app.jobs import Algorithm, Hyperparameters, Promote
from app.jobs.records import Record, Webhook

_OF_DATA = ("label", "name", "categorical")
_LISTS = ("categorical", "hidden_layer_sizes")  # may be said item by item


class Inline(Record):
    """Small labelled data inside a JSON body."""

    instances: list[Any]
    labels: list[Any]
    feature_names: Annotated[list[str], Field(fail_fast=True)] | None = None  # it may have millions


class TrainBody(Record):
    """What to train on and how. Only data is needed; everything else has a default."""

    dataset: str | None = Field(None, description="id of a stored dataset", examples=["ds_0123456789abcdef"])
    data: Inline | None = Field(None, description="small inline data, in place of `dataset`")
    algorithm: Algorithm = "auto"
    hyperparameters: Hyperparameters = Hyperparameters()
    warm_start: str | None = Field(None, description="a model reference whose weights to go on from")
    promote: Promote = "if_better"
    include_feedback: bool = Field(
        False,
        strict=True,
        description="add the feedback on this model that the dataset does not hold already",
    )
    metadata: dict[str, Any] = Field(default_factory=dict, description="kept with the job and the card")
    max_runtime_seconds: float | None = Field(
        None, gt=0, strict=True, allow_inf_nan=False, description="the job fails after so much training time"
    )
    webhook: Webhook | None = Field(None, description="told of the job's end by POST, its body as GET's")

    @model_validator(mode="after")
    def _one_source(self) -> "TrainBody":
        if self.dataset is not None and self.data is not None:
            raise ValueError("send either dataset or data, not both")
        return self


class Schema(NamedTuple):
    """The names of a model's columns, and of its columns of text.

    width: how many numbers its only column has, if that is a vector.
    """

    names: tuple[str, ...]
    texts: tuple[str, ...]
    width: int | None


async def read(
    request: Request, services: Services, schema: Callable[[], Schema | None] = lambda: None
) -> tuple[TrainBody, str | None]:
    """The fields and the dataset's id; data that came with the request is stored as a dataset.

    schema: gives that of JSON rows that are lists without names, if they are of its size; and the columns to take as
    text, if the URL says nothing of them.
    """
    fields = _query_fields(request)
    media_type, _ = uploads.content_type(request)
    if media_type not in ("", "application/json"):
        _check_alone(fields)
        dataset = await _store(request, services, schema)
        return checked(TrainBody, fields), dataset.id
    raw, value = await read_json(request, services.settings)
    if media_type == "" and raw:
        raise Unreadable(what="The body", reason="it has no Content-Type")
    if "instances" in value:
        _check_alone(fields)
        dataset = await _store_json(value, request, services, schema)
        return checked(TrainBody, fields), dataset.id
    said = checked(TrainBody, _merged(fields, value))
    if said.data is None:
        for name in _OF_DATA:
            if name in request.query_params:
                message = f"{name} is said of data that comes along; a stored dataset has been read already"
                raise Invalid(Problem(message=message, location=f"query.{name}"))
        return said, said.dataset
    dataset = await _store_json(value["data"], request, services, schema)
    return said, dataset.id


async def _store(request: Request, services: Services, schema: Callable[[], Schema | None]) -> Dataset:
    found = await anyio.to_thread.run_sync(schema)
    said = _of_data(request, found)
    patience = Patience.of(services.settings)
    dataset, _ = await uploads.ingest(request, services.datasets, **said, patience=patience)
    if said["label"] is None and found is not None and dataset.label in found.names:
        message = f"{dataset.label!r}, the last column, is a feature of production; name that of the labels"
        raise Invalid(Problem(message=message, location="query.label", column=dataset.label))
    return dataset


async def _store_json(
    data: dict[str, Any],
    request: Request,
    services: Services,
    schema: Callable[[], Schema | None],
) -> Dataset:
    dataset, _ = await anyio.to_thread.run_sync(
        lambda: services.datasets.ingest_value(_named(data, schema), **_of_data(request, schema()))
    )
    return dataset


def _of_data(request: Request, schema: Schema | None) -> dict[str, Any]:
    """What the URL says of the data that comes along, and of what it leaves out the schema's columns of text."""
    query = request.query_params
    said = {"label": query.get("label"), "name": query.get("name")}
    if "categorical" in query or schema is None:
        return {**said, "categorical": names_in(query.getlist("categorical"))}
    return {**said, "categorical": schema.texts, "every": False}


def _named(data: dict[str, Any], schema: Callable[[], Schema | None]) -> dict[str, Any]:
    """The data; lists that come without names get these, and vectors may be bare, if they are of that size."""
    rows = data.get("instances")
    first = rows[0] if isinstance(rows, list) and rows else None
    if not isinstance(first, list) or data.get("feature_names") is not None or (found := schema()) is None:
        return data
    named = {**data, "feature_names": list(found.names)}
    if len(first) == found.width:
        return {**named, "instances": as_cells(data["instances"])}
    return named if len(first) == len(found.names) else data


def _check_alone(fields: Mapping[str, Any]) -> None:
    """Raises: Invalid, if the URL names a dataset beside the data in the body."""
    if "dataset" in fields:
        message = "send either data or the name of a dataset, not both"
        raise Invalid(Problem(message=message, location="query.dataset"))


def check_fields(query: QueryParams, known: Collection[str] = _OF_DATA) -> None:
    """Raises: Invalid, for a field of a URL that says nothing of data: a mistyped `label` would go unnoticed."""
    _check_once(query)
    for name in query:
        if name not in known:
            raise _unknown(name)


def _check_once(query: QueryParams) -> None:
    """Raises: Invalid, for a field that is said twice, of which one would go unnoticed."""
    for name in query:
        if name not in _LISTS and len(said := query.getlist(name)) > 1:
            message = f"{name} is said {len(said)} times ({', '.join(map(repr, said[:5]))}); say it once"
            raise Invalid(Problem(message=message, location=f"query.{name}"))


def _unknown(name: str) -> Invalid:
    message = f"there is no field {name!r}; /docs lists those of every call"
    return Invalid(Problem(message=message, location=f"query.{name}"))


def names_in(texts: Iterable[str]) -> tuple[str, ...]:
    """A list of names written with commas, or one by one."""
    return tuple(name for text in texts for name in text.split(",") if name)


def _merged(query: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    """The body's fields before the URL's, and so within `hyperparameters`, if both have them as they should be."""
    ours, theirs = query.get("hyperparameters", {}), body.get("hyperparameters", {})
    if not (ours and isinstance(ours, dict) and isinstance(theirs, dict)):
        return {**query, **body}
    return {**query, **body, "hyperparameters": {**ours, **theirs}}


def _query_fields(request: Request) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    hyperparameters: dict[str, Any] = {}
    _check_once(request.query_params)
    for name, text in request.query_params.items():
        if name in (*_OF_DATA, "dry_run"):
            continue
        if name in Hyperparameters.model_fields:
            several = ",".join(request.query_params.getlist(name))
            hyperparameters[name] = _value(name, several if name == "hidden_layer_sizes" else text)
        elif name in TrainBody.model_fields and name != "data":
            fields[name] = _value(name, text)
        else:
            raise _unknown(name)
    return _merged({"hyperparameters": hyperparameters}, fields) if hyperparameters else fields


def _value(name: str, text: str) -> Any:
    """A query parameter's text as JSON; layers may be written with commas, a webhook as its URL."""
    if name == "hidden_layer_sizes" and not text.startswith("["):
        text = f"[{text}]"
    if name == "webhook" and not text.startswith("{"):
        return {"url": text}
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
