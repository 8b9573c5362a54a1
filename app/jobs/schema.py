"""The database's tables brought to this release's shape: at every start, under a lock, in one transaction."""

from importlib import import_module
from typing import Final

from sqlalchemy import Connection, Engine, inspect, text

from app.errors import StorageFailed
from app.jobs.database import one_at_a_time, reading, writing

HEAD: Final = "0004"
_UNVERSIONED: Final = "0001"  # release 0.1 kept no version in its database


def bring_up_to_date(engine: Engine) -> None:
    """Make the tables, or change those of an earlier release; safe when several processes start at once.

    Raises: StorageFailed, also if the database was made by a later release.
    """
    with reading(engine) as connection:
        if _version(connection) == HEAD:
            return
    with writing(engine) as connection:
        one_at_a_time(connection, "schema")
        found = _version(connection)
        if found is not None and found > HEAD:
            reason = f"it was made by a later release (schema {found}, this one knows {HEAD})"
            raise StorageFailed(what="use its database", reason=reason)
        if found != HEAD:
            _migrate(connection)


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _migrate(connection: Connection) -> None:
    found = inspect(connection)
    unversioned = found.has_table("jobs") and not found.has_table("alembic_version")
    runner = import_module("app.jobs.migrations.run")
    runner.migrate(connection, since=_UNVERSIONED if unversioned else None)
