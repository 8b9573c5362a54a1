"""A version's card tells how the rows were distributed that it was trained on."""

import numpy as np
import pytest

from app.repository.model import profile_in
from app.training import profiling
from app.training.material import InMemory


def test_the_card_has_a_profile_in_which_the_training_rows_do_not_drift(bench):
    job = bench.train()
    model = bench.place.repository.load("iris", 1)
    columns = bench.place.datasets.open(job.dataset).columns()
    found = model.profile.drift(model.profile.count(columns))
    assert found == pytest.approx(dict.fromkeys(columns, 0.0), abs=1e-9)
    assert model.profile.expected.sum() == 4 * 150
    assert profile_in({}) is profile_in({"profile": {"traits": "?"}}) is None


def test_of_many_rows_a_sample_is_profiled_the_same_every_time(bench, monkeypatch):
    monkeypatch.setattr(profiling, "_NUMBERS", 8000)
    x = np.random.default_rng(0).normal(size=(10_000, 2))
    value = {"instances": x.tolist(), "labels": (x[:, 0] > 0).astype(int).tolist()}
    dataset, _ = bench.place.datasets.ingest_value(value)
    opened = bench.place.datasets.open(dataset.id)
    columns = opened.columns()
    made = profiling.profile_of(InMemory(columns=columns))
    assert [sum(trait.counts) for trait in made.traits] == [4000, 4000]
    assert max(made.drift(made.count(x)).values()) < 0.02
    assert [vars(each) for each in profiling.profile_of(InMemory(columns=columns)).traits] == [
        vars(each) for each in made.traits
    ]
