"""Raw columns become the matrix that the network sees: against scikit-learn's scalers and by property."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from core import encoding
from core.encoding import Codes

WORDS = ("ant", "bee", "cat")


def mixed(rows=40, seed=0):
    rng = np.random.default_rng(seed)
    age = rng.normal(50, 20, rows)
    age[::7] = np.nan
    return {
        "age": age,
        "count": rng.integers(0, 100, rows),
        "animal": Codes(rng.integers(-1, 3, rows).astype(np.int32), WORDS),
        "image": rng.integers(0, 256, (rows, 6)).astype(np.uint8),
    }


def test_numeric_columns_equal_scikit_learns_standard_scaler(rng):
    x = rng.normal(5, 3, (50, 4)) * [1, 1e-9, 1e9, 0]
    names = "abcd"
    columns = {name: x[:, place] for place, name in enumerate(names)}
    fitted = encoding.fit(columns)
    expected = StandardScaler().fit_transform(x)
    np.testing.assert_allclose(encoding.transform(fitted, columns), expected, atol=1e-6)
    assert (fitted.width, fitted.inputs) == (4, 4)


def test_categorical_columns_are_one_hot_with_a_last_place_for_the_rest():
    codes = np.array([0, 2, 2, -1], np.int32)
    fitted = encoding.fit({"animal": Codes(codes, WORDS)})
    assert fitted.columns[0].categories == ("ant", "cat")
    peer = OneHotEncoder(categories=[["ant", "cat"]], handle_unknown="ignore", sparse_output=False)
    seen = Codes(np.array([0, 1, 2, -1], np.int32), ("cat", "dog", "ant"))
    known = peer.fit([["ant"], ["cat"]]).transform([["cat"], ["dog"], ["ant"], ["?"]])
    expected = np.column_stack([known, known.sum(axis=1) == 0])
    assert np.array_equal(encoding.transform(fitted, {"animal": seen}), expected)


def test_rare_categories_beyond_the_limit_share_the_last_place():
    codes = np.repeat(np.arange(3, dtype=np.int32), [1, 3, 2])
    fitted = encoding.fit({"animal": Codes(codes, WORDS)}, max_categories=2)
    assert fitted.columns[0].categories == ("bee", "cat")
    assert encoding.transform(fitted, {"animal": Codes(np.array([0], np.int32), WORDS)}).tolist() == [
        [0, 0, 1]
    ]


def test_a_vector_whose_elements_share_one_range_gets_one_scale(rng):
    image = rng.integers(0, 256, (100, 20)).astype(np.uint8)
    image[:, :4] = 7  # border pixels that never vary
    (column,) = encoding.fit({"image": image}).columns
    np.testing.assert_allclose(column.mean, image.mean(axis=0))
    np.testing.assert_allclose(column.scale, np.sqrt(image[:, 4:].var(axis=0).mean()))
    lengths = rng.normal(size=(100, 3)) * [1, 100, 10_000]
    (column,) = encoding.fit({"lengths": lengths}).columns
    np.testing.assert_allclose(column.scale, lengths.std(axis=0))


def test_missing_numbers_become_the_mean_and_an_indicator_only_if_training_had_some(rng):
    whole, holed = rng.normal(3, 2, 20), rng.normal(3, 2, 20)
    holed[[2, 5]] = np.nan
    fitted = encoding.fit({"whole": whole, "holed": holed})
    assert [column.indicator for column in fitted.columns] == [False, True]
    assert fitted.columns[1].mean == pytest.approx(np.nanmean(holed))
    assert fitted.columns[1].scale == pytest.approx(np.nanstd(holed))
    encoded = encoding.transform(fitted, {"whole": np.array([np.nan]), "holed": np.array([np.nan])})
    assert encoded.tolist() == [[0, 0, 1]]
    vector = encoding.fit({"v": np.array([[1.0, np.nan], [3.0, np.nan]])})
    assert encoding.transform(vector, {"v": np.array([[np.nan, 5]])}).tolist() == [[0, 5]]


def test_columns_without_spread_or_values_are_shifted_but_not_scaled():
    columns = {
        "constant": np.full(3, 0.1),
        "missing": np.full(3, np.nan),
        "flag": np.array([True, True, True]),
    }
    fitted = encoding.fit(columns)
    assert [column.scale for column in fitted.columns] == [1, 1, 1]
    assert encoding.transform(fitted, columns).tolist() == [[0, 0, 1, 0]] * 3


@given(arrays(np.float64, (6, 2), elements=st.floats(allow_infinity=False, allow_nan=True)))
def test_any_finite_numbers_become_finite_features_of_mean_zero(x):
    with np.errstate(all="raise"):
        fitted = encoding.fit({"a": x[:, 0], "b": x[:, 1]})
        encoded = encoding.transform(fitted, {"a": x[:, 0], "b": x[:, 1]})
    assert np.isfinite(encoded).all()
    assert np.abs(encoded).max() <= np.sqrt(6) + 1e-6


def test_values_far_beyond_the_training_rows_stay_finite_in_float32():
    fitted = encoding.fit({"a": np.array([0.0, 1.0])})
    encoded = encoding.transform(fitted, {"a": np.array([1.7e308, -1.7e308])})
    assert encoded[:, 0].tolist() == pytest.approx([1e15, -1e15])


@pytest.mark.parametrize("holes", [False, True])
def test_transform_matrix_equals_transform_by_name(rng, monkeypatch, holes):
    x = rng.normal(size=(30, 3))
    if holes:
        x[::4, 1] = x[::5, 2] = np.nan
    columns = {name: x[:, place] for place, name in enumerate("abc")}
    fitted = encoding.fit(columns)
    expected = encoding.transform(fitted, columns)
    for chunk in (1 << 20, 10):
        monkeypatch.setattr(encoding, "CHUNK", chunk)
        assert np.array_equal(encoding.transform_matrix(fitted, x), expected)
        assert np.array_equal(encoding.transform(fitted, columns), expected)
        vector = encoding.fit({"v": x})
        assert np.array_equal(encoding.transform_matrix(vector, x), encoding.transform(vector, {"v": x}))


@pytest.mark.parametrize("cuts", [[], [1], [7, 8, 30], [0, 40]])
def test_an_encoding_of_rows_in_parts_is_that_of_the_whole(cuts):
    columns = mixed()
    edges = [0, *cuts, 40]

    def part(start, stop):
        return {
            name: Codes(raw.codes[start:stop], raw.vocabulary) if isinstance(raw, Codes) else raw[start:stop]
            for name, raw in columns.items()
        }

    parts = [part(*pair) for pair in pairwise(edges)]
    whole = encoding.fit(columns, booleans=["animal"], max_categories=2)
    pieces = encoding.fit_parts(parts, booleans=["animal"], max_categories=2)
    with pytest.raises(ValueError, match="got an iterator"):
        encoding.fit_parts(iter(parts))
    assert whole.columns[2] == pieces.columns[2]
    for one, two in zip(whole.columns, pieces.columns, strict=True):
        assert (one.name, one.width) == (two.name, two.width)
        if one.name != "animal":
            np.testing.assert_allclose(one.mean, two.mean, rtol=1e-13)
            np.testing.assert_allclose(one.scale, two.scale, rtol=1e-13)


def test_slices_tell_which_features_each_column_became():
    fitted = encoding.fit(mixed(), booleans=["animal"])
    assert fitted.slices == (slice(0, 2), slice(2, 3), slice(3, 7), slice(7, 13))
    assert (fitted.width, fitted.inputs) == (13, None)
    assert fitted.columns[2].boolean
    assert encoding.fit({"v": np.zeros((2, 9))}).inputs == 9
    with pytest.raises(ValueError, match="send them by name"):
        encoding.transform_matrix(fitted, np.zeros((1, 13)))


def test_an_encoding_comes_back_from_json_to_the_bit():
    columns = mixed()
    fitted = encoding.fit(columns, booleans=["animal"])
    plain = encoding.to_dict(fitted)
    again = encoding.from_dict(json.loads(json.dumps(plain)))
    assert encoding.to_dict(again) == plain
    assert np.array_equal(encoding.transform(again, columns), encoding.transform(fitted, columns))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda c: c.clear(),
        lambda c: c[0].pop("name"),
        lambda c: c[0].update(type="text"),
        lambda c: c[0].update(scale=0.0),
        lambda c: c[0].update(mean=float("nan")),
        lambda c: c[0].update(mean="1"),
        lambda c: c[0].update(mean=True),
        lambda c: c[0].update(indicator=1),
        lambda c: c[1].update(name="age"),
        lambda c: c[2].update(categories=["b", "a"]),
        lambda c: c[2].update(categories=["a", "a"]),
        lambda c: c[2].update(categories=[1]),
        lambda c: c[2].update(boolean=None),
        lambda c: c[3].update(scale=[1.0]),
        lambda c: c[3].update(mean=[], scale=[]),
        lambda c: c[3].update(mean=None),
        lambda c: c.append(3),
    ],
)
def test_a_description_that_is_not_an_encoding_is_refused(spoil):
    plain = encoding.to_dict(encoding.fit(mixed()))
    spoil(plain["columns"])
    with pytest.raises(ValueError, match=r"column|encoding"):
        encoding.from_dict(plain)


@pytest.mark.parametrize("plain", [None, [], {"columns": {}}])
def test_a_description_needs_a_list_of_columns(plain):
    with pytest.raises(ValueError, match="non-empty list of columns"):
        encoding.from_dict(plain)


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({}, "all of one length"),
        ({"a": np.zeros(0)}, "at least one row"),
        ({"a": np.zeros(2), "b": np.zeros(3)}, r"got lengths \[2, 3\]"),
        ({"a": np.array([1.0, np.inf])}, "column 'a': numbers must be finite, got an infinity"),
        ({"a": np.array(["x"])}, "'a' must be .* real numbers or Codes, got <U1"),
        ({"a": np.zeros((1, 2, 3))}, r"'a' must be .* got float64 \(1, 2, 3\)"),
    ],
)
def test_columns_that_cannot_be_encoded_are_refused_by_name(columns, says):
    with pytest.raises(ValueError, match=says):
        encoding.fit(columns)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"age": None}, "column 'age' is missing; columns given: 'count', 'animal', 'image'"),
        ({"age": np.zeros((40, 2))}, r"'age' must be numbers, got float64 \(40, 2\)"),
        ({"age": np.full(40, "1")}, r"'age' must be numbers, got <U1 \(40,\)"),
        ({"age": np.ones(40, complex)}, r"'age' must be numbers, got complex128 \(40,\)"),
        ({"age": Codes(np.zeros(40, np.int32), WORDS)}, "'age' must be numbers, got categories"),
        ({"animal": np.zeros(40)}, r"'animal' must be categories, got float64 \(40,\)"),
        ({"image": np.zeros((40, 5))}, r"'image' must be vectors of 6 numbers, got float64 \(40, 5\)"),
        ({"image": np.zeros((39, 6))}, r"one length, got lengths \[39, 40\]"),
    ],
)
def test_columns_of_another_kind_than_those_fitted_are_refused_by_name(change, says):
    fitted = encoding.fit(mixed())
    columns = {name: raw for name, raw in (mixed() | change).items() if raw is not None}
    with pytest.raises(ValueError, match=says):
        encoding.transform(fitted, columns)


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [
        (np.float16, np.uint16(0x7D00)),
        (np.float32, np.uint32(0x7FA00000)),
        (np.float64, np.uint64(0x7FF4 << 48)),
    ],
)
@pytest.mark.parametrize("large", [1.0, np.finfo(np.float64).max])
def test_a_signalling_nan_is_missing_like_any_other(dtype, bits, large):
    fitted = encoding.fit({"x": np.random.default_rng(0).normal(size=(50, 4)) * 1e300})
    x = np.ones((2, 4), dtype)
    x[0, 0] = large if dtype is np.float64 else 1
    x[0, 2] = -x[0, 0]
    quiet = x.copy()
    x.view(bits.dtype)[0, 1], quiet[0, 1] = bits, np.nan
    assert np.array_equal(encoding.transform_matrix(fitted, x), encoding.transform_matrix(fitted, quiet))
    assert np.array_equal(encoding.transform(fitted, {"x": x}), encoding.transform(fitted, {"x": quiet}))
    more = np.repeat(x, 20, axis=0), np.repeat(quiet, 20, axis=0)
    signalling, other = (encoding.to_dict(encoding.fit({"x": table})) for table in more)
    assert signalling == other


def test_a_column_in_which_no_text_occurs_twice_teaches_nothing():
    words = tuple(f"name {i}" for i in range(300))
    once, twice = (
        Codes(np.arange(300, dtype=np.int32), words),
        Codes(np.arange(300, dtype=np.int32) // 2, words[:150]),
    )
    assert [len(column.categories) for column in encoding.fit({"a": once, "b": twice}).columns] == [0, 150]
    few = Codes(np.arange(50, dtype=np.int32), words[:50])
    assert len(encoding.fit({"a": few}).columns[0].categories) == 50
