"""Small models of every kind, requests written by hand, and the answers that plain NumPy gives."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.bootstrap import build
from app.http.oip.inference import Inference
from app.http.oip.reply import Reply
from app.repository.model import Model
from app.repository.repository import Repository
from app.settings import Settings
from core.encoding import CategoricalColumn, Encoding, NumericColumn, VectorColumn
from core.network import Dense

MOST_ROWS, MOST_BYTES = 200, 1 << 20


def _model(name: str, columns: Sequence[Any], classes: Sequence[Any], version: int = 1) -> Model:
    """A network of one hidden layer whose weights hang on the version."""
    rng = np.random.default_rng([len(name), version])
    fitted = Encoding(columns=tuple(columns))
    sizes = [(fitted.width, 6), (6, len(classes))]
    layers = [Dense(rng.normal(size=s).astype("f4"), rng.normal(size=s[1]).astype("f4")) for s in sizes]
    return Model(
        name=name,
        version=version,
        parameters=tuple(layers),
        encoding=fitted,
        classes=tuple(classes),
        temperature=1.5,
    )


NUMERIC = [
    NumericColumn(name="length", mean=5.0, scale=2.0),
    NumericColumn(name="width", mean=-1.0, scale=0.5, indicator=True),
    NumericColumn(name="height", mean=0.0, scale=10.0),
]
VECTOR = [VectorColumn(name="x", mean=np.array([1.0, 2, 3, 4]), scale=np.array([1.0, 2, 1, 4]))]
CLOCK = [NumericColumn(name="time", mean=1e9, scale=4.0)]
WORD = [CategoricalColumn(name="colour", categories=("green", "red", "ß"))]
MIXED = [
    NUMERIC[1],
    *WORD,
    CategoricalColumn(name="new", categories=("false", "true"), boolean=True),
    *VECTOR,
]


@pytest.fixture(scope="session")
def models() -> dict[str, Model]:
    """`numeric` (three columns, one with an indicator), `vector` (of four), `clock` (one large number), `word`
    (one category) and `mixed`."""
    made = [
        _model("numeric", NUMERIC, ("setosa", "weiß", "a:b")),
        _model("vector", VECTOR, tuple(range(10))),
        _model("clock", CLOCK, ("early", "late")),
        _model("word", WORD, (False, True)),
        _model("mixed", MIXED, ("no", "yes")),
    ]
    return {each.name: each for each in made}


@pytest.fixture(scope="session")
def make_version() -> Callable[[int], Model]:
    """A version of `numeric`, with weights of its own."""
    return lambda version: _model("numeric", NUMERIC, ("setosa", "weiß", "a:b"), version)


@pytest.fixture(scope="session")
def publish(models: dict[str, Model]) -> Callable[[Path], Repository]:
    """Puts the models into a folder, each in production."""

    def call(root: Path) -> Repository:
        repository = Repository(root)
        for model in models.values():
            repository.publish(model)
            repository.set_alias(model.name, "production", 1)
        return repository

    return call


@pytest.fixture(scope="session")
def inference(
    tmp_path_factory: pytest.TempPathFactory, publish: Callable[[Path], Repository]
) -> Iterator[Inference]:
    """Inference by these models, without a server; at most 200 rows and 1 MiB."""
    place = tmp_path_factory.mktemp("oip")
    publish(place / "models")
    settings = Settings(
        data=place / "data",
        models=place / "models",
        trainer=False,
        max_predict_rows=MOST_ROWS,
        max_predict_bytes=MOST_BYTES,
    )
    services = build(settings)
    yield Inference(predictor=services.predictor, settings=settings, meters=services.meters)
    services.cache.close()
    services.jobs.close()


@dataclass
class Sent:
    """A request as bytes, put together as the protocol's text says, by json and NumPy alone."""

    head: dict[str, Any] = field(default_factory=lambda: {"inputs": []})
    blobs: list[bytes] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, datatype: str, shape: Sequence[int], data: Any) -> "Sent":
        """One more input: binary if data is bytes, else JSON."""
        tensor: dict[str, Any] = {"name": name, "shape": list(shape), "datatype": datatype}
        if isinstance(data, bytes):
            tensor["parameters"] = {"binary_data_size": len(data)}
            self.blobs.append(data)
        else:
            tensor["data"] = data
        self.head["inputs"].append(tensor)
        return self

    def wishing(self, *outputs: Any, **parameters: Any) -> "Sent":
        """The outputs, by name or as (name, parameters); and the parameters of the request."""
        named = [(each, None) if isinstance(each, str) else each for each in outputs]
        if named:
            self.head["outputs"] = [{"name": name} | ({"parameters": p} if p else {}) for name, p in named]
        if parameters:
            self.head["parameters"] = parameters
        return self

    def bytes(self) -> tuple[dict[str, str], bytes]:
        """Headers and body."""
        head = json.dumps(self.head).encode()
        length = {"inference-header-content-length": str(len(head))} if self.blobs else {}
        return {**length, **self.headers}, head + b"".join(self.blobs)


@pytest.fixture(scope="session")
def sent() -> type[Sent]:
    return Sent


@pytest.fixture(scope="session")
def opened() -> Callable[[Reply], dict[str, Any]]:
    """The outputs of a good answer by name: arrays, and for BYTES lists of str. Checks all that it says of itself."""

    def call(reply: Reply) -> dict[str, Any]:
        assert reply.status == 200, reply.body
        length = reply.headers.get("inference-header-content-length")
        binary = length is not None
        assert reply.headers["content-type"] == ("application/octet-stream" if binary else "application/json")
        head = json.loads(reply.body[: int(length)] if binary else reply.body)
        rest = reply.body[int(length) :] if binary else b""
        found = {}
        for output in head["outputs"]:
            assert set(output) in (
                {"name", "datatype", "shape", "data"},
                {"name", "datatype", "shape", "parameters"},
            )
            data = output.get("data")
            if data is None:
                size = output["parameters"]["binary_data_size"]
                blob, rest = rest[:size], rest[size:]
                assert len(blob) == size
                data = _texts(blob) if output["datatype"] == "BYTES" else np.frombuffer(blob, "<f4")
            else:
                assert output["datatype"] == "BYTES" or not any(isinstance(each, list) for each in data)
            dtype = object if output["datatype"] == "BYTES" else np.float32
            found[output["name"]] = np.array(data, dtype=dtype).reshape(output["shape"])
        assert rest == b""
        return found

    return call


def _texts(blob: bytes) -> list[str]:
    texts = []
    while blob:
        length = int.from_bytes(blob[:4], "little")
        texts.append(blob[4 : 4 + length].decode())
        assert len(blob) >= 4 + length
        blob = blob[4 + length :]
    return texts


@pytest.fixture(scope="session")
def expected() -> Callable[..., np.ndarray]:
    """Probabilities in float64, by the formulas: standardise, one-hot, one hidden layer, softmax."""

    def call(model: Model, values: Mapping[str, Sequence[Any]] | np.ndarray) -> np.ndarray:
        if isinstance(values, np.ndarray):
            names = [column.name for column in model.encoding.columns]
            vector = isinstance(model.encoding.columns[0], VectorColumn)
            values = {names[0]: values} if vector else dict(zip(names, values.T, strict=True))
        x = np.hstack([_encoded(column, values[column.name]) for column in model.encoding.columns])
        (w1, b1), (w2, b2) = [
            (layer.weight.astype(float), layer.bias.astype(float)) for layer in model.parameters
        ]
        z = (np.where(x @ w1 + b1 > 0, x @ w1 + b1, 0) @ w2 + b2) / model.temperature
        scores = np.exp(z - z.max(axis=1, keepdims=True, initial=-1e300))
        return scores / scores.sum(axis=1, keepdims=True)

    return call


def _encoded(column: Any, values: Sequence[Any]) -> np.ndarray:
    if isinstance(column, CategoricalColumn):
        places = [
            column.categories.index(v) if v in column.categories else len(column.categories) for v in values
        ]
        return np.eye(len(column.categories) + 1)[np.array(places, int)]
    numbers = np.array(values, float)
    missing = np.isnan(numbers)
    scaled = np.where(missing, 0, (np.where(missing, 0, numbers) - column.mean) / column.scale)
    if isinstance(column, VectorColumn):
        return scaled
    return np.column_stack([scaled, missing] if column.indicator else [scaled])


@pytest.fixture(scope="session")
def check(
    inference: Inference, models: dict[str, Model], opened: Callable[..., Any], expected: Callable[..., Any]
) -> Callable[..., dict[str, Any]]:
    """Sends a request for probabilities and labels, and compares both with NumPy's; the outputs."""

    def call(name: str, request: Sent, values: Any) -> dict[str, Any]:
        headers, body = request.bytes()
        outputs = opened(inference.infer(model=name, headers=headers, body=body))
        oracle = expected(models[name], values)
        np.testing.assert_allclose(outputs["probabilities"], oracle, rtol=2e-4, atol=2e-6)
        words = [str(each).lower() if isinstance(each, bool) else str(each) for each in models[name].classes]
        winners = outputs["probabilities"].argmax(axis=1) if len(oracle) else []
        assert outputs["label"].tolist() == [words[winner] for winner in winners]
        return outputs

    return call


@pytest.fixture(scope="session")
def refused(inference: Inference) -> Callable[..., str]:
    """The sentence with which a request is refused, in the protocol's form."""

    def call(
        name: str, request: Sent | tuple[dict[str, str], bytes], status: int = 400, version: Any = None
    ) -> str:
        headers, body = request if isinstance(request, tuple) else request.bytes()
        reply = inference.infer(model=name, version=version, headers=headers, body=body)
        assert reply.status == status, reply.body
        assert reply.headers["content-type"] == "application/json"
        ((kind, text),) = json.loads(reply.body).items()
        assert kind == "error"
        return text

    return call
