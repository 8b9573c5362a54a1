"""Production changes hands by the rule that the job was given."""

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


def test_a_committee_in_production_is_judged_by_what_it_had_not_seen(bench):
    """Its rows are all known to it by now: judged on them again, it would look better than it is."""
    first = bench.train(**SOFTMAX, given={})
    card = bench.place.repository.card("iris", 1)
    job = bench.train(**SOFTMAX, given={})
    assert job.metrics["log_loss"] == first.metrics["log_loss"] == card["metrics"]["log_loss"]
    assert job.promoted is False
    assert any(f"{card['metrics']['log_loss']:.4g} of version 1" in warning for warning in job.warnings)


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
