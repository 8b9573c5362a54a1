"""Stores in temporary folders, and rows written in each format by somebody else's code."""

import csv
import io
import json
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, ipc, parquet

from app.datasets.limits import Limits
from app.datasets.store import DatasetStore
from app.errors import NeuronaError

CSV = "text/csv"
JSON = "application/json"
NPZ = "application/x-npz"
PARQUET = "application/vnd.apache.parquet"
ARROW_STREAM = "application/vnd.apache.arrow.stream"
ARROW_FILE = "application/vnd.apache.arrow.file"


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., DatasetStore]:
    """Makes a store in a folder of its own; keywords are its limits."""

    def make(**limits: int) -> DatasetStore:
        return DatasetStore(tmp_path_factory.mktemp("datasets"), Limits(**limits))

    return make


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "datasets"


@pytest.fixture
def store(root: Path) -> DatasetStore:
    return DatasetStore(root)


@pytest.fixture
def opened(store: DatasetStore) -> Callable[..., Any]:
    """Stores a body and opens it."""

    def take_in(body: bytes, media_type: str = CSV, **options: Any) -> Any:
        return store.open(store.ingest([body], media_type=media_type, **options)[0].id)

    return take_in


@pytest.fixture
def fault(store: DatasetStore, root: Path) -> Callable[..., NeuronaError]:
    """The error that a body gives; checks that nothing of it is kept."""

    def refuse(body: bytes, media_type: str = CSV, **options: Any) -> NeuronaError:
        with pytest.raises(NeuronaError) as caught:
            store.ingest([body], media_type=media_type, **options)
        assert list(root.iterdir()) == []
        return caught.value

    return refuse


def _csv(table: dict[str, list[Any]]) -> bytes:
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(table)
    words = {None: "", True: "true", False: "false"}
    for row in zip(*table.values(), strict=True):
        writer.writerow([words[v] if v is None or isinstance(v, bool) else v for v in row])
    return file.getvalue().encode()


def _json(table: dict[str, list[Any]]) -> bytes:
    *features, label = table
    rows = [list(row) for row in zip(*(table[name] for name in features), strict=True)]
    return json.dumps({"instances": rows, "labels": table[label], "feature_names": features}).encode()


def _npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def _parquet(table: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(table if isinstance(table, pa.Table) else pa.table(table), file, **options)
    return file.getvalue()


def _arrow_stream(table: Any) -> bytes:
    table = table if isinstance(table, pa.Table) else pa.table(table)
    file = io.BytesIO()
    with ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    return file.getvalue()


def _arrow_file(table: Any, compression: str = "uncompressed") -> bytes:
    file = io.BytesIO()
    feather.write_feather(
        table if isinstance(table, pa.Table) else pa.table(table), file, compression=compression
    )
    return file.getvalue()


@pytest.fixture(scope="session")
def writers() -> dict[str, Callable[..., bytes]]:
    """By media type, what writes a table (columns by name, the label last)."""
    return {CSV: _csv, JSON: _json, PARQUET: _parquet, ARROW_STREAM: _arrow_stream, ARROW_FILE: _arrow_file}


@pytest.fixture(scope="session")
def npz() -> Callable[..., bytes]:
    """Writes arrays as .npz."""
    return _npz


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """Within the block, the system refuses files beyond a size, as a full disk does: the log of the tests, too."""
    return _files_up_to


@contextmanager
def _files_up_to(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
