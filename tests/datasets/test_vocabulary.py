"""Texts are numbered within a bound, and sorted at the end."""

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from app.datasets import vocabulary
from app.datasets.vocabulary import TextBudget, Vocabulary, distinct

CELLS = st.lists(st.none() | st.sampled_from(["", "b", "a", "ñ", "c"]), max_size=12)


@given(CELLS, st.booleans())
def test_positions_lead_back_to_the_cells(cells, encoded):
    array = pa.array(cells, pa.string())
    positions, values = distinct(array.dictionary_encode().slice(len(cells) // 3) if encoded else array)
    back = [None if p < 0 else values[p] for p in positions]
    assert back == (cells[len(cells) // 3 :] if encoded else cells)
    assert values == list(dict.fromkeys(v for v in back if v is not None))


@given(st.lists(CELLS, max_size=4))
def test_the_settled_codes_lead_to_the_texts_in_order(blocks):
    words = Vocabulary(TextBudget())
    codes = [words.encode(pa.array(block, pa.string())) for block in blocks]
    texts, places, boolean = words.settled(boolean=True)
    assert not boolean
    assert list(texts) == sorted({v for block in blocks for v in block if v})
    back = [None if c < 0 else texts[places[c]] for block in codes for c in block]
    assert back == [v or None for block in blocks for v in block]
    assert places[-1] == -1


def test_beyond_the_bound_texts_count_as_missing(monkeypatch):
    monkeypatch.setattr(vocabulary, "MOST_VALUES", 2)
    words = Vocabulary(TextBudget())
    assert words.encode(pa.array(["a", "b", "c", "a"])).tolist() == [0, 1, -1, 0]
    assert words.full


def test_the_budget_of_characters_is_shared():
    budget = TextBudget(5)
    first, second = Vocabulary(budget), Vocabulary(budget)
    assert first.encode(pa.array(["abc"])).tolist() == [0]
    assert second.encode(pa.array(["abc", "ab"])).tolist() == [-1, 0]
    assert (first.full, second.full) == (False, True)


def test_an_overfull_column_is_taken_with_a_warning(opened, monkeypatch):
    monkeypatch.setattr(vocabulary, "MOST_VALUES", 3)
    data = opened(b"t,y\na,0\nb,1\nc,0\nd,1\na,0\n")
    assert data.columns()["t"].codes.tolist() == [0, 1, 2, -1, 0]
    assert any("different texts" in warning for warning in data.dataset.warnings)


def test_a_text_that_never_repeats_is_warned_of(opened):
    rows = "".join(f"id{i},{i % 2}\n" for i in range(30))
    assert any("identifier" in w for w in opened(f"t,y\n{rows}".encode()).dataset.warnings)
    assert not any("identifier" in w for w in opened(b"t,y\na,0\nb,1\nc,0\nd,1\n").dataset.warnings)
