"""The datasets of one folder: taken in, listed, opened and removed."""

import base64
import binascii
import builtins
import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import orjson

from app.datasets import staging
from app.datasets.draft import write_draft
from app.datasets.extension import Extension, Labelled
from app.datasets.formats.bodies import open_body
from app.datasets.inline import InlineSource
from app.datasets.limits import Limits
from app.datasets.opened import OpenDataset
from app.datasets.record import ClassInfo, ColumnInfo, Dataset, Facts, describe
from app.datasets.rows import settle, write_rows
from app.datasets.spool import spool
from app.datasets.streamed import StreamedDataset
from app.datasets.table import Options, Source, Wanted
from app.datasets.types import known
from app.errors import DatasetNotFound, Invalid, Problem, StorageFailed
from app.storage import folder
from app.storage.folder import reported
from app.times import utc_now

__all__ = ["ClassInfo", "ColumnInfo", "Dataset", "DatasetStore", "Labelled", "OpenDataset", "Wanted"]

_ROWS, _RECORD = "rows.arrow", "dataset.json"
_ID = re.compile(r"ds_[0-9a-f]{16}")
_STORE = "store the dataset"
_PIECE = 1 << 24  # bytes hashed at a time

_Age = tuple[str, str]  # when a dataset was made, and its id
_Opened = TypeVar("_Opened", OpenDataset, StreamedDataset)


class DatasetStore:
    """`root`/<id>/{rows.arrow, dataset.json}. Any number of threads and processes may share one root."""

    def __init__(
        self, root: Path, limits: Limits | None = None, *, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._root = root
        self._limits = limits or Limits()
        self._clock = clock

    def ingest(
        self,
        source: Iterable[bytes],
        *,
        media_type: str,
        encoding: str | None = None,
        label: str | None = None,
        name: str | None = None,
        categorical: Collection[str] = (),
        every: bool = True,
    ) -> tuple[Dataset, bool]:
        """Store a body that arrives in chunks; the dataset, and whether it is new.

        `encoding` is None or "gzip"; `label` names the label column (default: the last; where labels come
        apart from the rows it only gives them a name); columns in `categorical` are taken as text,
        and with `every` all of them must be there.
        Raises: Unreadable, Invalid, TooLarge, UnsupportedType, StorageFailed, and whatever `source` raises;
        then nothing of it is kept.
        """
        options = Options(label=label, categorical=frozenset(categorical), limits=self._limits, every=every)
        with self._arrived(source, media_type, encoding, options) as (opened, place), reported(_STORE):
            return self._keep(opened, place, name)

    @contextmanager
    def passing(
        self,
        source: Iterable[bytes],
        *,
        media_type: str,
        encoding: str | None = None,
        label: str | None = None,
        categorical: Collection[str] = (),
        wanted: Wanted,
    ) -> Iterator[OpenDataset]:
        """A body's rows within the block, of which nothing is kept: rows to judge a model by, read for its columns.

        As `ingest`, whose datasets it neither adds to nor takes from.
        """
        options = Options(
            label=label, categorical=frozenset(categorical), limits=self._limits, every=False, wanted=wanted
        )
        with self._arrived(source, media_type, encoding, options) as (opened, place):
            with reported(_STORE):
                staged, made = self._made(opened, place, None, wanted)
                rows = OpenDataset(staged / _ROWS, made)
            yield rows

    def ingest_value(
        self,
        value: object,
        *,
        label: str | None = None,
        name: str | None = None,
        categorical: Collection[str] = (),
        every: bool = True,
    ) -> tuple[Dataset, bool]:
        """Store `{"instances", "labels", "feature_names"?}`, parsed already; as `ingest`.

        Raises: Invalid, TooLarge, StorageFailed.
        """
        options = Options(label=label, categorical=frozenset(categorical), limits=self._limits, every=every)
        inline = InlineSource(value, options)
        with self._workplace() as place, reported(_STORE):
            return self._keep(inline, place, name)

    def extend(
        self, id: str, more: Callable[[], Iterable[Labelled]], *, name: str | None = None
    ) -> tuple[Dataset, bool]:
        """Store a dataset's rows with more rows after them, as if all had come in one body; as `ingest`.

        `more` gives the rows in pieces that fit into memory, and is asked for them twice.
        Raises: DatasetNotFound; Invalid, if rows do not fit the dataset's columns; TooLarge, StorageFailed.
        """
        opened = self.open(id)
        with self._workplace() as place, reported(_STORE):
            return self._keep(Extension(opened, more), place, name)

    @contextmanager
    def _workplace(self) -> Iterator[Path]:
        with ExitStack() as stack:
            with reported(_STORE):
                folder.make_folder(self._root)
                place = stack.enter_context(staging.workplace(self._root))
            yield place

    @contextmanager
    def _arrived(
        self, source: Iterable[bytes], media_type: str, encoding: str | None, options: Options
    ) -> Iterator[tuple[Source, Path]]:
        """A body on the disk, to be read there, and the place that it is in."""
        kind = known(media_type)
        with self._workplace() as place:
            body = place / "body"
            spool(source, body, media_type=kind, encoding=encoding, limits=self._limits)
            with reported(_STORE):
                opened = open_body(kind, body, options)
            yield opened, place

    def _keep(self, source: Source, place: Path, name: str | None) -> tuple[Dataset, bool]:
        return self._publish(*self._made(source, place, name))

    def _made(
        self, source: Source, place: Path, name: str | None, wanted: Wanted | None = None
    ) -> tuple[Path, Dataset]:
        """The folder with the dataset's rows, and its record, which is not in there yet."""
        draft, staged = place / "draft", place / "dataset"
        tally = write_draft(source, draft, self._limits, wanted)
        (place / "body").unlink(missing_ok=True)
        staged.mkdir()
        layout, places = settle(source.fields, source.label, tally)
        digest = write_rows(draft, staged / _ROWS, layout, [*places, tally.label_places])
        draft.unlink()
        facts = Facts(
            id=f"ds_{digest[:16]}",
            name=name,
            bytes=(staged / _ROWS).stat().st_size,
            created_at=self._clock().astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z",
            sha256=digest,
        )
        return staged, describe(facts, layout, tally, source.warnings)

    def _publish(self, staged: Path, made: Dataset) -> tuple[Dataset, bool]:
        final = self._root / made.id
        if final.is_dir():
            return self.get(made.id), False
        folder.write_new(staged / _RECORD, made.to_json())
        try:
            folder.publish_folder(staged, final)
        except FileExistsError:
            return self.get(made.id), False
        return made, True

    def get(self, id: str) -> Dataset:
        """What is known of a dataset. Raises: DatasetNotFound, StorageFailed."""
        if not _ID.fullmatch(id):
            raise DatasetNotFound(id=id)
        try:
            with reported(f"read dataset {id}"):
                data = self._record(id)
            return Dataset.from_json(data)
        except (ValueError, KeyError, TypeError) as error:
            raise StorageFailed(what=f"read dataset {id}", reason="its record is damaged") from error

    def _record(self, id: str) -> bytes:
        try:
            return (self._root / id / _RECORD).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DatasetNotFound(id=id) from error

    def open(self, id: str) -> OpenDataset:
        """The rows, through the memory map; they stay readable even if the dataset is deleted meanwhile.

        Raises: DatasetNotFound, StorageFailed.
        """
        return self._opened(id, OpenDataset)

    def stream(self, id: str, *, look: Callable[[], object] = lambda: None) -> StreamedDataset:
        """The rows, to be read batch by batch, `look` being called on the way; else as `open`."""
        return self._opened(id, partial(StreamedDataset, look=look))

    def _opened(self, id: str, kind: Callable[[Path, Dataset], _Opened]) -> _Opened:
        dataset = self.get(id)
        try:
            with reported(f"read dataset {id}"):
                return kind(self._root / id / _ROWS, dataset)
        except StorageFailed:
            self.get(id)
            raise

    def digest(self, id: str, *, look: Callable[[], object] = lambda: None) -> str:
        """The SHA-256 of the rows as they lie on disk now, read in whole; `look` is called now and then.

        Raises: DatasetNotFound, StorageFailed, and whatever `look` raises.
        """
        self.get(id)
        found = hashlib.sha256()
        with reported(f"read dataset {id}"), (self._root / id / _ROWS).open("rb") as file:
            while piece := file.read(_PIECE):
                found.update(piece)
                look()
        return found.hexdigest()

    def list(
        self, *, limit: int = 50, cursor: str | None = None
    ) -> tuple[builtins.list[Dataset], str | None]:
        """A page of datasets, newest first, and the cursor of the next page.

        Raises: Invalid for a wrong cursor.
        """
        ages = sorted(self._ages(), reverse=True)
        if cursor is not None:
            before = _from_cursor(cursor)
            ages = [each for each in ages if each < before]
        return [*self._whole(ages[:limit])], _cursor(ages[limit - 1]) if len(ages) > limit else None

    def _ages(self) -> Iterator[_Age]:
        """Of all datasets, whose records are not built for it: that of a wide one takes some milliseconds."""
        names = [path.name for path in self._root.iterdir()] if self._root.is_dir() else []
        for name in filter(_ID.fullmatch, names):
            with suppress(DatasetNotFound, OSError, ValueError, KeyError, TypeError):
                yield orjson.loads(self._record(name))["created_at"], name

    def _whole(self, ages: Iterable[_Age]) -> Iterator[Dataset]:
        """Those of these ages that are not damaged, nor deleted meanwhile."""
        for _, id in ages:
            with suppress(DatasetNotFound, StorageFailed):
                yield self.get(id)

    def delete(self, id: str) -> None:
        """Remove a dataset; whether a job needs it is for the caller to know.

        Raises: DatasetNotFound, StorageFailed.
        """
        if not _ID.fullmatch(id):
            raise DatasetNotFound(id=id)
        with reported(f"delete dataset {id}"):
            self._remove(id)

    def _remove(self, id: str) -> None:
        try:
            folder.remove_tree(self._root / id)
        except FileNotFoundError as error:
            raise DatasetNotFound(id=id) from error

    def sweep(self) -> int:
        """Remove what crashes left behind; how many things. Safe while others are storing."""
        return staging.sweep(self._root)


def _cursor(age: _Age) -> str:
    return base64.urlsafe_b64encode("/".join(age).encode()).decode()


def _from_cursor(text: str) -> _Age:
    try:
        created_at, id = base64.b64decode(text, altchars=b"-_", validate=True).decode().split("/")
    except (binascii.Error, ValueError) as error:
        raise Invalid(
            Problem(message=f"{text!r} is not a cursor that a page gave", location="query.cursor")
        ) from error
    return created_at, id
