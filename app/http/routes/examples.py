"""What the OpenAPI page shows of bodies and answers that are not plain JSON models: shapes and examples."""

from http import HTTPStatus
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, Field

from app.http.errors import STATUS, told
from app.jobs import Time

_INSTANCES = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
_LABELLED = {
    "instances": [[5.1, 3.5, 1.4, 0.2], [4.9, 3.0, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3], [5.9, 3.0, 5.1, 1.8]],
    "labels": ["setosa", "setosa", "virginica", "virginica"],
}
_REQUEST_ID = "4f1c0a5be0d54c6f"
_HEADER = "sepal_length,sepal_width,petal_length,petal_width"
_CSV = (
    f"{_HEADER},species\n5.1,3.5,1.4,0.2,setosa\n4.9,3.0,1.4,0.2,setosa\n"
    "6.7,3.0,5.2,2.3,virginica\n5.9,3.0,5.1,1.8,virginica\n"
)


def binary(line: str) -> dict[str, Any]:
    """Content that no text can show: how it is made, or read, in a line of Python.

    It is made in `body`, an io.BytesIO, of `rows` and `labels` or of a `table`; it is read from `answer`, its bytes,
    and from its `headers`.
    """
    return {"schema": {"type": "string", "format": "binary"}, "examples": {"in Python": {"summary": line}}}


def body(description: str, content: dict[str, Any]) -> dict[str, Any]:
    """A request's body. The page shows no example where it lets a file be chosen, so the lines are told here, too."""
    lines = {
        kind: each["examples"]["in Python"]["summary"]
        for kind, each in content.items()
        if "in Python" in each.get("examples", {})
    }
    told = "".join(f"\n- `{kind}`: `{line}`" for kind, line in lines.items())
    return {"required": True, "description": f"{description} In Python:\n{told}", "content": content}


_ARROW_STREAM = "with pyarrow.ipc.new_stream(body, table.schema) as stream: stream.write_table(table)"
_ARROW_FILE = "with pyarrow.ipc.new_file(body, table.schema) as file: file.write_table(table)"


class ProblemPlace(BaseModel):
    """One thing that is wrong, and where; rows count from 0."""

    message: str
    location: str | None = None
    row: int | None = None
    column: str | None = None


class ProblemAnswer(BaseModel):
    """What went wrong, as RFC 9457 problem details (`application/problem+json`)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ProblemPlace] = Field(default=[], description="only where there are places to name")
    request_id: str
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Unprocessable Content",
                "status": 422,
                "detail": "column 'age' is numeric by its first cell '39' (row 0), but row 57 has 'abc'",
                "code": "invalid",
                "errors": [
                    {"message": "expected a number", "location": "line 59", "row": 57, "column": "age"}
                ],
                "request_id": _REQUEST_ID,
            }
        }
    )


class DatasetColumn(BaseModel):
    """A column of a dataset: numeric, categorical or a vector."""

    model_config = ConfigDict(extra="allow")
    name: str
    type: str
    missing: int


class DatasetClass(BaseModel):
    """A class and how many rows have it."""

    label: str | int | bool
    rows: int


class DatasetAnswer(BaseModel):
    """Stored labelled data. `id` names the content: the same rows get the same id."""

    id: str
    name: str | None
    rows: int
    bytes: int
    label: str
    columns: list[DatasetColumn]
    classes: list[DatasetClass]
    created_at: Time
    warnings: list[str]
    sha256: str | None = Field(None, description="of the rows as stored; null: stored by an earlier release")


def problem(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Errors that a route may answer with."""
    texts = {
        400: "Unreadable",
        401: "No key, or an unknown one",
        403: "A key whose role is too low",
        404: "Not found",
        406: "No such answer type",
        408: "Too slow: the body stopped coming",
        409: "Conflict",
        413: "Too large",
        415: "Type not read here",
        416: "A part that is not there",
        422: "Readable but wrong",
        429: "Busy: see Retry-After",
        503: "Not now",
    }
    return {
        status: {"description": texts[status], "content": _problem(status, texts[status])}
        for status in statuses
    }


def _problem(status: int, text: str) -> dict[str, Any]:
    """A problem's schema and, but for a 422, which is the schema's own example, one of that status."""
    content: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}
    if status != HTTPStatus.UNPROCESSABLE_ENTITY:
        code = next((kind.code for kind, number in STATUS.items() if number == status), "")
        shown = told("/v1", status, f"{text}.", request_id=_REQUEST_ID, code=code)
        content["example"] = orjson.loads(shown.body)
    return {"application/problem+json": content}


def answer(description: str, example: Any) -> dict[str, Any]:
    """A good answer whose schema comes from the route: what it is, and one as an example."""
    return {"description": description, "content": {"application/json": {"example": example}}}


NOT_FOUND = problem(404, 422)
CONFLICT = problem(409)
PROBLEMS = problem(400, 408, 413, 415, 422, 503)

_DATA_CONTENT: dict[str, Any] = {
    "text/csv": {"schema": {"type": "string"}, "example": _CSV},
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["instances", "labels"],
            "properties": {
                "instances": {"type": "array", "items": {}},
                "labels": {"type": "array", "items": {}},
                "feature_names": {"type": ["array", "null"], "items": {"type": "string"}},
            },
        },
        "example": _LABELLED,
    },
    "application/x-npz": binary("np.savez(body, x=rows, y=labels)"),
    "application/vnd.apache.parquet": binary("pyarrow.parquet.write_table(table, body)"),
    "application/vnd.apache.arrow.stream": binary(_ARROW_STREAM),
    "application/vnd.apache.arrow.file": binary(_ARROW_FILE),
    "multipart/form-data": {
        "schema": {
            "type": "object",
            "required": ["file"],
            "properties": {
                "file": {
                    "type": "string",
                    "format": "binary",
                    "description": "in any of the other types: the part's own, or that of its file name",
                }
            },
        },
        "example": {"file": _CSV},
        "encoding": {"file": {"contentType": "text/csv"}},
    },
}

DATA_BODY = body(
    "Labelled rows. CSV: a header line, then rows; JSON: instances and labels; NPZ: arrays `x` and `y`; "
    "Parquet or Arrow: a table. `Content-Encoding: gzip` is taken.",
    _DATA_CONTENT,
)


def train_body(schema: str) -> dict[str, Any]:
    """The body of `train`: a JSON request, or data as for `POST /v1/datasets` with the fields in the URL."""
    json_body = {
        "schema": {"$ref": f"#/components/schemas/{schema}"},
        "examples": {
            "a stored dataset": {
                "value": {"dataset": "ds_7711e08ff4e76d4c", "hyperparameters": {"hidden_layer_sizes": [64]}}
            },
            "small inline data": {
                "value": {"data": _LABELLED},
            },
        },
    }
    return {**DATA_BODY, "required": False, "content": {**_DATA_CONTENT, "application/json": json_body}}


PREDICT_BODY = body(
    "Rows as lists in the schema's order or as objects by column name. `x-npy`: rows × features; Arrow and CSV: "
    "columns by name.",
    {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["instances"],
                "properties": {
                    "instances": {"type": "array", "items": {}},
                    "top_k": {
                        "type": ["integer", "null"],
                        "minimum": 1,
                        "description": "only so many classes of each row, the likeliest first",
                    },
                    "explain": {
                        "type": "boolean",
                        "default": False,
                        "description": "tell what each column contributed to the winning class's logit",
                    },
                },
                "additionalProperties": False,
            },
            "example": {"instances": _INSTANCES},
        },
        "application/x-npy": binary("np.save(body, rows)"),
        "application/vnd.apache.arrow.stream": binary(_ARROW_STREAM),
        "text/csv": {
            "schema": {"type": "string"},
            "example": f"{_HEADER}\n5.1,3.5,1.4,0.2\n",
        },
    },
)

FEEDBACK_BODY: dict[str, Any] = {
    "required": True,
    "description": "Rows as for a prediction by production, and a label for each.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["instances", "labels"],
                "properties": {
                    "instances": {"type": "array", "minItems": 1, "items": {}},
                    "labels": {"type": "array", "minItems": 1, "items": {}},
                },
                "additionalProperties": False,
            },
            "example": {"instances": _INSTANCES, "labels": ["setosa", "virginica"]},
        }
    },
}

_ANSWER = {
    "model": "iris",
    "version": 3,
    "classes": ["setosa", "versicolor", "virginica"],
    "labels": ["setosa"],
}

PREDICTION: dict[str, Any] = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["model", "version", "classes", "labels"],
            "properties": {
                "model": {"type": "string"},
                "version": {"type": "integer"},
                "classes": {"type": "array", "items": {}},
                "labels": {"type": "array", "items": {}},
                "probabilities": {"type": "array", "items": {"type": "array", "items": {"type": "number"}}},
                "top": {"type": "array", "items": {"type": "array", "items": {"type": "object"}}},
                "explanations": {
                    "type": "array",
                    "description": "with `explain`, by row: each column's share of what moved the winner's logit",
                    "items": {
                        "type": "object",
                        "additionalProperties": {
                            "anyOf": [{"type": "number"}, {"type": "array", "items": {"type": "number"}}]
                        },
                    },
                },
                "explained": {
                    "type": "array",
                    "description": "by row, the sum that they make: `logit` (before the temperature) is `baseline`, "
                    "that of a row at every column's training mean, plus all contributions",
                    "items": {
                        "type": "object",
                        "required": ["label", "baseline", "logit"],
                        "properties": {
                            "label": {},
                            "baseline": {"type": "number"},
                            "logit": {"type": "number"},
                        },
                    },
                },
            },
        },
        "examples": {
            "probabilities": {"value": {**_ANSWER, "probabilities": [[0.98, 0.02, 0.0]]}},
            "explained": {
                "value": {
                    **_ANSWER,
                    "probabilities": [[0.98, 0.02, 0.0]],
                    "explanations": [
                        {"sepal_length": 0.4, "sepal_width": 0.5, "petal_length": 1.6, "petal_width": 1.4}
                    ],
                    "explained": [{"label": "setosa", "baseline": -1.4, "logit": 2.5}],
                }
            },
        },
    },
    "application/x-npy": binary("np.load(io.BytesIO(answer))  # probabilities, rows × classes"),
    "application/vnd.apache.arrow.stream": binary(
        "pyarrow.ipc.open_stream(answer).read_all()  # columns label and probabilities"
    ),
}

_EPOCH = {
    "sequence": 1,
    "candidate": "relu_network",
    "epoch": 1,
    "train_loss": 0.71,
    "validation_loss": 0.42,
    "validation_accuracy": 0.93,
    "learning_rate": 0.001,
    "seconds": 0.12,
}
HISTORY: dict[str, Any] = {
    "schema": {"$ref": "#/components/schemas/History"},
    "example": {"epochs": [_EPOCH]},
}
HISTORY_CSV: dict[str, Any] = {
    "schema": {"type": "string"},
    "example": ",".join(_EPOCH) + "\n" + ",".join(str(value) for value in _EPOCH.values()) + "\n",
}
EVENTS: dict[str, Any] = {
    "itemSchema": {
        "type": "object",
        "required": ["event", "data"],
        "properties": {
            "event": {"type": "string", "enum": ["epoch", "state"]},
            "data": {"type": "string", "description": "an epoch of the history, or the job, as JSON"},
            "id": {"type": "string", "description": "an epoch's sequence, for Last-Event-ID"},
        },
    },
    "example": (
        'event: epoch\ndata: {"sequence":1,"train_loss":0.71}\nid: 1\n\n'
        'event: state\ndata: {"state":"succeeded"}\n\n'
    ),
}
