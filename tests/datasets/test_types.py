"""Content types: which are read, what file names tell, and bytes that say otherwise."""

import pytest

from app.datasets import types
from app.errors import Unreadable, UnsupportedType


@pytest.mark.parametrize(
    ("declared", "name", "found"),
    [
        ("text/csv", "rows.parquet", types.CSV),
        ("Text/CSV; charset=utf-8", "rows", "Text/CSV; charset=utf-8"),
        ("application/octet-stream", "IRIS.CSV", types.CSV),
        ("", "a.csv.gz", types.CSV),
        ("", "a.json", types.JSON),
        ("", "a.npz", types.NPZ),
        ("", "a.parquet", types.PARQUET),
        ("", "a.arrows", types.ARROW_STREAM),
        ("", "a.arrow", types.ARROW_FILE),
        ("", "a.feather", types.ARROW_FILE),
        ("image/png", "a.png", "image/png"),
    ],
)
def test_a_file_has_its_declared_type_or_that_of_its_name(declared, name, found):
    assert types.media_type_of(declared, name) == found


def test_parameters_are_no_part_of_a_type():
    assert types.known(' Text/CSV ; header=present; charset="UTF-8"') == types.CSV


@pytest.mark.parametrize(
    "got", ["", "text/plain", "image/png", "text/csv; charset=latin-1", "application/x-pickle"]
)
def test_other_types_are_refused_with_the_list_of_those_read(got):
    with pytest.raises(UnsupportedType, match="text/csv"):
        types.known(got)


@pytest.mark.parametrize(
    ("media_type", "head", "words"),
    [
        (types.CSV, b"", "empty"),
        (types.CSV, b"PK\x03\x04", "zip archive"),
        (types.CSV, b"PAR1....", "Parquet file; send it as application/vnd.apache.parquet"),
        (types.CSV, b"ARROW1\0\0", "an Arrow file"),
        (types.CSV, b"\xff\xff\xff\xff\x10", "an Arrow stream"),
        (types.CSV, b"\x1f\x8b\x08", "Content-Encoding: gzip"),
        (types.NPZ, b"\x93NUMPY", "a bare .npy array"),
        (types.NPZ, b"a,b,c\n", "does not begin like one"),
        (types.PARQUET, b"a,b,c\n", "does not begin like one"),
        (types.ARROW_FILE, b"FEA1", "does not begin like one"),
        (types.ARROW_STREAM, b"ARROW1", "an Arrow file"),
    ],
)
def test_bytes_of_another_format_are_told(media_type, head, words):
    with pytest.raises(Unreadable, match=words):
        types.check_bytes(media_type, head)
