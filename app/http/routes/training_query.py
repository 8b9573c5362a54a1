"""The fields of a request to train as parameters of its URL, for the OpenAPI page: read in `training_body`."""

from typing import Any

from app.http.training_body import TrainBody
from app.jobs import Hyperparameters

_DATA = {
    "label": "name of the label column; default: the last",
    "name": "a name of the data, for people",
    "categorical": "columns to take as text, with commas",
}
_BY_NAME = {"dataset", "data", "hyperparameters"}  # which nobody would write into a URL
_METADATA = {
    "name": "metadata",
    "in": "query",
    "content": {"application/json": {"schema": {"type": "object"}, "example": {"source": "shop"}}},
    "description": "kept with the job and the card",
}


def _parameters() -> list[dict[str, Any]]:
    found = [_parameter(name, {"type": "string", "description": text}) for name, text in _DATA.items()]
    for model in (TrainBody, Hyperparameters):
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
        for name, field in schema["properties"].items():
            if name == "metadata":
                found.append(_METADATA)
            elif name not in _BY_NAME:
                found.append(_parameter(name, field))
    return found


def _parameter(name: str, field: dict[str, Any]) -> dict[str, Any]:
    """As text: lists with commas, a webhook as its URL, null in so many letters."""
    schema = {key: value for key, value in field.items() if key not in ("description", "title", "examples")}
    kinds = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "object"]
    if name == "webhook":
        kinds = [{"type": "string", "format": "uri", "pattern": "^https?://"}]
    schema = kinds[0] if len(kinds) == 1 else {"anyOf": kinds}
    text = str(field.get("description", name.replace("_", " ")))
    return {
        "name": name,
        "in": "query",
        "schema": schema,
        "description": text,
        "style": "form",
        "explode": False,
    }


QUERY = _parameters()
