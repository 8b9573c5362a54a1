"""What a model takes and gives in this protocol: the names, datatypes and shapes of its inputs and outputs."""

from dataclasses import dataclass
from typing import Any

from app.repository.model import Model
from core.encoding import CategoricalColumn, Column, Encoding, VectorColumn

FEATURES, PROBABILITIES, LABEL = "features", "probabilities", "label"
PLATFORM = "neurona_safetensors"


@dataclass(frozen=True, kw_only=True)
class Port:
    """An input or output. -1 in the shape: any size, which is the number of rows."""

    name: str
    datatype: str
    shape: tuple[int, ...]

    def takes(self, shape: tuple[int, ...]) -> bool:
        """Whether a tensor may have this shape; a last dimension of 1 may be left out."""
        rest = self.shape[1:]
        return len(shape) > 0 and (shape[1:] == rest or (len(shape) == 1 and rest == (1,)))

    def to_dict(self) -> dict[str, Any]:
        """As the metadata shows it."""
        return {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}


def inputs(encoding: Encoding) -> tuple[Port, ...]:
    """One `features` for a model of nothing but numbers or of one vector; else one input per column."""
    if encoding.inputs is not None:
        return (Port(name=FEATURES, datatype="FP32", shape=(-1, encoding.inputs)),)
    return tuple(map(_port, encoding.columns))


def outputs(model: Model) -> tuple[Port, ...]:
    """Probabilities by class, and the label of the likeliest one."""
    return (
        Port(name=PROBABILITIES, datatype="FP32", shape=(-1, len(model.classes))),
        Port(name=LABEL, datatype="BYTES", shape=(-1,)),
    )


def label_text(label: str | int | bool) -> str:
    """A label as an element of BYTES: text as it is, numbers and truths as JSON writes them."""
    return str(label).lower() if isinstance(label, bool) else str(label)


def _port(column: Column) -> Port:
    if isinstance(column, CategoricalColumn):
        return Port(name=column.name, datatype="BYTES", shape=(-1, 1))
    width = column.width if isinstance(column, VectorColumn) else 1
    return Port(name=column.name, datatype="FP32", shape=(-1, width))
