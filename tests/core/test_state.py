"""Specs, states and their arrays: values that say what is wrong with them."""

from dataclasses import replace

import numpy as np
import pytest

from core import network, training
from core.training import TrainingSpec


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hidden_layer_sizes", (4, 0)),
        ("optimizer", "sgd"),
        ("learning_rate", 0.0),
        ("learning_rate", float("nan")),
        ("learning_rate", float("inf")),
        ("momentum", 1.0),
        ("batch_size", 0),
        ("max_epochs", 0),
        ("patience", 0),
        ("l2", -0.1),
        ("schedule", "linear"),
        ("seed", -1),
        ("dtype", "float16"),
    ],
)
def test_a_spec_refuses_a_value_out_of_its_range_by_name(field, value):
    with pytest.raises(ValueError, match=rf"^{field} must be .*, got"):
        TrainingSpec(**{field: value})


def test_a_spec_takes_the_edges_of_every_range():
    spec = TrainingSpec(hidden_layer_sizes=(1,), momentum=0.0, batch_size=1, max_epochs=1, patience=1, l2=0.0)
    assert network.sizes(training.begin(spec, 1, 1).parameters) == (1, 1, 1)


def test_begin_makes_parameters_of_the_seed_and_moments_of_zero():
    spec = TrainingSpec(hidden_layer_sizes=(6,), seed=3)
    one, two = (training.begin(spec, 4, 3) for _ in range(2))
    assert network.sizes(one.parameters) == (4, 6, 3)
    assert np.array_equal(one.parameters[0].weight, two.parameters[0].weight)
    assert [moment.any() for moment in one.moments] == [False, False]


def test_the_parameters_hang_on_the_seed_and_are_drawn_in_the_dtype_of_the_spec():
    spec = TrainingSpec(hidden_layer_sizes=(6,), dtype="float64")
    one, two = (training.begin(replace(spec, seed=seed), 4, 3).parameters for seed in (0, 1))
    for layer, other in zip(one, two, strict=True):
        assert (layer.weight != other.weight).all()
        assert (layer.weight != layer.weight.astype(np.float32)).all()


def test_a_warm_start_begins_with_a_copy_of_the_parameters_given(make_params):
    params = make_params(4, 6, 3, dtype="float32")
    state = training.begin(TrainingSpec(hidden_layer_sizes=(6,)), 4, 3, parameters=params)
    assert np.array_equal(network.flatten(state.parameters), network.flatten(params))
    params[0].weight[:] = 0
    assert state.parameters[0].weight.any()
    with pytest.raises(ValueError, match=r"must have sizes \(4, 7, 3\), got \(4, 6, 3\)"):
        training.begin(TrainingSpec(hidden_layer_sizes=(7,)), 4, 3, parameters=params)


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "gradient_descent"])
def test_arrays_hold_the_whole_state_exactly(make_examples, optimizer):
    train = make_examples()
    spec = TrainingSpec(hidden_layer_sizes=(6,), optimizer=optimizer, max_epochs=2, batch_size=32)
    for epoch in training.fit(spec, train, train, training.begin(spec, 5, 3), steps_per_yield=4):
        state, again = epoch.state, training.from_arrays(spec, training.to_arrays(epoch.state))
        assert (again.epoch, again.step, again.updates) == (state.epoch, state.step, state.updates)
        assert again.loss_sum == state.loss_sum
        assert (again.best is None) == (state.best is None)
        before, after = training.to_arrays(state), training.to_arrays(again)
        assert before.keys() == after.keys()
        assert all(np.array_equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda arrays: arrays.pop("progress"),
        lambda arrays: arrays.pop("moments.1"),
        lambda arrays: arrays.update({"moments.0": np.zeros(3, np.float32)}),
        lambda arrays: arrays.update({"parameters.0.weight": np.zeros((5, 6))}),
        lambda arrays: arrays.update({"parameters.0.weight": np.zeros((5, 7), np.float32)}),
        lambda arrays: arrays.update({"parameters.1.bias": np.zeros(4, np.float32)}),
        lambda arrays: arrays.pop("best.1.weight"),
    ],
)
def test_arrays_that_are_not_a_state_of_the_spec_are_refused(make_examples, spoil):
    train = make_examples()
    spec = TrainingSpec(hidden_layer_sizes=(6,), max_epochs=1)
    (epoch,) = training.fit(spec, train, train, training.begin(spec, 5, 3))
    arrays = training.to_arrays(epoch.state)
    spoil(arrays)
    with pytest.raises(ValueError, match="not a training state of this spec"):
        training.from_arrays(spec, arrays)
