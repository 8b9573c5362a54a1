"""The header line of a CSV file: its names, its delimiter, and how many lines come before the first row."""

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TextIO

from app.errors import Invalid, Problem, Unreadable

_MOST_HEADER = 16 << 20
_DELIMITERS = ",;\t"


class Header(NamedTuple):
    """`blank` empty lines, then the line with the names."""

    names: tuple[str, ...]
    delimiter: str
    blank: int


def open_text(path: Path) -> TextIO:
    """The file as text without a byte order mark; bytes that are not UTF-8 become lone surrogates."""
    return path.open(encoding="utf-8-sig", errors="surrogateescape", newline="")


def stray_byte(text: str) -> int | None:
    """The first byte in `text` (as `open_text` gives it) that was not UTF-8."""
    return (
        None if text.isascii() else next((ord(c) - 0xDC00 for c in text if "\udc80" <= c <= "\udcff"), None)
    )


def read_header(path: Path) -> Header:
    """Raises Unreadable if there is no header line in UTF-8, Invalid if nothing comes after it."""
    with open_text(path) as file:
        lines = _lines(file)
        blank, first = 0, ""
        for first in lines:
            if first.strip("\r\n"):
                break
            blank += 1
        else:
            raise Unreadable(what="The CSV body", reason="it has no header line")
        delimiter = delimiter_of(first)
        names = _names(first, lines, delimiter)
        if not any(line.strip("\r\n") for line in lines):
            raise Invalid(Problem(message="the CSV has a header line but no rows", location="line 2"))
    return Header(names, delimiter, blank)


def _lines(file: TextIO) -> Iterator[str]:
    while line := file.readline(_MOST_HEADER):
        if len(line) == _MOST_HEADER:
            raise Unreadable(what="The CSV body", reason=f"a line is longer than {_MOST_HEADER} characters")
        yield line


def _names(first: str, lines: Iterator[str], delimiter: str) -> tuple[str, ...]:
    try:
        names = next(csv.reader(chain([first], lines), delimiter=delimiter))
    except csv.Error as error:
        raise Unreadable(what="The CSV body", reason=f"its header line: {error}") from error
    stray = stray_byte("".join(names))
    if stray is not None:
        raise Unreadable(
            what="The CSV body", reason=f"it is not UTF-8: byte 0x{stray:02X} in its header line"
        )
    return tuple(name.strip() for name in names)


def delimiter_of(line: str) -> str:
    """The most frequent of comma, semicolon and tab outside quotes; comma if none is."""
    outside = "".join(line.split('"')[::2])
    return max(_DELIMITERS, key=outside.count)
