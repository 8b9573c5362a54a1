"""A body reaches the disk whole, within its limits, or not at all."""

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.datasets.limits import Limits
from app.datasets.spool import gunzip, spool
from app.errors import TooLarge, Unreadable, UnsupportedType


def chunked(data, sizes):
    while data:
        size = sizes.pop() if sizes else len(data)
        yield data[:size]
        data = data[size:]


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3), st.lists(st.integers(1, 40), max_size=30))
def test_gzip_of_any_members_in_any_chunks_is_unpacked(members, sizes):
    packed = b"".join(map(gzip.compress, members))
    assert b"".join(gunzip(chunked(packed, sizes))) == b"".join(members)


def test_a_gzip_bomb_is_stopped_while_it_unpacks(tmp_path):
    packed = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packed.compress(bytes(1 << 20)) for _ in range(200)) + packed.flush()
    limits = Limits(max_dataset_bytes=3_000_000)
    with pytest.raises(TooLarge, match=r"3000000 bytes \(max_dataset_bytes\)"):
        spool([bomb], tmp_path / "body", media_type="text/csv", encoding="gzip", limits=limits)
    assert (tmp_path / "body").stat().st_size <= 3_000_000


@pytest.mark.parametrize(
    ("limits", "media_type", "setting"),
    [
        ({"max_upload_bytes": 10}, "text/csv", "max_upload_bytes"),
        ({"max_dataset_bytes": 10}, "text/csv", "max_dataset_bytes"),
        ({"max_json_bytes": 10}, "application/json", "max_json_bytes"),
    ],
)
def test_each_limit_is_told_by_its_setting(tmp_path, limits, media_type, setting):
    options = {"media_type": media_type, "encoding": None, "limits": Limits(**limits)}
    spool([b"12345", b"67890"], tmp_path / "body", **options)
    with pytest.raises(TooLarge, match=setting):
        spool([b"12345", b"67890", b"1"], tmp_path / "body", **options)


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-1], lambda b: b[:5], lambda b: b + b"x", lambda b: b"x" + b]
)
def test_broken_gzip_is_unreadable(damage):
    with pytest.raises(Unreadable, match="gzip"):
        list(gunzip([damage(gzip.compress(b"hello" * 100))]))


def test_other_encodings_are_unsupported(tmp_path):
    with pytest.raises(UnsupportedType, match="zstd"):
        spool([b""], tmp_path / "body", media_type="text/csv", encoding="zstd", limits=Limits())
