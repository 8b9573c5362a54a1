"""What training costs, by the sizes of the layers: so that long work is done in pieces, and how large those are."""

from collections.abc import Sequence
from itertools import pairwise

from core.network import CHUNK

JUDGED = 2048  # rows judged at a time, at most
_PIECE_WORK = 8e9  # multiplications and additions of a training piece: well under a second on one core
_UNIT_WORK = 200  # what an activation costs besides its sums, in the same measure


def row_work(sizes: Sequence[int]) -> int:
    """About how much one row costs in training, in multiplications and additions."""
    return 6 * sum(fan_in * fan_out for fan_in, fan_out in pairwise(sizes)) + _UNIT_WORK * sum(sizes[1:])


def piece_rows(sizes: Sequence[int]) -> int:
    """Rows of a training piece: so few that one is soon done, and decided by the sizes alone, as the bits are."""
    return max(16, min(CHUNK, int(_PIECE_WORK / row_work(sizes))))


def judged_rows(sizes: Sequence[int]) -> int:
    """Rows judged at a time: a forward pass costs a third of a step."""
    return min(JUDGED, 3 * piece_rows(sizes))
