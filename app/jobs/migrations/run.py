"""Alembic on one connection. Imported only when there is something to migrate: it is large and slow to load."""

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection


def migrate(connection: Connection, *, since: str | None) -> None:
    """Run the steps that are missing, in the connection's transaction; `since`: where an unversioned database is."""
    config = Config()
    config.set_main_option("script_location", "app.jobs:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    if since is not None:
        command.stamp(config, since)
    command.upgrade(config, "head")
