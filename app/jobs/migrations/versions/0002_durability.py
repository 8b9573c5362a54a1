"""What a job's limits, its setbacks and its webhook need; publishing needs no mark of its own any more."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Change the table where it stands: SQLite would otherwise copy it, and other tables refer to its rows."""
    op.drop_column("jobs", "publishing")
    for column in (
        sa.Column("setbacks", sa.Integer, nullable=False, server_default="0"),
        sa.Column("memory_bytes", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("max_runtime_seconds", sa.Float(53)),
        sa.Column("webhook", sa.JSON(none_as_null=True)),
        sa.Column("webhook_due", sa.Float(53)),
        sa.Column("webhook_tries", sa.Integer, nullable=False, server_default="0"),
    ):
        op.add_column("jobs", column)
    op.create_index("jobs_by_webhook", "jobs", ["webhook_due"])
