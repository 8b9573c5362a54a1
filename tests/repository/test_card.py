"""Claims about cards: what a version says about itself, read without trusting it."""

import json
import math
from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.repository import card as cards

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)


@pytest.fixture
def card(make_model):
    return cards.from_bytes(cards.to_bytes(make_model(), created_at="2026-01-01T00:00:00Z"))


def test_a_card_holds_what_serving_needs_and_everything_else_that_was_said(make_model):
    model = make_model(metrics={"accuracy": 0.9}, surprise=[1, None, "ñ"], created_at="earlier")
    card = cards.from_bytes(cards.to_bytes(model, created_at="now"))
    assert card["surprise"] == [1, None, "ñ"]
    assert card["created_at"] == "earlier"
    assert (card["format"], card["classes"], card["sizes"]) == (1, ["a", "b", "c"], [6, 5, 3])
    outline = cards.outline(card)
    assert (outline.classes, outline.temperature) == (model.classes, 1.25)
    assert outline.parameters == 6 * 5 + 5 + 5 * 3 + 3
    assert outline.encoding == model.encoding


def test_the_model_knows_better_than_the_card_it_carries(make_model):
    model = make_model(sizes=[1], format=9, classes=["x"], encoding=None, temperature=0)
    cards.outline(cards.from_bytes(cards.to_bytes(model, created_at="now")))


@pytest.mark.parametrize("classes", [("a", "b"), (1, 0), (True, False), (2**53 + 1, -(2**63))])
def test_classes_come_back_as_they_were(make_model, classes):
    card = cards.from_bytes(cards.to_bytes(make_model(classes=classes), created_at=""))
    read = cards.outline(card).classes
    assert read == classes
    assert list(map(type, read)) == list(map(type, classes))


@pytest.mark.parametrize("value", [math.nan, math.inf, {1, 2}, b"bytes", "\ud800"])
def test_a_card_that_is_not_json_is_not_written(make_model, value):
    with pytest.raises(ValueError, match="cannot be written as JSON"):
        cards.to_bytes(make_model(note=value), created_at="")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "not JSON"),
        (b"\x80\x04\x95", "not JSON"),
        (b'{"format": NaN}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"1", "not a JSON object"),
        (b"{}", "no format"),
        (b'{"format": "1"}', "no format"),
        (b'{"format": 0}', "no format"),
        (b'{"format": 2}', "format 2, newer than the 1 known to this server"),
    ],
)
def test_what_is_no_card_of_a_known_format_is_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        cards.from_bytes(text)


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("sizes", None, "sizes"),
        ("sizes", [6], "sizes"),
        ("sizes", [6, 0, 3], "sizes"),
        ("sizes", [6, True, 3], "sizes"),
        ("sizes", [6.0, 3], "sizes"),
        ("sizes", [7, 5, 3], "takes 7 features and its encoding makes 6"),
        ("sizes", [6, 5, 4], "4 outputs and its card 3 classes"),
        ("classes", "abc", "classes"),
        ("classes", [], "classes"),
        ("classes", [1.5, 2, 3], "classes"),
        ("classes", [[], [], []], "classes"),
        ("classes", ["a", "b", 1], "different types"),
        ("classes", [1, 2, True], "different types"),
        ("classes", ["a", "b", "a"], "occurs twice"),
        ("temperature", 0, "temperature"),
        ("temperature", -1.0, "temperature"),
        ("temperature", True, "temperature"),
        ("temperature", None, "temperature"),
        ("temperature", 10**400, "temperature"),
        ("encoding", None, "encoding"),
        ("encoding", {"columns": []}, "encoding"),
        ("encoding", {"columns": [{"name": "x", "type": "code"}]}, "encoding"),
    ],
)
def test_a_card_that_contradicts_itself_is_refused_with_its_reason(card, key, value, reason):
    with pytest.raises(ValueError, match=reason):
        cards.outline({**card, key: value})


@given(data=st.data())
def test_any_json_in_the_place_of_a_field_is_read_or_refused_by_value_error(make_model, data):
    card = json.loads(cards.to_bytes(make_model(), created_at=""))
    key = data.draw(st.sampled_from(["sizes", "classes", "temperature", "encoding", "format"]))
    text = orjson.dumps({**card, key: data.draw(plain.filter(_fits_orjson))})
    with suppress(ValueError):
        cards.outline(cards.from_bytes(text))


def _fits_orjson(value):
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return True
