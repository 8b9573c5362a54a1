"""A row's fold hangs on the row alone."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.dealing import Deal, fingerprints, new_deal, repetitions
from core.encoding import Codes

WORDS = ("blue", "green", "red")


def columns(rng, rows):
    numbers = rng.normal(size=rows)
    numbers[::7] = np.nan
    return {
        "size": numbers,
        "colour": Codes(rng.integers(-1, 3, rows).astype(np.int32), WORDS),
        "pixels": rng.normal(size=(rows, 4)),
    }


def some(raw, rows):
    return {
        k: Codes(c.codes[rows], c.vocabulary) if isinstance(c, Codes) else c[rows] for k, c in raw.items()
    }


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 10), st.integers(0, 2**40))
def test_a_row_keeps_its_fold_among_others_in_another_order_and_with_more_columns(seed, folds, dealt_by):
    rng = np.random.default_rng(seed)
    raw, labels = columns(rng, 300), np.arange(300) % 2
    deal = new_deal(raw, labels, folds=folds, fraction=0.1, seed=dealt_by)
    rows = rng.permutation(300)[:200]
    turned = {"new": rng.normal(size=200), **dict(reversed(some(raw, rows).items()))}
    turned["colour"] = Codes(
        np.where(turned["colour"].codes < 0, -1, 2 - turned["colour"].codes), WORDS[::-1]
    )
    assert np.array_equal(deal.fold(turned, labels[rows]), deal.fold(raw, labels)[rows])


def test_rows_keep_their_folds_from_release_to_release():
    """Versions that are published were dealt so, and are compared with later ones on rows dealt again."""
    table = {
        "size": np.array([0.0, 1.5, np.nan]),
        "colour": Codes(np.array([0, 1, -1], np.int32), ("blue", "red")),
        "pixels": np.array([[1.0, 2.0], [2.0, 1.0], [0.0, 0.0]]),
    }
    assert fingerprints(table).tolist() == [0xBBFF51CF1F0FCA2D, 0x58D66CD5570C42C5, 0x530AFD2B805319FE]
    raw, labels = {"a": np.r_[np.arange(12.0), 3, 3]}, np.arange(14) % 2
    deal = Deal(folds=5, fraction=0.1, seed=7, columns=("a",))
    assert deal.fold(raw, labels).tolist() == [2, 0, 4, 3, 3, 2, 3, 3, 2, 1, 0, 0, 3, 3]
    one_by_one = replace(deal, together=False).fold(raw, labels)
    assert one_by_one.tolist() == [4, 4, 0, 0, 1, 0, 3, 4, 0, 4, 0, 1, 2, 0]
    alone = {
        "a": np.array([3.0, 6.0, 7.0, 0.0])
    }  # a class wholly in fold 3, of which one row goes to the next
    assert sorted(deal.fold(alone, np.array([0, 0, 0, 1])).tolist()) == [-1, 3, 3, 4]


def test_a_value_has_one_fingerprint_in_every_format():
    numbers = np.array([0.1, 5, -0.0, np.nan, 1e300])
    one = fingerprints({"a": numbers})
    assert np.array_equal(one[:4], fingerprints({"a": numbers[:4].astype(np.float32)}))
    assert fingerprints({"a": np.array([5])})[0] == one[1]
    assert fingerprints({"a": np.array([0.0])})[0] == one[2]
    assert len(set(one.tolist())) == 5
    assert fingerprints({"b": numbers})[1] != one[1]


def test_places_in_a_vector_and_names_of_columns_count():
    x = np.array([[1.0, 2.0], [2.0, 1.0]])
    assert len(set(fingerprints({"v": x}).tolist())) == 2
    swapped = fingerprints({"a": x[:, 0], "b": x[:, 1]})
    assert len(set(swapped.tolist())) == 2


def test_few_rows_collide_among_many(rng):
    assert len(np.unique(fingerprints({"x": rng.integers(0, 256, (20_000, 8)).astype(np.uint8)}))) == 20_000


def test_folds_are_about_equal_and_change_with_the_seed(rng):
    raw, labels = columns(rng, 5000), np.arange(5000) % 3
    one = new_deal(raw, labels, folds=5, fraction=0.1, seed=1)
    fold = one.fold(raw, labels)
    assert np.abs(np.bincount(fold, minlength=5) - 1000).max() < 120
    assert 0.1 < np.mean(fold == replace(one, seed=2).fold(raw, labels)) < 0.3


@pytest.mark.parametrize("noisy", [False, True])
def test_copies_are_never_in_two_folds(rng, noisy):
    """Where most rows differ, equal ones are copies, whatever their labels."""
    raw = columns(rng, 400)
    twice = some(raw, np.concatenate([np.arange(400), np.arange(100)]))
    labels = np.r_[np.arange(400) % 2, (np.arange(100) + noisy) % 2]
    deal = new_deal(twice, labels, folds=10, fraction=0.1, seed=0)
    fold = deal.fold(twice, labels)
    assert deal.together
    assert np.array_equal(fold[400:], fold[:100])


@pytest.mark.parametrize("folds", [1, 5])
def test_equal_rows_are_dealt_one_by_one_where_hardly_a_combination_is_missing(folds):
    """Kept together, what stands for one answer would be judged by who has never seen it."""
    answers = np.arange(600) % 12
    raw = {"size": answers // 3 * 0.5, "colour": Codes((answers % 3).astype(np.int32), WORDS)}
    labels = (answers > 5).astype(int)  # as copies would have them
    deal = new_deal(raw, labels, folds=folds, fraction=0.1, seed=0)
    assert not deal.together
    fold = deal.fold(raw, labels)
    assert all(len(set(fold[answers == answer].tolist())) > 1 for answer in range(12))


def test_rows_that_are_equal_since_they_say_little_are_dealt_one_by_one():
    raw = {"colour": Codes((np.arange(600) % 3).astype(np.int32), WORDS)}
    labels = np.random.default_rng(0).integers(0, 2, 600)
    deal = new_deal(raw, labels, folds=5, fraction=0.1, seed=0)
    fold = deal.fold(raw, labels)
    assert not deal.together
    assert np.bincount(fold, minlength=5).min() > 80
    grown = {"colour": Codes(np.concatenate([raw["colour"].codes, [0, 1, 2]]).astype(np.int32), WORDS)}
    assert np.array_equal(deal.fold(grown, np.append(labels, [0, 1, 0]))[:600], fold)


@pytest.mark.parametrize("times", [3, 20])
@pytest.mark.parametrize("kind", ["numbers", "words", "mixed", "vector"])
def test_rows_copied_many_times_stay_together(rng, times, kind):
    """Three times and more, fewer than half of all rows differ; but few columns are not why."""
    one = columns(rng, 200)
    words = {
        f"word{i}": Codes(rng.integers(0, 9, 200).astype(np.int32), tuple("abcdefghi")) for i in range(4)
    }
    more = {"numbers": {"more": rng.normal(size=200)}, "words": words}.get(kind, {})
    chosen = {"numbers": ["size"], "words": [], "mixed": list(one), "vector": ["pixels"]}[kind]
    one = {name: one[name] for name in chosen} | more
    rows = rng.permutation(np.repeat(np.arange(200), times))
    raw, labels = some(one, rows), (np.arange(200) % 2)[rows]
    deal = new_deal(raw, labels, folds=5, fraction=0.1, seed=0)
    assert deal.together
    fold = deal.fold(raw, labels)
    assert all(len(set(fold[rows == row].tolist())) == 1 for row in range(200))


def test_equal_rows_with_labels_of_their_own_are_no_copies(rng):
    """Eight answers from 1 to 5, mostly the middle one: many are equal, and what they stand for differs."""
    answers = rng.choice(5, p=[0.03, 0.07, 0.8, 0.07, 0.03], size=(5000, 8)).astype(float)
    raw, noisy = {f"q{i}": answers[:, i] for i in range(8)}, rng.integers(0, 2, 5000)
    assert not new_deal(raw, noisy, folds=5, fraction=0.1, seed=0).together
    assert new_deal(raw, (answers[:, 0] > 2).astype(int), folds=5, fraction=0.1, seed=0).together


def test_a_column_under_another_name_leaves_rows_where_they_were(rng):
    raw, labels = columns(rng, 300), np.arange(300) % 2
    deal = new_deal(raw, labels, folds=5, fraction=0.1, seed=0)
    now = deal.renamed({"length": "size"}).renamed({"breadth": "length"})
    other = {"breadth" if name == "size" else name: column for name, column in raw.items()}
    assert np.array_equal(now.fold(other, labels), deal.fold(raw, labels))
    assert now.keeps(deal)
    assert Deal.from_dict(now.to_dict()) == now
    assert not replace(now, folds=4).keeps(deal)
    assert not replace(deal, columns=("size",)).keeps(deal)
    assert replace(deal, folds=1).keeps(replace(deal, folds=1, fraction=0.2))
    assert replace(deal, folds=1, fraction=0.2).keeps(replace(deal, folds=1, fraction=0.2))
    assert not replace(deal, folds=1, fraction=0.3).keeps(replace(deal, folds=1, fraction=0.2))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.integers(2, 10), st.integers(0, 10**6))
def test_no_class_of_two_rows_is_wholly_in_one_fold(labels, folds, seed):
    raw, labels = {"a": np.arange(len(labels)) * 1.5}, np.array(labels)
    fold = new_deal(raw, labels, folds=folds, fraction=0.1, seed=seed).fold(raw, labels)
    for label, rows in zip(*np.unique(labels, return_counts=True), strict=True):
        own = set(fold[labels == label].tolist())
        assert own == {-1} if rows == 1 else len(own) > 1 and -1 not in own


def test_one_fold_holds_the_fraction_of_each_class_out_and_nearly_the_same_rows_when_there_are_more(rng):
    raw, labels = columns(rng, 3000), np.arange(3000) % 3
    deal = new_deal(raw, labels, folds=1, fraction=0.2, seed=0)
    fold = deal.fold(raw, labels)
    assert np.bincount(labels[fold == 0]).tolist() == [200, 200, 200]
    assert set(fold.tolist()) == {-1, 0}
    before = deal.fold(some(raw, np.arange(2500)), labels[:2500]) == 0
    now = fold[:2500] == 0
    assert np.sum(now & ~before) < 0.1 * np.sum(now)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(2, 4), st.sampled_from([0.05, 0.1, 0.4]))
def test_one_fold_parts_no_copies_and_leaves_every_class_on_both_sides(seed, times, classes, fraction):
    rng = np.random.default_rng(seed)
    rows = rng.permutation(np.repeat(np.arange(60), rng.integers(1, times, 60)))
    raw, labels = some(columns(rng, 60), rows), (np.arange(60) % classes)[rows]
    deal = Deal(folds=1, fraction=fraction, seed=seed, columns=tuple(raw))
    held = deal.fold(raw, labels) == 0
    assert not set(rows[held].tolist()) & set(rows[~held].tolist())
    assert set(labels[held].tolist()) == set(labels[~held].tolist()) == set(range(classes))
    one_by_one = replace(deal, together=False).fold(raw, labels) == 0
    assert 0.5 * one_by_one.sum() <= held.sum() <= one_by_one.sum() + classes * times


@pytest.mark.parametrize("seed", range(12))
def test_a_row_copied_very_often_does_not_make_much_more_held_out_than_was_asked_for(rng, seed):
    """Its copies would not fit where the rows that are held out are kept in memory."""
    values = np.r_[np.zeros(4000), rng.normal(size=6000)]
    deal = Deal(folds=1, fraction=0.1, seed=seed, columns=("a",))
    held = deal.fold({"a": values}, np.arange(10_000) % 2) == 0
    assert 0 < held.sum() <= 2000 + 2
    assert len(set(held[:4000].tolist())) == 1


def test_a_class_of_copies_alone_is_parted_and_a_single_row_learned_from():
    values, labels = np.array([1.0] * 10 + [2.0, 2.0, 3.0, 4.0]), np.array([0] * 10 + [1, 1, 1, 2])
    fold = Deal(folds=1, fraction=0.1, seed=0, columns=("a",)).fold({"a": values}, labels)
    assert np.sum(fold[:10] == 0) == 1
    assert fold[13] == -1
    assert fold[10] == fold[11] != fold[12]


def test_repetitions_count_equal_ones_before():
    assert repetitions(np.array([7, 5, 7, 7, 5], np.uint64)).tolist() == [0, 0, 1, 2, 1]


@pytest.mark.parametrize("folds", [1, 3])
def test_a_rule_comes_back_from_its_dictionary(rng, folds):
    deal = new_deal(columns(rng, 20), np.arange(20) % 2, folds=folds, fraction=0.25, seed=9)
    assert Deal.from_dict(deal.to_dict()) == deal


@pytest.mark.parametrize(
    "wrong",
    [
        {"folds": 0},
        {"folds": True},
        {"fraction": 1.0},
        {"seed": "0"},
        {"columns": []},
        {"columns": None},
        {"columns": [["a"]]},
        {"together": 1},
        {"clean": None},
        {"called": ["a"]},
        {"more": 1},
    ],
)
def test_another_dictionary_is_refused(rng, wrong):
    plain = new_deal(columns(rng, 20), np.arange(20) % 2, folds=3, fraction=0.25, seed=9).to_dict()
    with pytest.raises(ValueError, match="not a rule by which rows are held out"):
        Deal.from_dict({**plain, **wrong})


def test_columns_of_unequal_lengths_are_refused():
    with pytest.raises(ValueError, match="all of one length"):
        fingerprints({"a": np.zeros(3), "b": np.zeros(4)})
    with pytest.raises(ValueError, match="at least one"):
        fingerprints({})
