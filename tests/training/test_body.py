"""A job's body ends in a published version, and what disturbs it changes no bit of that."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize

from app.errors import Superseded
from app.jobs.ending import Ending
from app.training import outcome
from app.training.body import Attempt
from app.training.promotion import Jury
from core import committee, encoding, merging, network
from core.losses import softmax
from core.training import Diverged

SOFTMAX = {"algorithm": "softmax_regression"}
IRIS = Path(__file__).parents[2] / "examples" / "data" / "iris.csv"


class Killed(BaseException):
    """Stands for a process that dies: nothing catches it."""


def test_a_job_ends_in_a_version_in_production_with_a_card(bench):
    job = bench.train()
    assert (job.state, job.error, job.promoted) == ("succeeded", None, True)
    assert job.metrics["accuracy"] >= 0.8
    assert job.progress.fraction == 1.0
    assert bench.place.repository.resolve("iris") == ("iris", 1)
    card = bench.place.repository.card("iris", 1)
    assert card["lineage"]["job"] == job.id
    assert card["lineage"]["dataset"] == job.dataset
    assert card["algorithm"] in ("softmax_regression", "relu_network")
    assert card["rows"] == {"train": 135, "validation": 15}
    assert [each["algorithm"] for each in card["candidates"]] == ["softmax_regression", "relu_network"]
    assert card["metrics"]["log_loss"] == pytest.approx(min(job.metrics["log_loss"], 9))


def test_auto_publishes_the_candidate_with_the_lower_validation_log_loss(bench):
    job = bench.train()
    card = bench.place.repository.card("iris", 1)
    best = min(card["candidates"], key=lambda each: each["validation_log_loss"])
    assert card["algorithm"] == best["algorithm"]
    assert card["metrics"]["log_loss"] == pytest.approx(best["validation_log_loss"], rel=1e-9)
    by_candidate = {}
    for each in bench.store.history(job.id):
        by_candidate.setdefault(each.candidate, []).append(each.validation_loss)
    for each in card["candidates"]:
        assert each["uncalibrated"] in by_candidate[each["algorithm"]]


def test_a_committee_is_judged_on_every_row_and_published_as_one_network(bench):
    job = bench.train(given={"max_epochs": 5, "folds": 3}, algorithm="relu_network")
    card = bench.place.repository.card("iris", 1)
    assert (card["metrics_on"], card["rows"]) == ("out-of-fold", {"train": 150, "validation": 150})
    assert sum(map(sum, card["metrics"]["confusion_matrix"])) == 150
    member = card["hyperparameters"]["hidden_layer_sizes"][0]
    assert (card["committee"]["members"], card["committee"]["hidden"]) == (3, [member])
    assert bench.place.repository.load("iris", 1).sizes == (4, 3 * member, 3)
    assert job.metrics["validation_rows"] == 150
    assert [each.epoch for each in bench.store.history(job.id)] == [1, 2, 3, 4, 5]


def test_the_card_tells_calibration_before_and_after_temperature(bench):
    bench.train(given={"max_epochs": 5, "folds": 3, "class_weight": "balanced"})
    told = bench.place.repository.card("iris", 1)["calibration"]
    assert told["after"]["log_loss"] <= told["before"]["log_loss"] + 1e-2
    for moment in ("before", "after"):
        assert sum(each["rows"] for each in told[moment]["reliability"]) == 150
        assert 0 <= told[moment]["ece"] <= 1


def test_a_committee_killed_anywhere_ends_in_the_same_bits(make_bench, monkeypatch):
    given = {"max_epochs": 6, "folds": 3}
    undisturbed, disturbed = make_bench(), make_bench(checkpoint_seconds=1e-9)
    job = undisturbed.train(given=given)
    second, total = disturbed.submit(given=given), len(undisturbed.history(job))
    assert disturbed.run_killed(monkeypatch, 3, total // 2, total - 2) == "succeeded"
    assert disturbed.weights(1) == undisturbed.weights(1)
    assert disturbed.history(second) == undisturbed.history(job)


def test_history_numbers_epochs_without_gap_over_both_candidates(bench):
    job = bench.train()
    history = bench.store.history(job.id)
    assert [each.sequence for each in history] == list(range(1, len(history) + 1))
    assert [each.seconds for each in history] == sorted(each.seconds for each in history)
    for candidate in ("softmax_regression", "relu_network"):
        epochs = [each.epoch for each in history if each.candidate == candidate]
        assert epochs == list(range(1, len(epochs) + 1))


@pytest.mark.parametrize("deaths", [1, 2, 5])
def test_a_run_killed_anywhere_ends_in_the_same_bits(make_bench, monkeypatch, deaths):
    undisturbed, disturbed = make_bench(), make_bench(checkpoint_seconds=1e-9)
    job = undisturbed.train()
    second = disturbed.submit()
    total = len(undisturbed.history(job))
    for death in range(deaths):

        def die(write, stop=1 + total * (death + 1) // (deaths + 1) // 2):
            if write > stop:
                raise Killed

        with monkeypatch.context() as patch:
            disturbed.before_writes(patch, die)
            with pytest.raises(Killed):
                disturbed.run()
        disturbed.take_over()
    assert disturbed.run() == "succeeded"
    assert disturbed.weights(1) == undisturbed.weights(1)
    assert disturbed.history(second) == undisturbed.history(job)


@pytest.mark.parametrize("moment", ["published", "promoted", "ended"])
def test_a_run_killed_while_it_ends_still_succeeds_once(make_bench, monkeypatch, moment):
    undisturbed, disturbed = make_bench(), make_bench()
    undisturbed.train()
    job = disturbed.submit()
    target = {"published": Jury, "promoted": Ending, "ended": Ending}[moment]
    name = {"published": "decide", "promoted": "succeed", "ended": "succeed"}[moment]
    real = getattr(target, name)

    def killed(self, *arguments, **fields):
        if moment == "ended":
            real(self, *arguments, **fields)  # written, but not yet committed
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(target, name, killed)
        with pytest.raises(Killed):
            disturbed.run()
    assert disturbed.store.get(job.id).state == "running"
    disturbed.take_over()
    assert disturbed.run() == "succeeded"
    done = disturbed.store.get(job.id)
    assert (done.state, done.promoted, done.version) == ("succeeded", True, 1)
    assert disturbed.place.repository.versions("iris") == [1]
    assert disturbed.place.repository.resolve("iris") == ("iris", 1)
    assert disturbed.weights(1) == undisturbed.weights(1)


def test_a_paused_run_goes_on_to_the_same_bits(make_bench, monkeypatch):
    undisturbed, disturbed = make_bench(), make_bench()
    undisturbed.train()
    job = disturbed.submit()

    def pause(write):
        if write == 4:
            disturbed.place.jobs.request_pause()

    disturbed.before_writes(monkeypatch, pause)
    assert disturbed.run() == "paused"
    assert disturbed.store.get(job.id).state == "queued"
    assert disturbed.run() == "succeeded"
    assert disturbed.weights(1) == undisturbed.weights(1)


@pytest.mark.parametrize("candidate", ["softmax_regression", "relu_network"])
def test_a_run_that_goes_on_warns_of_what_the_paused_one_met_when_it_began(bench, monkeypatch, candidate):
    bench.train(algorithm="relu_network")
    again = {"warm_start": "iris@1", "promote": "never"}
    undisturbed = bench.train(**again)
    assert any("began afresh" in warning for warning in undisturbed.warnings)
    job = bench.submit(**again)

    def pause(_write):
        history = bench.store.history(job.id)
        if history and history[-1].candidate == candidate:
            bench.place.jobs.request_pause()

    with monkeypatch.context() as patch:
        bench.before_writes(patch, pause)
        assert bench.run() == "paused"
    assert bench.run() == "succeeded"
    assert bench.store.get(job.id).warnings == undisturbed.warnings


def test_a_run_that_is_cancelled_while_it_is_calibrated_goes_no_further(bench, monkeypatch):
    job, real = bench.submit(**SOFTMAX, given={"folds": 1}), outcome.conclude

    def conclude(*arguments, look):
        bench.store.cancel(job.id)
        with pytest.raises(Superseded):
            real(*arguments, look=look)
        raise Killed

    monkeypatch.setattr("app.training.body.conclude", conclude)
    bench.before_writes(monkeypatch, lambda _write: None)
    with pytest.raises(Killed):
        bench.run()


def test_a_cancelled_run_stops_and_publishes_nothing(bench, monkeypatch):
    job = bench.submit()

    def cancel(_write):
        if not bench.store.get(job.id).finished and bench.store.last_sequence(job.id) >= 2:
            bench.store.cancel(job.id)

    bench.before_writes(monkeypatch, cancel)
    assert bench.run() == "superseded"
    assert bench.store.get(job.id).state == "cancelled"
    assert bench.place.repository.names() == []


def test_a_diverging_run_fails_and_says_where_and_what_to_try(bench):
    given = {"optimizer": "gradient_descent", "learning_rate": 1e6, "hidden_layer_sizes": [8]}
    job = bench.train(algorithm="relu_network", given=given)
    assert (job.state, job.error.code) == ("failed", "diverged")
    assert "epoch 1" in job.error.message
    assert "learning rate ten times smaller" in job.error.message
    assert bench.place.repository.names() == []


def test_a_run_over_its_time_fails_with_the_limit(make_bench):
    bench = make_bench(max_runtime_seconds=1e-9)
    job = bench.train()
    assert (job.state, job.error.code) == ("failed", "timed_out")


def test_a_bug_in_the_body_ends_the_job_without_telling_its_insides(bench, monkeypatch):
    monkeypatch.setattr("app.training.body.compose", lambda *_a, **_k: 1 / 0)
    job = bench.submit()
    with pytest.raises(ZeroDivisionError):
        bench.run()
    ended = bench.store.get(job.id)
    assert (ended.state, ended.error.code) == ("failed", "internal_error")
    assert "division" not in ended.error.message


def test_a_missing_dataset_fails_the_job_and_says_so(bench):
    job = bench.train(dataset="ds_00000000deadbeef")
    assert (job.state, job.error.code) == ("failed", "dataset_not_found")


def test_checkpoints_are_gone_once_the_job_has_ended(make_bench):
    bench = make_bench(checkpoint_seconds=1e-9)
    job = bench.train()
    assert not (bench.place.settings.data / "checkpoints" / job.id).exists()


def test_a_warm_start_on_the_same_data_begins_where_its_source_ended(bench):
    given = {"optimizer": "adam"}
    bench.train(**SOFTMAX, given={**given, "max_epochs": 60})
    second = bench.train(**SOFTMAX, given={**given, "max_epochs": 1}, warm_start="iris@1")
    cold = bench.train(**SOFTMAX, given={**given, "max_epochs": 1})
    losses = {job.id: bench.store.history(job.id)[0].train_loss for job in (second, cold)}
    assert losses[second.id] < 0.5 * losses[cold.id]


def begun(bench, monkeypatch, **fields):
    """The members' parameters before the first step of a job, its material, and the job, run to its end."""
    seen = []
    real = Attempt._begin

    def begin(self, spec, material, source):
        state = real(self, spec, material, source)
        seen.append((tuple(each.parameters for each in state.members), material))
        return state

    with monkeypatch.context() as patch:
        patch.setattr(Attempt, "_begin", begin)
        job = bench.train(**fields)
    return *seen[-1], job


def probabilities(model, columns):
    return softmax(
        network.logits(model.parameters, encoding.transform(model.encoding, columns)) / model.temperature
    )


def changed_iris(bench, *, rows=150):
    """The same flowers with one column less, another more, all in another order, and a class less."""
    frame = [line.split(",") for line in IRIS.read_text().strip().split("\n")][: rows + 1]
    text = "\n".join(
        ",".join([cells[2], "age" if not number else str(number % 7), cells[0], cells[1], cells[4]])
        for number, cells in enumerate(frame)
    )
    return bench.place.datasets.ingest([text.encode()], media_type="text/csv")[0].id


def test_a_warm_started_committee_begins_at_productions_probabilities(bench, monkeypatch):
    bench.train(algorithm="relu_network", given={"max_epochs": 8, "folds": 4})
    production = bench.place.repository.load("iris", 1)
    assert production.temperature != 1
    members, material, job = begun(
        bench, monkeypatch, algorithm="relu_network", given={"max_epochs": 1, "folds": 4}, warm_start="iris@1"
    )
    z = network.logits(merging.merge(members), material.held.examples.x)
    np.testing.assert_allclose(softmax(z), probabilities(production, material.table.columns), atol=2e-6)
    assert len({each[0].weight.tobytes() for each in members}) == 4
    assert job.warnings == []


def test_a_warm_started_committee_keeps_what_it_knew_of_columns_and_classes_that_stay(bench, monkeypatch):
    """A column that is gone counts as its mean, a new one as nothing, a class that is gone is left out."""
    bench.train(algorithm="relu_network", given={"max_epochs": 8, "folds": 4})
    production = bench.place.repository.load("iris", 1)
    members, material, _ = begun(
        bench,
        monkeypatch,
        algorithm="relu_network",
        given={"max_epochs": 1, "folds": 4},
        warm_start="iris@1",
        dataset=changed_iris(bench, rows=100),
    )
    gone = next(column for column in production.encoding.columns if column.name not in material.table.columns)
    raw = {**material.table.columns, gone.name: np.full(100, gone.mean)}
    expected = probabilities(production, raw)[:, :2]
    z = network.logits(merging.merge(members), material.held.examples.x)
    np.testing.assert_allclose(softmax(z), expected / expected.sum(axis=1, keepdims=True), atol=1e-5)


def test_on_grown_data_no_member_is_judged_by_a_row_that_its_forerunner_learned_from(bench, monkeypatch):
    given = {"max_epochs": 3, "folds": 4}
    lines = IRIS.read_text().strip().split("\n")
    less = "\n".join([lines[0], *lines[1:41], *lines[51:91], *lines[101:141]]).encode()
    before = bench.place.datasets.ingest([less], media_type="text/csv")[0].id
    _, first, _ = begun(bench, monkeypatch, algorithm="relu_network", given=given, dataset=before)
    _, second, _ = begun(
        bench, monkeypatch, algorithm="relu_network", given={**given, "seed": 5}, warm_start="iris@1"
    )
    kept = [*range(40), *range(50, 90), *range(100, 140)]
    assert np.array_equal(second.held.fold[kept], first.held.fold)


RENAMED = IRIS.read_text().replace("sepal_length", "length_of_sepal", 1).encode()
NARROWER = b"\n".join(line.partition(b",")[2] for line in IRIS.read_bytes().split(b"\n"))


def test_rows_keep_their_folds_where_a_column_has_another_name(bench, monkeypatch):
    """Also the second time, when the names of the first deal are long gone."""
    given = {"max_epochs": 3, "folds": 4}
    renamed = bench.place.datasets.ingest([RENAMED], media_type="text/csv")[0].id
    _, first, _ = begun(bench, monkeypatch, algorithm="relu_network", given=given)
    for version in (1, 2):
        _, now, _ = begun(
            bench,
            monkeypatch,
            algorithm="relu_network",
            given=given,
            warm_start=f"iris@{version}",
            dataset=renamed,
        )
        assert np.array_equal(now.held.fold, first.held.fold)
        assert now.deal.clean
        assert "length_of_sepal" in now.deal.columns


def test_a_warm_start_that_is_judged_by_what_it_learned_says_so_and_so_do_its_heirs(bench):
    given = {"max_epochs": 3, "folds": 4}
    narrower = bench.place.datasets.ingest([NARROWER], media_type="text/csv")[0].id
    bench.train(algorithm="relu_network", given=given)
    for version in (1, 2):
        job = bench.train(
            algorithm="relu_network",
            given=given,
            warm_start=f"iris@{version}",
            dataset=narrower,
            promote="always",
        )
        assert any("figures are too good" in warning for warning in job.warnings) == (version == 1)
        assert bench.place.repository.card("iris", version + 1)["committee"]["deal"]["clean"] is False
    assert "may have learned from" in job.metrics["promotion"]["judged"]


def test_more_held_back_than_before_is_said_of_a_network_and_not_of_what_has_one_optimum(bench):
    for algorithm in ("relu_network", "softmax_regression"):
        given = {"max_epochs": 3, "validation_fraction": 0.2}
        first = bench.train(algorithm=algorithm, given=given, promote="always")
        for fraction in (0.2, 0.4):
            job = bench.train(
                algorithm=algorithm,
                given={**given, "validation_fraction": fraction},
                warm_start=f"iris@{first.version}",
                promote="always",
            )
            said = any("figures are too good" in warning for warning in job.warnings)
            assert said == (fraction == 0.4 and algorithm == "relu_network"), (algorithm, fraction)


def test_a_retrained_committee_goes_on_from_what_it_was(bench):
    given = {"max_epochs": 20, "folds": 3}
    bench.train(algorithm="relu_network", given=given)
    warm = bench.train(algorithm="relu_network", given={**given, "max_epochs": 1}, warm_start="iris@1")
    cold = bench.train(algorithm="relu_network", given={**given, "max_epochs": 1})
    losses = {job.id: bench.store.history(job.id)[0].validation_loss for job in (warm, cold)}
    assert losses[warm.id] < 0.7 * losses[cold.id]


def test_softmax_regression_goes_to_the_optimum_that_another_solver_finds(bench):
    """With no hyperparameter said: the published weights against scipy's BFGS on the same J, in float64."""
    bench.train(**SOFTMAX, given={})
    model = bench.place.repository.load("iris", 1)
    opened = bench.place.datasets.open(bench.iris())
    x = encoding.transform(model.encoding, opened.columns()).astype(float)
    l2 = model.card["hyperparameters"]["l2"]

    def cost(vector):
        loss, gradients = network.loss_and_gradients(
            network.layers(vector, model.sizes), x, opened.labels, l2=l2
        )
        return loss, network.flatten(gradients)

    best = minimize(cost, np.zeros(5 * 3), jac=True, method="BFGS", options={"gtol": 1e-8}).fun
    ours, _ = cost(network.flatten(model.parameters).astype(float))
    assert best <= ours < best + 1e-4


def test_a_warm_start_from_other_layers_begins_afresh_and_says_so(bench):
    bench.train(algorithm="relu_network")
    job = bench.train(
        algorithm="relu_network", given={"max_epochs": 2, "hidden_layer_sizes": [5]}, warm_start="iris@1"
    )
    assert job.state == "succeeded"
    assert any("other layer sizes" in warning for warning in job.warnings)


@pytest.mark.parametrize("memory", [1, 1 << 30])
@pytest.mark.parametrize("folds", [1, 3])
def test_what_no_row_has_said_anything_about_says_nothing_later(make_bench, folds, memory):
    """Columns with one value, categories that a member has not met: weights by chance would speak of them."""
    bench = make_bench(training_memory_bytes=memory)
    rng = np.random.default_rng(0)
    rows = [
        {"x": a, "y": b, "alone": 5.0, "colour": "red" if number else "blue"}
        for number, (a, b) in enumerate(rng.normal(size=(90, 2)).tolist())
    ]
    body = {"instances": rows, "labels": ["in" if row["x"] * row["y"] > 0 else "out" for row in rows]}
    data = bench.place.datasets.ingest([json.dumps(body).encode()], media_type="application/json")[0].id
    bench.train(algorithm="relu_network", given={"max_epochs": 3, "folds": folds}, dataset=data)
    model = bench.place.repository.load("iris", 1)
    parts = zip(model.encoding.columns, model.encoding.slices, strict=True)
    weight = {column.name: model.parameters[0].weight[part] for column, part in parts}
    assert not weight["alone"].any()
    assert not weight["colour"][-1].any(), "the place of what is missing or rare"
    assert weight["x"].all()
    assert (weight["colour"][0] == 0).mean() == (1 / 3 if folds == 3 else 0), "the row of the only blue one"


@pytest.mark.parametrize("unit", [1e3, 1e60])
def test_a_warm_start_that_is_worse_than_a_guess_begins_afresh_and_says_so(bench, monkeypatch, unit):
    """As where a column comes in another unit: in the old one its numbers are far away from all that was seen."""
    given = {"optimizer": "adam", "max_epochs": 20}
    head, *rows = IRIS.read_text().strip().split("\n")
    cells = [row.partition(",") for row in rows]
    text = "\n".join([head, *(f"{float(first) * unit},{rest}" for first, _, rest in cells)])
    other = bench.place.datasets.ingest([text.encode()], media_type="text/csv")[0].id
    bench.train(**SOFTMAX, given=given)
    members, _, job = begun(
        bench, monkeypatch, **SOFTMAX, given=given, warm_start="iris@1", dataset=other, promote="always"
    )
    assert not any(array.any() for (layer,) in members for array in layer)
    assert "iris@1 does worse than a guess on these rows, so training began afresh" in job.warnings
    assert job.metrics["log_loss"] < np.log(3) / 2


def test_that_is_seen_where_all_classes_are_new_as_well(bench):
    given = {"folds": 3, "max_epochs": 12}
    bench.train(algorithm="relu_network", given=given)
    head, *rows = IRIS.read_text().strip().split("\n")
    cells = [f"{row} anew".partition(",") for row in rows]
    for unit, afresh in ((1, False), (1e4, True)):
        text = "\n".join([head, *(f"{float(first) * unit},{rest}" for first, _, rest in cells)])
        other = bench.place.datasets.ingest([text.encode()], media_type="text/csv")[0].id
        job = bench.train(algorithm="relu_network", given=given, warm_start="iris@1", dataset=other)
        assert any("worse than a guess" in warning for warning in job.warnings) == afresh
        assert job.metrics["log_loss"] < np.log(3) / 2


def test_where_one_candidate_diverges_the_other_is_published(bench, monkeypatch):
    """Also after a pause, when only the checkpoint remembers."""
    real = committee.fit

    def fit(path, *arguments, **named):
        if path[0].hidden_layer_sizes:
            raise Diverged(epoch=3, step=7, loss=float("nan"), learning_rate=1e6)
        return real(path, *arguments, **named)

    monkeypatch.setattr("app.training.body.committee.fit", fit)
    job = bench.train(algorithm="auto", given={"max_epochs": 3, "folds": 3})
    assert (job.state, bench.place.repository.card("iris", 1)["algorithm"]) == (
        "succeeded",
        "softmax_regression",
    )
    assert any("relu_network diverged in epoch 3" in warning for warning in job.warnings)
    alone = bench.train(algorithm="relu_network", given={"max_epochs": 3, "folds": 3})
    assert (alone.state, alone.error.code) == ("failed", "diverged")
