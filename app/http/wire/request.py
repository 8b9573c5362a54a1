"""What every format is read into: the rows, and what is asked about them."""

from typing import NamedTuple

from core.arrays import Array
from core.encoding import RawColumns


class Request(NamedTuple):
    """rows: (m, inputs) numbers where the model takes a plain matrix, else columns; NaN missing, none infinite."""

    rows: Array | RawColumns
    top_k: int | None = None
    explain: bool = False
