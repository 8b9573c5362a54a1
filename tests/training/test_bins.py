"""Numeric columns cut into bins: by default, as asked for, and gone on with."""

import numpy as np
import pytest

from core import encoding, network
from core.columns import NumericColumn

BENT = {"algorithm": "relu_network", "given": {"hidden_layer_sizes": [6], "max_epochs": 6, "bins": 4}}


def rows(bend, count=160, seed=0, scale=1.0):
    """A CSV whose classes lie apart by x, or if `bend` by its distance from 0."""
    rng = np.random.default_rng(seed)
    x, other = rng.normal(size=count), rng.normal(size=count)
    logit = 6 * (np.abs(x) - 0.7) if bend else 3 * x
    labels = np.where(rng.random(count) < 1 / (1 + np.exp(-logit)), "far", "near")
    lines = (f"{a * scale:.6f},{b:.6f},{c}" for a, b, c in zip(x, other, labels, strict=True))
    return "\n".join(["x,other,label", *lines]).encode()


def stored(bench, content):
    return bench.place.datasets.ingest([content], media_type="text/csv")[0].id


def test_by_default_numbers_are_cut_and_softmax_regression_can_bend(bench):
    job = bench.train(dataset=stored(bench, rows(bend=True)), given={"folds": 3})
    card = bench.place.repository.card("iris", 1)
    assert job.hyperparameters["bins"] == card["hyperparameters"]["bins"] == 3
    assert [each["algorithm"] for each in card["candidates"]] == ["softmax_regression", "relu_network"]
    softmax, _ = card["candidates"]
    assert softmax["validation_log_loss"] < 0.8 * np.log(2)


def test_columns_of_two_values_are_left_as_they_are(bench):
    lines = ["a,b,label", *(f"{n % 2},{n % 3 // 2},{'yes' if n % 5 else 'no'}" for n in range(60))]
    bench.train(dataset=stored(bench, "\n".join(lines).encode()), given={})
    assert bench.place.repository.load("iris", 1).encoding.width == 2


@pytest.mark.parametrize(
    "how",
    [
        {"algorithm": "softmax_regression", "given": {"max_epochs": 6}},
        {"algorithm": "relu_network", "given": {"max_epochs": 6}},
        {"given": {"max_epochs": 6, "hidden_layer_sizes": [6]}},
        {"given": {"max_epochs": 6, "bins": 0}},
    ],
)
def test_who_describes_a_model_gets_no_bins_that_were_not_asked_for(bench, how):
    bench.train(**how)
    assert bench.place.repository.load("iris", 1).encoding.width == 4
    assert bench.place.repository.card("iris", 1)["hyperparameters"]["bins"] == 0


@pytest.mark.parametrize("settings", [{}, {"training_memory_bytes": 4000}])
def test_bins_that_are_asked_for_are_made_in_memory_and_from_disk(make_bench, settings):
    bench = make_bench(**settings)
    job = bench.train(dataset=stored(bench, rows(bend=True)), **BENT)
    assert (job.state, job.hyperparameters["bins"]) == ("succeeded", 4)
    assert any("read from disk" in each for each in job.warnings) == bool(settings)  # cut, they exceed it
    model = bench.place.repository.load("iris", 1)
    assert [column.bins for column in model.encoding.columns if isinstance(column, NumericColumn)] == [4, 4]
    assert model.sizes == (10, 6, 2)


def test_a_warm_start_keeps_the_knots_and_what_was_learned_with_them(bench):
    bench.train(dataset=stored(bench, rows(bend=True)), **BENT)
    before = bench.place.repository.load("iris", 1)
    more = stored(bench, rows(bend=True, count=400, scale=1.3))
    given = {**BENT["given"], "max_epochs": 1, "learning_rate": 1e-9}
    bench.train(dataset=more, algorithm="relu_network", given=given, warm_start="iris@1", promote="always")
    after = bench.place.repository.load("iris", 2)
    for old, new in zip(before.encoding.columns, after.encoding.columns, strict=True):
        values = [np.array(each.knots) * each.scale + each.mean for each in (old, new)]
        np.testing.assert_allclose(*values, rtol=1e-9)
    x = np.random.default_rng(5).normal(size=(50, 2))
    first, second = (
        np.diff(network.logits(each.parameters, encoding.transform_matrix(each.encoding, x)), axis=1)
        for each in (before, after)
    )
    ratio = second / first
    assert ratio.std() < 1e-3 * abs(ratio.mean())  # the same but for the temperature


@pytest.mark.slow
def test_a_run_killed_anywhere_ends_in_the_same_bits(make_bench, monkeypatch):
    undisturbed, disturbed = make_bench(), make_bench(checkpoint_seconds=1e-9)
    content = rows(bend=True)
    job = undisturbed.train(dataset=stored(undisturbed, content), given={})
    second, total = (
        disturbed.submit(dataset=stored(disturbed, content), given={}),
        len(undisturbed.history(job)),
    )
    assert disturbed.run_killed(monkeypatch, total // 4, total // 2, 3 * total // 4) == "succeeded"
    assert disturbed.weights(1) == undisturbed.weights(1)
    assert disturbed.history(second) == undisturbed.history(job)
