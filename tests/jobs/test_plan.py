"""A request comes to a plan: candidates, hyperparameters in full, memory."""

import pytest

from app.errors import Invalid
from app.jobs import Hyperparameters, plan
from core import network

SHAPE = plan.Shape(rows=1797, features=64, classes=10)
MOST = 10**9


def test_auto_tries_both_and_the_others_only_themselves():
    assert plan.CANDIDATES["auto"] == ("softmax_regression", "relu_network")
    assert plan.CANDIDATES["relu_network"] == ("relu_network",)


def test_softmax_regression_is_the_network_without_hidden_layers():
    assert plan.path("softmax_regression", {}, SHAPE)[0].hidden_layer_sizes == ()
    assert plan.sizes("softmax_regression", {}, SHAPE) == (64, 10)
    assert plan.sizes("relu_network", {"hidden_layer_sizes": [32, 16]}, SHAPE) == (64, 32, 16, 10)


def test_what_was_said_is_what_is_shown():
    said = {
        "learning_rate": 0.5,
        "batch_size": "full",
        "patience": None,
        "class_weight": "balanced",
        "seed": 7,
    }
    shown = plan.resolved("relu_network", said, SHAPE)
    assert {name: shown[name] for name in said} == said
    assert plan.path("relu_network", said, SHAPE)[0].batch_size is None


def test_every_hyperparameter_of_the_contract_is_shown_resolved():
    assert set(plan.resolved("relu_network", {}, SHAPE)) == set(Hyperparameters.model_fields)


def test_a_committee_is_the_default_where_rows_are_not_too_many():
    million = plan.Shape(rows=10**6, features=64, classes=10)
    assert plan.folds({}, SHAPE) > 1
    assert plan.folds({}, million) == 1


@pytest.mark.parametrize(
    "said",
    [
        {"hidden_layer_sizes": [8]},
        {"validation_fraction": 0.2},
        {"optimizer": "gradient_descent"},
        {"folds": 1},
    ],
)
def test_who_describes_one_network_or_one_split_gets_it(said):
    assert plan.folds(said, SHAPE) == 1


def test_the_network_to_be_published_holds_all_members():
    given = {"folds": 3}
    features, member, classes = plan.member_sizes("relu_network", given, SHAPE)
    assert plan.sizes("auto", given, SHAPE) == (64, 3 * member, 10)
    assert (features, classes) == (64, 10)


def test_softmax_regression_goes_to_its_optimum_unless_steps_were_described():
    path = plan.path("softmax_regression", {}, SHAPE)
    assert {spec.optimizer for spec in path} == {"lbfgs"}
    assert [spec.l2 for spec in path] == sorted((spec.l2 for spec in path), reverse=True)
    assert len(plan.path("softmax_regression", {"l2": 0.1}, SHAPE)) == 1
    for said in ({"optimizer": "gradient_descent"}, {"learning_rate": 0.1}, {"batch_size": "full"}):
        (spec,) = plan.path("softmax_regression", said, SHAPE)
        assert spec.optimizer == said.get("optimizer", "adam")


def test_a_penalty_that_is_to_be_chosen_is_null_until_it_is():
    assert plan.resolved("softmax_regression", {}, SHAPE)["l2"] is None
    path = plan.path("softmax_regression", {}, SHAPE)
    assert plan.resolved("softmax_regression", {}, SHAPE, stage=2)["l2"] == path[2].l2


def test_the_weights_of_784_128_10_are_counted_right():
    assert network.count((784, 128, 10)) == 784 * 128 + 128 + 128 * 10 + 10


def test_memory_grows_with_the_rows():
    more = plan.Shape(rows=10 * SHAPE.rows, features=64, classes=10)
    assert plan.memory_bytes("relu_network", {}, more, MOST) > plan.memory_bytes(
        "relu_network", {}, SHAPE, MOST
    )
    assert plan.memory_bytes("relu_network", {}, more, MOST) > 4 * 17970 * 64


def test_rows_beyond_the_limit_stay_on_disk_and_take_bounded_memory():
    large = plan.Shape(rows=3_000_000, features=784, classes=10)
    assert plan.streamed({}, large, MOST)
    assert not plan.streamed({}, large, 4 * 3_000_000 * 784)
    assert not plan.streamed({"folds": 5}, large, MOST)
    assert plan.memory_bytes("relu_network", {}, large, MOST) < 10**9
    assert plan.memory_bytes("relu_network", {}, large, 10**11) > 2 * 4 * 3_000_000 * 784
    assert plan.memory_bytes("relu_network", {"folds": 5}, large, MOST) > 2 * 4 * 3_000_000 * 784


def test_memory_holds_the_logits_of_all_rows_that_are_held_out():
    def memory(rows, classes, most=10**11, **given):
        shape = plan.Shape(rows=rows, features=20, classes=classes)
        return plan.memory_bytes("softmax_regression", {"folds": 1, **given}, shape, most)

    assert memory(1_000_000, 1000) > 40 * 100_000 * 1000
    assert memory(1_000_000, 1000, validation_fraction=0.3) > 40 * 300_000 * 1000
    assert memory(1_000_000, 1000, folds=2) > 40 * 1_000_000 * 1000
    assert memory(20_000, 10_000) > 40 * 10_000 * 10_000  # of each class one at least
    assert memory(10_000_000, 1000, most=10**8) < 3 * 10**9


def test_rows_on_disk_are_gone_through_in_minibatches_unless_an_optimizer_was_said():
    large = plan.Shape(rows=3_000_000, features=784, classes=10)
    assert plan.fitting("auto", {"seed": 3}, large, MOST) == {"seed": 3, "optimizer": "adam"}
    assert plan.fitting("softmax_regression", {}, large, MOST) == {"optimizer": "adam"}
    for algorithm, said, most in (
        ("auto", {"optimizer": "lbfgs"}, MOST),
        ("auto", {"folds": 5}, MOST),
        ("auto", {}, 10**11),
        ("relu_network", {}, MOST),
    ):
        assert plan.fitting(algorithm, said, large, most) == said


@pytest.mark.parametrize(
    ("algorithm", "said", "place"),
    [
        ("softmax_regression", {"hidden_layer_sizes": [8]}, "hidden_layer_sizes"),
        ("relu_network", {"hidden_layer_sizes": []}, "hidden_layer_sizes"),
        ("relu_network", {"optimizer": "lbfgs"}, "optimizer"),
        ("auto", {"class_weight": {"nobody": 2.0}}, "class_weight"),
        ("auto", {"class_weight": {"a": 1e300, "b": 1e-300}}, "class_weight"),
        ("auto", {"class_weight": {"a": 1e-7}}, "class_weight"),
    ],
)
def test_what_cannot_go_together_is_refused_with_its_field(algorithm, said, place):
    with pytest.raises(Invalid, match=place) as refused:
        plan.check(algorithm, Hyperparameters(**said), ["a", "b"])
    assert refused.value.problems[0].location == f"hyperparameters.{place}"


def test_class_weights_name_labels_as_json_does():
    plan.check("auto", Hyperparameters(class_weight={"true": 2.0, "false": 1.0}), [True, False])
    plan.check("auto", Hyperparameters(class_weight={"3": 2.0}), [3, 4])
