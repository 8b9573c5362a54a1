"""Lines on a terminal, drawn with the 2 × 4 dots of Braille characters; the loss axis is logarithmic."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # bits of a Braille character, by column and row
_BLANK = 0x2800
_LEAST = 1e-9  # a loss of 0 has no logarithm
_LABEL = 8


@dataclass(frozen=True, kw_only=True)
class Line:
    """Losses by epoch."""

    points: Sequence[tuple[int, float]]
    colour: int  # of the terminal's sixteen, as in `ESC [ colour m`
    dotted: bool = False


def plot(lines: Sequence[Line], *, width: int, height: int, colours: bool) -> list[str]:
    """`lines` in `height` rows of text, each at most `width` characters wide, with both axes; later lines cover
    earlier ones."""
    points = [point for line in lines for point in line.points]
    if not points:
        return [""] * height
    columns, rows = width - _LABEL - 2, height - 1
    low, high = _range([loss for _, loss in points])
    last = max(10, *(epoch for epoch, _ in points))
    cells: dict[tuple[int, int], tuple[int, int]] = {}
    for line in lines:
        for x, y in _trace(line, last=last, low=low, high=high, size=(2 * columns - 1, 4 * rows - 1)):
            bits, _ = cells.get((y // 4, x // 2), (0, 0))
            cells[y // 4, x // 2] = bits | _DOTS[x % 2][y % 4], line.colour
    labels = {
        row: f"{math.exp(high + (low - high) * row / (rows - 1)):.3g}" for row in (0, rows // 2, rows - 1)
    }
    return [
        f"{labels.get(row, ''):>{_LABEL}} {'┤' if row in labels else '│'}{_text(cells, row, columns, colours)}"
        for row in range(rows)
    ] + [f"{'epoch':>{_LABEL}} └{f'┤ {last}'.rjust(columns, '─')}"]


def _range(losses: Sequence[float]) -> tuple[float, float]:
    logarithms = [_log(loss) for loss in losses]
    low, high = min(logarithms), max(logarithms)
    return (low, high) if high - low > 0.1 else (low - 0.05, low + 0.05)


def _log(loss: float) -> float:
    return math.log(max(loss, _LEAST))


def _trace(
    line: Line, *, last: int, low: float, high: float, size: tuple[int, int]
) -> Iterator[tuple[int, int]]:
    """The dots, from the top left, that a line goes through; every third of them if it is dotted."""
    width, height = size
    places = [
        ((epoch - 1) / (last - 1) * width, (high - _log(loss)) / (high - low) * height)
        for epoch, loss in line.points
    ]
    count = 0
    for (x, y), (to_x, to_y) in zip(places, places[1:] or places, strict=False):
        steps = max(1, round(abs(to_x - x)), round(abs(to_y - y)))
        for step in range(steps + 1):
            count += 1
            if not line.dotted or count % 3 == 0:
                yield round(x + (to_x - x) * step / steps), round(y + (to_y - y) * step / steps)


def _text(cells: dict[tuple[int, int], tuple[int, int]], row: int, columns: int, colours: bool) -> str:
    text = ""
    for column in range(columns):
        bits, colour = cells.get((row, column), (0, 0))
        if not bits:
            text += " "
        else:
            dots = chr(_BLANK + bits)
            text += f"\x1b[{colour}m{dots}\x1b[0m" if colours else dots
    return text.rstrip()
