"""The tables of the database, the same on SQLite and PostgreSQL."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

metadata = MetaData()

jobs = Table(
    "jobs",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(40), nullable=False, unique=True),
    Column("model", String(64), nullable=False),
    # That the job makes. A verification makes none: it has a negative one, to keep the constraint below as it is.
    Column("version", Integer, nullable=False),
    Column("kind", String(16), nullable=False, server_default="train"),
    Column("verifies", Integer),
    Column("state", String(16), nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("losses", Integer, nullable=False, default=0),
    Column("setbacks", Integer, nullable=False, server_default="0"),
    Column("pause", Boolean, nullable=False, default=False, server_default=false()),
    Column("algorithm", String(32), nullable=False),
    Column("given", JSON, nullable=False),
    Column("hyperparameters", JSON, nullable=False),
    Column("dataset", String(40), nullable=False),
    Column("warm_start", String(160)),
    Column("promote", String(16), nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("memory_bytes", BigInteger, nullable=False, server_default="0"),
    Column("max_runtime_seconds", Float(53)),
    Column("webhook", JSON(none_as_null=True)),
    Column("webhook_due", Float(53)),  # when to try next; null: nothing to do
    Column("webhook_tries", Integer, nullable=False, server_default="0"),
    Column("feedback", JSON(none_as_null=True)),  # what of the dataset came as feedback; null: nothing did
    Column("progress", JSON, nullable=False),
    Column("metrics", JSON),
    Column("promoted", Boolean),
    Column("error", JSON),
    Column("created_at", String(32), nullable=False),
    Column("started_at", String(32)),
    Column("finished_at", String(32)),
    UniqueConstraint("model", "version"),
    Index("jobs_by_state", "state", "number"),
    Index("jobs_by_dataset", "dataset"),
    Index("jobs_by_webhook", "webhook_due"),
    sqlite_autoincrement=True,
)

epochs = Table(
    "epochs",
    metadata,
    Column("job", String(40), ForeignKey("jobs.id"), primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("candidate", String(32), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("train_loss", Float(53), nullable=False),
    Column("validation_loss", Float(53)),
    Column("validation_accuracy", Float(53)),
    Column("learning_rate", Float(53), nullable=False),
    Column("seconds", Float(53), nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("key", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("job", String(40), ForeignKey("jobs.id"), nullable=False),
    Column("created", Float(53), nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("owner", String(64), nullable=False),
    Column("expires", Float(53), nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("model", String(64), nullable=False),
    Column("version", Integer, nullable=False),  # which was production, and judged by these rows
    Column("key", String(255)),
    Column("fingerprint", String(64), nullable=False),
    Column("received_at", String(32), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("correct", Integer, nullable=False),
    Column("scored", Integer, nullable=False),  # rows whose label is a class of the version
    Column("loss", Float(53), nullable=False),  # summed over these
    Column("bytes", Integer, nullable=False),  # of the content
    Column("content", Text),  # the rows as JSON; null: given up, and only the figures stay
    UniqueConstraint("model", "key"),
    Index("feedback_by_model", "model", "number"),
    sqlite_autoincrement=True,  # a number given up is never used again: `feedback_uses` counts on it
)

feedback_sums = Table(
    "feedback_sums",  # of all requests: every scrape of the metrics reads them
    metadata,
    Column("model", String(64), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("rows", BigInteger, nullable=False),
    Column("correct", BigInteger, nullable=False),
    Column("scored", BigInteger, nullable=False),
    Column("loss", Float(53), nullable=False),
    Column("since", String(32), nullable=False),
    Column("until", String(32), nullable=False),
    Column("kept_rows", BigInteger, nullable=False),  # whose content is there
    Column("kept_bytes", BigInteger, nullable=False),
)

feedback_uses = Table(
    "feedback_uses",
    metadata,
    Column("model", String(64), primary_key=True),
    Column("dataset", String(40), primary_key=True),
    Column("upto", Integer, nullable=False),  # the dataset holds all feedback up to this number
)
