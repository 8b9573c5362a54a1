"""The OpenAPI document: what FastAPI derives from the routes, and what only bodies read by hand and the door know."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel

from app.http.keys import Role, role_needed
from app.http.routes.examples import ProblemAnswer, problem
from app.http.routes.inference_examples import errors
from app.http.routes.jobs import History
from app.http.routes.models import Target
from app.http.routes.training import Plan
from app.http.training_body import TrainBody
from app.http.verification import VerifyBody

_BY_HAND: tuple[type[BaseModel], ...] = (TrainBody, VerifyBody, ProblemAnswer, History, Plan, Target)
_UNUSED = ("HTTPValidationError", "ValidationError")
_HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-ID": {"description": "joins the answer to the log's lines", "schema": {"type": "string"}},
    "Location": {"description": "where it is", "schema": {"type": "string"}},
    "Retry-After": {"description": "seconds", "schema": {"type": "string", "pattern": "^[0-9]+$"}},
    "WWW-Authenticate": {
        "description": "how to send a key",
        "schema": {"type": "string", "enum": ["Bearer"]},
    },
}
_OF_STATUS = {"201": "Location", "401": "WWW-Authenticate", "429": "Retry-After"}


def describe(app: FastAPI, *, open_here: bool) -> None:
    """Give the app an `openapi()` that makes the document once and then keeps it; `open_here`: no key is needed."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app, open_here)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI, open_here: bool) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        tags=app.openapi_tags,
        license_info=app.license_info,
        routes=app.routes,
    )
    components = document["components"]
    schemas = components["schemas"]
    for model in _BY_HAND:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    components["headers"] = _HEADERS
    document["security"] = [{"key": []}, {}] if open_here else [{"key": []}]
    _restore_examples(app, document["paths"])
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            _complete(call, path, role_needed(method.upper(), path))
    for name in _UNUSED:
        schemas.pop(name, None)
    return document


def _restore_examples(app: FastAPI, paths: dict[str, Any]) -> None:
    """Put the answers' examples in again: FastAPI leaves out every null, in them too."""
    for route in iter_route_contexts(app.routes):
        calls = paths.get(route.path_format or "", {})
        for method in (route.methods or set()) if calls else ():
            answers = calls[method.lower()]["responses"]
            for status, said in route.responses.items():
                for kind, content in said.get("content", {}).items():
                    examples = {key: content[key] for key in ("example", "examples") if key in content}
                    answers[str(status)]["content"][kind] |= examples


def _complete(call: dict[str, Any], path: str, needed: Role) -> None:
    """Say what no route says of itself: the errors and headers of the door, and of FastAPI's own checks."""
    answers, protocol = call["responses"], path.startswith("/v2")
    if "HTTPValidationError" in str(answers.get("422", "")):
        del answers["422"]
        answers |= {} if protocol else _keyed(problem(422))
    if needed is Role.NOBODY:
        call["security"] = []
    else:
        answers |= _keyed(errors(401, 403) if protocol else problem(401, 403))
    for status, answer in answers.items():
        names = ["X-Request-ID", *filter(None, [_OF_STATUS.get(status)])]
        answer["headers"] = {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _keyed(answers: dict[int | str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {str(status): dict(answer) for status, answer in answers.items()}
