"""Whatever is sent, the answer is one of a few, comes soon, and is right if it is 200."""

import dataclasses
import gzip
import itertools
import json
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.http.oip.inference import reference
from app.http.oip.statistics import Statistics

ROWS = np.array([[1.0, 2, 3], [4, np.nan, 6]], "<f4")


def seeds(sent) -> list[tuple[str, dict[str, str], bytes]]:
    """Good requests of every kind: a model's name, headers, body."""
    word = b"\3\0\0\0red\0\0\0\0"
    mixed = (
        sent()
        .add("width", "FP32", (2,), b"\0" * 8)
        .add("colour", "BYTES", (2, 1), word)
        .add("new", "BOOL", (2,), [True, None])
        .add("x", "FP64", (2, 4), [[1, 2, 3, 4], [5, 6, 7, None]])
    )
    requests = [
        ("numeric", sent().add("features", "FP32", (2, 3), ROWS.tobytes())),
        ("numeric", sent().add("features", "FP32", (2, 3), [[1, 2, 3], [4, None, 6]])),
        ("numeric", sent().add("features", "INT8", (2, 3), [1, 2, 3, 4, 5, 6])),
        (
            "vector",
            sent().add("features", "FP16", (1, 4), bytes(8)).wishing("label", binary_data_output=True),
        ),
        ("word", sent().add("colour", "BYTES", (2,), word).wishing(("probabilities", {"classification": 2}))),
        ("mixed", mixed.wishing(("label", {"binary_data": True}), "probabilities")),
    ]
    found = [(name, *request.bytes()) for name, request in requests]
    found.append(("numeric", {"inference-header-content-length": "0"}, ROWS.tobytes()))
    for encoding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        name, headers, body = found[0]
        found.append(
            (name, {**headers, "content-encoding": encoding, "accept-encoding": encoding}, pack(body))
        )
    return found


PIECES = [
    b"[",
    b"]",
    b"{",
    b"}",
    b'"',
    b",",
    b"null",
    b"NaN",
    b"1e999",
    b"-1",
    b"18446744073709551616",
    b"true",
]
PIECES += [b"\0", b"\xff\xff\xff\xff", b"FP64", b"BYTES", b"INT8", b"\\u0000", b"[[[[", b"9" * 400]
pieces = st.sampled_from(PIECES) | st.binary(max_size=6)
edits = st.tuples(st.sampled_from(["put", "cut", "set", "swap"]), st.floats(0, 1), st.integers(0, 12), pieces)
values = st.sampled_from(
    ["", "0", "1", "-1", "gzip", "deflate", "br", "99999999999999999999", "\xff", "identity"]
)
names = st.sampled_from(
    ["inference-header-content-length", "content-encoding", "accept-encoding", "content-type"]
)


def mutated(body: bytes, changes: list) -> bytes:
    for kind, place, length, piece in changes:
        at = int(place * len(body))
        if kind == "put":
            body = body[:at] + piece + body[at:]
        elif kind == "cut":
            body = body[:at] + body[at + length :]
        elif kind == "set":
            body = body[:at] + piece + body[at + len(piece) :]
        else:
            body = body[at:] + body[:at]
    return body


@pytest.mark.slow
@settings(max_examples=1500)
@given(
    seed=st.integers(0, 8),
    changes=st.lists(edits, max_size=4),
    headers=st.dictionaries(names, values, max_size=2),
    shift=st.sampled_from([None, -1, 1, "same"]),
    dropped=st.booleans(),
)
def test_spoilt_requests_are_answered_200_or_refused_and_nothing_else(
    inference, sent, opened, seed, changes, headers, shift, dropped
):
    name, good, body = seeds(sent)[seed]
    spoilt = mutated(body, changes)
    said = {} if dropped else dict(good)
    length = said.get("inference-header-content-length")
    if length is not None and shift is not None:
        more = len(spoilt) - len(body) if shift == "same" else shift
        said["inference-header-content-length"] = str(int(length) + more)
    reply = inference.infer(model=name, headers={**said, **headers}, body=spoilt)
    assert reply.status in (200, 400, 413, 415)
    if reply.status == 200:
        if "content-encoding" not in reply.headers:
            found = opened(reply)
            assert all(np.isfinite(each).all() for each in found.values() if each.dtype != object)
    else:
        assert list(json.loads(reply.body)) == ["error"]


@settings(max_examples=500)
@given(
    name=st.text(max_size=8)
    | st.sampled_from(["numeric", "nobody", "numeric@production", "numeric@", "@", "../x"]),
    version=st.none()
    | st.text(max_size=5)
    | st.sampled_from(["1", "2", "0", "01", "-1", "1" * 30, "production"]),
    headers=st.dictionaries(names, st.text(max_size=20)),
    body=st.binary(max_size=60),
)
def test_noise_is_answered_404_or_400_or_415(inference, name, version, headers, body):
    assert inference.infer(model=name, version=version, headers=headers, body=body).status in (400, 404, 415)


def test_every_seed_is_good_as_it_stands(inference, sent):
    for name, headers, body in seeds(sent):
        assert inference.infer(model=name, headers=headers, body=body).status == 200


TENSOR = b'{"name": "f", "datatype": "FP32", "shape": [0], "data": []}'


@pytest.mark.parametrize(
    "body",
    [
        b'{"inputs": ' + b"[" * 300_000,
        b'{"inputs": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"a":' * 100_000,
        b"{" + b",".join(b'"%d":0' % n for n in range(80_000)) + b"}",
        b'{"inputs": [' + b",".join([b"{}"] * 300_000) + b"]}",
        b'{"inputs": [{"name": "features", "datatype": "FP32", "shape": [' + b"1," * 400_000 + b"1]}]}",
        b'{"id": "' + b"[" * 900_000 + b'", "inputs": []}',
        b'{"outputs": [' + b",".join(b'{"name":"%d"}' % n for n in range(50_000)) + b"]}",
        b'{"inputs": [' + b",".join([TENSOR] * 15_000) + b"]}",
    ],
    ids=["open", "deep", "objects", "keys", "empty inputs", "dimensions", "brackets", "outputs", "inputs"],
)
@pytest.mark.timeout(10)
def test_a_body_made_to_be_slow_is_refused_soon(inference, body):
    assert inference.infer(model="numeric", headers={}, body=body).status == 400


def test_one_parser_serves_many_threads(inference, sent, opened, models, expected):
    """A thread that finds the parser busy takes another; nobody gets another's numbers."""
    rng = np.random.default_rng(0)
    tables = [rng.normal(size=(100, 3)) for _ in range(60)]

    def ask(table: np.ndarray) -> np.ndarray:
        headers, body = sent().add("features", "FP64", table.shape, table.tolist()).bytes()
        return opened(inference.infer(model="numeric", headers=headers, body=body))["probabilities"]

    with ThreadPoolExecutor(4) as pool:
        for table, found in zip(tables, pool.map(ask, tables), strict=True):
            np.testing.assert_allclose(found, expected(models["numeric"], table), rtol=2e-4, atol=2e-6)


@pytest.mark.parametrize(
    ("name", "version", "ref"),
    [("iris", None, "iris"), ("iris", "7", "iris@7"), ("iris@canary", None, "iris@canary")],
)
def test_a_path_means_a_reference(name, version, ref):
    assert reference(name, version) == ref


@pytest.mark.parametrize("name", ["Iris", "", "a/b", "..", "iris@", "iris@7@8", "iris@A", "x" * 65])
def test_a_name_that_no_model_can_have_is_not_found(refused, name):
    assert refused(name, ({}, b""), 404).startswith("There is no model")


@pytest.mark.parametrize("version", ["0", "01", "x", "", "-1", "1.0", "production", "2", "9" * 40])
def test_a_version_that_there_is_not_is_not_found(refused, version):
    assert f"has no version" in refused("numeric", ({}, b""), 404, version)  # noqa: F541


def test_statistics_are_the_sums_of_the_clocks_readings(inference, sent):
    """A clock that goes on by a second at every look: each part of a prediction takes one."""
    ticks = itertools.count()
    counted = dataclasses.replace(
        inference, clock=lambda: float(next(ticks)), statistics=Statistics(now=lambda: 1234.5)
    )
    for rows in (1, 2, 2):
        headers, body = sent().add("features", "FP32", (rows, 3), bytes(12 * rows)).bytes()
        assert counted.infer(model="numeric", headers=headers, body=body).status == 200
    assert counted.infer(model="numeric", headers={}, body=b"{").status == 400
    assert counted.infer(model="nobody", headers={}, body=b"{").status == 404
    second = 10**9
    (found,) = counted.statistics.of([("numeric", 1)])["model_stats"]
    assert (found["name"], found["version"], found["last_inference"]) == ("numeric", "1", 1234500)
    assert (found["inference_count"], found["execution_count"]) == (5, 3)
    stats = found["inference_stats"]
    assert stats["success"] == {"count": 3, "ns": 9 * second}
    assert stats["fail"] == {"count": 1, "ns": 1 * second}
    assert stats["queue"] == {"count": 3, "ns": 0}
    assert stats["cache_hit"] == {"count": 0, "ns": 0}
    parts = ("compute_input", "compute_infer", "compute_output")
    assert all(stats[part] == {"count": 3, "ns": 3 * second} for part in parts)
    assert found["batch_stats"] == [
        {"batch_size": size, **{part: {"count": count, "ns": count * second} for part in parts}}
        for size, count in ((1, 1), (2, 2))
    ]


def test_statistics_stay_small_and_their_totals_right():
    statistics = Statistics()
    for version in range(1500):
        statistics.succeed(("m", version), 1, (0.0, 1.0, 2.0, 3.0))
    for size in range(1000):
        statistics.succeed(("m", 1), size, (0.0, 1.0, 2.0, 3.0))
    assert len(statistics._records) == 1000
    (found,) = statistics.of([("m", 1)])["model_stats"]
    assert found["inference_stats"]["success"] == {"count": 1000, "ns": 3000 * 10**9}
    assert len(found["batch_stats"]) <= 100


def test_predictions_are_counted_for_prometheus_too(inference, sent):
    tally = inference.meters.tally("oip", inference.predictor.model("numeric"))
    before = tally.plain()[1]
    headers, body = sent().add("features", "FP32", (2, 3), bytes(24)).bytes()
    inference.infer(model="numeric", headers=headers, body=body)
    assert tally.plain()[1] == before + 2
