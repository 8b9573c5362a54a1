"""The plot draws every loss where it belongs."""

import re

from hypothesis import given
from hypothesis import strategies as st

from app.commands.plot import Line, plot

losses = st.lists(st.floats(0, 1e6, allow_nan=False), min_size=1, max_size=200)


def line(values: list[float], *, colour: int = 36, dotted: bool = False) -> Line:
    return Line(points=list(enumerate(values, start=1)), colour=colour, dotted=dotted)


@given(losses, losses, st.integers(24, 120), st.integers(4, 20))
def test_it_fills_its_rows_and_stays_within_its_width(
    train: list[float], validation: list[float], width: int, height: int
) -> None:
    rows = plot([line(train, dotted=True), line(validation)], width=width, height=height, colours=False)
    assert len(rows) == height
    assert max(map(len, rows)) <= width


def test_a_loss_that_falls_by_the_same_factor_each_epoch_is_a_straight_line_from_corner_to_corner() -> None:
    rows = plot([line([10 * 0.5**epoch for epoch in range(40)])], width=50, height=11, colours=False)
    drawn = [row[10:] for row in rows[:-1]]
    columns = [[column for column, cell in enumerate(row) if cell != " "] for row in drawn]
    cells = [cell for row in columns for cell in row]
    assert cells == sorted(cells)
    assert set(cells) == set(range(40))
    assert all(columns)


def test_the_axes_name_the_highest_and_the_lowest_loss_and_the_last_epoch() -> None:
    rows = plot([line([2.5, 1.0, 0.125] + [0.125] * 20)], width=60, height=9, colours=False)
    assert rows[0].split()[0] == "2.5"
    assert rows[-2].split()[0] == "0.125"
    assert rows[-1].split()[-1] == "23"


def test_colours_change_nothing_but_colour() -> None:
    lines = [line([3.0, 2.0, 1.0]), line([2.0, 2.5, 0.5], colour=33)]
    plain = plot(lines, width=40, height=8, colours=False)
    coloured = plot(lines, width=40, height=8, colours=True)
    assert coloured != plain
    assert [re.sub(r"\x1b\[\d+m", "", row) for row in coloured] == plain


def test_without_a_point_it_is_blank() -> None:
    assert plot([line([])], width=40, height=5, colours=False) == [""] * 5
