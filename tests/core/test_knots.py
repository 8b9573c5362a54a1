"""Numeric columns cut into bins: as NumPy's interpolation has it, and so that a linear model can bend."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from core import encoding, network, training
from core.columns import NumericColumn
from core.encoding import Codes
from core.knots import with_knots, with_knots_of
from core.training import Examples, TrainingSpec

BINS = 5


@pytest.fixture
def table(rng):
    """A skewed number, one with gaps, a truth as a number, whole numbers with ties, and words."""
    gappy = rng.normal(50, 20, 300)
    gappy[::7] = np.nan
    return {
        "income": rng.lognormal(3, 2, 300),
        "age": gappy,
        "member": rng.integers(0, 2, 300),
        "rooms": rng.poisson(1.0, 300),
        "animal": Codes(rng.integers(-1, 2, 300).astype(np.int32), ("ant", "bee")),
    }


@pytest.fixture
def cut(table):
    return with_knots(encoding.fit(table), table, BINS)


def numeric(fitted, name):
    return next(column for column in fitted.columns if column.name == name)


def test_a_bin_tells_how_far_through_it_a_number_is(table, cut):
    x = encoding.transform(cut, table)
    for column, part in zip(cut.columns, cut.slices, strict=True):
        if isinstance(column, NumericColumn) and column.knots:
            raw = np.where(np.isnan(table[column.name]), column.mean, table[column.name])
            knots = np.array(column.knots) * column.scale + column.mean
            expected = [np.interp(raw, ends, (-0.5, 0.5)) for ends in pairwise(knots)]
            np.testing.assert_allclose(x[:, part][:, -column.bins :], np.transpose(expected), atol=1e-6)


def test_bins_hold_about_as_many_rows_each_and_ties_make_fewer(table, cut):
    income, rooms, member = (numeric(cut, name) for name in ("income", "rooms", "member"))
    numbers, knots = (table["income"] - income.mean) / income.scale, np.array(income.knots)
    knots[-1] += 1e-12
    counts, _ = np.histogram(numbers, knots)
    assert counts.tolist() == pytest.approx([60] * BINS, abs=1)
    assert 2 <= rooms.bins < BINS
    assert member.knots == ()  # of two values, a straight line says all


def test_what_was_encoded_before_is_encoded_as_before(table, cut):
    plain, x = encoding.transform(encoding.fit(table), table), encoding.transform(cut, table)
    bins = [
        n
        for column, part in zip(cut.columns, cut.slices, strict=True)
        if isinstance(column, NumericColumn)
        for n in range(part.stop - column.bins, part.stop)
    ]
    assert np.array_equal(np.delete(x, bins, axis=1), plain)


@given(arrays(np.float64, (7, 3), elements=st.floats(allow_infinity=False)))
def test_a_plain_matrix_is_encoded_as_its_columns_are(x):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(90, 3)) * [1, 1e-30, 1e30]
    rows[::9, 1] = np.nan
    columns = dict(zip("abc", rows.T, strict=True))
    fitted = with_knots(encoding.fit(columns), columns, 4)
    found = encoding.transform_matrix(fitted, x)
    assert np.array_equal(found, encoding.transform(fitted, dict(zip("abc", x.T, strict=True))))
    assert np.isfinite(found).all()


def test_it_comes_back_from_json_as_it_was(cut):
    assert encoding.from_dict(encoding.to_dict(cut)) == cut


@pytest.mark.parametrize(
    "knots", [[], [0.0, 1.0], [0.0, 0.0, 1.0], [1.0, 0.5, 2.0], ["0", 1.0, 2.0], 3, None]
)
def test_knots_that_are_none_are_refused(knots):
    plain = {"name": "a", "type": "numeric", "mean": 0.0, "scale": 1.0, "indicator": False, "knots": knots}
    with pytest.raises(ValueError, match=r"columns\[0\]\.knots"):
        encoding.from_dict({"columns": [plain]})


@pytest.mark.parametrize("bins", [0, 1, 65])
def test_a_number_of_bins_out_of_range_is_refused(table, bins):
    with pytest.raises(ValueError, match="bins must be in"):
        with_knots(encoding.fit(table), table, bins)


def test_columns_without_a_number_have_no_knots():
    columns = {"a": np.full(9, np.nan), "b": np.arange(9.0)}
    fitted = with_knots(encoding.fit(columns), columns, 2)
    assert [column.bins for column in fitted.columns] == [0, 2]


def test_the_origin_is_the_row_of_means_and_of_no_category(table, cut):
    means = {
        column.name: np.array([column.mean])
        if isinstance(column, NumericColumn)
        else Codes(np.array([-1], np.int32), ())
        for column in cut.columns
    }
    encoded = encoding.transform(cut, means)[0]
    encoded[cut.slices[-1]] = 0
    np.testing.assert_allclose(cut.origin, encoded, atol=1e-6)


def test_knots_stay_at_their_values_when_mean_and_scale_move(table, cut):
    other = {**table, "income": table["income"] * 3 + 100, "new": np.arange(300.0)}
    fitted = with_knots_of(cut, with_knots(encoding.fit(other), other, 3))
    for name in ("income", "age", "rooms"):
        before, after = numeric(cut, name), numeric(fitted, name)
        values = [np.array(each.knots) * each.scale + each.mean for each in (before, after)]
        np.testing.assert_allclose(*values, rtol=1e-9)
    assert numeric(fitted, "new").bins == 3


def test_softmax_regression_bends_where_it_has_knots(rng):
    """|x| is no straight line, and a sum of what lies in its bins."""
    x = rng.normal(size=400)
    columns, labels = {"x": x}, (np.abs(x) > 0.7).astype(int)
    plain = encoding.fit(columns)
    right = {}
    for name, fitted in (("plain", plain), ("cut", with_knots(plain, columns, 8))):
        spec = TrainingSpec(
            hidden_layer_sizes=(), optimizer="lbfgs", batch_size=None, l2=1e-3, dtype="float64"
        )
        encoded = encoding.transform(fitted, columns).astype(float)
        *_, last = training.fit(spec, Examples(encoded, labels), None, training.begin(spec, fitted.width, 2))
        right[name] = np.mean(network.logits(last.state.parameters, encoded).argmax(axis=1) == labels)
    assert right["plain"] < 0.75
    assert right["cut"] > 0.97
