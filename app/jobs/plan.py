"""What a request for training comes to on given data: candidates, resolved hyperparameters, memory."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from app.errors import Invalid, Problem
from app.jobs.records import Algorithm, Hyperparameters
from core import defaults, network
from core.class_weights import WIDEST
from core.training import TrainingSpec

CANDIDATES: Mapping[Algorithm, tuple[Algorithm, ...]] = {
    "auto": ("softmax_regression", "relu_network"),
    "softmax_regression": ("softmax_regression",),
    "relu_network": ("relu_network",),
}
VALIDATION_FRACTION = 0.1
_NOT_IN_SPEC = ("validation_fraction", "class_weight", "folds", "bins")
# Who says one of these, describes one network.
_SINGLE = ("hidden_layer_sizes", "validation_fraction", "optimizer")
_COPIES = 20  # vectors of its weights that each member keeps in memory, at most
_FLOAT = 4  # bytes of a float32
_LOGIT = 56  # bytes for each logit of a row that is held out, in float64, while the temperature is found
POOL_BYTES = 64 << 20  # of encoded rows that are shuffled together, where rows are read from disk
HELD_BYTES = 64 << 20  # of encoded rows that are held out there; up to twice that where some have many copies
_READING = 128 << 20  # what reading and encoding a part of the file takes besides
_ROW = 80  # bytes that a row takes there in any case: its label, its fold, and dealing it

Label = str | int | bool


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How large the data is: rows, features that the network sees, classes, and columns of numbers."""

    rows: int
    features: int
    classes: int
    numbers: int = 0

    def cut(self, bins: int | None) -> "Shape":
        """With so many bins for each column of numbers, at most."""
        return replace(self, features=self.features + (bins or 0) * self.numbers)


def check(algorithm: Algorithm, given: Hyperparameters, labels: Sequence[Label]) -> None:
    """Refuse hyperparameters that cannot go together or name labels that are not in the data.

    Raises: Invalid.
    """
    layers = given.hidden_layer_sizes
    said = "hidden_layer_sizes" in given.model_fields_set
    if algorithm == "softmax_regression" and layers:
        raise _refused("hidden_layer_sizes", "softmax regression has no hidden layers; ask for relu_network")
    if algorithm == "relu_network" and given.optimizer == "lbfgs":
        raise _refused("optimizer", "lbfgs is for softmax regression, whose loss is convex")
    if algorithm != "softmax_regression" and said and not layers:
        raise _refused("hidden_layer_sizes", "a ReLU network has at least one hidden layer, such as [128]")
    if isinstance(given.class_weight, dict):
        known = {name_of(label) for label in labels}
        for name in given.class_weight:
            if name not in known:
                raise _refused(
                    "class_weight", f"there is no label {name!r}; there are {_some(sorted(known))}"
                )
        weights = [given.class_weight.get(name, 1.0) for name in known]
        if max(weights) / WIDEST > min(weights):
            raise _refused(
                "class_weight",
                f"the largest weight may be {WIDEST:,.0f} times the smallest (1 where none is said), got"
                f" {max(weights):g} and {min(weights):g}",
            )


def folds(given: Mapping[str, Any], shape: Shape) -> int:
    """Members of the committee that each candidate is, 1 for a single network.

    As said; 1 for layers, a validation_fraction or an optimizer that were said, which describe one network, one
    split, one descent; else chosen from the data's size.
    """
    if "folds" in given:
        return int(given["folds"])
    if any(name in given for name in _SINGLE):
        return 1
    return defaults.folds(rows=shape.rows, features=shape.features, classes=shape.classes)


def bins(algorithm: Algorithm, given: Mapping[str, Any], shape: Shape) -> int:
    """How many bins numeric columns are cut into (core/knots.py), 0 for none: as said; else for `auto`, if it trains
    committees, as many as suit the data."""
    if given.get("bins") is not None:
        return int(given["bins"])
    if algorithm != "auto" or folds(given, shape) == 1:
        return 0
    return defaults.bins(
        rows=shape.rows, features=shape.features, numbers=shape.numbers, classes=shape.classes
    )


def path(candidate: Algorithm, given: Mapping[str, Any], shape: Shape) -> tuple[TrainingSpec, ...]:
    """How each member of a candidate is trained, one spec after the other: what was given, and defaults chosen
    from the data's size for the rest."""
    said = {name: value for name, value in given.items() if name not in _NOT_IN_SPEC}
    said.pop("hidden_layer_sizes", None)
    if candidate == "relu_network" and given.get("hidden_layer_sizes"):
        said["hidden_layer_sizes"] = tuple(given["hidden_layer_sizes"])
    if said.get("batch_size") == "full":
        said["batch_size"] = None
    if candidate == "relu_network" and said.get("optimizer") == "lbfgs":
        del said["optimizer"]
    return defaults.candidate(
        rows=shape.rows,
        features=shape.features,
        classes=shape.classes,
        hidden=candidate == "relu_network",
        members=folds(given, shape),
        given=said,
    )


def resolved(
    candidate: Algorithm, given: Mapping[str, Any], shape: Shape, *, stage: int | None = None
) -> dict[str, Any]:
    """The hyperparameters in force for each member of a candidate, as the job and the card show them.

    given: what was said, and `bins` as they came to be. stage: the place in the path that was chosen,
    which tells l2; without it l2 is null where it is to be chosen.
    """
    specs = path(candidate, given, shape)
    chosen = specs[stage or 0]
    return {
        "hidden_layer_sizes": list(chosen.hidden_layer_sizes),
        "optimizer": chosen.optimizer,
        "learning_rate": chosen.learning_rate,
        "schedule": chosen.schedule,
        "momentum": chosen.momentum,
        "batch_size": "full" if chosen.batch_size is None else chosen.batch_size,
        "max_epochs": given.get("max_epochs", sum(spec.max_epochs for spec in specs)),
        "patience": chosen.patience,
        "folds": folds(given, shape),
        "bins": given.get("bins", 0),
        "validation_fraction": given.get("validation_fraction", VALIDATION_FRACTION),
        "l2": chosen.l2 if len(specs) == 1 or stage is not None else None,
        "class_weight": given.get("class_weight"),
        "seed": chosen.seed,
    }


def member_sizes(candidate: Algorithm, given: Mapping[str, Any], shape: Shape) -> tuple[int, ...]:
    """Features, hidden units of each layer, classes, of each member of the committee."""
    return (shape.features, *path(candidate, given, shape)[0].hidden_layer_sizes, shape.classes)


def sizes(algorithm: Algorithm, given: Mapping[str, Any], shape: Shape) -> tuple[int, ...]:
    """Features, hidden units of each layer, classes, of the largest network that may be published: all members'."""
    cut = shape.cut(bins(algorithm, given, shape))
    features, *hidden, classes = member_sizes(CANDIDATES[algorithm][-1], given, cut)
    return (features, *(folds(given, shape) * units for units in hidden), classes)


def streamed(given: Mapping[str, Any], shape: Shape, most: int) -> bool:
    """Whether rows are read from disk as training goes: `most` bytes would not hold them, and one network learns."""
    return _FLOAT * shape.rows * shape.cut(given.get("bins")).features > most and folds(given, shape) == 1


def fitting(algorithm: Algorithm, given: Mapping[str, Any], shape: Shape, most: int) -> dict[str, Any]:
    """What was given; where rows are read from disk, with an optimizer that needs few passes over them."""
    linear = "softmax_regression" in CANDIDATES[algorithm]
    if linear and "optimizer" not in given and streamed(given, shape, most):
        return {**given, "optimizer": "adam"}
    return dict(given)


def memory_bytes(algorithm: Algorithm, given: Mapping[str, Any], shape: Shape, most: int) -> int:
    """About how much memory training takes: rows, and parameters with all that goes with them.

    most: bytes of encoded rows beyond which they stay on disk, but for two pools and those held out.
    """
    needed, cut = [], shape.cut(bins(algorithm, given, shape))
    for candidate in CANDIDATES[algorithm]:
        layers = member_sizes(candidate, given, cut)
        batch = path(candidate, given, cut)[0].batch_size or min(shape.rows, 8192)
        copies = _COPIES if candidate == "relu_network" else 2 * _COPIES
        needed.append(folds(given, shape) * (copies * network.count(layers) + 3 * batch * sum(layers)))
    networks = _FLOAT * (max(needed) + 2 * network.count(sizes(algorithm, given, shape)))
    held = _held(given, shape)
    if streamed(given, shape, most):
        held = min(held, HELD_BYTES // (_FLOAT * max(shape.features, shape.classes)))
        rows = 2 * POOL_BYTES + 3 * HELD_BYTES + _READING + _ROW * shape.rows
    else:
        rows = _FLOAT * shape.rows * (2 * shape.features + cut.features)  # as they came, and encoded twice
    return networks + rows + _LOGIT * held * shape.classes


def _held(given: Mapping[str, Any], shape: Shape) -> int:
    """About how many rows are held out: all by a committee, else a part, but one of each class at least."""
    if folds(given, shape) > 1:
        return shape.rows
    part = given.get("validation_fraction", VALIDATION_FRACTION) * shape.rows
    return max(int(part), min(shape.classes, shape.rows // 2))


def name_of(label: Label) -> str:
    """A label as the key of a JSON object."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _refused(field: str, message: str) -> Invalid:
    return Invalid(Problem(message=f"{field}: {message}", location=f"hyperparameters.{field}"))


def _some(names: Sequence[str], most: int = 10) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
