"""An ONNX graph in the making: steps, constants and the names between them."""

from collections.abc import Mapping, Sequence

from app.http.onnx import messages
from app.http.onnx.messages import Kind, Pieces, Value
from core.arrays import Array

IR_VERSION, OPERATORS, ML_OPERATORS = 8, 17, 3  # of 2022: what runtimes of the last years know
ML = "ai.onnx.ml"


class Graph:
    """Collects the parts of a graph. Every name in it is another one; `outputs` are kept for its outputs."""

    def __init__(self, outputs: Sequence[str]) -> None:
        self._taken = {"", *outputs}
        self._count = 0
        self._nodes: list[Pieces] = []
        self._constants: list[Pieces] = []
        self._inputs: list[Pieces] = []
        self._outputs: list[Pieces] = []

    def take(self, name: str, kind: Kind, shape: Sequence[int]) -> str:
        """A new input, called `name`, or if an output is called so, `name_1` or the like."""
        found = self._free(name)
        self._inputs.append(messages.port(found, kind, shape))
        return found

    def give(self, name: str, kind: Kind, shape: Sequence[int]) -> None:
        """Make an output of the step that was named so."""
        self._outputs.append(messages.port(name, kind, shape))

    def constant(self, name: str, values: Array | Sequence[str]) -> str:
        """A constant, called so or about so."""
        found = self._free(name)
        self._constants.append(messages.tensor(found, values))
        return found

    def add(
        self, operation: str, *inputs: str, name: str | None = None, domain: str = "", **attributes: Value
    ) -> str:
        """A new step and the name of what it gives: `name`, which then must be an output's, or one made up."""
        output = name if name is not None else self._free(operation.lower())
        self._nodes.append(messages.node(operation, inputs, output, domain=domain, attributes=attributes))
        return output

    def model(
        self, name: str, *, version: int, producer: tuple[str, str], notes: Mapping[str, str]
    ) -> Pieces:
        """The whole file."""
        versions = [messages.nested(8, messages.data(1, domain), messages.number(2, number))
                    for domain, number in (("", OPERATORS), (ML, ML_OPERATORS))]  # fmt: skip
        said = [
            messages.nested(14, messages.data(1, key), messages.data(2, text)) for key, text in notes.items()
        ]
        head = [messages.number(1, IR_VERSION), messages.data(2, producer[0]), messages.data(3, producer[1])]
        parts = [*head, messages.number(5, version), self._message(name), *versions, *said]
        return [piece for part in parts for piece in part]

    def _message(self, name: str) -> Pieces:
        fields = ((1, self._nodes), (5, self._constants), (11, self._inputs), (12, self._outputs))
        parts = [messages.nested(field, part) for field, parts in fields for part in parts]
        return messages.nested(7, messages.data(2, name), *parts)

    def _free(self, name: str) -> str:
        found = name
        while found in self._taken:
            self._count += 1
            found = f"{name}_{self._count}"
        self._taken.add(found)
        return found
