"""What Prometheus reads is what happened, in all processes together."""

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from prometheus_client.parser import text_string_to_metric_families

from app.http import meters, vitals
from app.http.meters import SECONDS, Meters
from app.serving.sampler import Sampler


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_predictions_are_counted_with_their_rows_and_parts(site, client):
    site.train()
    for _ in range(3):
        client.post("/v1/models/iris/predict", json={"instances": [[1, 2, 3, 4]] * 5})
    client.post("/v1/models/iris/predict", json={"instances": [[1]]})
    found = samples(client.get("/metrics").text)
    of = (("model", "iris"), ("protocol", "native"), ("version", "1"))
    assert found["neurona_predictions_total", of] == 3
    assert found["neurona_prediction_rows_total", of] == 15
    for part in ("decode", "compute", "encode"):
        assert found["neurona_prediction_seconds_count", tuple(sorted((*of, ("part", part))))] == 3
    route = (("method", "POST"), ("route", "/v1/models/{ref}/predict"))
    assert found["neurona_http_requests_total", (*route, ("status", "200"))] == 3
    assert found["neurona_http_requests_total", (*route, ("status", "422"))] == 1


def test_requests_are_counted_by_route_and_not_by_path(site, client):
    for job in ("a", "b", "c"):
        client.get(f"/v1/jobs/{job}")
    client.get("/v1/nowhere/at/all")
    found = samples(client.get("/metrics").text)
    key = (("method", "GET"), ("route", "/v1/jobs/{job_id}"), ("status", "404"))
    assert found["neurona_http_requests_total", key] == 3
    assert not any("nowhere" in str(labels) for _, labels in found)


def test_jobs_are_counted_by_state(site, client):
    site.train()
    client.post("/v1/models/iris/retrain")
    found = samples(client.get("/metrics").text)
    assert found["neurona_jobs", (("state", "succeeded"),)] == 1
    assert found["neurona_jobs", (("state", "queued"),)] == 1
    assert found["neurona_jobs", (("state", "failed"),)] == 0
    assert found["neurona_epochs_total", ()] > 0


def test_processes_are_added_up_and_a_dead_ones_numbers_stay(tmp_path, monkeypatch):
    sums, iris = [], SimpleNamespace(name="iris", version=1)
    for process in (1, 2, 3):
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        meters = Meters(tmp_path, sampler_of=lambda _: Sampler(None))
        meters.request("GET", "/x", 200, 0.003)
        meters.request("GET", "/x", 200, 99.0)
        meters.tally("native", iris).add(np.empty((7, 4)), 7, 0.0, 0.1, 0.3, 0.6)
        meters.write()
        families = {family.name: family for family in meters.collect()}
        sums.append(families["neurona_http_requests"].samples[0].value)
        rows = families["neurona_prediction_rows"].samples[0].value
        buckets = {s.labels.get("le"): s.value for s in families["neurona_http_request_seconds"].samples}
    assert sums == [2, 4, 6]
    assert rows == 21
    assert (buckets["0.0025"], buckets["0.005"], buckets[str(SECONDS[-1])], buckets["+Inf"]) == (0, 3, 3, 6)


def test_a_number_that_was_told_is_told_still_once_its_process_was_killed(tmp_path, monkeypatch):
    told = []
    for process in (1, 2):
        monkeypatch.setattr(os, "getpid", lambda process=process: process)
        meters = Meters(tmp_path, sampler_of=lambda _: Sampler(None))
        meters.request("GET", "/x", 200, 0.003)
        families = {family.name: family for family in meters.collect()}
        told.append(families["neurona_http_requests"].samples[0].value)
    assert told == [1, 2]


def test_one_process_alone_writes_nothing(tmp_path):
    assert list(Meters(tmp_path, sampler_of=lambda _: Sampler(None), shared=False).collect())
    assert list(tmp_path.iterdir()) == []


def test_every_metric_is_in_the_documentation(site, client):
    site.train()
    client.post("/v1/models/iris/predict", json={"instances": [[1, 2, 3, 4]]})
    written = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text()
    families = {family.name for family in text_string_to_metric_families(client.get("/metrics").text)}
    assert {"neurona_drift", "neurona_jobs"} <= families
    assert sorted(name for name in families if f"`{name}" not in written) == []


def test_a_folder_that_cannot_be_written_costs_nothing_else(tmp_path):
    (tmp_path / "file").write_text("")
    meters = Meters(tmp_path / "file" / "below", sampler_of=lambda _: Sampler(None))
    meters.request("GET", "/x", 200, 0.1)
    meters.write()
    assert SimpleNamespace(found=list(meters.collect())).found


def test_refused_predictions_are_counted_by_model_and_status_and_strange_names_make_no_series(site, client):
    site.train()
    client.post("/v1/models/iris/predict", json={"instances": [[1, 2, 3, 4]]})
    for _ in range(2):
        assert client.post("/v1/models/iris/predict", json={"instances": [[1]]}).status_code == 422
        assert client.post("/v2/models/iris/infer", json={"inputs": []}).status_code == 400
    for name in ("a", "b", "%0a"):
        client.post(f"/v1/models/{name}/predict", json={"instances": [[1]]})
    found = samples(client.get("/metrics").text)
    name = "neurona_prediction_failures_total"
    native, oip = ("protocol", "native"), ("protocol", "oip")
    assert found[name, (("model", "iris"), native, ("status", "422"))] == 2
    assert found[name, (("model", "iris"), oip, ("status", "400"))] == 2
    assert found[name, (("model", "(other)"), native, ("status", "404"))] >= 2
    assert {dict(labels)["model"] for told, labels in found if told == name} == {"iris", "(other)"}


def test_a_server_tells_of_its_process_its_models_and_its_making(site, client):
    site.train()
    client.post("/v1/models/iris/predict", json={"instances": [[1, 2, 3, 4]]})
    found = samples(client.get("/metrics").text)
    pid = (("pid", str(os.getpid())),)
    assert found["process_resident_memory_bytes", pid] > 10 << 20
    assert found["process_open_fds", pid] > 3
    assert abs(found["process_start_time_seconds", pid] - time.time()) < 3600
    assert found["process_cpu_seconds_total", pid] > 0
    assert found["neurona_model_loads_total", ()] == 1
    assert found["neurona_model_cache_bytes", ()] == sum(
        value for (name, _), value in found.items() if name == "neurona_model_bytes"
    )
    assert {name for name, _ in found} >= set(vitals.TEXTS), "each of them is told"
    [built] = [dict(labels) for name, labels in found if name == "neurona_build_info"]
    assert set(built) == {"version", "python", "numpy"}


def test_what_a_dead_process_did_is_kept_and_what_it_was_doing_is_not(tmp_path):
    ended = subprocess.Popen(["true"])
    ended.wait()
    numbers = {"neurona_model_loads_total": 3, "neurona_predictions_in_flight": 2, "process_open_fds": 9}
    processes = [(ended.pid, numbers), (os.getpid(), numbers), (os.getppid(), numbers)]
    told = {family.name: family.samples for family in vitals.families(processes)}
    assert [sample.value for sample in told["neurona_model_loads"]] == [9]
    assert [sample.value for sample in told["neurona_predictions_in_flight"]] == [4]
    pids = {sample.labels["pid"] for sample in told["process_open_fds"]}
    assert pids == {str(os.getpid()), str(os.getppid())}


def test_failures_of_a_model_that_cannot_be_loaded_have_its_name(site, client):
    site.train()
    copied = shutil.copytree(site.settings.models / "iris", site.settings.models / "broken")
    (copied / "1" / "model.safetensors").write_bytes(b"broken")
    assert client.post("/v1/models/broken/predict", json={"instances": [[1, 2, 3, 4]]}).status_code == 503
    tensor = {"name": "features", "datatype": "FP32", "shape": [1, 4], "data": [1, 2, 3, 4]}
    assert client.post("/v2/models/broken/infer", json={"inputs": [tensor]}).status_code == 503
    found = samples(client.get("/metrics").text)
    for protocol in ("native", "oip"):
        labels = (("model", "broken"), ("protocol", protocol), ("status", "503"))
        assert found["neurona_prediction_failures_total", labels] >= 1


def test_versions_that_were_served_long_ago_are_let_go(tmp_path, monkeypatch):
    monkeypatch.setattr(meters, "MOST_VERSIONS", 3)
    kept = Meters(tmp_path, sampler_of=lambda _: Sampler(None))
    for version in (1, 2, 3, 4):
        tally = kept.tally("native", SimpleNamespace(name="iris", version=version))
        tally.add(None, 1, 0.0, 0.0, 0.0, -1.0)
    rows = next(family for family in kept.collect() if family.name == "neurona_prediction_rows")
    assert sorted(sample.labels["version"] for sample in rows.samples if sample.value) == ["2", "3", "4"]


def test_a_server_that_starts_clears_away_its_own_numbers_and_old_ones_and_no_other_servers(tmp_path):
    number = os.getpid()
    own, others, old = (meters.folder_of(tmp_path, number + more) for more in (0, 1, 2))
    for folder in (own, others, old):
        (folder / "drift").mkdir(parents=True)
        (folder / "7.json").write_text("{}")
    long_ago = time.time() - 2 * 3600
    os.utime(old, (long_ago, long_ago))
    meters.sweep(tmp_path, number)
    assert sorted(tmp_path.glob("metrics/*")) == [others]
    assert (others / "7.json").exists()
