"""mathematics.md rows 1 to 5, one-hot labels and the gradient in the logits, against mpmath, JAX and differences."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from core import losses

mpmath.mp.dps = 50
LOGITS = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(-700, 700))


def exact_softmax(row):
    exponentials = [mpmath.exp(mpmath.mpf(float(z))) for z in row]
    return [e / mpmath.fsum(exponentials) for e in exponentials]


def exact_loss(row, label):
    exponentials = [mpmath.exp(mpmath.mpf(float(z)) - mpmath.mpf(float(row[label]))) for z in row]
    return mpmath.log(mpmath.fsum(exponentials))


@given(LOGITS)
def test_row_1_softmax_equals_the_definition_in_high_precision(z):
    expected = [[float(p) for p in exact_softmax(row)] for row in z]
    with np.errstate(all="raise"):
        y = losses.softmax(z)
    np.testing.assert_allclose(y, expected, rtol=1e-13, atol=1e-300)


@given(arrays(np.float32, (5, 4), elements=st.floats(-(2.0**100), 2.0**100, width=32)))
def test_row_1_softmax_is_a_distribution_for_each_row(z):
    with np.errstate(all="raise"):
        y = losses.softmax(z)
    assert y.dtype == np.float32
    assert y.flags.c_contiguous
    assert ((y >= 0) & (y <= 1)).all()
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("classes", [257, 10_000])
def test_row_1_many_classes_are_as_good_a_distribution_as_few(rng, classes):
    z = rng.normal(size=(4, classes)).astype(np.float32)
    y = losses.softmax(z)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.sum(axis=1, dtype=np.float64), 1, rtol=3e-7)
    exact = losses.log_softmax(z.astype(np.float64))
    np.testing.assert_allclose(losses.log_softmax(z), exact, rtol=3e-7)
    loss, gradient = losses.softmax_cross_entropy(z, [0, 1, 2, 3])
    assert loss == pytest.approx(-exact[range(4), range(4)].mean(), rel=2e-7)
    np.testing.assert_allclose(gradient.sum(axis=1, dtype=np.float64), 0, atol=1e-7)


@pytest.mark.parametrize(
    ("z", "expected"),
    [
        ([[1e4, -1e4, 0]], [[1, 0, 0]]),
        ([[-1e4, -1e4, -1e4]], [[1 / 3] * 3]),
        ([[1e300, -1e300]], [[1, 0]]),
        ([[-1e300, -1e300]], [[0.5, 0.5]]),
        ([[1.7e308, -1.7e308]], [[1, 0]]),
        ([[1e300], [-1e300], [0]], [[1], [1], [1]]),
        ([[0.0, 0.0, 0.0, 0.0]], [[0.25] * 4]),
        ([[1e4, 1e4 - 1]], [[1 / (1 + np.exp(-1)), 1 / (1 + np.exp(1))]]),
    ],
)
def test_row_2_stable_softmax_is_finite_and_right_for_extreme_logits(z, expected):
    with np.errstate(all="raise"):
        y = losses.softmax(z)
    np.testing.assert_allclose(y, expected, rtol=1e-15, atol=0)


@given(arrays(np.float64, (3, 4), elements=st.floats(-300, 300)))
def test_row_2_stable_softmax_equals_row_1_where_that_does_not_overflow(z):
    plain = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(losses.softmax(z), plain, rtol=1e-13)


def test_row_2_softmax_runs_along_the_last_axis_of_any_shape(rng):
    z = rng.normal(size=(2, 3, 4, 5))
    assert np.array_equal(losses.softmax(z)[1, 2, 3], losses.softmax(z[1, 2, 3]))
    assert losses.softmax(z).shape == z.shape == losses.log_softmax(z).shape
    assert losses.softmax([1, 2]).dtype == np.float64
    assert losses.softmax(np.zeros((0, 3))).shape == (0, 3)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_row_3_the_loss_of_an_impossible_label_is_not_clipped(dtype):
    z = np.array([[1e4, -1e4, 0]], dtype)
    with np.errstate(all="raise"):
        assert losses.softmax_loss(z, [1]) == [20_000]
        loss, gradient = losses.softmax_cross_entropy(z, [1])
    assert loss == 20_000
    assert np.array_equal(gradient, [[1, -1, 0]])


@given(LOGITS, st.data())
def test_rows_3_and_4_loss_and_cost_equal_high_precision(z, data):
    labels = data.draw(arrays(np.int64, len(z), elements=st.integers(0, z.shape[1] - 1)))
    exact = [exact_loss(row, label) for row, label in zip(z, labels, strict=True)]
    with np.errstate(all="raise"):
        by_row = losses.softmax_loss(z, labels)
        cost, _ = losses.softmax_cross_entropy(z, labels)
    np.testing.assert_allclose(by_row, [float(e) for e in exact], rtol=1e-13, atol=1e-13)
    assert cost == pytest.approx(float(mpmath.fsum(exact) / len(z)), rel=1e-13, abs=1e-13)


@given(LOGITS)
def test_row_3_log_softmax_is_the_logarithm_of_softmax(z):
    expected = [[float(mpmath.log(p)) for p in exact_softmax(row)] for row in z]
    with np.errstate(all="raise"):
        logs = losses.log_softmax(z)
    np.testing.assert_allclose(logs, expected, rtol=1e-13, atol=1e-13)


def test_row_5_the_jacobian_equals_finite_differences_and_its_closed_form(rng):
    z, epsilon = rng.normal(size=(3, 4)), 1e-6
    jacobian = losses.softmax_jacobian(losses.softmax(z))
    assert jacobian.shape == (3, 4, 4)
    for j in range(4):
        step = epsilon * np.eye(4)[j]
        numeric = (losses.softmax(z + step) - losses.softmax(z - step)) / (2 * epsilon)
        np.testing.assert_allclose(jacobian[:, :, j], numeric, atol=1e-9)
    y = losses.softmax(z[0])
    np.testing.assert_allclose(jacobian[0], np.diag(y) - np.outer(y, y), atol=1e-16)
    np.testing.assert_allclose(jacobian, jax.jit(jax.vmap(jax.jacobian(jax.nn.softmax)))(z), atol=1e-15)


def test_row_5_the_chain_rule_through_the_probabilities_gives_the_same_gradient(rng):
    z, labels = rng.normal(size=(6, 4)), np.array([0, 1, 2, 3, 0, 1])
    y, truth = losses.softmax(z), losses.one_hot(labels, 4)
    by_probability = -truth / y / len(z)  # ∂J/∂ŷ, with the sign that the notes' section 1.6.3 has
    second = np.einsum("mi,mij->mj", by_probability, losses.softmax_jacobian(y))
    _, first = losses.softmax_cross_entropy(z, labels)
    np.testing.assert_allclose(second, first, atol=1e-16)
    np.testing.assert_allclose(first, (y - truth) / len(z), atol=1e-16)


def test_one_hot_gives_the_notes_own_example():
    expected = [[1, 0, 0], [0, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 1], [0, 1, 0], [0, 0, 1]]
    encoded = losses.one_hot((0, 1, 0, 0, 2, 1, 2), 3)
    assert encoded.shape == (7, 3)
    assert np.array_equal(encoded, expected)


def test_no_labels_are_no_rows_in_a_plain_list_too():
    assert losses.one_hot([], 3).shape == (0, 3)
    assert losses.softmax_loss(np.empty((0, 3)), []).shape == (0,)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_gradient_in_the_logits_equals_autograd_and_finite_differences(rng, weighted):
    z, labels = rng.normal(scale=3, size=(5, 4)), np.array([3, 0, 2, 1, 1])
    weights = rng.uniform(size=5) if weighted else None

    def cost(z):
        each = -jax.nn.log_softmax(z)[jnp.arange(5), labels]
        return jnp.mean(each if weights is None else weights * each)

    loss, gradient = losses.softmax_cross_entropy(z, labels, weights)
    np.testing.assert_allclose(loss, cost(z), rtol=1e-14)
    np.testing.assert_allclose(gradient, jax.jit(jax.grad(cost))(z), atol=1e-16)
    for place in np.ndindex(z.shape):
        step = np.zeros_like(z)
        step[place] = 1e-6
        above, below = (losses.softmax_cross_entropy(z + s, labels, weights)[0] for s in (step, -step))
        assert gradient[place] == pytest.approx((above - below) / 2e-6, abs=1e-9)


def test_arguments_are_left_as_they_were(rng):
    z = rng.normal(size=(5, 4))
    before = z.copy()
    losses.softmax(z), losses.log_softmax(z), losses.softmax_cross_entropy(z, [0, 1, 2, 3, 0])
    assert np.array_equal(z, before)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: losses.softmax(np.zeros((2, 0))), r"at least one class, got \(2, 0\)"),
        (lambda: losses.softmax(1.0), r"got \(\)"),
        (lambda: losses.softmax_cross_entropy([[1.0, 2]], [2]), r"\[0, 2\), got values from 2 to 2"),
        (lambda: losses.softmax_cross_entropy([[1.0, 2]], [-1]), "from -1 to -1"),
        (lambda: losses.softmax_cross_entropy([[1.0, 2]], [0.0]), "integers, got dtype float64"),
        (lambda: losses.softmax_cross_entropy([[1.0, 2]], [0, 1]), r"\(1,\), got \(2,\)"),
        (lambda: losses.softmax_cross_entropy([1.0, 2], [0]), r"\(rows, columns\), got \(2,\)"),
        (lambda: losses.softmax_cross_entropy([["a"]], [0]), "real numbers, got dtype <U1"),
        (lambda: losses.softmax_cross_entropy(np.zeros((0, 2)), np.zeros(0, int)), "at least one row"),
        (lambda: losses.softmax_cross_entropy([[1.0, 2]], [0], [-1.0]), "not negative"),
        (lambda: losses.softmax_cross_entropy([[1.0, 2]], [0], [1.0, 1]), r"\(1,\) real numbers"),
        (lambda: losses.softmax_cross_entropy(np.float32([[1, 2]]), [0], [1e300]), "finite in float32"),
        (lambda: losses.one_hot([3], 3), r"\[0, 3\)"),
    ],
)
def test_wrong_shapes_and_dtypes_are_refused_by_saying_what_came(call, says):
    with pytest.raises(ValueError, match=says):
        call()
