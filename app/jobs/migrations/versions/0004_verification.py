"""Jobs that train a version again to verify it."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Say of each job what it is for. No constraint changes, for which SQLite would copy the table."""
    op.add_column("jobs", sa.Column("kind", sa.String(16), nullable=False, server_default="train"))
    op.add_column("jobs", sa.Column("verifies", sa.Integer))
