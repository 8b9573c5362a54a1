"""What is allowed in a dataset and likely a mistake: its warnings."""

import re
from collections.abc import Iterable, Sequence

from app.datasets.draft import SUSPICIOUS, Tally
from app.datasets.labels import Label
from app.datasets.missing import MISSING
from app.datasets.rows import Layout
from app.datasets.vocabulary import MOST_VALUES

MOST_LOOKED = 1000  # texts of a column that are looked at
MOST_NAMED = 5
_WRITTEN = re.compile(r"[\W_]*\d")  # how a number, a date or a time begins, be it with a sign or a currency

_NUMBER = re.compile(r"[+-]?\d+(\.\d*)?")


def remarks(layout: Layout, tally: Tally) -> list[str]:
    """The warnings, each a sentence with the columns or classes that it is about."""
    return [*_of_columns(layout, tally), *_of_labels(layout, tally)]


def _of_columns(layout: Layout, tally: Tally) -> list[str]:
    columns = layout.columns
    full = [vocabulary is not None and vocabulary.full for vocabulary in tally.vocabularies]
    written = [not column.field.forced and _written(column.vocabulary) for column in columns]
    single = [len(column.vocabulary) == tally.rows >= SUSPICIOUS for column in columns]
    found = [
        ([missing == tally.rows for missing in tally.missing], "without any value"),
        (tally.constant, "with the same value in every row"),
        (tally.rising, "with numbers that rise from row to row (row numbers or times?): new rows go beyond them"),
        (full, f"with more than {MOST_VALUES} different texts, the later ones counted missing"),
        (written, "with numbers or dates written as text, each a category of its own (a number has digits and a point"
                  " only; of a date send numbers, such as its year or its days since another)"),
        ([each and not other for each, other in zip(single, written, strict=True)],
         "with a different text in every row (an identifier?)"),
        ([bool(_alike(column.vocabulary)) for column in columns], "with texts that differ only in spaces or case"),
    ]  # fmt: skip
    names = [[c.field.name for c, flag in zip(columns, flags, strict=True) if flag] for flags, _ in found]
    return [_sentence(some, "column", what) for some, (_, what) in zip(names, found, strict=True) if some]


def _of_labels(layout: Layout, tally: Tally) -> list[str]:
    classes = layout.classes
    texts = [each for each in classes if isinstance(each, str)]
    single = [str(each) for each, rows in zip(classes, tally.class_rows, strict=True) if rows == 1]
    found = [
        ([repr(text) for text in texts if text in MISSING], "named like a missing value (only an empty cell is one)"),
        ([repr(text) for text in _alike(texts)], "that differ only in spaces or case"),
        (single, "with one row only, which cannot be both trained on and held back"),
    ]  # fmt: skip
    said = [_sentence(some, "class", what) for some, what in found if some]
    if len(classes) >= SUSPICIOUS and (_amounts(classes) or 2 * len(classes) > tally.rows):
        said.insert(
            0,
            f"the label {layout.label!r} has {len(classes):,} different values in {tally.rows:,} rows: is it the"
            " right column? Each value is a class of its own, and amounts are better put into a few ranges",
        )
    return said


def _written(texts: Sequence[str]) -> bool:
    """Whether nearly all of many texts begin like a number, a date or a time, and have few letters."""
    some = texts[:MOST_LOOKED]
    return len(some) >= SUSPICIOUS and sum(map(_is_written, some)) >= 0.9 * len(some)


def _is_written(text: str) -> bool:
    return bool(_WRITTEN.match(text)) and sum(map(str.isalpha, text)) <= max(3, sum(map(str.isdigit, text)))


def _alike(texts: Iterable[str]) -> list[str]:
    """Those of the texts that differ from another one only in spaces or case."""
    groups: dict[str, list[str]] = {}
    for text in list(texts)[:MOST_LOOKED]:
        groups.setdefault("".join(text.split()).casefold(), []).append(text)
    return [text for group in groups.values() if len(group) > 1 for text in group]


def _amounts(classes: Iterable[Label]) -> bool:
    """Whether all classes are numbers, and some of them have a point."""
    return all(isinstance(each, str) and _NUMBER.fullmatch(each) for each in classes) and any(
        "." in str(each) for each in classes
    )


def _sentence(names: list[str], noun: str, what: str) -> str:
    plural = {"column": "columns", "class": "classes"}[noun] if len(names) > 1 else noun
    more = f", … ({len(names)} in all)" if len(names) > MOST_NAMED else ""
    return f"{plural} {what}: {', '.join(names[:MOST_NAMED])}{more}"
