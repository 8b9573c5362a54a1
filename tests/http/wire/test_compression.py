"""What is compressed comes out as gzip and zlib of the standard library say, and never more of it than allowed."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import TooLarge, Unreadable, UnsupportedType
from app.http.wire.compression import deflate, inflate, wanted

PACK = {
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
    "identity": bytes,
    "": bytes,
}
UNPACK = {"gzip": gzip.decompress, "deflate": zlib.decompress}
LIMIT = {"limit": 10_000, "setting": "max_bytes"}


@pytest.mark.parametrize("encoding", sorted(PACK))
@given(body=st.binary(max_size=200))
def test_a_body_is_what_was_packed(encoding, body):
    assert inflate(PACK[encoding](body), encoding, **LIMIT) == body
    assert inflate(PACK[encoding](body), f" {encoding.upper()}", **LIMIT) == body


@pytest.mark.parametrize("encoding", sorted(UNPACK))
@given(parts=st.lists(st.binary(max_size=200), max_size=4))
def test_what_is_packed_is_read_by_the_standard_library(encoding, parts):
    views = [memoryview(part) for part in parts]
    assert UNPACK[encoding](deflate(list(views), encoding)) == b"".join(parts)


@pytest.mark.parametrize("encoding", sorted(UNPACK))
def test_a_bomb_is_refused_by_what_comes_out_of_it(encoding):
    assert inflate(PACK[encoding](bytes(10_000)), encoding, **LIMIT) == bytes(10_000)
    with pytest.raises(TooLarge, match="limit of 10000 bytes"):
        inflate(PACK[encoding](bytes(10_001)), encoding, **LIMIT)
    with pytest.raises(TooLarge, match="limit of 10000 bytes"):
        inflate(PACK[encoding](bytes(10**8)), encoding, **LIMIT)


@pytest.mark.parametrize("encoding", sorted(UNPACK))
def test_a_body_cut_short_spoilt_or_followed_by_more_is_refused(encoding):
    body = PACK[encoding](b"abc" * 100)
    for broken in (b"", b"abc", body[:-1], body + b"x", body[:-5] + b"\0\0\0\0\0"):
        with pytest.raises(Unreadable):
            inflate(broken, encoding, **LIMIT)


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "zstd", "compress", "\xff"])
def test_another_encoding_is_not_read(encoding):
    with pytest.raises(UnsupportedType, match="gzip, deflate, identity"):
        inflate(b"", encoding, **LIMIT)


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("", None),
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("GZIP, deflate", "gzip"),
        ("gzip;q=0.5, deflate", "deflate"),
        ("gzip;q=0, *", "deflate"),
        ("*", "gzip"),
        ("br, zstd", None),
        ("identity", None),
        ("identity, gzip;q=0.5", None),
        ("gzip;q=0", None),
    ],
)
def test_an_answer_is_packed_as_its_reader_likes_best(header, chosen):
    assert wanted(header, 5000) == chosen


def test_a_small_answer_is_not_packed():
    assert wanted("gzip", 100) is None


def test_gzip_files_that_were_joined_are_one_body():
    joined = gzip.compress(b"first, ") + gzip.compress(b"second")
    assert inflate(joined, "gzip", limit=100, setting="x") == b"first, second"
    with pytest.raises(TooLarge):
        inflate(gzip.compress(b"a" * 60) + gzip.compress(b"a" * 60), "gzip", limit=100, setting="x")
    with pytest.raises(Unreadable):
        inflate(joined[:-3], "gzip", limit=100, setting="x")
    with pytest.raises(Unreadable, match="more follows its end"):
        inflate(joined + b"more", "gzip", limit=100, setting="x")
