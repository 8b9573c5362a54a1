"""Claims about models in memory."""

import dataclasses

import numpy as np
import pytest

from core import profile as profiles
from core.encoding import Codes


def test_a_model_knows_its_layer_sizes(make_model):
    assert make_model(hidden=(7, 4)).sizes == (6, 7, 4, 3)
    assert make_model(hidden=()).sizes == (6, 3)


def test_the_memory_of_a_model_is_its_weights_and_a_little_more(make_model):
    model = make_model(hidden=(1000,), dtype=np.float64)
    weights = (6 * 1000 + 1000 + 1000 * 3 + 3) * 8
    assert weights < model.nbytes < weights + 4096


def test_a_large_card_counts_as_memory(make_model):
    small, large = make_model(), make_model(matrix=[[0] * 100] * 100, text="x" * 5000, nested={"a": {"b": 1}})
    assert large.nbytes - small.nbytes > 100 * 100 * 8 + 5000


def test_a_model_is_not_changed_by_accident(make_model):
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_model().version = 2


def test_a_profile_of_other_columns_than_the_models_is_none(make_model):
    assert make_model().profile is None
    rows = {"x": np.zeros(5), "y": np.zeros(5), "side": Codes(np.zeros(5, np.int32), ("left",))}
    right = profiles.to_dict(profiles.measure(rows))
    assert make_model(profile=right).profile is not None
    wrong = profiles.to_dict(profiles.measure({**rows, "side": np.zeros(5)}))
    assert make_model(profile=wrong).profile is None
