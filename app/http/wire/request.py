"""What every format is read into: the rows, and what is asked about them."""

from collections.abc import Callable
from typing import NamedTuple

from core.arrays import Array
from core.encoding import RawColumns


class Request(NamedTuple):
    """rows: (m, inputs) numbers where the model takes a plain matrix, else columns; NaN missing, none infinite.

    check: raises `Invalid` for an infinity in a plain matrix, if that has not been looked for: whoever has added up
    its squares need not look.
    """

    rows: Array | RawColumns
    top_k: int | None = None
    explain: bool = False
    check: Callable[[], object] | None = None
