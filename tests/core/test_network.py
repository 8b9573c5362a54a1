"""mathematics.md: parameters, bias, input, ReLU (rows 6 and 7), one hidden layer and backpropagation."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core import gradcheck, losses, network
from core.network import Dense

HIDDEN = [(), (7,), (7, 6), (7, 6, 5)]


def cost(params, x, labels, l2, weights):
    activation = x
    for weight, bias in params[:-1]:
        activation = jax.nn.relu(activation @ weight + bias)
    z = activation @ params[-1].weight + params[-1].bias
    each = -jax.nn.log_softmax(z)[jnp.arange(len(x)), labels]
    return jnp.mean(weights * each) + 0.5 * l2 * sum(jnp.sum(layer.weight**2) for layer in params)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_parameters_bias_input_and_backpropagation_equal_automatic_differentiation(make_params, rng, hidden):
    params, x, labels = make_params(4, *hidden, 3), rng.normal(size=(20, 4)), np.arange(20) % 3
    oracle = jax.jit(jax.value_and_grad(cost, argnums=(0, 1)))
    for l2, weights in ((0.0, None), (0.1, rng.uniform(size=20))):
        expected, (by_params, by_input) = oracle(
            params, x, labels, l2, np.ones(20) if weights is None else weights
        )
        loss, gradients = network.loss_and_gradients(params, x, labels, l2=l2, weights=weights)
        assert loss == pytest.approx(float(expected), rel=1e-13)
        assert network.loss(params, x, labels, l2=l2, weights=weights) == pytest.approx(loss, rel=1e-14)
        flat = network.flatten([tuple(map(np.asarray, layer)) for layer in by_params])
        np.testing.assert_allclose(network.flatten(gradients), flat, atol=1e-14)
        if weights is None:
            np.testing.assert_allclose(network.input_gradients(params, x, labels), by_input, atol=1e-15)


@pytest.mark.parametrize("hidden", HIDDEN)
def test_backpropagation_equals_finite_differences_to_one_part_in_a_million(make_params, rng, hidden):
    params, x, labels = make_params(4, *hidden, 3), rng.normal(size=(10, 4)), np.arange(10) % 3
    assert gradcheck.check(params, x, labels) < 1e-6
    assert gradcheck.check(params, x, labels, l2=0.1, weights=rng.uniform(size=10)) < 1e-6


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 4, 3), (33, 300, 47), (256, 784, 10), (1000, 64, 10)])
def test_without_hidden_layer_it_is_softmax_regression_to_the_bit(make_params, rng, shape, dtype):
    m, n, c = shape
    params, x, labels = (
        make_params(n, c, dtype=dtype),
        rng.normal(size=(m, n)).astype(dtype),
        np.arange(m) % c,
    )
    (w, b) = params[0]
    assert np.array_equal(network.logits(params, x), x @ w + b)
    assert np.array_equal(network.predict_proba(params, x), losses.softmax(x @ w + b))
    loss, (gradient,) = network.loss_and_gradients(params, x, labels)
    expected, delta = losses.softmax_cross_entropy(x @ w + b, labels)
    assert loss == expected
    assert np.array_equal(gradient.weight, x.T @ delta)
    assert np.array_equal(gradient.bias, np.ones(m, dtype) @ delta)
    assert np.array_equal(network.input_gradients(params, x, labels), delta @ w.T)


def test_one_hidden_layer_is_the_notes_formula_with_relu_rows_6_and_7(make_params, rng):
    params, x, labels = make_params(4, 6, 3), rng.normal(size=(5, 4)), np.array([0, 1, 2, 0, 1])
    (w1, b1), (w2, b2) = params
    z1 = x @ w1 + b1
    a1 = np.where(z1 > 0, z1, 0)
    y = losses.softmax(a1 @ w2 + b2)
    assert np.array_equal(network.predict_proba(params, x), y)
    dz2 = (y - losses.one_hot(labels, 3)) / 5
    dz1 = dz2 @ w2.T * np.where(z1 > 0, 1, 0)
    expected = (Dense(x.T @ dz1, dz1.sum(axis=0)), Dense(a1.T @ dz2, dz2.sum(axis=0)))
    _, gradients = network.loss_and_gradients(params, x, labels)
    for got, formula in zip(gradients, expected, strict=True):
        np.testing.assert_allclose(got.weight, formula.weight, atol=1e-16)
        np.testing.assert_allclose(got.bias, formula.bias, atol=1e-16)


def test_row_7_the_derivative_of_relu_at_zero_is_zero():
    params = (Dense(np.ones((1, 1)), np.zeros(1)), Dense(np.array([[1.0, -1.0]]), np.zeros(2)))
    _, gradients = network.loss_and_gradients(params, np.zeros((1, 1)), [0])
    assert gradients[0].bias == [0]
    assert network.input_gradients(params, np.zeros((1, 1)), [0]) == [[0]]


@pytest.mark.parametrize("chunk", [1, 7, 30, 49])
def test_a_batch_in_pieces_has_the_cost_and_gradient_of_the_whole(make_params, rng, monkeypatch, chunk):
    params, x, labels = make_params(4, 6, 3), rng.normal(size=(50, 4)), np.arange(50) % 3
    weights = rng.uniform(size=50)
    loss, whole = network.loss_and_gradients(params, x, labels, l2=0.1, weights=weights)
    by_input = network.input_gradients(params, x, labels)
    monkeypatch.setattr(network, "CHUNK", chunk)
    in_pieces, pieces = network.loss_and_gradients(params, x, labels, l2=0.1, weights=weights)
    assert in_pieces == pytest.approx(loss, rel=1e-14)
    assert network.loss(params, x, labels, l2=0.1, weights=weights) == pytest.approx(loss, rel=1e-14)
    np.testing.assert_allclose(network.flatten(pieces), network.flatten(whole), atol=1e-15)
    np.testing.assert_allclose(network.input_gradients(params, x, labels), by_input, atol=1e-16)


@pytest.mark.parametrize("kind", ["float64", "uint8", "bool"])
def test_rows_of_any_real_dtype_are_computed_in_the_dtype_of_the_parameters(make_params, rng, kind):
    params, labels = make_params(4, 6, 3, dtype="float32"), np.arange(20) % 3
    x = (rng.uniform(size=(20, 4)) * 3).astype(kind)
    single = x.astype(np.float32)
    assert np.array_equal(network.logits(params, x), network.logits(params, single))
    assert network.logits(params, x).dtype == np.float32
    assert network.loss(params, x, labels) == network.loss(params, single, labels)
    for got, expected in zip(
        network.loss_and_gradients(params, x, labels)[1],
        network.loss_and_gradients(params, single, labels)[1],
        strict=True,
    ):
        assert np.array_equal(got.weight, expected.weight)
    by_input = network.input_gradients(params, x, labels)
    assert np.array_equal(by_input, network.input_gradients(params, single, labels))
    assert by_input.dtype == np.float32


def test_l2_is_half_lambda_times_the_squared_weights_and_leaves_biases_free(make_params, rng):
    params, x, labels = make_params(4, 6, 3), rng.normal(size=(5, 4)), np.array([0, 1, 2, 0, 1])
    loss, plain = network.loss_and_gradients(params, x, labels)
    penalised, gradients = network.loss_and_gradients(params, x, labels, l2=0.3)
    assert penalised - loss == pytest.approx(0.15 * sum((layer.weight**2).sum() for layer in params))
    for layer, before, after in zip(params, plain, gradients, strict=True):
        np.testing.assert_allclose(after.weight - before.weight, 0.3 * layer.weight, atol=1e-14)
        assert np.array_equal(after.bias, before.bias)


def test_arguments_are_left_as_they_were(make_params, rng):
    params, x = make_params(4, 6, 3), rng.normal(size=(5, 4))
    before, x_before = network.flatten(params), x.copy()
    network.loss_and_gradients(params, x, [0, 1, 2, 0, 1], l2=1.0)
    network.input_gradients(params, x, [0, 1, 2, 0, 1])
    assert np.array_equal(network.flatten(params), before)
    assert np.array_equal(x, x_before)


@pytest.mark.parametrize(("even", "hidden", "last"), [(False, 2 / 900, 1 / 500), (True, 2 / 400, 0.01 / 500)])
def test_layers_begin_with_glorots_or_hes_variance_and_softmax_regression_at_zero(rng, even, hidden, last):
    first, second = network.initialise((400, 500, 10), rng, even=even)
    assert first.weight.dtype == np.float32
    assert first.weight.var() == pytest.approx(hidden, rel=0.04)
    assert second.weight.var() == pytest.approx(last, rel=0.1)
    assert not first.bias.any()
    assert not second.bias.any()
    assert not network.flatten(network.initialise((4, 3), rng)).any()


def test_the_same_generator_state_gives_the_same_parameters():
    one, two = (network.flatten(network.initialise((5, 4, 3), np.random.default_rng(7))) for _ in range(2))
    assert np.array_equal(one, two)


def test_layers_undoes_flatten_and_shares_the_vectors_memory(make_params):
    params = make_params(4, 6, 3)
    vector = network.flatten(params)
    again = network.layers(vector, (4, 6, 3))
    assert network.sizes(again) == (4, 6, 3)
    assert all(
        np.array_equal(a, b)
        for one, two in zip(params, again, strict=True)
        for a, b in zip(one, two, strict=True)
    )
    vector[:] = 0
    assert not again[1].bias.any()
    with pytest.raises(ValueError, match=r"need a vector of 51 numbers, got shape \(50,\)"):
        network.layers(vector[1:], (4, 6, 3))


@pytest.mark.parametrize(
    ("x", "labels", "says"),
    [
        (np.zeros((2, 5)), [0, 1], r"x must have shape \(rows, 4\), got \(2, 5\)"),
        (np.zeros(4), [0], r"\(rows, 4\), got \(4,\)"),
        (np.zeros((0, 4)), np.zeros(0, int), "at least one row"),
        (np.zeros((1, 4), object), [0], "real numbers, got dtype object"),
        (np.zeros((2, 4)), [0, 3], r"\[0, 3\)"),
    ],
)
def test_wrong_shapes_and_dtypes_are_refused_by_saying_what_came(make_params, x, labels, says):
    with pytest.raises(ValueError, match=says):
        network.loss_and_gradients(make_params(4, 3), x, labels)


@pytest.mark.parametrize("sizes", [(4,), (4, 0, 3)])
def test_sizes_need_features_and_classes_of_at_least_one(rng, sizes):
    with pytest.raises(ValueError, match="each at least 1"):
        network.initialise(sizes, rng)


def test_a_muted_feature_changes_nothing_and_never_learns(rng, make_params):
    params, x, labels = make_params(3, 4, 2), rng.normal(size=(6, 3)), np.arange(6) % 2
    x[:, 1] = 0
    muted = network.muted(params, np.array([False, True, False]))
    assert np.array_equal(network.logits(muted, x), network.logits(params, x))
    _, gradients = network.loss_and_gradients(muted, x, labels, l2=0.1)
    assert not gradients[0].weight[1].any()
    x[:, 1] = 1e9
    assert np.array_equal(network.logits(muted, x), network.logits(muted, x * [1, 0, 1]))
