"""Good predictions of every format, protocol and kind of model: what the fuzz run spoils."""

import gzip
import io
import json
import struct
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from app.bootstrap import build_workplace
from app.settings import Settings
from app.training.body import run_job
from core.arrays import Array

IRIS = np.array([[5.1, 3.5, 1.4, 0.2], [6.0, 2.7, 5.1, 1.6], [6.7, 3.0, 5.2, 2.3]])
_COLUMNS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
_MIXED = [
    {"size": float(n % 7), "colour": ("red", "green", "blüe")[n % 3], "sold": n % 2 == 0, "note": None}
    for n in range(24)
]
_LENGTH = "inference-header-content-length"


@dataclass(frozen=True, kw_only=True)
class Request:
    """One prediction. `format` is what the table counts it under."""

    format: str
    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def train_mixed(settings: Settings) -> None:
    """Make the model `mixed`, of numbers, words, truths and missing values, as a job would."""
    from app.bootstrap import build  # noqa: PLC0415 - the web side's part of it, once
    from app.jobs import NewJob  # noqa: PLC0415

    services = build(settings)
    settings.data.mkdir(parents=True, exist_ok=True)
    services.jobs.prepare()
    data = {
        "instances": [{**row, "note": "x" if n % 5 else None} for n, row in enumerate(_MIXED)],
        "labels": [n % 2 for n in range(24)],
    }
    dataset, _ = services.datasets.ingest_value(data)
    given = {"max_epochs": 3, "hidden_layer_sizes": [4]}
    services.jobs.submit(
        NewJob(model="mixed", dataset=dataset.id, algorithm="relu_network", hyperparameters={}, given=given)
    )
    services.jobs.close()
    place = build_workplace(settings)
    claimed = place.jobs.claim()
    assert claimed is not None
    assert run_job(place, claimed[0].id, claimed[1]) == "succeeded"
    place.jobs.close()


def requests() -> list[Request]:
    """All of them; whole, each is answered with 200."""
    plain = [*_native(), *_protocol()]
    return plain + [_compressed(each, kind) for each in plain[::2] for kind in ("gzip", "deflate")]


def _native() -> list[Request]:
    iris, digits = "/v1/models/iris/predict", "/v1/models/digits/predict"
    image = np.arange(128.0).reshape(2, 64) % 17
    rows, objects = IRIS.tolist(), [dict(zip(_COLUMNS, row, strict=True)) for row in IRIS.tolist()]
    texts: list[tuple[str, Any]] = [
        (iris, {"instances": rows}),
        (iris, {"instances": objects, "top_k": 2}),
        (iris, {"instances": [[5.1, None, 1, 0.2]], "explain": True, "top_k": None}),
        (digits, {"instances": image.tolist()}),
        ("/v1/models/mixed/predict", {"instances": _MIXED[:4]}),
        ("/v1/models/iris@1/predict", {"instances": rows * 40}),
    ]
    found = [Request(format="json", path=path, body=json.dumps(value).encode()) for path, value in texts]
    for array in (IRIS, IRIS.astype("<f4"), IRIS.astype(">i4"), np.asfortranarray(IRIS)):
        found.append(
            Request(format="npy", path=iris, body=_npy(array), headers={"content-type": "application/x-npy"})
        )
    lines = "\n".join([",".join(_COLUMNS), *(",".join(map(str, row)) for row in rows)])
    mixed = 'note,size,sold,colour\n,1.5,true,red\nx,,false,"blüe"\n'
    csv = {"content-type": "text/csv", "accept": "application/x-npy"}
    found += [Request(format="csv", path=iris, body=lines.encode(), headers=csv)]
    found += [
        Request(
            format="csv",
            path="/v1/models/mixed/predict",
            body=mixed.encode(),
            headers={"content-type": "text/csv"},
        )
    ]
    arrow = {
        "content-type": "application/vnd.apache.arrow.stream",
        "accept": "application/vnd.apache.arrow.stream",
    }
    tables = [
        (iris, pa.table(dict(zip(_COLUMNS, IRIS.T.copy(), strict=True)))),
        ("/v1/models/mixed/predict", pa.Table.from_pylist(_MIXED[:3]).cast(_mixed_schema())),
        (digits, pa.table({f"pixel_{n}": image[:, n].copy() for n in range(64)})),
    ]
    return found + [
        Request(format="arrow", path=path, body=_arrow(table), headers=arrow) for path, table in tables
    ]


def _protocol() -> list[Request]:
    iris, mixed = "/v2/models/iris/infer", "/v2/models/mixed/versions/1/infer"
    numbers = {"name": "features", "datatype": "FP32", "shape": [3, 4]}
    classes = [{"name": "probabilities", "parameters": {"classification": 2}}, {"name": "label"}]
    heads: list[tuple[str, Any]] = [
        (iris, {"inputs": [{**numbers, "data": IRIS.reshape(-1).tolist()}], "id": "a"}),
        (iris, {"inputs": [{**numbers, "data": IRIS.tolist()}], "outputs": classes}),
        (
            iris,
            {
                "inputs": [{**numbers, "datatype": "INT16", "data": [5] * 12}],
                "parameters": {"binary_data_output": True},
            },
        ),
        (mixed, {"inputs": [_port(name, kind, data) for name, kind, data in _MIXED_PORTS]}),
    ]
    found = [Request(format="oip json", path=path, body=json.dumps(head).encode()) for path, head in heads]
    blob = IRIS.astype("<f4").tobytes()
    sized = {"inputs": [{**numbers, "parameters": {"binary_data_size": len(blob)}}], "outputs": classes}
    words = b"".join(struct.pack("<I", len(word)) + word for word in (b"red", "blüe".encode()))
    ports = [_port(name, kind, data) for name, kind, data in _MIXED_PORTS if name != "colour"]
    ports += [
        {"name": "colour", "datatype": "BYTES", "shape": [2], "parameters": {"binary_data_size": len(words)}}
    ]
    found += [_binary(iris, sized, blob), _binary(mixed, {"inputs": ports}, words)]
    return [*found, Request(format="oip binary", path=iris, body=blob, headers={_LENGTH: "0"})]


_MIXED_PORTS = (
    ("size", "FP64", [1.5, None]),
    ("colour", "BYTES", ["red", "blüe"]),
    ("sold", "BOOL", [True, False]),
    ("note", "BYTES", [None, "x"]),
)


def _port(name: str, kind: str, data: list[Any]) -> dict[str, Any]:
    return {"name": name, "datatype": kind, "shape": [len(data)], "data": data}


def _binary(path: str, head: Any, blob: bytes) -> Request:
    text = json.dumps(head).encode()
    return Request(format="oip binary", path=path, body=text + blob, headers={_LENGTH: str(len(text))})


def _compressed(request: Request, kind: str) -> Request:
    body = gzip.compress(request.body, mtime=0) if kind == "gzip" else zlib.compress(request.body)
    name = f"{request.format} compressed"
    return Request(
        format=name, path=request.path, body=body, headers={**request.headers, "content-encoding": kind}
    )


def _npy(array: Array) -> bytes:
    target = io.BytesIO()
    np.save(target, array)
    return target.getvalue()


def _arrow(table: pa.Table) -> bytes:
    target = io.BytesIO()
    with pa.ipc.new_stream(target, table.schema) as stream:
        stream.write_table(table)
    return target.getvalue()


def _mixed_schema() -> pa.Schema:
    return pa.schema(
        [("size", pa.float64()), ("colour", pa.string()), ("sold", pa.bool_()), ("note", pa.string())]
    )


def seed_models(settings: Settings, shipped: Path) -> None:
    """The models that ship, and `mixed`."""
    import shutil  # noqa: PLC0415

    shutil.copytree(shipped, settings.models, dirs_exist_ok=True)
    train_mixed(settings)
