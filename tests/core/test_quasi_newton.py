"""L-BFGS reaches the optimum that independent solvers find, and knows when it is there."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.linear_model import LogisticRegression

from core import losses, network, quasi_newton, training
from core.network import Dense
from core.stops import finish
from core.training import Examples, TrainingSpec


def moved(*arguments):
    """A move, from its beginning to its end."""
    return finish(quasi_newton.move(*arguments))


def spec(l2, **fields):
    return TrainingSpec(hidden_layer_sizes=(), optimizer="lbfgs", l2=l2, max_epochs=500, **fields)


def optimum(x, labels, l2):
    """scikit-learn's, as parameters; two classes share one vector there, half of which is each one's here."""
    binary = len(np.unique(labels)) == 2
    strength = 1 / (l2 * len(x)) * (2 if binary else 1)
    peer = LogisticRegression(C=strength, tol=1e-9, max_iter=20_000).fit(x, labels)
    weight, bias = peer.coef_.T, peer.intercept_
    if binary:
        weight, bias = np.hstack([-weight / 2, weight / 2]), np.hstack([-bias / 2, bias / 2])
    return (Dense(weight, bias),)


@pytest.mark.parametrize(
    "load", [load_wine, load_breast_cancer, pytest.param(load_digits, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("strength", [1.0, 1e-2, 1e-4])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_loss_is_within_a_ten_thousandth_of_scikit_learns_optimum(load, strength, dtype):
    data = load()
    x = (data.data - data.data.mean(axis=0)) / np.maximum(data.data.std(axis=0), 1e-6)
    labels = data.target
    chosen = spec(strength, dtype=dtype)
    state = training.begin(chosen, x.shape[1], int(labels.max()) + 1)
    *_, last = training.fit(chosen, Examples(x, labels), None, state)
    exact = tuple(Dense(*(array.astype(float) for array in layer)) for layer in last.state.parameters)
    lowest = network.loss(optimum(x, labels, strength), x, labels, l2=strength)
    assert network.loss(exact, x, labels, l2=strength) <= lowest + 1e-4


def lowest(x, labels, l2):
    """J at the optimum, by Newton's method in float64 from biases that are the classes' log shares."""
    (m, n), c = x.shape, int(labels.max()) + 1
    rows, truth = np.hstack([x, np.ones((m, 1))]).astype(float), losses.one_hot(labels, c)
    penalised = np.repeat(np.append(np.full(n, l2), 0.0), c)
    vector = np.append(np.zeros(n * c), np.log(truth.mean(axis=0)))
    for _ in range(50):
        y = losses.softmax(rows @ vector.reshape(n + 1, c))
        gradient = (rows.T @ (y - truth) / m).ravel() + penalised * vector
        blocks = np.einsum("mi,mab,mj->iajb", rows, losses.softmax_jacobian(y), rows, optimize=True) / m
        hessian = blocks.reshape(len(vector), -1) + np.diag(penalised + 1e-12)
        step = np.linalg.solve(hessian, gradient)
        vector -= step
        if gradient @ step < 1e-15:
            return network.loss(network.layers(vector, (n, c)), x, labels, l2=l2)
    raise AssertionError("Newton's method does not converge")


@pytest.mark.parametrize("l2", [1e-2, 1.0, 1e3, 1e5])
@pytest.mark.parametrize("rare", [0.01, 0.05, 0.3])
@pytest.mark.parametrize("classes", [2, 4])
def test_rare_classes_do_not_end_it_early_whose_biases_no_penalty_bends(rng, l2, rare, classes):
    labels = np.arange(600) % (classes - 1)
    labels[: int(rare * 600)] = classes - 1
    x = (rng.normal(size=(600, 5)) + rng.normal(size=(classes, 5))[labels]).astype(np.float32)
    *_, last = training.fit(spec(l2), Examples(x, labels), None, training.begin(spec(l2), 5, classes))
    exact = tuple(Dense(*(array.astype(float) for array in layer)) for layer in last.state.parameters)
    gap = network.loss(exact, x, labels, l2=l2) - lowest(x, labels, l2)
    assert gap <= quasi_newton.GAP
    assert last.number <= (12 if l2 >= 1 else 30)


def test_a_class_without_rows_or_weight_ends_it_too(make_examples):
    train = make_examples(100, 4, 3)
    for each, classes in ((train, 5), (train._replace(weights=np.where(train.labels == 1, 0.0, 1.0)), 3)):
        *_, last = training.fit(spec(0.1), each, None, training.begin(spec(0.1), 4, classes))
        assert last.number < 100


def test_the_training_loss_of_a_move_is_that_of_where_it_led(make_examples):
    train, chosen = make_examples(50, 4, 3, weights=True), spec(0.1, dtype="float64")
    for epoch in training.fit(chosen, train, None, training.begin(chosen, 4, 3)):
        there = network.loss(epoch.state.parameters, train.x, train.labels, l2=0.1, weights=train.weights)
        assert epoch.train_loss == pytest.approx(there, rel=1e-12)
        assert epoch.state.updates == epoch.number


def test_it_stops_by_itself_and_stays_where_it_is(make_examples):
    train = make_examples(200, 4, 3)
    epochs = list(training.fit(spec(0.01), train, None, training.begin(spec(0.01), 4, 3)))
    assert len(epochs) < 100
    assert list(training.fit(spec(0.01), train, None, epochs[-1].state)) == []


def test_going_on_from_any_move_ends_in_the_same_bits(make_examples):
    train = make_examples(100, 4, 3, weights=True)
    epochs = list(training.fit(spec(1e-3), train, None, training.begin(spec(1e-3), 4, 3)))
    for epoch in epochs[:-1:3]:
        state = training.from_arrays(spec(1e-3), training.to_arrays(epoch.state))
        *_, last = training.fit(spec(1e-3), train, None, state)
        for one, other in zip(last.state.parameters, epochs[-1].state.parameters, strict=True):
            assert np.array_equal(one.weight, other.weight)
            assert np.array_equal(one.bias, other.bias)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.floats(0, 6))
def test_a_quadratic_of_any_condition_is_solved(seed, magnitude):
    rng = np.random.default_rng(seed)
    curvatures = 10 ** rng.uniform(-magnitude, 0, 12)
    rotation, _ = np.linalg.qr(rng.normal(size=(12, 12)))
    hessian, lowest = rotation * curvatures @ rotation.T, rng.normal(size=12)

    def evaluate(w):
        gap = w - lowest
        return 0.5 * gap @ hessian @ gap, hessian @ gap

    def in_one_piece(w):
        yield 1
        return evaluate(w)

    point, moments = np.zeros(12), [np.zeros(12)] * quasi_newton.MOMENTS
    for _ in range(400):
        point, moments, loss = moved(point, moments, in_one_piece, lambda _: np.copy)
        if not moments[0].any() or loss < 1e-9:
            break
    assert evaluate(point)[0] < 1e-6


def test_only_softmax_regression_may_use_it():
    with pytest.raises(ValueError, match=r"hidden_layer_sizes with lbfgs must be \(\)"):
        TrainingSpec(optimizer="lbfgs")


@pytest.mark.parametrize("weighted", [True, False])
def test_learning_from_some_rows_is_learning_from_a_copy_of_them(make_examples, weighted):
    """Within rounding: rows left out weigh nothing, and add nothing but zeros to every sum."""
    train = make_examples(90, 4, 3, weights=weighted)
    rows = np.flatnonzero(np.arange(90) % 4)
    copied = Examples(train.x[rows], train.labels[rows], train.weights[rows] if weighted else None)
    for chosen in (
        spec(0.01, dtype="float64"),
        TrainingSpec(hidden_layer_sizes=(5,), optimizer="gradient_descent", batch_size=None, max_epochs=3),
        TrainingSpec(hidden_layer_sizes=(5,), batch_size=16, max_epochs=3),
    ):
        *_, one = training.fit(chosen, train, None, training.begin(chosen, 4, 3), rows=rows)
        *_, other = training.fit(chosen, copied, None, training.begin(chosen, 4, 3))
        assert one.train_loss == pytest.approx(other.train_loss, rel=1e-5)
        for a, b in zip(one.state.parameters, other.state.parameters, strict=True):
            np.testing.assert_allclose(a.weight, b.weight, atol=1e-4)


def test_a_move_over_many_rows_comes_in_pieces_and_they_change_no_bit(make_examples, monkeypatch):
    """So that a run hears of its cancelling within a move."""
    train, chosen = make_examples(100, 4, 3), spec(1e-3)
    monkeypatch.setattr("core.run.piece_rows", lambda sizes: 30)
    whole = list(training.fit(chosen, train, None, training.begin(chosen, 4, 3)))
    parts = list(training.fit(chosen, train, None, training.begin(chosen, 4, 3), steps_per_yield=1))
    assert len(parts) >= 4 * len(whole)
    assert [each.train_loss for each in parts if each.fraction == 1] == [each.train_loss for each in whole]
    assert sum(each.rows for each in parts) == 100 * len(whole)
    assert min(each.rows for each in parts) >= 0, (
        "a move looks at all rows more than once, and is never told to go back"
    )
    assert np.array_equal(parts[-1].state.parameters[0].weight, whole[-1].state.parameters[0].weight)


def test_features_that_say_much_the_same_do_not_keep_it_from_the_optimum(rng):
    """Bins of one number lie close to one another: without a look at their covariance it takes twice as long."""
    x = rng.normal(size=(2000, 1))
    knots = np.quantile(x, np.linspace(0, 1, 17))
    rows = np.hstack([x, np.clip((x - knots[:-1]) / np.diff(knots), 0, 1) - 0.5]).astype(np.float32)
    labels = (np.sin(4 * x[:, 0]) + rng.normal(size=2000) > 0).astype(int)
    *_, last = training.fit(spec(1e-4), Examples(rows, labels), None, training.begin(spec(1e-4), 17, 2))
    exact = tuple(Dense(*(array.astype(float) for array in layer)) for layer in last.state.parameters)
    assert network.loss(exact, rows, labels, l2=1e-4) - lowest(rows, labels, 1e-4) <= quasi_newton.GAP
    assert last.number <= 30


@pytest.mark.parametrize("x", [np.zeros((40, 3)), np.full((40, 3), 1e15), np.eye(40, 3), np.ones((40, 900))])
def test_the_curvature_along_features_is_there_whatever_they_are(x):
    inverse = quasi_newton.features_curvature(x.astype(np.float32), None, np.array([0.5, 0.5]), 0.0)
    assert np.isfinite(inverse).all()
    assert np.all(np.linalg.eigvalsh(np.atleast_2d(inverse)) > 0)
    unheard = quasi_newton.features_curvature(x, np.zeros(40), np.array([0.5, 0.5]), 0.1)
    assert isinstance(unheard, float)
