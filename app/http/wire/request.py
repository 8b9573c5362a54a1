"""What every format is read into: the features of the rows, and what is asked about them."""

from dataclasses import dataclass

from core.arrays import Array


@dataclass(frozen=True, kw_only=True)
class Request:
    """`features` is (m, width) float32, encoded and finite: what the network takes."""

    features: Array
    top_k: int | None = None
    explain: bool = False
