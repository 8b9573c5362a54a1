"""One holder at a time for a named right, with an expiry that a crash cannot prevent."""

from typing import Literal

from sqlalchemy import Connection, delete, insert, select, update

from app.jobs.tables import leases

Holding = Literal["kept", "taken"]


def take_lease(connection: Connection, name: str, owner: str, now: float, seconds: float) -> Holding | None:
    """Keep the lease, or take it if it is free or expired; None while another holds it.

    "kept" says that nobody else has held it since `owner` took it. `now` is in seconds since the epoch.
    """
    row = connection.execute(select(leases).where(leases.c.name == name)).first()
    values = {"owner": owner, "expires": now + seconds}
    if row is None:
        connection.execute(insert(leases).values(name=name, **values))
        return "taken"
    if row.owner != owner and row.expires >= now:
        return None
    connection.execute(update(leases).where(leases.c.name == name).values(**values))
    return "kept" if row.owner == owner else "taken"


def holds_lease(connection: Connection, name: str, owner: str) -> bool:
    """Whether nobody has taken the lease from `owner`, be it expired or not."""
    return connection.execute(select(leases.c.owner).where(leases.c.name == name)).scalar() == owner


def drop_lease(connection: Connection, name: str, owner: str) -> None:
    """Let another take the lease at once."""
    connection.execute(delete(leases).where(leases.c.name == name, leases.c.owner == owner))
