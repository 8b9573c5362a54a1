"""What a job is: its request, its progress, its epochs and its end, as values."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator

from core.columns import MOST_BINS

Algorithm = Literal["auto", "softmax_regression", "relu_network"]
Promote = Literal["if_better", "always", "never"]
Kind = Literal["train", "verify"]
State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
FINAL: tuple[State, ...] = ("succeeded", "failed", "cancelled")

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"})]  # RFC 3339, UTC
_Finite = Annotated[float, Field(allow_inf_nan=False)]
_MOST_ENTRIES = 100_000


class Record(BaseModel):
    """A frozen value that rejects fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Hyperparameters(Record):
    """How to train. A field left out gets a default chosen from the data; the job shows what was chosen."""

    model_config = ConfigDict(strict=True)  # true is no number, and "5" neither

    hidden_layer_sizes: list[Annotated[int, Field(ge=1, le=65536)]] | None = Field(
        None, max_length=32, description="units of each hidden layer of a ReLU network", examples=[[128]]
    )
    optimizer: Literal["adam", "momentum", "gradient_descent", "lbfgs"] | None = Field(
        None, description="lbfgs, for softmax regression alone, takes all rows and goes to the optimum"
    )
    learning_rate: _Finite | None = Field(None, gt=0, le=1e6)
    schedule: Literal["constant", "cosine"] | None = Field(
        None, description="how the learning rate moves over max_epochs"
    )
    momentum: _Finite | None = Field(None, ge=0, lt=1)
    batch_size: Annotated[int, Field(ge=1, le=1_000_000_000)] | Literal["full"] | None = Field(
        None, description='rows per step; "full" is plain gradient descent on all rows'
    )
    max_epochs: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="of a candidate; softmax regression goes down a path of penalties if they suffice for it",
    )
    patience: int | None = Field(
        None,
        ge=1,
        le=1_000_000,
        description="epochs without a better validation loss before stopping; null: never",
    )
    folds: int | None = Field(
        None,
        ge=1,
        le=20,
        description="members of a committee: each learns from all rows but its fold of them and is judged on that,"
        " and the model is their mean; 1: one network, judged on validation_fraction of the rows, as where"
        " hidden_layer_sizes or validation_fraction are said",
    )
    bins: Literal[0] | Annotated[int, Field(ge=2, le=MOST_BINS)] | None = Field(
        None,
        description="parts that numeric columns are cut into, at quantiles, so that classes may depend on them by"
        " more than a straight line; 0: none, as where an algorithm or one network is asked for",
    )
    validation_fraction: _Finite | None = Field(
        None, gt=0, lt=1, description="rows held back, where folds is 1"
    )
    l2: _Finite | None = Field(
        None,
        ge=0,
        description="λ of the penalty ½λΣW²; left out, softmax regression takes from a path of them the one with"
        " the lowest loss on held-out rows",
    )
    class_weight: Literal["balanced"] | dict[str, Annotated[_Finite, Field(gt=0)]] | None = None
    seed: int = Field(0, ge=0, lt=2**63)

    @field_validator("*", mode="before")
    @classmethod
    def _whole(cls, value: object) -> object:
        """5.0 is a whole number in JSON. What is beyond all measure is not looked at one by one."""
        if isinstance(value, list | dict) and len(value) > _MOST_ENTRIES:
            raise ValueError(f"expected at most {_MOST_ENTRIES:,} entries, got {len(value):,}")
        if isinstance(value, list):
            return [cls._whole(each) for each in value]
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def given(self) -> dict[str, Any]:
        """The fields that were said, without those left out."""
        return self.model_dump(exclude_unset=True)


class Progress(Record):
    """How far a job is; `eta_seconds` assumes that every epoch up to `max_epochs` runs."""

    epoch: int = 0
    max_epochs: int = 0
    fraction: float = 0.0
    rows_per_second: float | None = None
    eta_seconds: float | None = None


class Failure(Record):
    """Why a job failed."""

    code: str
    message: str


class EpochRecord(Record):
    """One row of a job's loss history."""

    sequence: int = Field(description="counts from 1 over the whole job")
    candidate: str = Field(description="the algorithm being trained")
    epoch: int
    train_loss: float
    validation_loss: float | None = None
    validation_accuracy: float | None = None
    learning_rate: float
    seconds: float = Field(description="training time since the job began, pauses left out")


class Webhook(Record):
    """Where to tell of a job's end, and the secret that signs what is told."""

    url: str = Field(max_length=2000, pattern="^https?://", examples=["https://example.com/hooks/neurona"])
    secret: str | None = Field(None, min_length=8, max_length=200, exclude=True)

    @field_validator("url")
    @classmethod
    def _sound(cls, url: str) -> str:
        """With a host, and a port that there can be."""
        parts = urlsplit(url)
        if not parts.hostname or parts.port == 0:  # reading the port raises for one beyond 65535
            raise ValueError("expected a URL with a host, such as https://example.com/hook")
        return url


class FeedbackUse(Record):
    """What of a job's dataset came as feedback, since the dataset that it was added to."""

    rows: int = Field(description="rows that were added")
    base: str = Field(description="the dataset that they were added to")


class NewJob(Record):
    """What was asked for, once everything that can be said at once has been checked."""

    kind: Kind = Field("train", description="verify: trains a version again and publishes nothing")
    verifies: int | None = Field(None, exclude=True, description="the version that a verification is of")
    model: str
    dataset: str
    algorithm: Algorithm = "auto"
    hyperparameters: dict[str, Any] = Field(default_factory=dict, description="as resolved from the data")
    given: dict[str, Any] = Field(default_factory=dict, exclude=True, description="as the caller said them")
    warm_start: str | None = None
    promote: Promote = "if_better"
    metadata: dict[str, Any] = Field(default_factory=dict)
    max_runtime_seconds: float | None = None
    memory_bytes: int = Field(0, exclude=True, description="about what training needs")
    webhook: Webhook | None = None
    feedback: FeedbackUse | None = Field(None, description="what of the dataset came as feedback")
    warnings: list[str] = Field(default_factory=list)


class _Named(Record):
    """What stands first in a job's JSON."""

    id: str
    kind: Kind = Field("train", description="verify: trains a version again and publishes nothing")
    model: str
    version: int = Field(description="the version that this job makes, or verifies")
    state: State


class Job(NewJob, _Named):
    """A job that trains, from its acceptance to its end and for ever after."""

    attempt: int = Field(0, exclude=True)
    webhook_tries: int = Field(0, exclude=True)
    created_at: Time
    started_at: Time | None = None
    finished_at: Time | None = None
    progress: Progress = Progress()
    metrics: dict[str, Any] | None = None
    promoted: bool | None = None
    error: Failure | None = None

    @property
    def finished(self) -> bool:
        """Whether the job has reached a final state."""
        return self.state in FINAL
