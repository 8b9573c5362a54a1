"""A version that is trained again from its card is the same to the bit, or it is said what is not."""

import hashlib
import json

import numpy as np
import pytest
import safetensors.numpy

from app.jobs import NewJob
from app.training import origin
from app.training.verification import weights_sha256

LAYERS = {"algorithm": "relu_network", "given": {"max_epochs": 3, "hidden_layer_sizes": [7, 5], "folds": 1}}
MANY = [
    {},
    {"algorithm": "softmax_regression"},
    {"given": {"max_epochs": 5, "hidden_layer_sizes": [6], "folds": 3, "seed": 4}},
]


class Killed(BaseException):
    """Stands for a process that dies: nothing catches it."""


def verification(bench, version=1):
    """The job that the route makes of a version's card."""
    card = bench.place.repository.card("iris", version)
    new = NewJob(
        kind="verify",
        verifies=version,
        model="iris",
        dataset=card["lineage"]["dataset"],
        algorithm=card["requested"]["algorithm"],
        hyperparameters=card["hyperparameters"],
        given=card["requested"]["hyperparameters"],
        warm_start=card["lineage"]["parent"],
        promote="never",
    )
    return bench.store.submit(new)[0]


def verified(bench, version=1):
    job = verification(bench, version)
    assert bench.run() == "succeeded"
    return bench.store.get(job.id)


def change_weights(bench, by, version=1):
    """Another number in the first weight of a version; what it was and what it is."""
    path = bench.place.repository.weights("iris", version)
    tensors = {name: array.copy() for name, array in safetensors.numpy.load(path.read_bytes()).items()}
    before = tensors["layers.0.weight"][0, 0]
    after = tensors["layers.0.weight"][0, 0] = by(before)
    path.write_bytes(safetensors.numpy.save(tensors))
    return before, after


@pytest.mark.parametrize("how", [LAYERS, *(pytest.param(each, marks=pytest.mark.slow) for each in MANY)])
def test_a_version_trained_again_is_identical_and_nothing_is_published(bench, how):
    bench.train(**how)
    aliases = bench.place.repository.alias_record("iris")
    files = {path: path.read_bytes() for path in bench.place.settings.models.rglob("*") if path.is_file()}
    job = verified(bench)
    assert (job.kind, job.version, job.state, job.promoted) == ("verify", 1, "succeeded", None)
    expected = weights_sha256(bench.place.repository.load("iris", 1).parameters)
    assert job.metrics == {
        "identical": True,
        "differs": [],
        "weights_sha256": expected,
        "expected_sha256": expected,
        "largest_difference": 0.0,
        "software": {},
    }
    assert job.warnings == []
    assert bench.place.repository.versions("iris") == [1]
    assert bench.place.repository.alias_record("iris") == aliases
    assert {p: p.read_bytes() for p in bench.place.settings.models.rglob("*") if p.is_file()} == files
    assert not (bench.place.settings.data / "checkpoints" / job.id).exists()


def test_its_history_is_that_of_the_first_training(bench):
    first = bench.train(**LAYERS)
    assert bench.history(verified(bench)) == bench.history(first)


def test_a_warm_started_version_is_trained_again_from_its_parent(bench):
    bench.train(**LAYERS)
    bench.train(**LAYERS, warm_start="iris@1")
    job = verified(bench, 2)
    assert (job.warm_start, job.metrics["identical"]) == ("iris@1", True)


def test_a_version_whose_weights_were_changed_is_not_identical(bench):
    bench.train(**LAYERS)
    before, after = change_weights(bench, lambda weight: weight + np.float32(0.5))
    found = verified(bench).metrics
    assert (found["identical"], found["differs"]) == (False, ["weights"])
    assert found["largest_difference"] == pytest.approx(abs(float(after) - float(before)))
    assert found["weights_sha256"] != found["expected_sha256"]
    assert found["software"] == {}


def test_one_bit_is_enough(bench):
    bench.train(**LAYERS)
    change_weights(bench, lambda weight: np.nextafter(weight, np.float32(9)))
    found = verified(bench).metrics
    assert found["identical"] is False
    assert 0 < found["largest_difference"] < 1e-6


def edit_card(bench, change, version=1):
    path = bench.place.settings.models / "iris" / str(version) / "model.json"
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))


def test_another_temperature_or_encoding_than_that_of_the_card_is_told(bench):
    bench.train(**LAYERS)

    def change(card):
        card["temperature"] *= 1.001
        card["encoding"]["columns"][2]["mean"] += 1e-9

    edit_card(bench, change)
    found = verified(bench).metrics
    assert (found["identical"], found["differs"]) == (False, ["encoding", "temperature"])
    assert found["largest_difference"] == 0.0


def test_other_software_is_told_and_warned_of(bench):
    bench.train(**LAYERS)
    edit_card(bench, lambda card: card["lineage"]["software"].update(numpy="1.26.4", blas_threads=64))
    job = verified(bench)
    assert job.metrics["identical"]
    assert job.metrics["software"]["numpy"] == {"then": "1.26.4", "now": np.__version__}
    assert set(job.metrics["software"]) == {"numpy", "blas_threads"}
    assert "numpy 1.26.4, now " in job.warnings[0]


def test_rows_that_are_others_than_the_card_names_are_told(bench):
    bench.train(**LAYERS)
    edit_card(bench, lambda card: card["lineage"].update(dataset_sha256="0" * 64))
    assert verified(bench).metrics["differs"] == ["dataset"]


def test_the_limit_of_categories_is_that_of_the_first_training(make_bench):
    bench = make_bench(max_categories=3)
    rows = "".join(f"{'abcdef'[i % 6]},{i % 7},{'xy'[i % 6 // 3]}\n" for i in range(90))
    dataset = bench.place.datasets.ingest([b"c,n,y\n" + rows.encode()], media_type="text/csv")[0].id
    bench.train(**LAYERS, dataset=dataset)
    assert bench.place.repository.card("iris", 1)["lineage"]["max_categories"] == 3
    wider = bench.place.settings.model_copy(update={"max_categories": 1000})
    object.__setattr__(bench.place, "settings", wider)
    assert verified(bench).metrics["identical"]


def test_rows_that_stayed_on_disk_the_first_time_do_so_again(make_bench):
    bench = make_bench(training_memory_bytes=1)
    bench.train(**LAYERS)
    roomy = bench.place.settings.model_copy(update={"training_memory_bytes": 1 << 40})
    object.__setattr__(bench.place, "settings", roomy)
    assert verified(bench).metrics["identical"]


def test_a_verification_killed_on_the_way_ends_in_the_same_answer(make_bench, monkeypatch):
    bench = make_bench(checkpoint_seconds=1e-9)
    bench.train(**LAYERS | {"given": {**LAYERS["given"], "max_epochs": 12}})
    job = verification(bench)

    def die(write):
        if write > 6:
            raise Killed

    with monkeypatch.context() as patch:
        bench.before_writes(patch, die)
        with pytest.raises(Killed):
            bench.run()
    bench.take_over()
    assert bench.run() == "succeeded"
    assert bench.store.get(job.id).metrics["identical"]


def test_a_cancelled_verification_stops(bench, monkeypatch):
    bench.train(**LAYERS)
    job = verification(bench)

    def cancel(_write):
        if not bench.store.get(job.id).finished:
            bench.store.cancel(job.id)

    bench.before_writes(monkeypatch, cancel)
    assert bench.run() == "superseded"
    ended = bench.store.get(job.id)
    assert (ended.state, ended.metrics) == ("cancelled", None)


def test_a_version_that_cannot_be_read_fails_the_verification_with_the_reason(bench):
    bench.train(**LAYERS)
    job = verification(bench)
    bench.place.repository.weights("iris", 1).write_bytes(b"nothing")
    assert bench.run() == "failed"
    assert bench.store.get(job.id).error.code == "model_broken"


def test_a_card_says_all_that_a_version_comes_from(bench):
    job = bench.train(**LAYERS)
    lineage = bench.place.repository.card("iris", 1)["lineage"]
    rows = bench.place.settings.data / "datasets" / job.dataset / "rows.arrow"
    assert lineage["dataset_sha256"] == hashlib.sha256(rows.read_bytes()).hexdigest()
    assert job.dataset == f"ds_{lineage['dataset_sha256'][:16]}"
    assert (lineage["parent"], lineage["seed"], lineage["job"]) == (None, 0, job.id)
    assert lineage["software"] == origin.software()
    machine = {"machine", "blas", "blas_kernels", "blas_threads", "simd"}
    assert {"neurona", "code", "numpy", "python", *machine} == set(lineage["software"])
    assert lineage["software"]["blas"].startswith("openblas ")


def test_a_promotion_is_told_with_its_job(bench):
    job = bench.train(**LAYERS)
    (_, move), *rest = bench.place.repository.alias_record("iris").newest_first()
    assert (move.target, move.job, rest) == (1, job.id, [])


def test_other_code_of_the_same_release_is_told(monkeypatch):
    card = origin.software()
    monkeypatch.setattr(origin, "_ROOMS", ("core",))
    origin._code.cache_clear()
    found = origin.differences(card, origin.software())
    origin._code.cache_clear()
    assert set(found) == {"code"}
    assert found["code"]["then"] == card["code"] != found["code"]["now"]
