"""The connection to the database: durable settings for SQLite, and one way to begin a writing transaction."""

import logging
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    ProgrammingError,
)
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.pool import QueuePool

from app.errors import Invalid, Problem, StorageFailed

_BUSY_SECONDS = 20
_POSTGRES = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "tcp_user_timeout": 30_000,  # milliseconds: a server that has vanished is given up
    # Who waits for another's row is told in time; who fell asleep in a transaction holds nobody up for ever.
    "options": "-c lock_timeout=20s -c idle_in_transaction_session_timeout=60s",
}
_REFUSALS = {"42P01": "its tables are missing", "42501": "its user may not do this"}

log = logging.getLogger("neurona.jobs")


def check_database(url: str) -> None:
    """See that a database of this URL could be spoken to. Raises: Invalid."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() not in ("sqlite", "postgresql"):
            raise ArgumentError("it names another database")
        parsed.get_dialect().import_dbapi()
    except (ArgumentError, ImportError, ValueError) as error:
        told = f"write sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE ({error})"
        raise Invalid(Problem(message=told, location="NEURONA_DATABASE_URL")) from None


def connect(url: str) -> Engine:
    """Open the database at `url`; nothing is read or written yet."""
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, connect_args=_POSTGRES)
    engine = create_engine(url, poolclass=QueuePool, connect_args={"timeout": _BUSY_SECONDS})
    path = make_url(url).database or ""

    @event.listens_for(engine, "checkout")
    def _same_file(_connection, record, _proxy) -> None:  # type: ignore[no-untyped-def]
        # What is written to a file that was removed or replaced is lost, and nobody would be told.
        if record.info.get("file") not in (None, _identity(path)):
            raise DisconnectionError

    @event.listens_for(engine, "connect")
    def _prepare(connection, record) -> None:  # type: ignore[no-untyped-def]
        record.info["file"] = _identity(path)
        connection.isolation_level = None  # SQLAlchemy's begin event below decides where a transaction starts
        try:
            _patiently(connection, "PRAGMA journal_mode=WAL")
            for pragma in ("synchronous=FULL", "foreign_keys=ON"):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            connection.close()  # which the pool does not know yet
            raise

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A writer takes its lock at once: two that both read first would deadlock and one be refused.
        immediate = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


def _patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Execute what SQLite gives up at once if another process does it too, however long its timeout is."""
    until = time.monotonic() + _BUSY_SECONDS
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that will write.

    Raises: StorageFailed when the database is locked, full, read-only or gone.
    """
    with _translated(), engine.connect().execution_options(writes=True) as connection, connection.begin():
        yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads, from one snapshot.

    Raises: StorageFailed when the database is gone.
    """
    # Where each statement would else see its own moment.
    options = {"isolation_level": "REPEATABLE READ"} if engine.dialect.name == "postgresql" else {}
    with _translated(), engine.connect().execution_options(**options) as connection, connection.begin():
        yield connection


def one_at_a_time(connection: Connection, what: str) -> None:
    """Let the transactions that do `what` follow each other; on SQLite all that write do so anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtext(:what))"), {"what": f"neurona {what}"})


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - at every use of a connection
    except OSError:
        return None
    return found.st_dev, found.st_ino


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except ProgrammingError as error:
        reason = _REFUSALS.get(getattr(error.orig, "sqlstate", ""))
        if reason is None:
            raise
        raise StorageFailed(what="use its database", reason=reason) from error
    except (IntegrityError, DataError):
        raise  # our own mistake or a race, not the database's condition
    except NoConnection as error:
        raise StorageFailed(what="use its database", reason="all its connections are busy") from error
    except DBAPIError as error:
        raise StorageFailed(what="use its database", reason=_reason(error)) from error


def _reason(error: DBAPIError) -> str:
    """What the database says of itself; of one that is not reached, nothing: that would name its host and user."""
    if isinstance(error.orig, sqlite3.Error):
        return str(error.orig).strip()
    log.warning("the database failed: %s", str(error.orig).strip())
    said = getattr(getattr(error.orig, "diag", None), "message_primary", None)
    return str(said) if said and not error.connection_invalidated else "it cannot be reached"
