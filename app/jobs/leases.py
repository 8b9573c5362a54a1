"""One holder at a time for a named right, with an expiry that a crash cannot prevent."""

from sqlalchemy import Connection, insert, or_, select, update

from app.jobs.tables import leases


def take_lease(connection: Connection, name: str, owner: str, now: float, seconds: float) -> bool:
    """Take the lease if it is free, expired or already `owner`'s; whether it is held now.

    `now` is in seconds since the epoch.
    """
    mine_or_free = or_(leases.c.owner == owner, leases.c.expires < now)
    kept = connection.execute(
        update(leases).where(leases.c.name == name, mine_or_free).values(owner=owner, expires=now + seconds)
    ).rowcount
    if kept:
        return True
    if connection.execute(select(leases.c.name).where(leases.c.name == name)).first() is not None:
        return False
    connection.execute(insert(leases).values(name=name, owner=owner, expires=now + seconds))
    return True
