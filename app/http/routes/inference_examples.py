"""What the OpenAPI page shows of the Open Inference Protocol: shapes and examples."""

from typing import Any

from app.http.routes.examples import binary, body

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
    "example": {"error": "input 'features': expected shape [-1, 4], got [1, 3]"},
}
_PARAMETERS = {
    "type": ["object", "null"],
}
_SHAPE = {"type": "array", "items": {"type": "integer", "minimum": -1}}
_SIZES = {"type": "array", "items": {"type": "integer", "minimum": 0}}
_PORT = {
    "type": "object",
    "required": ["name", "datatype", "shape"],
    "properties": {"name": {"type": "string"}, "datatype": {"type": "string"}, "shape": _SHAPE},
}
_TENSOR = {
    **_PORT,
    "properties": {
        "name": {"type": "string"},
        "datatype": {"type": "string"},
        "shape": _SIZES,
        "parameters": _PARAMETERS,
        "data": {"type": ["array", "null"], "items": {}},
    },
}
_OUTPUT = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string"}, "parameters": _PARAMETERS},
}
_TEXTS = {
    400: "Malformed: a header, a size, a shape, a datatype or an element",
    401: "No key, or an unknown one",
    403: "A key whose role is too low",
    404: "No such model or version",
    413: "Too large",
    415: "Encoding not read here",
    429: "Busy: see Retry-After",
    408: "Too slow: the body stopped coming",
    503: "The version cannot be loaded",
}
_SPECIES = ["setosa", "versicolor", "virginica"]


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Errors in the protocol's form."""
    content = {"application/json": {"schema": _ERROR}}
    return {status: {"description": _TEXTS[status], "content": content} for status in statuses}


def _answer(description: str, schema: dict[str, Any], example: Any) -> dict[str, Any]:
    content = {"application/json": {"schema": schema, "example": example}}
    return {"description": description, "content": content}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


ERRORS = errors(400, 404, 408, 413, 415, 429, 503)
_TEXT, _COUNT = {"type": "string"}, {"type": "integer", "minimum": 0}

SERVER: dict[int | str, dict[str, Any]] = {
    200: _answer(
        "Name, version and extensions",
        _object(name=_TEXT, version=_TEXT, extensions=_list(_TEXT)),
        {"name": "neurona", "version": "0.1.0", "extensions": ["binary_tensor_data", "statistics"]},
    )
}
MODEL: dict[int | str, dict[str, Any]] = {
    200: _answer(
        "Inputs and outputs",
        _object(
            name=_TEXT,
            versions=_list(_TEXT),
            platform=_TEXT,
            inputs=_list(_PORT),
            outputs=_list(_PORT),
            properties={"type": "object", "additionalProperties": _TEXT},
        ),
        {
            "name": "iris",
            "versions": ["1", "2"],
            "platform": "neurona_safetensors",
            "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 4]}],
            "outputs": [
                {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
                {"name": "label", "datatype": "BYTES", "shape": [-1]},
            ],
            "properties": {"classes": '["setosa","versicolor","virginica"]'},
        },
    ),
    **errors(404, 503),
}
READY: dict[int | str, dict[str, Any]] = {
    200: _answer("It can", _object(name=_TEXT, ready={"type": "boolean"}), {"name": "iris", "ready": True}),
    **errors(404, 503),
}
STATISTICS: dict[int | str, dict[str, Any]] = {
    200: _answer(
        "Counts and durations in nanoseconds",
        _object(
            model_stats=_list(
                _object(
                    name=_TEXT,
                    version=_TEXT,
                    last_inference=_COUNT,
                    inference_count=_COUNT,
                    execution_count=_COUNT,
                    inference_stats={
                        "type": "object",
                        "additionalProperties": _object(count=_COUNT, ns=_COUNT),
                    },
                    batch_stats=_list({"type": "object"}),
                )
            )
        ),
        {"model_stats": []},
    ),
    **errors(404),
}
INDEX: dict[int | str, dict[str, Any]] = {
    200: _answer(
        "Every version there is",
        _list(
            _object(
                name=_TEXT,
                version=_TEXT,
                state={"type": "string", "enum": ["READY", "UNAVAILABLE"]},
                reason=_TEXT,
            )
        ),
        [{"name": "iris", "version": "1", "state": "READY", "reason": ""}],
    ),
    **errors(400, 408, 413, 415),
}
NOT_READY: dict[int | str, dict[str, Any]] = {
    503: {**errors(503)[503], "description": "A production version cannot be loaded: which, and why"}
}
LOADED: dict[int | str, dict[str, Any]] = {
    200: _answer("Loaded", {"type": "object"}, {}),
    **errors(400, 404, 408, 413, 415, 503),
}
UNLOADED: dict[int | str, dict[str, Any]] = {
    200: _answer("Let go", {"type": "object"}, {}),
    **errors(400, 404, 408, 413, 415),
}
HEADER = {
    "name": "Inference-Header-Content-Length",
    "in": "header",
    "schema": {"type": "string", "pattern": "^[0-9]{1,18}$"},
    "description": "bytes of JSON at the body's beginning; binary data follows them",
}
OPTIONAL_BODY: dict[str, Any] = {
    "required": False,
    "content": {"application/json": {"schema": {"type": ["object", "null"]}, "example": {}}},
}
INFER_BODY = body(
    "The request as JSON. With the header `Inference-Header-Content-Length` that JSON is so many bytes of the "
    "body, and the data of the inputs that have a `binary_data_size` follows it; with 0, all of the body is the "
    "data of the model's only input. `Content-Encoding: gzip` and `deflate` are taken.",
    {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["inputs"],
                "properties": {
                    "id": {"type": ["string", "null"]},
                    "parameters": _PARAMETERS,
                    "inputs": _list(_TENSOR),
                    "outputs": {"type": ["array", "null"], "items": _OUTPUT},
                },
            },
            "example": {
                "inputs": [
                    {"name": "features", "shape": [1, 4], "datatype": "FP32", "data": [5.1, 3.5, 1.4, 0.2]}
                ]
            },
        },
        "application/octet-stream": binary(
            "body.write(np.float32(rows).tobytes())  # with the header Inference-Header-Content-Length: 0"
        ),
    },
)
_INFERRED = _object(model_name=_TEXT, model_version=_TEXT, outputs=_list(_TENSOR))
_INFERRED["properties"]["id"] = {**_TEXT, "description": "that of the request, if it has one"}
INFER_ANSWER: dict[str, Any] = {
    "description": "The outputs, as JSON or as binary data behind it",
    "content": {
        "application/json": {
            "schema": _INFERRED,
            "example": {
                "model_name": "iris",
                "model_version": "1",
                "outputs": [
                    {"name": "probabilities", "datatype": "FP32", "shape": [1, 3], "data": [0.98, 0.02, 0.0]},
                    {"name": "label", "datatype": "BYTES", "shape": [1], "data": _SPECIES[:1]},
                ],
            },
        },
        "application/octet-stream": binary(
            'json.loads(answer[: int(headers["Inference-Header-Content-Length"])])  # whose data follows it'
        ),
    },
}
