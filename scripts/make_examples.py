"""Write examples/data/{iris,digits}.csv from the copies that scikit-learn bundles."""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits, load_iris

DATA = Path(__file__).parent.parent / "examples" / "data"


def write(name: str, header: list[str], rows: list[list[object]]) -> None:
    lines = (",".join(map(str, row)) for row in [header, *rows])
    (DATA / name).write_text("\n".join(lines) + "\n")


def main() -> None:
    DATA.mkdir(parents=True, exist_ok=True)
    iris = load_iris()
    measures = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
    species = iris.target_names[iris.target].tolist()
    write(
        "iris.csv",
        [*measures, "species"],
        [[*x, y] for x, y in zip(iris.data.tolist(), species, strict=True)],
    )
    digits = load_digits()
    pixels = np.column_stack([digits.data.astype(int), digits.target]).tolist()
    write("digits.csv", [*(f"pixel_{place}" for place in range(64)), "digit"], pixels)


if __name__ == "__main__":
    main()
