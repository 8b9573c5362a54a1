"""One holder at a time for a named right, with an expiry that a crash cannot prevent."""

from typing import Literal, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from app.jobs.tables import leases

Holding = Literal["kept", "taken"]


class Lease(NamedTuple):
    """Who holds a named right, and until when unless it is renewed: seconds since the epoch, by the owner's clock."""

    owner: str
    expires: float


def read_lease(connection: Connection, name: str) -> Lease | None:
    """The lease of that name as it is, expired or not; None if nobody has it."""
    row = connection.execute(select(leases.c.owner, leases.c.expires).where(leases.c.name == name)).first()
    return None if row is None else Lease(*row)


def take_lease(
    connection: Connection, name: str, owner: str, now: float, seconds: float, *, before: Lease | None
) -> Holding:
    """Keep or take the lease, which was `before` in this transaction and is not another's to keep.

    "kept" says that nobody else has held it since `owner` took it. `now` is in seconds since the epoch.
    """
    values = {"owner": owner, "expires": now + seconds}
    if before is None:
        connection.execute(insert(leases).values(name=name, **values))
        return "taken"
    connection.execute(update(leases).where(leases.c.name == name).values(**values))
    return "kept" if before.owner == owner else "taken"


def holds_lease(connection: Connection, name: str, owner: str) -> bool:
    """Whether nobody has taken the lease from `owner`, be it expired or not."""
    return connection.execute(select(leases.c.owner).where(leases.c.name == name)).scalar() == owner


def drop_lease(connection: Connection, name: str, owner: str) -> None:
    """Let another take the lease at once."""
    connection.execute(delete(leases).where(leases.c.name == name, leases.c.owner == owner))
