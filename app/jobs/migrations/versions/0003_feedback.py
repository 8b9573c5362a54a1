"""Labelled rows that came after predictions, and which datasets hold them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables, and room on a job for what of its dataset came as feedback."""
    op.create_table(
        "feedback",
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
        sa.Column("model", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("key", sa.String(255)),
        sa.Column("fingerprint", sa.String(64), nullable=False),
        sa.Column("received_at", sa.String(32), nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("correct", sa.Integer, nullable=False),
        sa.Column("scored", sa.Integer, nullable=False),
        sa.Column("loss", sa.Float(53), nullable=False),
        sa.Column("bytes", sa.Integer, nullable=False),
        sa.Column("content", sa.Text),
        sa.UniqueConstraint("model", "key"),
        sqlite_autoincrement=True,
    )
    op.create_index("feedback_by_model", "feedback", ["model", "number"])
    op.create_table(
        "feedback_sums",
        sa.Column("model", sa.String(64), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("rows", sa.BigInteger, nullable=False),
        sa.Column("correct", sa.BigInteger, nullable=False),
        sa.Column("scored", sa.BigInteger, nullable=False),
        sa.Column("loss", sa.Float(53), nullable=False),
        sa.Column("since", sa.String(32), nullable=False),
        sa.Column("until", sa.String(32), nullable=False),
        sa.Column("kept_rows", sa.BigInteger, nullable=False),
        sa.Column("kept_bytes", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "feedback_uses",
        sa.Column("model", sa.String(64), primary_key=True),
        sa.Column("dataset", sa.String(40), primary_key=True),
        sa.Column("upto", sa.Integer, nullable=False),
    )
    op.add_column("jobs", sa.Column("feedback", sa.JSON(none_as_null=True)))
