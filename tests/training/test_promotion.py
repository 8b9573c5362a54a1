"""Production changes hands by the rule that the job was given."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from app.errors import StorageFailed

IRIS = Path(__file__).parents[2] / "examples" / "data" / "iris.csv"
LONG = {"max_epochs": 80}
SHORT = {"max_epochs": 1, "learning_rate": 1e-6}
SOFTMAX = {"algorithm": "softmax_regression"}


def production(bench) -> int:
    return bench.place.repository.resolve("iris")[1]


def test_the_first_version_is_always_promoted(bench):
    assert bench.train(**SOFTMAX, given=SHORT, promote="never").promoted is True
    assert production(bench) == 1


def test_a_worse_version_is_not_promoted_and_the_job_tells_both_losses(bench):
    bench.train(**SOFTMAX, given=LONG)
    job = bench.train(**SOFTMAX, given=SHORT)
    assert (job.state, job.promoted, production(bench)) == ("succeeded", False, 1)
    assert any("not promoted" in warning and "of version 1" in warning for warning in job.warnings)


def test_a_better_version_is_promoted(bench):
    bench.train(**SOFTMAX, given=SHORT)
    assert bench.train(**SOFTMAX, given=LONG).promoted is True
    assert production(bench) == 2


@pytest.mark.parametrize("algorithm", ["softmax_regression", "relu_network"])
def test_production_is_judged_by_what_its_members_had_not_seen(bench, algorithm):
    """Its rows are all known to it by now: judged on them as a whole, it would look better than it is."""
    given = {"folds": 4, "max_epochs": 12}
    first = bench.train(algorithm=algorithm, given=given)
    card = bench.place.repository.card("iris", 1)
    job = bench.train(algorithm=algorithm, given=given)
    told = job.metrics["promotion"]
    assert told["judged"] == "on rows that neither has learned from"
    assert (told["production"], told["rows"], told["promoted"]) == (1, 150, False)
    assert told["log_loss"] == pytest.approx(job.metrics["log_loss"], rel=1e-5)
    assert told["production_log_loss"] == pytest.approx(card["metrics"]["log_loss"], rel=1e-4)
    assert job.metrics["log_loss"] == first.metrics["log_loss"]


@pytest.mark.parametrize("seed", range(4))
def test_the_same_version_trained_again_is_not_better(bench, seed):
    given = {"folds": 3, "max_epochs": 4, "seed": seed}
    bench.train(algorithm="relu_network", given=given)
    assert bench.train(algorithm="relu_network", given=given).promoted is False


def test_a_single_network_in_production_is_judged_on_the_rows_that_it_was_validated_by(bench):
    given = {"hidden_layer_sizes": [8], "max_epochs": 12}
    bench.train(algorithm="relu_network", given=given)
    card = bench.place.repository.card("iris", 1)
    told = bench.train(algorithm="relu_network", given={"folds": 4, "max_epochs": 3}).metrics["promotion"]
    assert (told["rows"], told["judged"]) == (15, "on rows that neither has learned from")
    assert told["production_log_loss"] == pytest.approx(card["metrics"]["log_loss"], rel=1e-4)


def test_the_decision_and_its_numbers_are_on_the_job_and_on_the_card(bench):
    first = bench.train(**SOFTMAX, given=SHORT)
    assert first.metrics["promotion"] == {"rule": "if_better", "production": None, "promoted": True}
    told = bench.train(**SOFTMAX, given=LONG).metrics["promotion"]
    assert told["promoted"] is True
    assert told["log_loss"] < told["production_log_loss"]
    card = bench.place.repository.card("iris", 2)
    assert {**card["promotion"], "promoted": True} == told
    assert told.keys() == {
        "rule",
        "production",
        "rows",
        "log_loss",
        "production_log_loss",
        "unknown_labels",
        "judged",
        "promoted",
    }


def test_a_version_of_which_nothing_is_known_is_judged_as_a_whole_and_that_is_said(bench):
    bench.train(**SOFTMAX, given=SHORT)
    model = bench.place.repository.load("iris", 1)
    card = {k: v for k, v in model.card.items() if k != "committee"}
    bench.place.repository.publish(replace(model, version=9, card=card))
    bench.place.repository.set_alias("iris", "production", 9)
    told = bench.train(**SOFTMAX, given=LONG).metrics["promotion"]
    assert told["judged"] == "on rows that production or the new version may have learned from"
    assert (told["rows"], told["promoted"]) == (150, True)


def test_a_version_that_went_on_from_rows_that_it_is_judged_by_says_so(bench):
    """Production has not learned from them, but where the new version began has."""
    bench.train(algorithm="relu_network", given={"folds": 4, "max_epochs": 3})
    given = {"folds": 3, "max_epochs": 3}
    for warm_start, judged in (
        (None, "on rows that neither has learned from"),
        ("iris@1", "on rows that production or the new version may have learned from"),
    ):
        job = bench.train(algorithm="relu_network", given=given, warm_start=warm_start, promote="never")
        assert (job.metrics["promotion"]["production"], job.metrics["promotion"]["judged"]) == (1, judged)


def two_classes(bench):
    lines = IRIS.read_text().split("\n")
    return bench.place.datasets.ingest(["\n".join(lines[:101]).encode()], media_type="text/csv")[0].id


def test_a_class_that_production_lacks_costs_it_as_much_as_a_guess(bench):
    bench.train(**SOFTMAX, given=LONG, dataset=two_classes(bench))
    job = bench.train(**SOFTMAX, given=LONG)
    told = job.metrics["promotion"]
    assert (told["promoted"], told["unknown_labels"], told["rows"]) == (True, 50, 150)
    assert told["production_log_loss"] > math.log(3) / 3


def test_a_version_is_not_better_by_knowing_one_class_more(bench):
    bench.train(**SOFTMAX, given=LONG, dataset=two_classes(bench))
    job = bench.train(
        **SOFTMAX, given={"optimizer": "gradient_descent", "learning_rate": 1e-9, "max_epochs": 1}
    )
    told = job.metrics["promotion"]
    assert (job.promoted, production(bench)) == (False, 1)
    assert told["log_loss"] > told["production_log_loss"]


def test_always_and_never_mean_what_they_say(bench):
    bench.train(**SOFTMAX, given=LONG)
    assert bench.train(**SOFTMAX, given=SHORT, promote="always").promoted is True
    assert production(bench) == 2
    assert bench.train(**SOFTMAX, given=LONG, promote="never").promoted is False
    assert production(bench) == 2


def test_a_version_that_cannot_be_judged_on_the_new_columns_stays_in_production(bench):
    bench.train(**SOFTMAX, given=SHORT)
    rows = "\n".join(f"{i % 7},{'a' if i % 2 else 'b'}" for i in range(40))
    other, _ = bench.place.datasets.ingest([f"z,label\n{rows}\n".encode()], media_type="text/csv")
    job = bench.train(**SOFTMAX, given=LONG, dataset=other.id)
    assert (job.state, job.promoted, production(bench)) == ("succeeded", False, 1)
    assert any("could not be judged" in warning for warning in job.warnings)


@pytest.mark.parametrize("promote", ["if_better", "always", "never"])
def test_classes_that_came_and_went_are_told_whatever_the_rule(bench, promote):
    """A promoted version may know none of production's classes, and whoever reads answers by name is then lost."""
    bench.train(**SOFTMAX, given=SHORT)
    text = IRIS.read_text().replace("versicolor", "virginica").replace("setosa", "Setosa", 20)
    other, _ = bench.place.datasets.ingest([text.encode()], media_type="text/csv")
    job = bench.train(**SOFTMAX, given=LONG, dataset=other.id, promote=promote)
    assert [each for each in job.warnings if "version 1" in each] == [
        "no row has the label 'versicolor' of version 1, so this one cannot answer with it",
        "20 of 150 rows have a label that version 1 does not know: on these it is taken to guess",
    ]


def test_a_disk_that_fails_while_versions_are_compared_decides_nothing(bench, monkeypatch):
    bench.train(**SOFTMAX, given=SHORT)

    def fails(*_):
        raise StorageFailed(what="read a model", reason="the disk is away")

    with monkeypatch.context() as patch:
        patch.setattr("app.training.promotion.losses_of", fails)
        with pytest.raises(StorageFailed):
            bench.train(**SOFTMAX, given=LONG)
    assert production(bench) == 1
