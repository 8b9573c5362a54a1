"""What the server and its models say of themselves."""

from importlib.metadata import version
from typing import Any

import orjson

from app.http.oip import signature
from app.repository.model import Model

EXTENSIONS = ("binary_tensor_data", "classification", "model_repository", "statistics")


def server() -> dict[str, Any]:
    """The server's metadata."""
    return {"name": "neurona", "version": version("neurona"), "extensions": list(EXTENSIONS)}


def of_model(model: Model, versions: list[int]) -> dict[str, Any]:
    """A model's metadata; `properties.classes` is the JSON list of its labels, in the order of probabilities."""
    return {
        "name": model.name,
        "versions": [str(number) for number in versions],
        "platform": signature.PLATFORM,
        "inputs": [port.to_dict() for port in signature.inputs(model.encoding)],
        "outputs": [port.to_dict() for port in signature.outputs(model)],
        "properties": {"classes": orjson.dumps(model.classes).decode()},
    }
