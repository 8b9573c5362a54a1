"""`.npy` answers: the probabilities alone, (m, c) little-endian float32, C order."""

import numpy as np

from app.http.wire.answer import Answer

MAGIC = b"\x93NUMPY\x01\x00"
ALIGNMENT = 64


def write(answer: Answer) -> bytes:
    """The probabilities as `np.save` would write them."""
    rows, classes = answer.probabilities.shape
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({rows}, {classes}), }}".encode()
    padding = b" " * (-(len(MAGIC) + 2 + len(header) + 1) % ALIGNMENT)
    size = len(header) + len(padding) + 1
    numbers = np.asarray(answer.probabilities, dtype="<f4").tobytes()
    return b"".join((MAGIC, size.to_bytes(2, "little"), header, padding, b"\n", numbers))
