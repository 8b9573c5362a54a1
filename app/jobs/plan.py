"""What a request for training comes to on given data: candidates, resolved hyperparameters, memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from app.errors import Invalid, Problem
from app.jobs.records import Algorithm, Hyperparameters
from core import defaults
from core.training import TrainingSpec

CANDIDATES: Mapping[Algorithm, tuple[Algorithm, ...]] = {
    "auto": ("softmax_regression", "relu_network"),
    "softmax_regression": ("softmax_regression",),
    "relu_network": ("relu_network",),
}
VALIDATION_FRACTION = 0.1
_NOT_IN_SPEC = ("validation_fraction", "class_weight")
_FLOAT = 4  # bytes of a float32

Label = str | int | bool


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How large the data is: rows, features that the network sees, classes."""

    rows: int
    features: int
    classes: int


def check(algorithm: Algorithm, given: Hyperparameters, labels: Sequence[Label]) -> None:
    """Refuse hyperparameters that cannot go together or name labels that are not in the data.

    Raises: Invalid.
    """
    layers = given.hidden_layer_sizes
    said = "hidden_layer_sizes" in given.model_fields_set
    if algorithm == "softmax_regression" and layers:
        raise _refused("hidden_layer_sizes", "softmax regression has no hidden layers; ask for relu_network")
    if algorithm != "softmax_regression" and said and not layers:
        raise _refused("hidden_layer_sizes", "a ReLU network has at least one hidden layer, such as [128]")
    if isinstance(given.class_weight, dict):
        known = {name_of(label) for label in labels}
        for name in given.class_weight:
            if name not in known:
                raise _refused(
                    "class_weight", f"there is no label {name!r}; there are {_some(sorted(known))}"
                )


def spec(candidate: Algorithm, given: Mapping[str, Any], shape: Shape) -> TrainingSpec:
    """How one candidate is trained: what was given, and defaults chosen from the data's size for the rest."""
    said = {name: value for name, value in given.items() if name not in _NOT_IN_SPEC}
    if candidate == "softmax_regression":
        said["hidden_layer_sizes"] = ()
    elif said.get("hidden_layer_sizes"):
        said["hidden_layer_sizes"] = tuple(said["hidden_layer_sizes"])
    if said.get("batch_size") == "full":
        said["batch_size"] = None
    return defaults.resolve(
        rows=shape.rows,
        features=shape.features,
        classes=shape.classes,
        hidden=candidate == "relu_network",
        given=said,
    )


def resolved(candidate: Algorithm, given: Mapping[str, Any], shape: Shape) -> dict[str, Any]:
    """The hyperparameters in force for a candidate, as the job and the card show them."""
    chosen = spec(candidate, given, shape)
    return {
        "hidden_layer_sizes": list(chosen.hidden_layer_sizes),
        "optimizer": chosen.optimizer,
        "learning_rate": chosen.learning_rate,
        "schedule": chosen.schedule,
        "momentum": chosen.momentum,
        "batch_size": "full" if chosen.batch_size is None else chosen.batch_size,
        "max_epochs": chosen.max_epochs,
        "patience": chosen.patience,
        "validation_fraction": given.get("validation_fraction", VALIDATION_FRACTION),
        "l2": chosen.l2,
        "class_weight": given.get("class_weight"),
        "seed": chosen.seed,
    }


def parameters(sizes: Sequence[int]) -> int:
    """The number of weights and biases of a network with these layer sizes."""
    return sum((fan_in + 1) * fan_out for fan_in, fan_out in pairwise(sizes))


def sizes(candidate: Algorithm, given: Mapping[str, Any], shape: Shape) -> tuple[int, ...]:
    """Features, hidden units of each layer, classes."""
    return (shape.features, *spec(candidate, given, shape).hidden_layer_sizes, shape.classes)


def memory_bytes(candidate: Algorithm, given: Mapping[str, Any], shape: Shape) -> int:
    """About how much memory training takes: the encoded rows, and parameters with all that goes with them."""
    chosen = spec(candidate, given, shape)
    layers = sizes(candidate, given, shape)
    batch = chosen.batch_size or min(shape.rows, 8192)
    rows = 2 * shape.rows * shape.features  # the encoded matrix, and the columns that it is made from
    return _FLOAT * (rows + 8 * parameters(layers) + 3 * batch * sum(layers))


def name_of(label: Label) -> str:
    """A label as the key of a JSON object."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _refused(field: str, message: str) -> Invalid:
    return Invalid(Problem(message=f"{field}: {message}", location=f"hyperparameters.{field}"))


def _some(names: Sequence[str], most: int = 10) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
