"""Rows that are unlike those trained on are told of, by column, whichever protocol and process they came through."""

import json
import os
import shutil
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.errors import ModelNotFound
from app.http.drift import FORGOTTEN_SECONDS, LEAST_ROWS, Drifts
from core import profile as profiles

COLUMNS = ("a", "b", "c")


def normal(seed, rows, shift=0.0):
    """Three columns, of which `b` is shifted."""
    return np.random.default_rng(seed).normal((0, shift, 0), size=(rows, 3))


@pytest.fixture
def trained(site, client):
    """A model of three columns."""
    x = normal(0, 600)
    data = {"instances": x.tolist(), "labels": (x[:, 0] > 0).tolist(), "feature_names": list(COLUMNS)}
    assert (
        client.post(
            "/v1/models/m/train?max_epochs=5&algorithm=softmax_regression&folds=1", json=data
        ).status_code
        == 202
    )
    assert site.work() == ["succeeded"]
    return site


def native(client, rows):
    return client.post("/v1/models/m/predict", json={"instances": rows.tolist()})


def named(client, rows):
    objects = [dict(zip(COLUMNS, row, strict=True)) for row in rows.tolist()]
    return client.post("/v1/models/m/predict", json={"instances": objects})


def protocol(client, rows):
    tensor = {
        "name": "features",
        "datatype": "FP32",
        "shape": list(rows.shape),
        "data": rows.ravel().tolist(),
    }
    return client.post("/v2/models/m/infer", json={"inputs": [tensor]})


@pytest.mark.parametrize("ask", [native, named, protocol])
def test_a_shifted_column_is_told_and_no_other_by_either_protocol(trained, client, ask):
    assert ask(client, normal(1, 400, shift=1.5)).status_code == 200
    found = client.get("/v1/models/m").json()
    first, *others = found["drift"]["columns"]
    assert (found["drift"]["version"], found["drift"]["rows"]) == (1, 400)
    assert first["column"] == "b"
    assert first["index"] > 1
    assert max(each["index"] for each in others) < 0.1
    (warning,) = found["warnings"]
    assert "column 'b'" in warning
    gauges = {
        sample.labels["column"]: sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.name == "neurona_drift" and (sample.labels["model"], sample.labels["version"]) == ("m", "1")
    }
    assert gauges == pytest.approx({each["column"]: each["index"] for each in found["drift"]["columns"]})


def test_rows_like_those_trained_on_are_no_cause_for_a_warning(trained, client):
    native(client, normal(2, 400))
    found = client.get("/v1/models/m").json()
    assert [sorted(each["column"] for each in found["drift"]["columns"]), found["warnings"]] == [
        list(COLUMNS),
        [],
    ]
    assert max(each["index"] for each in found["drift"]["columns"]) < 0.1


def test_nothing_is_told_by_few_rows_nor_of_rows_that_were_refused(trained, client):
    native(client, normal(1, int(LEAST_ROWS) - 1, shift=9))
    assert client.post("/v1/models/m/predict", json={"instances": [[1, 2, "x"]] * 400}).status_code == 422
    found = client.get("/v1/models/m").json()
    assert (found["drift"], found["warnings"]) == (None, [])


def test_threshold_and_number_of_columns_are_settings(make_site):
    site = make_site(drift_threshold=50, max_drift_columns=2)
    x = normal(0, 600)
    data = {"instances": x.tolist(), "labels": (x[:, 0] > 0).tolist()}
    site.client.post("/v1/models/m/train?max_epochs=5&algorithm=softmax_regression&folds=1", json=data)
    site.work()
    native(site.client, normal(1, 400, shift=1.5))
    found = site.client.get("/v1/models/m").json()
    assert (len(found["drift"]["columns"]), found["warnings"]) == (2, [])
    assert site.client.get("/v1/info").json()["limits"]["max_drift_columns"] == 2


def test_a_card_without_a_profile_has_no_drift(make_site, tmp_path):
    """As those of earlier releases are."""
    seed = tmp_path / "seed"
    shutil.copytree(Path(__file__).parents[2] / "models", seed)
    card = seed / "iris" / "1" / "model.json"
    card.write_text(json.dumps({k: v for k, v in json.loads(card.read_text()).items() if k != "profile"}))
    site = make_site(models_seed=seed)
    rows = np.full((400, 4), 99.0)
    assert site.client.post("/v1/models/iris/predict", json={"instances": rows.tolist()}).status_code == 200
    assert site.client.get("/v1/models/iris").json()["drift"] is None


@pytest.fixture(scope="module")
def profile():
    return profiles.measure(dict(zip(COLUMNS, normal(0, 3000).T, strict=True)))


@pytest.fixture
def process(monkeypatch, tmp_path, profile):
    """Makes the drifts of one process after the other, all of one server; `clock` is theirs."""
    clock = SimpleNamespace(now=1000.0)

    def make(number, profile_of=lambda name, version: profile):
        monkeypatch.setattr(os, "getpid", lambda: number)
        return Drifts(tmp_path, profile_of=profile_of, most_columns=9, clock=lambda: clock.now)

    make.clock = clock
    return make


def took(drifts, profile, rows, name="m"):
    sampler = drifts.sampler(SimpleNamespace(name=name, version=1, profile=profile))
    sampler.take(rows, len(rows), perf_counter())
    drifts.write()


def test_processes_are_added_up(process, profile):
    rows = normal(1, 360, shift=1.0)
    for number in (1, 2, 3):
        last = process(number)
        took(last, profile, rows[120 * (number - 1) :][:120])
    by_one_that_took_part = last.of("m", 1)
    by_one_that_did_not = process(4).of("m", 1)
    assert by_one_that_took_part == by_one_that_did_not
    assert by_one_that_did_not.rows == 360
    expected = profile.drift(profile.count(rows))
    assert {each.name: each.distance for each in by_one_that_did_not.columns} == pytest.approx(expected)


def test_what_nobody_asks_about_any_more_is_told_no_more(process, profile):
    took(process(1), profile, normal(1, 300))
    reader = process(2)
    assert reader.of("m", 1).rows == 300
    process.clock.now += FORGOTTEN_SECONDS + 1
    assert reader.of("m", 1) is None


def test_a_version_that_was_deleted_and_a_file_that_is_damaged_cost_nothing_else(process, profile, tmp_path):
    def gone(name, version):
        if name == "gone":
            raise ModelNotFound(name=name)
        return profile

    for number, name in ((1, "m"), (2, "gone")):
        took(process(number), profile, normal(1, 300), name)
    (tmp_path / "7.json").write_bytes(b'[["m", 1, 0, [["?"]]]]')
    (tmp_path / "8.json").write_bytes(b"[1")
    reader = process(3, gone)
    assert reader.of("gone", 1) is None
    assert reader.of("m", 1).rows == 300


def test_nothing_is_written_where_nothing_is_new(process, profile, tmp_path):
    drifts = process(1)
    drifts.write()
    assert list(tmp_path.iterdir()) == []
    took(drifts, profile, normal(1, 10))
    before = (tmp_path / "1.json").stat().st_mtime_ns
    drifts.write()
    assert (tmp_path / "1.json").stat().st_mtime_ns == before
