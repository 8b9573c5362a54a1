"""Carried-over weights compute the same function of the raw columns, whatever became of their encoding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core import encoding, network
from core.encoding import Codes
from core.knots import with_knots, with_knots_of
from core.warm_start import carry_over, renamed


def raw(rng: np.random.Generator, rows: int, shift: float, scale: float, names: tuple[str, ...]) -> dict:
    numbers = rng.normal(shift, scale, rows)
    numbers[:: max(rows // 5, 1)] = np.nan
    return {
        "size": numbers,
        "colour": Codes(rng.integers(-1, len(names), rows).astype(np.int32), names),
        "pixels": rng.normal(3 * shift, scale, (rows, 4)),
    }


def random_network(rng: np.random.Generator, sizes: tuple[int, ...]) -> network.Params:
    layers = network.initialise(sizes, rng, dtype=np.float64)
    return tuple(
        network.Dense(rng.normal(size=layer.weight.shape), rng.normal(size=layer.bias.shape))
        for layer in layers
    )


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    hidden=st.sampled_from([(), (5,), (6, 3)]),
    shift=st.floats(-50, 50),
    scale=st.floats(0.1, 30),
    missing=st.booleans(),
    cut=st.booleans(),
)
def test_a_new_scaling_changes_no_logit(seed, hidden, shift, scale, missing, cut):
    """Nor of rows without a number, whether or not there were such before; nor where knots stay at their values."""
    rng = np.random.default_rng(seed)
    names = ("blue", "green", "red")
    before, now = raw(rng, 60, 0.0, 1.0, names), raw(rng, 60, shift, scale, names)
    before = before if missing else {**before, "size": rng.normal(size=60)}
    old, new = encoding.fit(before), encoding.fit(now)
    if cut:
        old = with_knots(old, before, 4)
        new = with_knots_of(old, with_knots(new, now, 3))
    parameters = random_network(rng, (old.width, *hidden, 3))
    fresh = random_network(rng, (new.width, *hidden, 3))
    carried = carry_over(parameters, old, new, fresh=fresh, places=[0, 1, 2])
    rows = raw(rng, 20, 1.0, 2.0, names)
    expected = network.logits(parameters, encoding.transform(old, rows).astype(float))
    found = network.logits(carried, encoding.transform(new, rows).astype(float))
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3 * (1 + np.abs(expected).max()))


def test_a_column_with_knots_that_is_gone_counts_as_its_mean():
    rng = np.random.default_rng(0)
    columns = {"a": rng.lognormal(size=60), "b": rng.normal(size=60)}
    old = with_knots(encoding.fit(columns), columns, 4)
    new = encoding.fit({"b": columns["b"]})
    new = with_knots_of(old, new)
    parameters = random_network(rng, (old.width, 2))
    carried = carry_over(parameters, old, new, fresh=random_network(rng, (new.width, 2)), places=[0, 1])
    rows = {"a": np.full(5, old.columns[0].mean), "b": rng.normal(size=5)}
    expected = network.logits(parameters, encoding.transform(old, rows).astype(float))
    found = network.logits(carried, encoding.transform(new, rows).astype(float))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_columns_and_categories_are_found_by_name_in_any_order():
    rng = np.random.default_rng(0)
    columns = raw(rng, 60, 0.0, 1.0, ("blue", "green", "red"))
    old = encoding.fit(columns)
    codes = columns["colour"].codes
    turned = {
        "pixels": columns["pixels"],
        "colour": Codes(np.where(codes < 0, -1, 2 - codes), ("red", "green", "blue")),
    }
    new = encoding.fit({**turned, "size": columns["size"]})
    parameters = random_network(rng, (old.width, 7, 2))
    carried = carry_over(parameters, old, new, fresh=parameters, places=[0, 1])
    before = network.logits(parameters, encoding.transform(old, columns).astype(float))
    after = network.logits(
        carried, encoding.transform(new, {**turned, "size": columns["size"]}).astype(float)
    )
    np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-6)


def test_a_new_column_changes_nothing_yet_and_a_dropped_one_counts_as_its_mean():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=50), rng.normal(5, 3, 50)
    old, new = encoding.fit({"a": a}), encoding.fit({"a": a, "b": b})
    wide = random_network(rng, (2, 4, 2))
    narrow = random_network(rng, (1, 4, 2))
    added = carry_over(narrow, old, new, fresh=wide, places=[0, 1])
    np.testing.assert_allclose(
        network.logits(added, encoding.transform(new, {"a": a, "b": b}).astype(float)),
        network.logits(narrow, encoding.transform(old, {"a": a}).astype(float)),
        atol=1e-6,
    )
    dropped = carry_over(wide, new, old, fresh=narrow, places=[0, 1])
    at_mean = {"a": a, "b": np.full(50, b.mean())}
    np.testing.assert_allclose(
        network.logits(dropped, encoding.transform(old, {"a": a}).astype(float)),
        network.logits(wide, encoding.transform(new, at_mean).astype(float)),
        atol=1e-6,
    )


def test_classes_are_found_by_their_places_and_a_new_one_begins_fresh():
    rng = np.random.default_rng(2)
    fitted = encoding.fit({"a": rng.normal(size=50)})
    parameters, fresh = random_network(rng, (1, 4, 2)), random_network(rng, (1, 4, 3))
    carried = carry_over(parameters, fitted, fitted, fresh=fresh, places=[1, None, 0])
    np.testing.assert_array_equal(carried[-1].weight[:, [2, 0]], parameters[-1].weight)
    np.testing.assert_array_equal(carried[-1].weight[:, 1], fresh[-1].weight[:, 1])


def test_a_new_category_begins_as_the_rare_one_that_it_was():
    rng = np.random.default_rng(4)
    known = {"colour": Codes(np.arange(60, dtype=np.int32) % 3 - 1, ("blue", "red"))}
    more = {"colour": Codes(np.arange(60, dtype=np.int32) % 5 - 1, ("blue", "green", "red", "violet"))}
    old, new = encoding.fit(known), encoding.fit(more)
    parameters = random_network(rng, (3, 4, 2))
    carried = carry_over(parameters, old, new, fresh=random_network(rng, (5, 4, 2)), places=[0, 1])
    np.testing.assert_allclose(
        network.logits(carried, encoding.transform(new, more).astype(float)),
        network.logits(parameters, encoding.transform(old, more).astype(float)),
    )


def test_a_column_that_was_of_another_kind_is_new():
    rng = np.random.default_rng(5)
    old = encoding.fit({"a": Codes(np.arange(60, dtype=np.int32) % 2, ("no", "yes"))})
    numbers = {"a": np.where(np.arange(60) % 7, rng.normal(size=60), np.nan)}
    parameters, new = random_network(rng, (3, 4, 2)), encoding.fit(numbers)
    carried = carry_over(parameters, old, new, fresh=random_network(rng, (2, 4, 2)), places=[0, 1])
    assert not carried[0].weight.any()


def test_other_hidden_layers_are_refused():
    rng = np.random.default_rng(3)
    fitted = encoding.fit({"a": rng.normal(size=50)})
    with pytest.raises(ValueError, match="other sizes"):
        carry_over(
            random_network(rng, (1, 4, 2)),
            fitted,
            fitted,
            fresh=random_network(rng, (1, 5, 2)),
            places=[0, 1],
        )


def columns_named(*names: str, seed: int = 0, shift: float = 0.0) -> encoding.Encoding:
    """Three columns under these names: numbers, categories, a vector."""
    values = raw(np.random.default_rng(seed), 200, shift, 1.0, ("blue", "green", "red")).values()
    return encoding.fit(dict(zip(names, values, strict=True)))


def test_a_renamed_column_is_the_one_in_whose_place_it_stands_with_the_same_values():
    old = columns_named("size", "colour", "pixels")
    assert renamed(old, columns_named("length", "colour", "pixels", seed=1)) == {"length": "size"}
    every = {"a": "size", "b": "colour", "c": "pixels"}
    assert renamed(old, columns_named("a", "b", "c", seed=1)) == every
    assert renamed(old, old) == {}


def test_what_is_not_surely_renamed_is_new():
    old = columns_named("size", "colour", "pixels")
    assert renamed(old, columns_named("length", "colour", "pixels", shift=9.0)) == {}, "other values"
    fitted = columns_named("size", "colour", "pixels")
    turned = encoding.Encoding(columns=(fitted.columns[1], fitted.columns[0], fitted.columns[2]))
    assert renamed(old, turned) == {}, "another order"
    more = encoding.Encoding(columns=(*columns_named("a", "colour", "pixels").columns, fitted.columns[0]))
    assert renamed(old, more) == {}, "the old one is still there"
    assert renamed(old, columns_named("pixels", "size", "colour")) == {}, "names change places"
    fewer = encoding.Encoding(columns=columns_named("a", "b", "pixels").columns[1:])
    assert renamed(old, fewer) == {}, "two were there, and one is"


@pytest.mark.parametrize(("categories", "alike"), [("1256", True), ("12567", False), ("1567", False)])
def test_a_renamed_column_of_categories_has_at_least_half_of_them(categories, alike):
    old, new = (
        encoding.Encoding(columns=(encoding.CategoricalColumn(name=name, categories=tuple(words)),))
        for name, words in (("a", "1234"), ("b", categories))
    )
    assert bool(renamed(old, new)) == alike


def test_a_renamed_column_keeps_its_effect():
    old, new = columns_named("size", "colour", "pixels"), columns_named("a", "b", "c", seed=1, shift=0.3)
    rng = np.random.default_rng(2)
    parameters = random_network(rng, (old.width, 5, 3))
    carried = carry_over(parameters, old, new, fresh=random_network(rng, (new.width, 5, 3)), places=[0, 1, 2])
    rows = raw(rng, 20, 1.0, 2.0, ("blue", "green", "red"))
    rows["size"] = rng.normal(size=20)
    before = network.logits(parameters, encoding.transform(old, rows).astype(float))
    again = dict(zip(("a", "b", "c"), rows.values(), strict=True))
    after = network.logits(carried, encoding.transform(new, again).astype(float))
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-3)
