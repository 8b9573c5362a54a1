"""Labels are coded as they come, counted, and put in order at the end."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.datasets.labels import Labels, is_whole


@given(st.text("0123456789-+ _.e٣", max_size=22) | st.integers(-(2**64), 2**64).map(str))
def test_a_text_is_whole_if_python_writes_that_integer_so(text):
    try:
        oracle = str(int(text)) == text and -(2**63) <= int(text) < 2**63
    except ValueError:
        oracle = False
    assert is_whole(text) == oracle


@given(st.lists(st.lists(st.sampled_from([5, -3, 12, 7]), min_size=1, max_size=9), min_size=2, max_size=6))
def test_blocks_give_the_codes_and_counts_of_the_whole(blocks):
    blocks = [[5, -3, 12], *blocks]
    labels = Labels(column="y", as_text=False, max_classes=10)
    codes = [labels.encode(pa.array(block)) for block in blocks]
    classes, counts, places = labels.finish()
    whole = [label for block in blocks for label in block]
    assert list(classes) == sorted(set(whole))
    assert [classes[places[code]] for block in codes for code in block] == whole
    assert counts.tolist() == [whole.count(label) for label in classes]


def test_a_fault_in_a_later_block_is_told_with_its_row_in_the_whole():
    labels = Labels(column="y", as_text=False, max_classes=10)
    labels.encode(pa.array([1, 2, 3]))
    with pytest.raises(Exception, match="missing in row 4"):
        labels.encode(pa.array([1, None]))
