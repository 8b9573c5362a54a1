"""Rows that stay on disk are dealt, encoded and learned from as those in memory, and in bounded memory."""

import numpy as np
import pytest
from larger_than_memory import STREAM, body, log_loss, lowest, trained

from app.bootstrap import build_workplace
from app.datasets import rows as rows_module
from app.settings import MIB, Settings
from app.training.material import Before, prepare
from app.training.streaming import EncodedRows, prepare_streamed

MIXED = "n,c,b,y\n" + "".join(
    f"{'' if row % 11 == 0 else row * 0.5},{'abc'[row % 3]},{'true' if row % 4 else 'false'},{row * 7 % 3}\n"
    for row in range(900)
)
NUMBERS = "n,whole,y\n" + "".join(
    f"{'' if row % 11 == 0 else row * 0.5},{row % 13},{row * 7 % 3}\n" for row in range(900)
)
SINGLE = {"folds": 1}


@pytest.fixture
def many_batches(monkeypatch):
    monkeypatch.setattr(rows_module, "_MOST_ROWS", 64)


def both(bench, csv, given, before=None):
    id = bench.place.datasets.ingest([csv.encode()], media_type="text/csv")[0].id
    opened, streamed = bench.place.datasets.open(id), bench.place.datasets.stream(id)
    return (
        prepare(opened, given, max_categories=10, before=before),
        prepare_streamed(streamed, given, max_categories=10, before=before),
    )


@pytest.mark.parametrize("given", [SINGLE, {**SINGLE, "class_weight": "balanced", "seed": 3}])
def test_rows_on_disk_make_the_same_material_as_in_memory(bench, many_batches, given):
    whole, streamed = both(bench, MIXED, given)
    assert whole.deal == streamed.deal
    assert np.array_equal(whole.held.fold, streamed.held.fold)
    for one, two in zip(whole.encoding.columns, streamed.encoding.columns, strict=True):
        assert (one.name, one.width) == (two.name, two.width)
    assert whole.encoding.columns[0].mean == pytest.approx(streamed.encoding.columns[0].mean, rel=1e-12)
    assert whole.encoding.columns[1:] == streamed.encoding.columns[1:]
    source = streamed.held.examples.x
    assert source.shape == whole.held.examples.x.shape
    for rows in (slice(0, 900), slice(50, 200), slice(880, 900), streamed.held.rows, streamed.held.rows[3:9]):
        np.testing.assert_allclose(source[rows], whole.held.examples.x[rows], atol=1e-6)
    np.testing.assert_array_equal(streamed.held.examples.labels, whole.held.examples.labels)
    if whole.held.examples.weights is not None:
        np.testing.assert_allclose(streamed.held.examples.weights, whole.held.examples.weights)


def test_numbers_alone_are_encoded_on_the_way_as_in_memory(bench, many_batches):
    whole, streamed = both(bench, NUMBERS, SINGLE)
    assert streamed.encoding.inputs == 2
    assert streamed.encoding.width == 3
    source = streamed.held.examples.x
    for rows in (slice(0, 900), slice(60, 70), streamed.held.rows):
        np.testing.assert_allclose(source[rows], whole.held.examples.x[rows], atol=1e-6)


def test_fewer_rows_are_held_out_where_those_asked_for_would_not_fit(bench, many_batches, monkeypatch):
    monkeypatch.setattr("app.training.streaming.HELD_BYTES", 30 * 4 * 9)
    whole, streamed = both(bench, MIXED, SINGLE)
    assert len(whole.held.rows) == 90
    assert len(streamed.held.rows) <= 30 < len(streamed.held.rows) + 5
    assert set(streamed.held.rows) < set(whole.held.rows)


def test_rows_keep_their_folds_where_a_column_has_another_name(bench, many_batches):
    first, _ = both(bench, MIXED, SINGLE)
    before = Before(encoding=first.encoding, deal=first.deal)
    for now in both(bench, MIXED.replace("n,c", "number,c", 1), SINGLE, before):
        assert np.array_equal(now.held.fold, first.held.fold)
        assert now.deal.names == {"number": "n", "c": "c", "b": "b"}


def test_blocks_are_whole_batches_or_pieces_of_one_column_and_many_to_a_pool(bench, many_batches):
    _, streamed = both(bench, MIXED, SINGLE)
    assert streamed.held.examples.x.block_rows == 64
    assert EncodedRows.dtype == np.float32


def test_a_job_on_more_rows_than_its_memory_ends_in_a_version_about_as_good(make_bench):
    in_memory, on_disk = make_bench(), make_bench(training_memory_bytes=1)
    one, two = (each.train(algorithm="relu_network") for each in (in_memory, on_disk))
    assert two.state == "succeeded"
    assert any("exceed training_memory_bytes" in warning for warning in two.warnings)
    assert not any("exceed training_memory_bytes" in warning for warning in one.warnings)
    assert two.metrics["log_loss"] == pytest.approx(one.metrics["log_loss"], rel=0.3)
    assert two.metrics["validation_rows"] == one.metrics["validation_rows"]


def test_a_job_on_disk_killed_in_the_middle_ends_in_the_same_bits(make_bench, monkeypatch):
    settings = {"training_memory_bytes": 1, "checkpoint_seconds": 1e-9}
    undisturbed, disturbed = make_bench(**settings), make_bench(**settings)
    asked = {"algorithm": "relu_network", "given": {"max_epochs": 5, "hidden_layer_sizes": [8]}}
    undisturbed.train(**asked)
    disturbed.submit(**asked)
    # before the first epoch, and after it
    assert disturbed.run_killed(monkeypatch, 2, 9) == "succeeded"
    assert disturbed.weights(1) == undisturbed.weights(1)


@pytest.mark.parametrize(
    ("ask", "state", "returned"), [("cancel", "cancelled", "superseded"), ("pause", "queued", "paused")]
)
def test_a_job_on_disk_heeds_what_is_asked_before_its_first_epoch(
    make_bench, many_batches, monkeypatch, ask, state, returned
):
    bench = make_bench(training_memory_bytes=1)
    job, looks = bench.submit(), []

    def look(number):
        looks.append(number)
        if number == 2:
            {"cancel": lambda: bench.store.cancel(job.id), "pause": bench.place.jobs.request_pause}[ask]()

    bench.before_writes(monkeypatch, look)
    assert bench.run() == returned
    assert looks == [1, 2]
    assert bench.store.get(job.id).state == state
    assert bench.store.last_sequence(job.id) == 0


def test_a_version_is_compared_with_production_on_rows_of_a_job_on_disk(make_bench):
    bench = make_bench(training_memory_bytes=1)
    bench.train()
    job = bench.train(warm_start="iris@1")
    assert job.state == "succeeded"
    assert job.metrics["promotion"]["judged"] == "on rows that neither has learned from"


@pytest.mark.slow
def test_rows_that_do_not_fit_in_a_process_train_in_it_and_well(tmp_path):
    """250 MB of rows, sorted by class, in a process of 0.55 GB of addresses, which cannot hold them."""
    settings = Settings(data=tmp_path / "data", models=tmp_path / "models")
    dataset, _ = build_workplace(settings).datasets.ingest(body(80_000), media_type=STREAM)
    limits = {"limit": 550_000_000, "epochs": 1}
    streamed = trained(tmp_path, dataset.id, "streamed", most=64 * MIB, **limits)
    assert streamed["state"] == "succeeded", streamed
    assert log_loss(tmp_path, "streamed") < lowest() + 0.3 < np.log(10) - 0.5
    loaded = trained(tmp_path, dataset.id, "loaded", most=1 << 40, **limits)
    assert loaded["state"] == "failed"
    assert "memory" in loaded["error"]
