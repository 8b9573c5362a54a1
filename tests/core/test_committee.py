"""A committee judges every row by who has not seen it, and is a function of data, specs and seed."""

from dataclasses import replace

import numpy as np
import pytest

from core import committee, losses, network, training, work
from core.committee import Held
from core.training import TrainingSpec

NETWORK = (
    TrainingSpec(hidden_layer_sizes=(6,), batch_size=16, max_epochs=12, patience=4, learning_rate=0.02),
)
PATH = tuple(
    TrainingSpec(hidden_layer_sizes=(), optimizer="lbfgs", max_epochs=50, l2=l2)
    for l2 in (1.0, 0.1, 0.01, 1e-5)
)
PATHS = pytest.mark.parametrize("path", [NETWORK, PATH], ids=["network", "path"])


@pytest.fixture
def held(make_examples):
    examples = make_examples(90, 4, 3)
    return Held(examples, np.arange(90) // 3 % 3, 3)


def run(path, held, state=None, **options):
    state = state or committee.begin(path[0], (4, 3), [None] * held.members)
    return list(committee.fit(path, held, state, **options))


def same(one, two):
    a, b = committee.to_arrays(one), committee.to_arrays(two)
    return a.keys() == b.keys() and all(np.array_equal(a[key], b[key]) for key in a)


def told(rounds):
    return [
        (each.number, each.train_loss, each.validation_loss, each.learning_rate)
        for each in rounds
        if each.fraction == 1
    ]


def test_members_begin_at_even_probabilities_and_a_network_alone_does_not():
    spec, x = replace(NETWORK[0], hidden_layer_sizes=(64,)), np.random.default_rng(0).normal(size=(200, 40))
    alone, *members = (
        network.predict_proba(each.parameters, x).std()
        for count in (1, 5)
        for each in committee.begin(spec, (40, 3), [None] * count).members
    )
    assert max(members) < 0.03
    assert alone > 0.1


@PATHS
def test_a_round_is_judged_on_every_row_by_the_member_that_has_not_seen_it(path, held):
    last = run(path, held)[-1]
    z = np.empty((90, 3))
    for member, state in enumerate(last.state.members):
        rows = held.fold == member
        z[rows] = network.logits(state.parameters, held.examples.x[rows])
    loss, _ = losses.softmax_cross_entropy(z, held.examples.labels)
    assert last.validation_loss == pytest.approx(loss, rel=1e-6)
    assert last.validation_accuracy == np.mean(z.argmax(axis=1) == held.examples.labels)


def test_a_member_learns_what_it_would_learn_alone_without_its_fold(held):
    last = run(NETWORK, held)[-1]
    for member, state in enumerate(last.state.members):
        spec = committee.member_spec(NETWORK[0], member)
        rows = np.flatnonzero(held.fold != member)
        alone = list(
            training.fit(spec, held.examples, None, training.begin(spec, 4, 3, even=True), rows=rows)
        )
        assert np.array_equal(alone[last.number - 1].state.parameters[0].weight, state.parameters[0].weight)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_the_weights_of_the_rows_that_a_member_learns_from_have_mean_one(held, optimizer):
    weights = np.where(held.fold == 1, 9.0, 1.0) * np.where(held.examples.labels, 1.0, 3.0)
    weighted = held._replace(examples=held.examples._replace(weights=weights))
    path = (NETWORK if optimizer == "adam" else PATH)[:1]
    last = run(path, weighted)[-1]
    for member, state in enumerate(last.state.members):
        spec, rows = committee.member_spec(path[0], member), np.flatnonzero(held.fold != member)
        even = held.examples._replace(weights=weights / weights[rows].mean())
        begun = training.begin(spec, 4, 3, even=True)
        alone = list(training.fit(spec, even, None, begun, rows=rows))[state.epoch - 1]
        assert np.array_equal(alone.state.parameters[0].weight, state.parameters[0].weight)


@pytest.mark.parametrize("chunk", [1, 7, 8192])
def test_a_member_begins_without_weights_on_what_it_never_hears_of(held, monkeypatch, chunk):
    """Of the first row, and of the last, which is never held out, hear all who learn from them."""
    monkeypatch.setattr(network, "CHUNK", chunk)
    fold = np.r_[held.fold[:-1], -1]
    x = np.zeros((90, 6), np.float32)
    x[:, 0] = held.examples.x[:, 0]
    x[fold == 1, 1] = x[0, 2] = x[-1, 3] = x[:, 4] = 1
    given = held._replace(examples=held.examples._replace(x=x), fold=fold)
    drawn = committee.begin(NETWORK[0], (6, 3), [None] * 3)
    for number, member in enumerate(committee.fresh(NETWORK[0], given, 3).members):
        (weight, bias), *rest = member.parameters
        before = drawn.members[number].parameters
        unheard = ~x[fold != number].any(axis=0)
        assert unheard.tolist() == [False, number == 1, number == 0, False, False, True]
        assert np.array_equal(weight, np.where(unheard[:, None], 0, before[0].weight))
        assert np.array_equal(network.flatten(rest), network.flatten(before[1:]))
        assert np.array_equal(bias, before[0].bias)


@PATHS
@pytest.mark.parametrize("chunk", [7, 2048])
def test_going_on_from_anywhere_ends_in_the_same_bits(path, held, monkeypatch, chunk):
    """Also while an epoch is being judged, a few rows at a time."""
    rows = sum(each.rows for each in run(path, held))
    monkeypatch.setattr(work, "JUDGED", chunk)
    whole = run(path, held, steps_per_yield=3)
    for epoch in range(1, whole[-1].number + 1):
        fractions = [each.fraction for each in whole if each.number == epoch]
        assert fractions == sorted(fractions)
        assert fractions[-1] == 1
    assert sum(each.rows for each in whole) == rows
    for place in range(0, len(whole), 5):
        state = committee.from_arrays(path, committee.to_arrays(whole[place].state))
        rest = run(path, held, state, steps_per_yield=3)
        assert same(rest[-1].state if rest else state, whole[-1].state)
        assert told(rest) == told(whole[place + 1 :])


@PATHS
def test_parts_of_an_epoch_change_nothing(path, held):
    whole, parts = run(path, held), run(path, held, steps_per_yield=1)
    assert same(whole[-1].state, parts[-1].state)
    assert told(whole) == told(parts)
    assert sum(each.rows for each in whole) == sum(each.rows for each in parts)


def test_parts_of_an_epoch_tell_how_far_all_members_are_together(held):
    parts = run(NETWORK, held, steps_per_yield=3)
    first = [each.fraction for each in parts if each.number == 1]
    steps = [(member + 16 * step / 60) / 3 for member in range(3) for step in (1, 2, 3)]
    assert first == pytest.approx([*steps, 1.0])
    assert sum(each.rows for each in parts) == parts[-1].number * 3 * 60


@PATHS
def test_epochs_count_from_one_without_gap(path, held):
    numbers = [each.number for each in run(path, held)]
    assert numbers == list(range(1, len(numbers) + 1))


def test_a_network_stops_patience_epochs_after_the_lowest_cautious_loss(held):
    slow = (replace(NETWORK[0], max_epochs=400, learning_rate=0.05),)
    rounds = run(slow, held)
    best = rounds[-1].state.best
    assert rounds[-1].number == best.epoch + 4
    assert best.validation_loss == rounds[best.epoch - 1].validation_loss


def test_a_path_ends_with_the_first_penalty_that_makes_it_worse_and_chooses_an_optimum(held):
    rounds = run(PATH, held)
    best = rounds[-1].state.best
    alone = []
    for spec in PATH:
        state = run((spec,), held)[-1].state
        alone.append(state.best.cautious_loss)
    assert best.stage == int(np.argmin(alone))
    assert best.cautious_loss == pytest.approx(min(alone), rel=1e-3)
    assert {each.state.stage for each in rounds} == set(range(best.stage + 2)) < set(range(len(PATH)))


def test_members_differ_and_the_first_has_the_seed_of_the_spec():
    specs = [committee.member_spec(NETWORK[0], member) for member in range(4)]
    assert specs[0] == NETWORK[0]
    assert len({spec.seed for spec in specs}) == 4


def test_arrays_of_another_committee_are_refused(held):
    arrays = committee.to_arrays(run(NETWORK, held)[0].state)
    with pytest.raises(ValueError, match="not a training state of this spec"):
        committee.from_arrays((replace(NETWORK[0], hidden_layer_sizes=(7,)),), arrays)


@pytest.mark.parametrize(
    "wrong",
    [
        {"committee": np.array([3, 1, 0, 3])},
        {"committee": np.array([3, 1, 0, -1])},
        {"committee": np.array([3, 1, 2, 0])},
        {"committee": np.array([3, -1, 0, 0])},
        {"train_losses": np.zeros(2)},
        {"choice.1": np.zeros((4 + 1) * 6 + (6 + 1) * 3)},
    ],
)
def test_arrays_of_no_committee_are_refused(held, wrong):
    arrays = committee.to_arrays(run(NETWORK, held)[0].state)
    with pytest.raises(ValueError, match="not a training state of this spec"):
        committee.from_arrays(NETWORK, arrays | wrong)
