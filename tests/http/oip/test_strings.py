"""BYTES travel as tritonclient packs and unpacks them, and categories are texts in UTF-8."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.utils import deserialize_bytes_tensor, serialize_byte_tensor

from app.http.oip.strings import packed

words = st.sampled_from(["red", "green", "ß", "other", ""]) | st.text(max_size=5)


def triton(texts: list[str]) -> bytes:
    array = np.array([text.encode() for text in texts], dtype=object)
    return serialize_byte_tensor(array).item() if texts else b""


@given(texts=st.lists(st.text(), min_size=1))
def test_texts_are_packed_as_tritonclient_packs_them(texts):
    blob = packed([text.encode() for text in texts])
    assert blob == triton(texts)
    assert [each.decode() for each in deserialize_bytes_tensor(blob)] == texts


@given(texts=st.lists(words, max_size=6), flat=st.booleans())
def test_categories_are_answered_as_numpy_does_in_binary_and_in_json(check, sent, texts, flat):
    shape = (len(texts),) if flat else (len(texts), 1)
    check("word", sent().add("colour", "BYTES", shape, triton(texts)), {"colour": texts})
    check("word", sent().add("colour", "BYTES", shape, texts), {"colour": texts})


def test_the_empty_text_null_and_an_unknown_category_are_all_missing(check, sent):
    found = check(
        "word", sent().add("colour", "BYTES", (3, 1), [[""], [None], ["mauve"]]), {"colour": ["", None, "?"]}
    )
    assert (found["probabilities"] == found["probabilities"][0]).all()


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (b"", "element 0: expected the 4 bytes of its length, got 0 bytes"),
        (b"\3\0\0", "element 0: expected the 4 bytes of its length, got 3 bytes"),
        (b"\3\0\0\0red", "element 1: expected the 4 bytes of its length, got 0 bytes"),
        (b"\3\0\0\0red\4\0\0\0red", "element 1: expected 4 bytes, got 3"),
        (b"\xff\xff\xff\xffred", "element 0: expected 4294967295 bytes, got 3"),
        (b"\3\0\0\0red\3\0\0\0red!", "1 bytes are left over after its 2 elements"),
        (b"\3\0\0\0red\1\0\0\0\xff", "element 1: expected UTF-8, got invalid start byte"),
    ],
)
def test_binary_texts_that_do_not_fit_their_lengths_are_refused(refused, sent, blob, message):
    assert refused("word", sent().add("colour", "BYTES", (2,), blob)) == f"input 'colour': {message}"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (["red", 3], "element 1: expected a string (BYTES), got the number 3"),
        (["red", ["red"]], "element 1: expected a string (BYTES), got a list of 1"),
        (["red"], "its shape [2] asks for 2 elements, and 'data' has 1"),
        ([["red"], ["red"]], "element 0: expected a string (BYTES), got a list of 1"),
    ],
)
def test_json_that_is_not_such_texts_is_refused(refused, sent, data, message):
    assert refused("word", sent().add("colour", "BYTES", (2,), data)) == f"input 'colour': {message}"
