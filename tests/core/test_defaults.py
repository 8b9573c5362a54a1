"""Defaults follow the size of the data, learn the bundled sets, and give way to what was said."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.datasets import load_digits, load_iris

from core import defaults, encoding, network, splitting, training
from core.training import Examples, TrainingSpec


def accuracy(data, hidden, seed):
    columns = dict(zip(map(str, range(data.data.shape[1])), data.data.T, strict=True))
    rows, test = splitting.stratified_split(data.target, 0.2, seed)
    train, validation = (rows[part] for part in splitting.stratified_split(data.target[rows], 0.1, seed))
    fitted = encoding.fit({name: raw[train] for name, raw in columns.items()})
    x, classes = encoding.transform(fitted, columns), int(data.target.max()) + 1
    spec = defaults.resolve(rows=len(train), features=fitted.width, classes=classes, hidden=hidden)
    parts = (Examples(x[part], data.target[part]) for part in (train, validation))
    epochs = training.fit(spec, *parts, training.begin(spec, fitted.width, classes))
    *_, last = training.early_stopping(epochs, spec.patience)
    answers = network.predict_proba(last.state.best.parameters, x[test]).argmax(axis=1)
    return np.mean(answers == data.target[test])


@pytest.mark.parametrize(
    ("load", "hidden", "least"),
    [
        (load_digits, True, 0.97),
        (load_digits, False, 0.94),
        (load_iris, True, 0.93),
        (load_iris, False, 0.93),
    ],
)
def test_defaults_learn_the_bundled_sets(load, hidden, least):
    data = load(as_frame=False)
    assert np.mean([accuracy(data, hidden, seed) for seed in (1, 2)]) >= least


def test_what_was_said_wins_over_every_default():
    given = {
        "hidden_layer_sizes": [3],
        "optimizer": "momentum",
        "learning_rate": 0.25,
        "momentum": 0.5,
        "batch_size": None,
        "max_epochs": 7,
        "patience": None,
        "l2": 0.5,
        "schedule": "constant",
        "seed": 9,
        "dtype": "float64",
    }
    expected = TrainingSpec(**given | {"hidden_layer_sizes": (3,)})
    assert defaults.resolve(rows=100, features=4, classes=3, hidden=True, given=given) == expected


def test_only_a_relu_network_has_hidden_layers():
    size = {"rows": 100, "features": 4, "classes": 3}
    assert defaults.resolve(**size, hidden=True).hidden_layer_sizes == (128,)
    given = {"hidden_layer_sizes": [3]}
    assert defaults.resolve(**size, hidden=False, given=given).hidden_layer_sizes == ()


@pytest.mark.parametrize(
    ("rows", "units"),
    [(1000, 128), (40_000, 128), (41_000, 512), (300_000, 512), (400_000, 256), (10**6, 128)],
)
def test_a_network_alone_on_more_than_a_committee_can_have_is_as_wide_as_takes_the_same_time(rows, units):
    spec = defaults.resolve(rows=rows, features=96, classes=4, hidden=True)
    assert spec.hidden_layer_sizes == (units,)


def test_a_committee_on_plenty_of_rows_may_learn_for_longer():
    few, many = (
        defaults.candidate(rows=rows, features=20, classes=2, hidden=True, members=5)[0].max_epochs
        for rows in (10_000, 10_001)
    )
    assert (few, many) == (60, 120)


@pytest.mark.parametrize(
    ("rows", "features", "classes", "penalties"),
    [
        (1400, 513, 32, 3),
        (1000, 20, 2, 11),
        (6000, 1800, 2, 3),
        (24_000, 115, 15, 3),
        (60_000, 784, 10, 1),
        (10_000, 300, 100, 1),
    ],
)
def test_a_penalty_is_looked_for_where_passes_over_the_rows_are_short(rows, features, classes, penalties):
    path = defaults.candidate(rows=rows, features=features, classes=classes, hidden=False)
    assert len(path) == penalties


@pytest.mark.parametrize("rows", [1, 100, 10**4, 10**7])
@pytest.mark.parametrize("features", [1, 10**5])
@pytest.mark.parametrize("hidden", [False, True])
def test_data_of_any_size_has_a_committee_and_a_path(rows, features, hidden):
    size = {"rows": rows, "features": features, "classes": 3}
    members = defaults.folds(**size)
    path = defaults.candidate(**size, hidden=hidden, members=members)
    assert 1 <= members <= 10
    assert len({spec.l2 for spec in path}) == len(path)
    assert len({replace(spec, l2=0) for spec in path}) == 1
    assert all(spec.optimizer == ("adam" if hidden else "lbfgs") for spec in path)
    assert members * sum(path[0].hidden_layer_sizes) * (features + 3) <= max(
        2_000_000, 16 * 10 * (features + 3)
    )


def test_little_data_has_more_members_and_much_data_one_network():
    few, some, many = (defaults.folds(rows=rows, features=20, classes=3) for rows in (100, 10**4, 10**6))
    assert few > some > many == 1


def test_a_single_wide_softmax_regression_takes_steps_like_a_network():
    (spec,) = defaults.candidate(rows=10**4, features=10**6, classes=10, hidden=False)
    assert spec.optimizer == "adam"


@pytest.mark.parametrize("rows", [1, 100, 10**4, 10**7])
@pytest.mark.parametrize("features", [1, 10**5])
@pytest.mark.parametrize("optimizer", ["adam", "momentum", "gradient_descent"])
def test_data_of_any_size_has_a_spec(rows, features, optimizer):
    for hidden in (False, True):
        spec = defaults.resolve(
            rows=rows, features=features, classes=10, hidden=hidden, given={"optimizer": optimizer}
        )
        assert 16 <= spec.batch_size <= 256
        assert 20 <= spec.max_epochs <= 200


def test_an_unknown_hyperparameter_is_refused_by_name():
    with pytest.raises(ValueError, match="unknown hyperparameters: depth, lr"):
        defaults.resolve(rows=9, features=4, classes=3, hidden=True, given={"lr": 1, "depth": 2})


@pytest.mark.parametrize("epochs", [1, 5, 100, 1000])
def test_epochs_that_are_said_bound_all_penalties_together(epochs):
    stages = defaults.candidate(
        rows=1000, features=20, classes=3, hidden=False, members=5, given={"max_epochs": epochs}
    )
    assert sum(spec.max_epochs for spec in stages) <= epochs
    assert (len(stages) > 1) == (epochs >= 1000)


@pytest.mark.parametrize("batch_size", [-1000, -1, 0])
@pytest.mark.parametrize("effort", [defaults.ALONE, defaults.MEMBER])
def test_a_batch_size_out_of_its_range_is_refused_as_such(batch_size, effort):
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        defaults.resolve(
            rows=150, features=4, classes=3, hidden=True, given={"batch_size": batch_size}, effort=effort
        )


@pytest.mark.parametrize(
    ("rows", "features", "numbers", "classes", "expected"),
    [
        (150, 4, 4, 3, 3),
        (1000, 4, 4, 3, 4),
        (1001, 4, 4, 3, 8),
        (20_000, 30, 30, 2, 8),
        (20_000, 64, 64, 2, 0),
        (150, 4, 0, 3, 0),
        (1_000_000, 32, 32, 5, 0),
        (5000, 2000, 2000, 100, 0),
    ],
)
def test_more_rows_get_more_bins_and_none_where_they_would_take_long(
    rows, features, numbers, classes, expected
):
    assert defaults.bins(rows=rows, features=features, numbers=numbers, classes=classes) == expected
