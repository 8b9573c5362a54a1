"""Claims about models in memory."""

import dataclasses

import numpy as np
import pytest


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
