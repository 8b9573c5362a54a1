"""Labelled rows that came after predictions: kept, summed up by the version that they judge, and given away once.

A request's number orders the feedback of a model. Which of it a dataset holds is one number too, for it is always all
up to some request; so production's dataset says what a retraining has still to add, whichever version that is.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from app.errors import FeedbackFull, FeedbackKeyReused
from app.jobs.database import connect, one_at_a_time, reading, writing
from app.jobs.records import Record
from app.jobs.tables import feedback, feedback_sums, feedback_uses
from app.times import timestamp, utc_now

_PAGE_REQUESTS = 1000
_PAGE_BYTES = 8 << 20


class Verdict(Record):
    """What labelled rows say about a version: sums, which add up over requests.

    rows: of which `correct` were foreseen; scored: rows whose label is a class of the version; loss: −log of that
    class's probability, summed over these.
    """

    rows: int
    correct: int
    scored: int
    loss: float

    @property
    def accuracy(self) -> float:
        """The part of the rows whose label was foreseen; a label that the version has no class for never is."""
        return self.correct / self.rows

    @property
    def log_loss(self) -> float | None:
        """The mean over the rows whose label is a class of the version; None if there is none."""
        return self.loss / self.scored if self.scored else None


class NewFeedback(Verdict):
    """One request as it is to be kept; `content` is the rows as JSON."""

    model: str
    version: int
    content: str


class Feedback(Verdict):
    """One request that was kept."""

    number: int
    model: str
    version: int
    received_at: str


class Standing(Verdict):
    """All feedback on one version."""

    model: str
    version: int
    since: str
    until: str


class Content(Record):
    """The rows of one request, as JSON."""

    number: int
    version: int
    received_at: str
    content: str


class FeedbackStore:
    """Feedback records on SQLite or PostgreSQL, in the database of the jobs."""

    def __init__(self, url: str, *, now: Callable[[], datetime] = utc_now) -> None:
        self._engine: Engine = connect(url)
        self._now = now

    def close(self) -> None:
        """Give every connection back."""
        self._engine.dispose()

    def recall(self, model: str, key: str, fingerprint: str) -> Feedback | None:
        """What an earlier request with this key brought. Raises: FeedbackKeyReused, if that was something else."""
        with reading(self._engine) as connection:
            return _recall(connection, model, key, fingerprint)

    def add(
        self,
        new: NewFeedback,
        *,
        key: str | None = None,
        fingerprint: str = "",
        most_rows: int,
        most_bytes: int,
        check: Callable[[], object] = lambda: None,
    ) -> tuple[Feedback, bool]:
        """Keep a request; what was kept, and whether it is new: a key counts once, until its request is forgotten.

        `check` looks once more whether the model is there, while nobody can forget its feedback.
        Raises: FeedbackKeyReused; FeedbackFull, if the model would have more rows or bytes than that; what `check`
        raises.
        """
        size = len(new.content.encode())
        with writing(self._engine) as connection:
            _one_by_one(connection, new.model)
            known = _recall(connection, new.model, key, fingerprint) if key else None
            if known is not None:
                return known, False
            check()
            kept = _kept(connection, new.model)
            _check_room(new.model, "rows", kept.rows, new.rows, most_rows)
            _check_room(new.model, "bytes", kept.bytes, size, most_bytes)
            values = {"key": key, "fingerprint": fingerprint, "bytes": size, "received_at": self._stamp()}
            inserted = insert(feedback).values(**new.model_dump(), **values).returning(*_columns(Feedback))
            made = Feedback(**connection.execute(inserted).one()._mapping)
            _sum_up(connection, made, size)
            return made, True

    def kept(self, model: str) -> int:
        """The rows that are kept of a model's feedback."""
        with reading(self._engine) as connection:
            return _kept(connection, model).rows

    def standings(self, model: str | None = None) -> list[Standing]:
        """What feedback says about each version of a model, or of all, by name and version."""
        query = select(*(feedback_sums.c[name] for name in Standing.model_fields))
        query = query.order_by(feedback_sums.c.model, feedback_sums.c.version)
        if model is not None:
            query = query.where(feedback_sums.c.model == model)
        with reading(self._engine) as connection:
            return [Standing(**row._mapping) for row in connection.execute(query)]

    def not_in(self, model: str, dataset: str) -> int:
        """How many rows of a model's feedback a dataset does not hold."""
        with reading(self._engine) as connection:
            held = _held(connection, model, dataset)
            query = select(func.coalesce(func.sum(feedback.c.rows), 0)).where(*_above(model, held))
            return int(connection.execute(query).scalar_one())

    def span(self, model: str, dataset: str) -> tuple[int, int]:
        """The numbers that feedback which a dataset does not hold lies in: above the first, up to the second."""
        newest = select(func.coalesce(func.max(feedback.c.number), 0)).where(feedback.c.model == model)
        with reading(self._engine) as connection:
            return _held(connection, model, dataset), int(connection.execute(newest).scalar_one())

    def contents(self, model: str, above: int, upto: int) -> Iterator[list[Content]]:
        """The requests of that span in order, some mebibytes at a time, or one alone that is larger."""
        while True:
            with reading(self._engine) as connection:
                page = _page(connection, model, above, upto)
            if not page:
                return
            yield page
            above = page[-1].number

    def note_use(self, model: str, dataset: str, upto: int) -> None:
        """Note that a dataset holds all feedback of a model up to a number."""
        of = (feedback_uses.c.model == model, feedback_uses.c.dataset == dataset)
        with writing(self._engine) as connection:
            _one_by_one(connection, model)
            before = connection.execute(select(feedback_uses.c.upto).where(*of)).scalar()
            if before is None:
                connection.execute(insert(feedback_uses).values(model=model, dataset=dataset, upto=upto))
            elif before < upto:
                connection.execute(update(feedback_uses).where(*of).values(upto=upto))

    def forget(self, model: str) -> int:
        """Forget all feedback of a model, its figures and keys too; how many requests that were."""
        with writing(self._engine) as connection:
            return forget(connection, model)

    def give_up(self, model: str, dataset: str) -> int:
        """Give up the rows that a dataset holds; the figures stay. How many requests those were."""
        with writing(self._engine) as connection:
            _one_by_one(connection, model)
            used = (*_above(model, 0), feedback.c.number <= _held(connection, model, dataset))
            given_up = connection.execute(update(feedback).where(*used).values(content=None, bytes=0))
            _count_kept(connection, model)
            return given_up.rowcount

    def _stamp(self) -> str:
        return timestamp(self._now())


def forget(connection: Connection, model: str) -> int:
    """Forget all feedback of a model within the caller's transaction; how many requests that were."""
    _one_by_one(connection, model)
    for table in (feedback_uses, feedback_sums):
        connection.execute(delete(table).where(table.c.model == model))
    return connection.execute(delete(feedback).where(feedback.c.model == model)).rowcount


class _Size(NamedTuple):
    rows: int
    bytes: int


def _one_by_one(connection: Connection, model: str) -> None:
    """Let requests be kept in the order of their numbers, so that "all up to a number" means one thing."""
    one_at_a_time(connection, f"feedback {model}")


def _columns(record: type[Record]) -> list[Any]:
    return [feedback.c[name] for name in record.model_fields]


def _above(model: str, number: int) -> tuple[Any, ...]:
    """The requests above a number whose rows are there."""
    return feedback.c.model == model, feedback.c.number > number, feedback.c.content.is_not(None)


def _recall(connection: Connection, model: str, key: str, fingerprint: str) -> Feedback | None:
    query = select(feedback.c.fingerprint, *_columns(Feedback))
    row = connection.execute(query.where(feedback.c.model == model, feedback.c.key == key)).first()
    if row is None:
        return None
    if row.fingerprint != fingerprint:
        raise FeedbackKeyReused(key=key, received_at=row.received_at)
    return Feedback(**{name: row._mapping[name] for name in Feedback.model_fields})


def _kept(connection: Connection, model: str) -> _Size:
    sums = (func.coalesce(func.sum(feedback_sums.c[name]), 0) for name in ("kept_rows", "kept_bytes"))
    rows, size = connection.execute(select(*sums).where(feedback_sums.c.model == model)).one()
    return _Size(int(rows), int(size))


def _check_room(model: str, unit: str, kept: int, more: int, most: int) -> None:
    if kept + more > most:
        raise FeedbackFull(name=model, kept=kept, unit=unit, limit=most, setting=f"max_feedback_{unit}")


def _sum_up(connection: Connection, made: Feedback, size: int) -> None:
    """Add a request to the sums of its version."""
    of = (feedback_sums.c.model == made.model, feedback_sums.c.version == made.version)
    adds = {name: getattr(made, name) for name in Verdict.model_fields}
    adds |= {"kept_rows": made.rows, "kept_bytes": size}
    more = {name: feedback_sums.c[name] + value for name, value in adds.items()}
    done = connection.execute(update(feedback_sums).where(*of).values(**more, until=made.received_at))
    if not done.rowcount:
        at = {"since": made.received_at, "until": made.received_at}
        connection.execute(insert(feedback_sums).values(model=made.model, version=made.version, **adds, **at))


def _count_kept(connection: Connection, model: str) -> None:
    """Count again what is kept of each version's feedback."""
    of_model = update(feedback_sums).where(feedback_sums.c.model == model)
    connection.execute(of_model.values(kept_rows=0, kept_bytes=0))
    sums = (func.sum(feedback.c.rows), func.sum(feedback.c.bytes))
    kept = select(feedback.c.version, *sums).where(*_above(model, 0)).group_by(feedback.c.version)
    for version, rows, size in connection.execute(kept).all():
        of_version = of_model.where(feedback_sums.c.version == version)
        connection.execute(of_version.values(kept_rows=rows, kept_bytes=size))


def _page(connection: Connection, model: str, above: int, upto: int) -> list[Content]:
    span = (*_above(model, above), feedback.c.number <= upto)
    sizes = select(feedback.c.number, feedback.c.bytes).where(*span).order_by(feedback.c.number)
    total, last = 0, above
    for number, size in connection.execute(sizes.limit(_PAGE_REQUESTS)):
        total += size
        if last > above and total > _PAGE_BYTES:
            break
        last = number
    rows = select(*_columns(Content)).where(*_above(model, above), feedback.c.number <= last)
    found = connection.execute(rows.order_by(feedback.c.number)) if last > above else ()
    return [Content(**row._mapping) for row in found]


def _held(connection: Connection, model: str, dataset: str) -> int:
    """The number up to which a dataset holds a model's feedback; 0: it holds none."""
    of = (feedback_uses.c.model == model, feedback_uses.c.dataset == dataset)
    return connection.execute(select(feedback_uses.c.upto).where(*of)).scalar() or 0
