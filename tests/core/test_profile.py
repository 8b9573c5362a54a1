"""Profiles: what a column's distribution is kept as, and the index that says how far others are from it."""

import json
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from core import encoding
from core import profile as profiles
from core.columns import Codes

ROWS = 4000


def table(seed, rows=ROWS, **changed):
    """Every kind of column, independent of each other; `changed` shifts the one that it names."""
    rng = np.random.default_rng(seed)
    words = ("blue", "green", "red")
    odds = np.array([0.5, 0.3, 0.2]) if "word" not in changed else np.array([0.1, 0.3, 0.6])
    columns = {
        "normal": rng.normal(5, 2, rows) + changed.get("normal", 0.0),
        "heavy": np.exp(rng.normal(0, 3, rows)) * (1 + changed.get("heavy", 0.0)),
        "zeros": np.where(rng.random(rows) < 0.6 - changed.get("zeros", 0.0), 0.0, rng.random(rows)),
        "few": rng.integers(0, 3, rows).astype(float),
        "same": np.full(rows, 0.1) + changed.get("same", 0.0),
        "gaps": np.where(rng.random(rows) < 0.2 + changed.get("gaps", 0.0), np.nan, rng.random(rows)),
        "word": Codes(rng.choice(3, rows, p=odds).astype(np.int32), words),
        "picture": rng.random((rows, 6)) + changed.get("picture", 0.0),
        "turned": rng.normal(0, 1 + changed.get("turned", 0.0), (rows, 6)),
    }
    columns["few"][rng.random(rows) < changed.get("few", 0.0)] = 7
    return columns


@pytest.fixture(scope="module")
def measured():
    return profiles.measure(table(0))


def noise(bins, rows, tail):
    """The index that rows of the same distribution pass with that probability (Yurdakul 2018)."""
    return (1 / ROWS + 1 / rows) * stats.chi2(bins - 1).isf(tail)


@pytest.mark.parametrize("rows", [300, 5000])
def test_rows_of_the_same_distribution_stay_within_what_chance_allows(measured, rows):
    over = {trait.column: 0 for trait in measured.traits}
    for seed in range(1, 41):
        found = measured.drift(measured.count(table(seed, rows)))
        for trait in measured.traits:
            over[trait.column] += found[trait.column] > noise(len(trait.counts), rows, 0.001)
    assert max(over.values()) <= 2, over  # of 40; two traits of a vector make one column


SHIFTS = {"normal": 2.0, "heavy": 4.0, "zeros": 0.4, "few": 0.4, "same": 1e-3, "gaps": 0.4, "word": True,
          "picture": 0.3, "turned": 0.5}  # fmt: skip


@pytest.mark.parametrize("column", SHIFTS)
def test_a_column_that_has_shifted_is_high_and_no_other_is(measured, column):
    found = measured.drift(measured.count(table(99, 2000, **{column: SHIFTS[column]})))
    assert {name for name, each in found.items() if each > 0.25} == {column}
    assert max(each for name, each in found.items() if name != column) < 0.05


COUNTS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=2, max_size=8)


@given(COUNTS)
def test_the_index_is_the_formula_with_half_a_row_more_in_every_bin(pairs):
    expected, counts = np.array(pairs, float).T
    (found,) = profiles.index(expected[None], counts[None], np.ones((1, len(pairs)), bool))
    with mpmath.workdps(40):
        p, q = ([(mpmath.mpf(n) + 0.5) for n in column] for column in (expected.tolist(), counts.tolist()))
        parts = [(b / sum(q) - a / sum(p), b / sum(q) / (a / sum(p))) for a, b in zip(p, q, strict=True)]
        exact = sum(difference * mpmath.log(ratio) for difference, ratio in parts)
    assert found == pytest.approx(float(exact), rel=1e-9, abs=1e-12)


@given(COUNTS)
def test_the_index_is_symmetric_never_negative_and_nothing_between_equals(pairs):
    one, other = np.array(pairs, float).T
    own = np.ones((1, len(pairs)), bool)
    forth, back = profiles.index(one[None], other[None], own), profiles.index(other[None], one[None], own)
    assert forth >= 0
    assert forth == pytest.approx(back, rel=1e-9, abs=1e-12)
    assert profiles.index(one[None], one[None], own) == pytest.approx(0, abs=1e-12)


NUMBERS = st.lists(
    st.floats(allow_infinity=False) | st.sampled_from([0.0, 0.1, 1.0]), min_size=1, max_size=200
)


@given(NUMBERS)
def test_training_rows_fall_where_they_were_counted_however_often_written_down(numbers):
    columns = {"x": np.array(numbers), "v": np.array([numbers, numbers[::-1]]).T}
    made = profiles.measure(columns)
    again = profiles.from_dict(json.loads(json.dumps(profiles.to_dict(made), allow_nan=False)))
    assert [vars(a) for a in again.traits] == [vars(b) for b in made.traits]
    counts = again.count(columns)
    assert np.array_equal(counts, made.expected)
    assert counts.sum() == 3 * len(numbers)
    assert made.drift(counts) == pytest.approx({"x": 0, "v": 0}, abs=1e-9)


def test_every_kind_of_column_is_written_down_and_read_again(measured):
    again = profiles.from_dict(json.loads(json.dumps(profiles.to_dict(measured))))
    assert [vars(a) for a in again.traits] == [vars(b) for b in profiles.measure(table(0)).traits]


def test_a_vector_is_known_by_the_mean_and_the_root_mean_square_of_its_elements():
    rng = np.random.default_rng(0)
    x = rng.normal(-1, 1, (500, 6))
    x[::7, 2] = x[3] = np.nan
    there = np.ma.masked_invalid(x)
    norm = np.ma.sqrt((there**2).mean(axis=1))
    oracle = profiles.measure({"mean": there.mean(axis=1).filled(np.nan), "norm": norm.filled(np.nan)})
    for trait, expected in zip(profiles.measure({"v": x}).traits, oracle.traits, strict=True):
        assert (trait.of, trait.counts) == (expected.column, expected.counts)
        assert trait.edges == pytest.approx(expected.edges, rel=1e-6)
        assert trait.counts[-1] == 1


@given(st.lists(st.sampled_from(["a", "b", "c", None]), min_size=1, max_size=100), st.integers(0, 3))
def test_categories_are_found_by_their_words_whatever_the_codes(words, turn):
    vocabulary = ["a", "b", "c", "new"]
    made = profiles.measure({"x": coded(words, vocabulary)})
    other = coded(words, vocabulary[turn:] + vocabulary[:turn])
    assert np.array_equal(made.count({"x": other}), made.expected)
    strange = made.count({"x": Codes(np.zeros(5, np.int32), ("strange",))})
    assert strange[0, len(made.traits[0].counts) - 2] == 5


def coded(words, vocabulary):
    return Codes(
        np.array([-1 if word is None else vocabulary.index(word) for word in words]), tuple(vocabulary)
    )


def test_a_matrix_is_counted_as_its_columns_are():
    rng = np.random.default_rng(0)
    x = np.where(rng.random((500, 4)) < 0.1, np.nan, rng.normal(size=(500, 4)))
    columns = {f"x{i}": column for i, column in enumerate(x.T)}
    made = profiles.measure(columns)
    for dtype in (np.float32, np.float64):
        assert np.array_equal(made.count(x.astype(dtype)), made.count(columns))
    vector = profiles.measure({"v": x})
    assert np.array_equal(vector.count(x), vector.count({"v": x}))
    assert len(vector.traits) == 2


def test_a_number_is_in_its_bin_in_single_and_double_precision():
    tenths = np.arange(1000) % 10 / 10
    made = profiles.measure({"x": tenths})
    assert np.array_equal(made.count({"x": tenths.astype(np.float32)}), made.expected)
    assert made.drift(made.count(tenths[:, None].astype(np.float32)))["x"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("away", [-1e-3, 1e-3])
@pytest.mark.parametrize("part", [0.6, 1.0])
def test_a_number_that_many_rows_have_is_missed_on_both_sides(part, away):
    rng = np.random.default_rng(3)
    often = np.where(rng.random(ROWS) < part, 0.5, rng.random(ROWS))
    made = profiles.measure({"x": often})
    assert made.drift(made.count({"x": rng.permutation(often)}))["x"] < 1e-9
    assert made.drift(made.count({"x": np.where(often == 0.5, often + away, often)}))["x"] > 1


def test_few_rows_get_few_bins():
    for rows, bins in ((20, 1), (59, 1), (60, 2), (150, 5), (3000, 10), (30000, 10)):
        (trait,) = profiles.measure({"x": np.random.default_rng(0).normal(size=rows)}).traits
        assert len(trait.counts) == bins + 1
        assert bins == 1 or min(trait.counts[:-1]) >= 29
        words = tuple(map(str, range(rows)))
        (named,) = profiles.measure({"x": Codes(np.arange(rows), words)}).traits
        assert len(named.categories) == min(20, max(1, rows // 30))


def test_only_so_many_columns_are_profiled(monkeypatch):
    monkeypatch.setattr(profiles, "MOST_COLUMNS", 2)
    x = np.random.default_rng(0).normal(size=(100, 5))
    made = profiles.measure({f"x{i}": column for i, column in enumerate(x.T)})
    assert [trait.column for trait in made.traits] == ["x0", "x1"]
    assert np.array_equal(made.count(x), made.expected)


def test_a_profile_fits_the_encoding_of_its_columns_and_no_other():
    columns = table(0, 200)
    fitted = encoding.fit(columns)
    made = profiles.measure(columns)
    assert profiles.fits(made, fitted)
    for strange in (
        {name: column for name, column in columns.items() if name != "few"},
        dict(reversed(columns.items())),
        {**columns, "word": columns["few"]},
        {**columns, "few": columns["word"]},
        {**columns, "picture": columns["few"]},
    ):
        assert not profiles.fits(profiles.measure(strange), fitted)


def test_numbers_beyond_single_precision_are_in_the_outmost_bins():
    far = np.repeat([-1e300, -3e38, 0.0, 1.0, 1e300], 100)
    made = profiles.from_dict(json.loads(json.dumps(profiles.to_dict(profiles.measure({"x": far})))))
    assert np.array_equal(made.count({"x": far}), made.expected)


GOOD = {"column": "x", "counts": [1, 2, 0], "edges": [1.5]}


@pytest.mark.parametrize(
    "wrong",
    [None, [], {}, {"traits": []}, {"traits": [3]}, {"traits": "x"}]
    + [{"traits": [{**GOOD, **change}]} for change in (
        {"column": 3}, {"counts": [1, 2]}, {"counts": [1, -2, 0]}, {"counts": [0, 0, 0]}, {"counts": [1, True, 0]},
        {"edges": [math.nan]}, {"edges": [math.inf]}, {"edges": [1e300]},
         {"edges": ["1"]}, {"edges": [2, 1], "counts": [1, 1, 1, 1]}, {"edges": 3},
        {"of": "sum"}, {"categories": [1]}, {"categories": "a"}, {"counts": [1] * 300},
    )],
)  # fmt: skip
def test_what_is_no_profile_is_refused(wrong):
    assert profiles.from_dict({"traits": [GOOD]}).traits[0].counts == (1, 2, 0)
    with pytest.raises(ValueError, match=r"must"):
        profiles.from_dict(wrong)
