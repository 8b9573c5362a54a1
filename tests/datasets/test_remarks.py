"""What is likely a mistake is said in the dataset's warnings, with its column or class, and nothing else is."""

import json

import numpy as np
import pytest

from app.datasets.remarks import MOST_LOOKED
from app.datasets.store import DatasetStore

CSV = "text/csv"
ROWS = 60


def warnings_of(store, **columns):
    """Of a table of these columns, each a list of texts, the label last."""
    lines = [";".join(columns), *(";".join(row) for row in zip(*columns.values(), strict=True))]
    return store.ingest(["\n".join(lines).encode()], media_type=CSV)[0].warnings


def texts(pattern, rows=ROWS):
    return [pattern.format(np.cos(row) * 1e4) for row in range(rows)]


LABEL = ["no", "yes", "no"] * (ROWS // 3)


@pytest.mark.parametrize(
    "pattern",
    [
        "{:,.2f}",
        "{:.1f} kg",
        "{:.0f}%",
        "€ {:.2f}",
        "{:.0f},5",
        "2024-03-{0:.0f}T10:00:00Z",
        "{0:.0f}/03/2024",
    ],
)
def test_numbers_and_dates_written_as_text_are_told_as_such_and_not_as_identifiers(store, pattern):
    (said,) = warnings_of(store, size=texts(pattern), y=LABEL)
    assert said.startswith("column with numbers or dates written as text")
    assert said.endswith(": size")


@pytest.mark.parametrize("pattern", ["c{:.0f}", "{:.0f} rooms, sea view", "{:.0e} of a kind", "ab-{:.0f}"])
def test_other_texts_are_not_taken_for_numbers(store, pattern):
    assert not any("written" in each for each in warnings_of(store, code=texts(pattern), y=LABEL))


@pytest.mark.parametrize("media_type", [CSV, "application/json", "application/vnd.apache.parquet"])
def test_a_column_that_was_asked_for_as_text_is_not_told_to_be_numbers(store, writers, media_type):
    body = writers[media_type]({"zip": [f"{10000 + row // 2}" for row in range(ROWS)], "y": LABEL})
    assert store.ingest([body], media_type=media_type, categorical=["zip"])[0].warnings == ()


def test_quoted_numbers_of_json_are_told(store):
    rows = [[str(row / 2)] for row in range(ROWS)]
    body = json.dumps({"instances": rows, "labels": LABEL}).encode()
    (said,) = store.ingest([body], media_type="application/json")[0].warnings
    assert "written as text" in said


@pytest.mark.parametrize("step", [1, 2.5])
def test_numbers_that_rise_from_row_to_row_are_told(store, step):
    numbers = [str(1000 + step * row) for row in range(ROWS)]
    (said,) = warnings_of(store, id=numbers, y=LABEL)
    assert said == (
        "column with numbers that rise from row to row (row numbers or times?): new rows go beyond them: id"
    )


@pytest.mark.parametrize("row", [1, ROWS // 2, ROWS - 1])
@pytest.mark.parametrize("cell", ["1e9", "-1", ""])
def test_numbers_that_do_not_rise_everywhere_are_not(store, row, cell):
    numbers = [str(number) for number in range(ROWS)]
    numbers[row] = cell
    said = warnings_of(store, id=numbers, y=LABEL)
    assert bool(said) == (cell == "1e9" and row == ROWS - 1)


def test_numbers_rise_over_all_blocks_of_a_file_or_not_at_all(store):
    rows = 400_000
    lines = [f"{row},{(row * 7) % 50_000},{row % 50_000},{row % 2}" for row in range(rows)]
    (said,) = store.ingest(["\n".join(["id,a,b,y", *lines]).encode()], media_type=CSV)[0].warnings
    assert said.endswith(": id")


def test_a_few_rows_may_rise(store):
    assert warnings_of(store, a=["1", "2", "3", "4"], y=["p", "q", "p", "q"]) == ()


@pytest.mark.parametrize("other", ["yes ", "YES", "y es"])
def test_classes_and_texts_that_differ_only_in_spaces_or_case_are_told(store, other):
    mixed = ["yes", other, "no"] * (ROWS // 3)
    said = warnings_of(store, a=mixed, y=mixed)
    assert said == (
        "column with texts that differ only in spaces or case: a",
        "classes that differ only in spaces or case: " + ", ".join(map(repr, sorted(["yes", other]))),
    )


def test_a_class_named_like_a_missing_value_is_told(store):
    (said,) = warnings_of(store, a=["u", "v", "w"] * (ROWS // 3), y=["NA", "p", "q"] * (ROWS // 3))
    assert said == "class named like a missing value (only an empty cell is one): 'NA'"


def test_labels_that_are_amounts_are_told_with_their_column(store):
    said = warnings_of(store, a=["u", "v", "w"] * (ROWS // 3), price=texts("{:.2f}"))
    assert said[0].startswith("the label 'price' has 60 different values in 60 rows: is it the right column?")
    repeated = [f"{row % 20 / 4:.2f}" for row in range(ROWS)]
    assert "'price' has 20 different" in warnings_of(store, a=LABEL, price=repeated)[0]


def test_many_classes_of_which_each_comes_back_are_none(store):
    assert warnings_of(store, a=LABEL, y=[f"{row % 20:02}" for row in range(ROWS)]) == ()


def test_a_long_vocabulary_is_looked_at_in_part(new_store):
    store: DatasetStore = new_store()
    rows = 3 * MOST_LOOKED
    said = warnings_of(store, a=[f"{row // 2:,} EUR" for row in range(rows)], y=["p", "q", "q"] * MOST_LOOKED)
    assert "written as text" in said[0]
