"""The loop: gradient descent, bit-exact resuming, early stopping as a filter, divergence."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from core import losses, network, training, work
from core.training import Diverged, Examples, TrainingSpec

FIXTURES_ARE_VALUES = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def run(spec, train, validation=None, state=None, **options):
    state = state or training.begin(spec, train.x.shape[1], int(train.labels.max()) + 1)
    return list(training.fit(spec, train, validation, state, **options))


def same(one, two):
    a, b = training.to_arrays(one), training.to_arrays(two)
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and np.array_equal(a[k], b[k]) for k in a)


def test_gradient_descent_on_softmax_regression_reaches_the_optimum_of_independent_solvers(make_examples):
    train = make_examples(150, 4, 3)
    x, labels, l2 = train.x.astype(np.float64), train.labels, 0.01
    spec = TrainingSpec(
        hidden_layer_sizes=(), optimizer="gradient_descent", batch_size=None, learning_rate=0.5, l2=l2,
        max_epochs=4000, dtype="float64",
    )  # fmt: skip
    *_, last = training.fit(spec, Examples(x, labels), None, training.begin(spec, 4, 3))

    def cost(vector):
        weight, bias = vector[:12].reshape(4, 3), vector[12:]
        loss, delta = losses.softmax_cross_entropy(x @ weight + bias, labels)
        gradient = np.concatenate([(x.T @ delta + l2 * weight).ravel(), delta.sum(axis=0)])
        return loss + 0.5 * l2 * (weight**2).sum(), gradient

    optimum = minimize(cost, np.zeros(15), jac=True, method="BFGS", options={"gtol": 1e-10})
    assert last.train_loss == pytest.approx(optimum.fun, abs=1e-12)
    peer = LogisticRegression(C=1 / (l2 * len(x)), tol=1e-10, max_iter=10_000).fit(x, labels)
    ours = network.predict_proba(last.state.parameters, x)
    np.testing.assert_allclose(ours, peer.predict_proba(x), atol=1e-6)


def test_a_full_batch_step_is_the_formula_of_gradient_descent(make_examples):
    train = make_examples(60, 4, 3)
    spec = TrainingSpec(
        hidden_layer_sizes=(5,), optimizer="gradient_descent", batch_size=None, learning_rate=0.1, max_epochs=1,
        dtype="float64",
    )  # fmt: skip
    state = training.begin(spec, 4, 3)
    loss, gradients = network.loss_and_gradients(state.parameters, train.x, train.labels)
    (epoch,) = run(spec, train, state=state)
    expected = network.flatten(state.parameters) - 0.1 * network.flatten(gradients)
    assert epoch.train_loss == loss
    np.testing.assert_allclose(network.flatten(epoch.state.parameters), expected, atol=1e-16)


def test_a_full_batch_in_pieces_ends_where_the_whole_does(make_examples, monkeypatch):
    train = make_examples(100, weights=True)
    spec = TrainingSpec(batch_size=None, max_epochs=5, dtype="float64", hidden_layer_sizes=(6,), l2=0.1)
    whole = run(spec, train)[-1]
    monkeypatch.setattr(network, "CHUNK", 17)
    pieces = run(spec, train)[-1]
    one, two = (network.flatten(epoch.state.parameters) for epoch in (whole, pieces))
    np.testing.assert_allclose(one, two, atol=1e-12)


def test_train_loss_is_the_mean_of_the_minibatch_costs_weighted_by_rows(make_examples):
    train = make_examples(50, weights=True)
    spec = TrainingSpec(
        hidden_layer_sizes=(4,),
        batch_size=20,
        max_epochs=1,
        l2=0.1,
        optimizer="gradient_descent",
        dtype="float64",
    )
    (epoch,) = run(spec, train)
    params = training.begin(spec, 5, 3).parameters
    order, total = np.random.default_rng([0, 1]).permutation(50), 0.0
    for rows in np.split(order, [20, 40]):
        loss, gradient = network.loss_and_gradients(
            params, train.x[rows], train.labels[rows], l2=0.1, weights=train.weights[rows]
        )
        total += loss * len(rows)
        params = network.layers(network.flatten(params) - 1e-3 * network.flatten(gradient), (5, 4, 3))
    assert epoch.train_loss == pytest.approx(total / 50, rel=1e-14)
    np.testing.assert_allclose(network.flatten(epoch.state.parameters), network.flatten(params), atol=1e-15)


def adam(w, gradient, moments, number, rate):
    m, v = moments
    m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
    step = (m / (1 - 0.9**number)) / (np.sqrt(v / (1 - 0.999**number)) + 1e-8)
    return w - rate * step, (m, v)


def momentum(w, gradient, moments, number, rate):
    velocity = 0.5 * moments[0] + gradient
    return w - rate * velocity, (velocity, moments[1])


@pytest.mark.parametrize("optimizer", [adam, momentum])
@pytest.mark.parametrize(
    ("schedule", "factor"),
    [
        ("cosine", lambda done: 0.5 * (1 + np.cos(np.pi * done))),
        ("constant", lambda done: 1.0),
    ],
)
def test_every_step_has_its_own_rate_number_and_rows(make_examples, optimizer, schedule, factor):
    """Three epochs of three minibatches, written out."""
    train, sizes = make_examples(23, weights=True), (5, 4, 3)
    spec = TrainingSpec(
        hidden_layer_sizes=(4,), optimizer=optimizer.__name__, momentum=0.5, schedule=schedule, batch_size=10,
        learning_rate=0.03, max_epochs=3, l2=0.01, seed=7, dtype="float64",
    )  # fmt: skip
    vector = network.flatten(training.begin(spec, 5, 3).parameters)
    moments, number, rates = (np.zeros_like(vector), np.zeros_like(vector)), 0, []
    for epoch in range(3):
        order = np.random.default_rng([7, epoch + 1]).permutation(23)
        for step, rows in enumerate(np.split(order, [10, 20])):
            _, gradient = network.loss_and_gradients(
                network.layers(vector, sizes), train.x[rows], train.labels[rows], l2=0.01,
                weights=train.weights[rows],
            )  # fmt: skip
            number += 1
            rates.append(0.03 * factor((epoch + step / 3) / 3))
            vector, moments = optimizer(vector, network.flatten(gradient), moments, number, rates[-1])
    epochs = run(spec, train)
    np.testing.assert_allclose(network.flatten(epochs[-1].state.parameters), vector, rtol=1e-10)
    assert [epoch.learning_rate for epoch in epochs] == pytest.approx(rates[2::3], rel=1e-14)


def test_validation_loss_and_accuracy_are_those_of_the_epochs_parameters(make_examples, monkeypatch):
    train, validation = make_examples(90), make_examples(35, weights=True)
    monkeypatch.setattr(work, "JUDGED", 8)
    spec = TrainingSpec(hidden_layer_sizes=(4,), batch_size=32, max_epochs=3, dtype="float64", l2=0.1)
    for epoch in run(spec, train, validation):
        z = network.logits(epoch.state.parameters, validation.x)
        expected, _ = losses.softmax_cross_entropy(z, validation.labels, validation.weights)
        assert epoch.validation_loss == pytest.approx(expected, rel=1e-13)
        assert epoch.validation_accuracy == np.mean(z.argmax(axis=1) == validation.labels)


@FIXTURES_ARE_VALUES
@given(
    spec=st.builds(
        TrainingSpec,
        hidden_layer_sizes=st.sampled_from([(), (5,), (4, 3)]),
        optimizer=st.sampled_from(["adam", "momentum", "gradient_descent"]),
        batch_size=st.sampled_from([None, 1, 7, 16, 1000]),
        l2=st.sampled_from([0.0, 0.01]),
        schedule=st.sampled_from(["constant", "cosine"]),
        seed=st.integers(0, 2**40),
        dtype=st.sampled_from(["float32", "float64"]),
        max_epochs=st.just(3),
    ),
    parts=st.integers(1, 5),
    stop=st.integers(0, 10**6),
    weighted=st.booleans(),
)
def test_resuming_from_any_yielded_state_ends_in_the_same_bits(make_examples, spec, parts, stop, weighted):
    train, validation = make_examples(33, weights=weighted), make_examples(20)
    end = run(spec, train, validation)[-1]
    yielded = run(spec, train, validation, steps_per_yield=parts)
    assert same(yielded[-1].state, end.state)
    assert sum(epoch.rows for epoch in yielded) == 3 * 33
    stopped = yielded[stop % len(yielded)].state
    stored = {name: array.copy() for name, array in training.to_arrays(stopped).items()}
    resumed = run(spec, train, validation, training.from_arrays(spec, stored))
    last = resumed[-1].state if resumed else stopped
    assert same(last, end.state)
    if resumed:
        assert resumed[-1].train_loss == end.train_loss


def test_a_run_is_a_function_of_data_spec_and_seed(make_examples):
    train, spec = make_examples(), TrainingSpec(max_epochs=2, batch_size=32)
    assert same(run(spec, train)[-1].state, run(spec, train)[-1].state)
    assert not same(run(spec, train)[-1].state, run(replace(spec, seed=1), train)[-1].state)


def test_yielded_states_are_values_that_are_never_written_to_again(make_examples):
    train, validation = make_examples(), make_examples(50)
    spec, seen = TrainingSpec(max_epochs=3, batch_size=32), []
    for epoch in training.fit(spec, train, validation, training.begin(spec, 5, 3), steps_per_yield=2):
        seen.append((epoch.state, {k: v.copy() for k, v in training.to_arrays(epoch.state).items()}))
    for state, then in seen:
        assert all(np.array_equal(array, then[name]) for name, array in training.to_arrays(state).items())
    with pytest.raises(ValueError, match="read-only"):
        state.parameters[0].weight[0] = 0


def test_partial_epochs_tell_how_far_they_are_and_judge_only_at_the_end(make_examples):
    train = make_examples(100)
    epochs = run(TrainingSpec(max_epochs=1, batch_size=30), train, train, steps_per_yield=3)
    assert [(epoch.number, epoch.fraction, epoch.rows) for epoch in epochs] == [(1, 0.9, 90), (1, 1.0, 10)]
    assert epochs[0].validation_loss is None
    assert epochs[1].validation_loss is not None
    assert [epoch.state.epoch for epoch in epochs] == [0, 1]


def test_a_fit_takes_its_arguments_as_they_are_and_starts_when_asked(make_examples):
    train = make_examples()
    before = train.x.copy()
    spec = TrainingSpec(max_epochs=1)
    state = training.begin(spec, 5, 3)
    first, second = (next(iter(training.fit(spec, train, None, state))).state for _ in range(2))
    assert same(first, second)
    assert np.array_equal(train.x, before)


def test_rows_and_labels_may_come_as_a_plain_pair(make_examples):
    train = make_examples()
    spec = TrainingSpec(max_epochs=1)
    state = training.begin(spec, 5, 3)
    (named,) = training.fit(spec, train, train, state)
    (plain,) = training.fit(spec, (train.x.tolist(), train.labels.tolist()), (train.x, train.labels), state)
    assert same(named.state, plain.state)
    assert named.validation_loss == plain.validation_loss


def test_best_is_the_epoch_of_the_lowest_validation_loss(make_examples):
    train, validation = make_examples(30, 20, 3), make_examples(60, 20, 3)
    epochs = run(TrainingSpec(max_epochs=20, batch_size=8, learning_rate=0.02), train, validation)
    lowest = min(epochs, key=lambda epoch: epoch.validation_loss)
    best = epochs[-1].state.best
    assert (best.epoch, best.validation_loss) == (lowest.number, lowest.validation_loss)
    for kept, then in zip(best.parameters, lowest.state.parameters, strict=True):
        assert np.array_equal(kept.weight, then.weight)
    assert run(TrainingSpec(max_epochs=2), train)[-1].state.best is None


def test_of_equal_validation_losses_the_first_is_best(make_examples):
    train = make_examples(30)
    epochs = run(TrainingSpec(max_epochs=4, learning_rate=1e-30, optimizer="gradient_descent"), train, train)
    assert len({epoch.validation_loss for epoch in epochs}) == 1
    assert epochs[-1].state.best.epoch == 1


def test_early_stopping_ends_patience_epochs_after_the_best_also_when_resumed(make_examples):
    train, validation = make_examples(30, 20, 3), make_examples(60, 20, 3)
    spec = TrainingSpec(max_epochs=200, batch_size=8, learning_rate=0.02)
    start = training.begin(spec, 20, 3)
    stopped = list(training.early_stopping(training.fit(spec, train, validation, start), 4))
    assert stopped[-1].number == stopped[-1].state.best.epoch + 4 < 200
    for epoch in stopped:
        going_on = training.fit(spec, train, validation, epoch.state)
        rest = list(training.early_stopping(going_on, 4, state=epoch.state))
        assert len(rest) == len(stopped) - epoch.number
        assert same(rest[-1].state if rest else epoch.state, stopped[-1].state)


def test_without_patience_or_validation_nothing_stops_early(make_examples):
    train, spec = make_examples(30), TrainingSpec(max_epochs=15, learning_rate=0.1)
    for patience, validation in ((None, make_examples(30)), (1, None)):
        epochs = training.fit(spec, train, validation, training.begin(spec, 5, 3))
        assert len(list(training.early_stopping(epochs, patience))) == 15


@pytest.mark.parametrize("validation", [False, True])
@pytest.mark.parametrize("optimizer", ["gradient_descent", "momentum"])
def test_a_loss_that_is_not_finite_ends_the_run_at_once_without_a_warning(
    make_examples, optimizer, validation
):
    train = make_examples(200)
    train = train._replace(x=train.x * 1e10)
    spec = TrainingSpec(optimizer=optimizer, learning_rate=1e20, batch_size=50, max_epochs=30)
    with np.errstate(all="warn"), pytest.raises(Diverged) as caught:  # and a warning is an error
        run(spec, train, train if validation else None)
    error = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - it crosses processes
    assert not np.isfinite(error.loss)
    assert (error.epoch, error.learning_rate) == (1, 1e20)
    assert 1 <= error.step <= 4
    assert "(learning rate 1e+20)" in str(error)


def test_nan_in_the_rows_is_found_in_the_first_step(make_examples):
    train = make_examples(20)
    train.x[3] = np.nan
    with pytest.raises(Diverged, match="nan in epoch 1, step 1"):
        run(TrainingSpec(batch_size=None), train)


@pytest.mark.parametrize("optimizer", ["adam", "momentum", "gradient_descent", "lbfgs"])
def test_a_loss_that_is_not_finite_ends_it_though_every_parameter_is(optimizer):
    """The label's logit is −∞ and the other one 0: the loss is infinite, and the gradient in the logits (1, −1)."""
    spec = TrainingSpec(optimizer=optimizer, hidden_layer_sizes=(), batch_size=None, max_epochs=2)
    start = (network.Dense(np.array([[0, -3e38]], np.float32), np.zeros(2, np.float32)),)
    state = training.begin(spec, 1, 2, parameters=start)
    train = Examples(np.array([[10]], np.float32), np.array([1]))
    with np.errstate(all="warn"), pytest.raises(Diverged, match="inf in epoch 1, step 1 "):
        run(spec, train, state=state)


def test_no_yielded_state_holds_a_number_that_is_not_finite(make_examples):
    train = make_examples(20)
    spec = TrainingSpec(
        optimizer="gradient_descent", learning_rate=1e38, batch_size=None, hidden_layer_sizes=()
    )
    state = training.begin(spec, 5, 3)
    params = network.layers(np.full(18, 3e38, np.float32), (5, 3))
    with pytest.raises(Diverged, match="nan in epoch 1, step 1"):
        run(replace(spec, l2=0.0), train, state=replace(state, parameters=params))


def test_the_step_that_diverged_is_named_where_its_parameters_tell_and_not_its_loss(make_examples):
    train = make_examples(20)
    train = train._replace(x=train.x * 100)
    spec = TrainingSpec(
        optimizer="gradient_descent", learning_rate=3e38, batch_size=None, hidden_layer_sizes=()
    )
    with pytest.raises(Diverged, match="nan in epoch 1, step 1 "):
        run(spec, train)
    train.x[3] = np.nan
    with pytest.raises(Diverged, match="nan in epoch 1, step 1 "):
        run(replace(spec, optimizer="lbfgs"), train)


@pytest.mark.parametrize(
    "rows",
    [
        np.arange(20) % 2 == 0, [0.0, 1.0], [], [[0, 1]], [3, 3], [4, 2], [-1, 2], [18, 20],
        np.array([3, 1], np.uint8),
    ],
)  # fmt: skip
def test_rows_to_learn_from_are_ascending_numbers_of_rows(make_examples, rows):
    spec = TrainingSpec(hidden_layer_sizes=(), max_epochs=1)
    with pytest.raises(ValueError, match=r"^rows must"):
        training.fit(spec, make_examples(20), None, training.begin(spec, 5, 3), rows=rows)


@pytest.mark.parametrize(
    "other",
    [
        {"hidden_layer_sizes": (7,)},
        {"dtype": "float64"},
        {"optimizer": "momentum"},
        {"hidden_layer_sizes": ()},
    ],
)
def test_a_state_of_another_spec_is_refused(make_examples, other):
    spec = TrainingSpec(hidden_layer_sizes=(6,), max_epochs=1)
    state = training.begin(replace(spec, **other), 5, 3)
    with pytest.raises(ValueError, match="not a training state of this spec"):
        training.fit(spec, make_examples(20), None, state)


def test_moments_of_another_size_are_refused(make_examples):
    spec = TrainingSpec(hidden_layer_sizes=(6,), max_epochs=1)
    state = replace(training.begin(spec, 5, 3), moments=(np.zeros(4, np.float32),) * 2)
    with pytest.raises(ValueError, match="moments and parameters differ"):
        training.fit(spec, make_examples(20), None, state)


@pytest.mark.parametrize(
    ("optimizer", "rate"), [("adam", 0.02), ("momentum", 0.05), ("gradient_descent", 0.5)]
)
@pytest.mark.parametrize("batch_size", [None, 16])
def test_every_optimizer_learns_what_can_be_learned(make_examples, optimizer, rate, batch_size):
    train = make_examples(300, 6, 3)
    spec = TrainingSpec(
        hidden_layer_sizes=(8,), optimizer=optimizer, batch_size=batch_size, learning_rate=rate, max_epochs=60
    )
    epochs = run(spec, train, train)
    assert epochs[-1].validation_loss < 0.7 * epochs[0].train_loss


def test_class_weights_move_the_answer_towards_the_heavier_class(make_examples):
    train = make_examples(200, 3, 2)
    spec = TrainingSpec(hidden_layer_sizes=(), max_epochs=30, learning_rate=0.05)
    heavy = train._replace(weights=np.where(train.labels == 1, 1.8, 0.2))
    plain, weighted = (run(spec, data)[-1].state.parameters for data in (train, heavy))
    assert (
        network.predict_proba(weighted, train.x)[:, 1].mean()
        > network.predict_proba(plain, train.x)[:, 1].mean() + 0.1
    )


@pytest.mark.parametrize(
    ("examples", "says"),
    [
        (Examples(np.zeros((4, 9)), np.zeros(4, int)), r"x must have shape \(rows, 5\), got \(4, 9\)"),
        (Examples(np.zeros((4, 5)), np.zeros(3, int)), r"labels must have shape \(4,\), got \(3,\)"),
        (Examples(np.zeros((4, 5)), np.full(4, 3)), r"labels must lie in \[0, 3\)"),
        (Examples(np.zeros((0, 5)), np.zeros(0, int)), "at least one row"),
        (Examples(np.zeros((4, 5)), np.zeros(4, int), np.full(4, np.nan)), "weights must be finite"),
        (Examples(np.zeros((4, 5)), np.zeros(4, int), np.full(4, 1e300)), "finite in float32"),
    ],
)
def test_examples_that_do_not_fit_are_refused_before_the_first_step(make_examples, examples, says):
    spec = TrainingSpec(max_epochs=1)
    state = training.begin(spec, 5, 3)
    with pytest.raises(ValueError, match=says):
        training.fit(spec, examples, None, state)
    with pytest.raises(ValueError, match=says):
        training.fit(spec, make_examples(), examples, state)
    with pytest.raises(ValueError, match="steps_per_yield must be at least 1"):
        training.fit(spec, make_examples(), None, state, steps_per_yield=0)
