"""The OpenAPI document: what FastAPI derives from the routes, and the schemas that only bodies read by hand use."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel

from app.http.routes.examples import ProblemAnswer, problem
from app.http.routes.jobs import History
from app.http.training_body import TrainBody

_BY_HAND: tuple[type[BaseModel], ...] = (TrainBody, ProblemAnswer, History)
_UNUSED = ("HTTPValidationError", "ValidationError")


def describe(app: FastAPI) -> None:
    """Give the app an `openapi()` that makes the document once and then keeps it."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=app.description,
        tags=app.openapi_tags,
        license_info=app.license_info,
        routes=app.routes,
    )
    schemas = document["components"]["schemas"]
    for model in _BY_HAND:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"key": []}, {}]  # without configured keys, loopback needs none
    for name in _UNUSED:
        schemas.pop(name, None)
    for path, calls in document["paths"].items():
        for call in calls.values():
            if "HTTPValidationError" in str(call["responses"].get("422", "")):
                del call["responses"]["422"]
                call["responses"] |= {} if path.startswith("/v2") else {"422": problem(422)[422]}
    return document
