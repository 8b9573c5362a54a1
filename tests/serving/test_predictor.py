"""Claims about predictions and explanations, against mpmath, scikit-learn and sums that must come out."""

from dataclasses import replace

import mpmath
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.neural_network import MLPClassifier

from app.errors import Invalid, ModelBroken, ModelNotFound, TooLarge
from app.repository.cache import ModelCache
from app.repository.model import Model
from app.serving.predictor import Predictor, encode, log_probabilities, predict, warm
from core import encoding, network


def exact_probabilities(model, encoded):
    """softmax(logits / temperature) with 50 digits."""
    with mpmath.workdps(50):
        a = mpmath.matrix(encoded.tolist())
        for i, layer in enumerate(model.parameters):
            if i:
                a = a.apply(lambda z: max(z, 0))
            a = a * mpmath.matrix(layer.weight.tolist())
            for row in range(a.rows):
                for column in range(a.cols):
                    a[row, column] += mpmath.mpf(float(layer.bias[column]))
        e = (a / mpmath.mpf(model.temperature)).apply(mpmath.exp)
        return np.array(
            [
                [float(e[i, j] / sum(e[i, k] for k in range(e.cols))) for j in range(e.cols)]
                for i in range(e.rows)
            ]
        )


@pytest.mark.parametrize("hidden", [(), (8,), (6, 5)])
@pytest.mark.parametrize(("dtype", "temperature"), [(np.float32, 1), (np.float32, 0.5), (np.float64, 3)])
def test_probabilities_are_the_softmax_of_logits_over_temperature(
    make_model, mixed_rows, hidden, dtype, temperature
):
    model = make_model(hidden, dtype=dtype, temperature=temperature)
    prediction = predict(model, mixed_rows)
    expected = exact_probabilities(model, encode(model, mixed_rows))
    assert prediction.probabilities.dtype == np.float32
    assert np.allclose(prediction.probabilities, expected, rtol=1e-4, atol=1e-6)
    assert np.array_equal(prediction.winners, expected.argmax(axis=1))
    assert prediction.winners.tolist() == expected.argmax(axis=1).tolist()
    assert (prediction.model, prediction.version, prediction.classes) == ("iris", 1, ("a", "b", "c"))


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_network_of_scikit_learn_answers_alike(predictor):
    rng = np.random.default_rng(3)
    x, labels = rng.normal(4, 3, size=(120, 5)), rng.integers(0, 3, 120)
    fitted = encoding.fit({f"x{i}": x[:, i] for i in range(5)})
    theirs = MLPClassifier((9, 6), max_iter=20, random_state=0)
    theirs.fit(encoding.transform_matrix(fitted, x), labels)
    ours = Model(
        name="mlp",
        version=1,
        parameters=tuple(map(network.Dense, theirs.coefs_, theirs.intercepts_)),
        encoding=fitted,
        classes=(0, 1, 2),
    )
    expected = theirs.predict_proba(encoding.transform_matrix(fitted, x))
    assert np.allclose(predict(ours, x).probabilities, expected, atol=1e-5)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(
        st.lists(st.floats(width=32, allow_infinity=False), min_size=3, max_size=3), min_size=1, max_size=5
    ),
    temperature=st.floats(0.01, 100),
)
def test_probabilities_are_finite_and_sum_to_one_for_any_numbers(make_model, predictor, rows, temperature):
    model = make_model(inputs=3, temperature=temperature)
    probabilities = predict(model, np.array(rows, np.float32)).probabilities
    assert np.isfinite(probabilities).all()
    assert np.allclose(probabilities.sum(axis=1, dtype=np.float64), 1, atol=1e-6)


@pytest.mark.parametrize("bins", [0, 4])
def test_a_plain_matrix_and_the_same_columns_by_name_give_the_same(make_model, predictor, bins):
    model = make_model(inputs=4, bins=bins)
    x = np.random.default_rng(0).normal(size=(6, 4))
    columns = {f"x{i}": x[:, i] for i in range(4)}
    by_matrix, by_name = predict(model, x), predict(model, columns)
    assert np.allclose(by_matrix.probabilities, by_name.probabilities, atol=1e-6)


def test_no_rows_give_no_answers(make_model, predictor):
    none = {
        "length": np.empty(0),
        "side": encoding.Codes(np.empty(0, np.int32), ()),
        "picture": np.empty((0, 4)),
    }
    for model, rows in ((make_model(), none), (make_model(inputs=4), np.empty((0, 4)))):
        prediction = predict(model, rows)
        assert prediction.probabilities.shape == (0, 3)
        assert prediction.winners.tolist() == []
        assert len(predictor.explain(model, rows, prediction).contributions) == 0


def test_arguments_are_left_as_they_were(make_model, predictor):
    model = make_model(inputs=4, temperature=2.0)
    x = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
    x.flags.writeable = False
    before = x.copy()
    first = predict(model, x)
    assert np.array_equal(x, before)
    assert np.array_equal(predict(model, x).probabilities, first.probabilities)


def test_rows_that_do_not_fit_the_schema_are_invalid(make_model, predictor):
    with pytest.raises(Invalid, match="'side' is missing"):
        predict(make_model(), {"length": np.ones(1)})
    with pytest.raises(Invalid, match="categorical or mixed"):
        predict(make_model(), np.ones((1, 3)))
    with pytest.raises(Invalid, match=r"\(rows, 4\)"):
        predict(make_model(inputs=4), np.ones((2, 3)))


def test_a_row_beyond_what_the_numbers_can_hold_is_named(make_model):
    steep = network.Dense(np.full((3, 3), 1e30, np.float32), np.zeros(3, np.float32))
    model = replace(make_model((), inputs=3), parameters=(steep,))
    rows = np.zeros((4, 3), np.float32)
    rows[2] = 3e38
    for ask in (predict, log_probabilities):
        with pytest.raises(Invalid) as caught:
            ask(model, rows)
        assert [(problem.row, problem.location) for problem in caught.value.problems] == [(2, "instances[2]")]


def test_log_probabilities_are_those_of_the_answers_and_never_of_a_zero(make_model, mixed_rows):
    model = make_model(temperature=2.0)
    expected = exact_probabilities(model, encode(model, mixed_rows))
    assert np.allclose(log_probabilities(model, mixed_rows), np.log(expected), rtol=1e-4, atol=1e-5)
    sure = replace(model, temperature=1e-4)
    assert (predict(sure, mixed_rows).probabilities == 0).any()
    assert np.isfinite(log_probabilities(sure, mixed_rows)).all()


def test_a_model_whose_average_answer_is_no_number_is_broken_and_any_other_is_warmed(make_model):
    model = make_model((4,), inputs=3)
    warm(model)
    huge = tuple(network.Dense(layer.weight, np.full_like(layer.bias, 3e38)) for layer in model.parameters)
    with pytest.raises(ModelBroken, match="average row"):
        warm(replace(model, parameters=huge))


@pytest.mark.parametrize("bins", [0, 3])
@pytest.mark.parametrize("hidden", [(), (8,), (6, 5)])
def test_the_shares_of_all_features_sum_to_the_rise_of_the_winning_logit(
    make_model, mixed_rows, predictor, hidden, bins
):
    model = make_model(hidden, bins=bins, dtype=np.float64, temperature=2.0)
    prediction = predict(model, mixed_rows)
    found = predictor.explain(model, mixed_rows, prediction)
    encoded = encode(model, mixed_rows)
    logits = network.logits(model.parameters, encoded)[np.arange(9), prediction.winners]
    average = network.logits(model.parameters, model.encoding.origin[None])[0, prediction.winners]
    assert found.contributions.shape == encoded.shape
    assert np.allclose(found.logits, logits, atol=1e-6)
    assert np.allclose(found.baseline, average, atol=1e-6)
    assert np.allclose(found.contributions.sum(axis=1), logits - average, atol=1e-6)


def test_numbers_at_their_means_have_no_share_in_bins_or_out_of_them(make_model, predictor):
    model = make_model((7,), inputs=4, bins=3)
    means = np.array([[column.mean for column in model.encoding.columns]])
    shares = predictor.explain(model, means, predict(model, means)).contributions
    assert shares.shape == (1, 4 * (1 + 3))
    assert np.allclose(shares, 0, atol=1e-6)


def test_in_softmax_regression_a_feature_adds_its_weight_times_its_distance_from_the_mean(
    make_model, predictor
):
    model = make_model((), inputs=4)
    x = np.random.default_rng(1).normal(3, 2, size=(5, 4))
    prediction = predict(model, x)
    shares = predictor.explain(model, x, prediction).contributions
    weight = model.parameters[0].weight
    for i, column in enumerate(model.encoding.columns):
        expected = (x[:, i] - column.mean) / column.scale * weight[i, prediction.winners]
        assert np.allclose(shares[:, i], expected, atol=1e-5)


def test_more_rows_than_may_be_explained_are_too_large(make_model, mixed_rows, predictor, repository):
    def explain(by, model, rows):
        return by.explain(model, rows, predict(model, rows))

    model = make_model(inputs=2)
    explain(predictor, model, np.zeros((20, 2)))
    with pytest.raises(TooLarge, match=r"21 rows .* limit of 20 rows \(max_explain_rows\)"):
        explain(predictor, model, np.zeros((21, 2)))
    strict = Predictor(ModelCache(repository, 1), max_explain_rows=8)
    with pytest.raises(TooLarge, match="9 rows"):
        explain(strict, make_model(), mixed_rows)


def test_models_come_from_the_cache(make_model, predictor, repository):
    model = make_model(inputs=3)
    repository.publish(model)
    repository.set_alias("iris", "production", 1)
    assert predictor.model_at_hand("iris") is None
    loaded = predictor.model("iris")
    assert predictor.model_at_hand("iris") is loaded
    x = np.random.default_rng(0).normal(size=(6, 3))
    expected = predict(model, x).probabilities
    assert np.array_equal(predict(loaded, x).probabilities, expected)
    with pytest.raises(ModelNotFound):
        predictor.model("nobody")
