"""Everything that can go wrong in a way the user should hear about, as one tree.

NeuronaError
├── Unreadable             bytes that are not what their type says
├── Invalid                readable, but wrong: carries the problems, each with its place
├── Unauthorized           no key, or an unknown one
├── Forbidden              a key whose role is too low · Foreign: a stranger where no key is set
├── NotFound               ModelNotFound · VersionNotFound · AliasNotFound · DatasetNotFound · JobNotFound
├── Conflict               JobFinished · DatasetInUse · VersionInUse · KeyReused · FeedbackFull · NothingToRollBack
│                          · NotVerifiable · FeedbackKeyReused · Superseded
├── TooLarge               a limit was passed
├── UnsupportedType        a content type or encoding nobody here reads
├── NotAcceptable          an answer's type that nobody here writes
├── TooSlow                a body that stopped coming
├── Busy                   try again later
├── Unavailable            ModelBroken · AliasesBroken · StorageFailed: not now, through no fault of the caller
└── TrainingFailed         TrainingDiverged · WorkerLost · TimedOut: how a job can end badly

A class's docstring is the sentence that its user reads, filled from the fields of the instance. Errors know no
HTTP; `app.http.errors` holds the one table from classes to statuses.
"""

import inspect
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing wrong in the input, and where: rows count from 0, as in the array that was sent."""

    message: str
    location: str | None = None
    row: int | None = None
    column: str | None = None


class NeuronaError(Exception):
    """Something went wrong."""

    code = "error"

    def __init__(self, **fields: object) -> None:
        self.fields = fields
        super().__init__(inspect.cleandoc(type(self).__doc__ or "").replace("\n", " ").format(**fields))


class Unreadable(NeuronaError):
    """{what} could not be read: {reason}"""

    code = "unreadable"


class Invalid(NeuronaError):
    """{summary}"""

    code = "invalid"

    def __init__(self, *problems: Problem, summary: str | None = None) -> None:
        self.problems = problems
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(summary=summary or f"{problems[0].message}{more}")


class Unauthorized(NeuronaError):
    """Who asks is not known: {reason}."""

    code = "unauthorized"


class Forbidden(NeuronaError):
    """A key for {role!r} may not do this; it needs one for {needed!r}."""

    code = "forbidden"


class Foreign(Forbidden):
    """No key is configured, so only this machine is served: requests whose Host is localhost or an address of it, and
    that no other site's page makes. See NEURONA_API_KEYS."""


class NotFound(NeuronaError):
    """There is no {what} here."""

    code = "not_found"


class ModelNotFound(NotFound):
    """There is no model {name!r}; GET /v1/models lists those there are, and
    POST /v1/models/{name}/train makes one."""

    code = "model_not_found"


class VersionNotFound(NotFound):
    """Model {name!r} has no version {version!r}; GET /v1/models/{name} lists its versions."""

    code = "version_not_found"


class AliasNotFound(NotFound):
    """Model {name!r} has no alias {alias!r}; GET /v1/models/{name} lists its aliases."""

    code = "alias_not_found"


class DatasetNotFound(NotFound):
    """There is no dataset {id!r}; GET /v1/datasets lists those there are."""

    code = "dataset_not_found"


class JobNotFound(NotFound):
    """There is no job {id!r}; GET /v1/jobs lists those there are."""

    code = "job_not_found"


class Conflict(NeuronaError):
    """{reason}"""

    code = "conflict"


class JobFinished(Conflict):
    """Job {id!r} has already {state}; only a queued or running job can be cancelled."""

    code = "job_finished"


class DatasetInUse(Conflict):
    """Dataset {id!r} is needed by job {job!r}; cancel the job or wait for its end."""

    code = "dataset_in_use"


class VersionInUse(Conflict):
    """Version {version} of model {name!r} is in use by {by}; end that first."""

    code = "version_in_use"


class KeyReused(Conflict):
    """Idempotency-Key {key!r} was already used for another request, which made job {job!r};
    send a new key with a new request."""

    code = "idempotency_key_reused"


class FeedbackKeyReused(KeyReused):
    """Idempotency-Key {key!r} was already used for other feedback, which came at {received_at};
    send a new key with a new request."""


class FeedbackFull(Conflict):
    """Model {name!r} keeps {kept} {unit} of feedback, and with these there would be more than {limit} ({setting}).
    Retrain with include_feedback, and once that version is in production
    DELETE /v1/models/{name}/feedback?used=true gives up the rows that it has learned from."""

    code = "feedback_full"


class NothingToRollBack(Conflict):
    """Model {name!r} has no earlier production version to go back to."""

    code = "nothing_to_roll_back"


class NotVerifiable(Conflict):
    """{ref} cannot be trained again to be verified: {reason}."""

    code = "not_verifiable"


class Superseded(Conflict):
    """Attempt {attempt} of job {id!r} is no longer the one that may write."""

    code = "superseded"


class TooLarge(NeuronaError):
    """{what} is larger than the limit of {limit} {unit} ({setting})."""

    code = "too_large"


class UnsupportedType(NeuronaError):
    """{got!r} is not read here; send one of: {expected}."""

    code = "unsupported_type"


class NotAcceptable(NeuronaError):
    """{got!r} is not written here; accept one of: {expected}."""

    code = "not_acceptable"


class TooSlow(NeuronaError):
    """{reason}; send it faster, or in parts."""

    code = "too_slow"


class Busy(NeuronaError):
    """{reason}"""

    code = "busy"

    def __init__(self, *, reason: str, retry_after: int = 1) -> None:
        self.retry_after = retry_after
        super().__init__(reason=reason)


class Unavailable(NeuronaError):
    """{reason}"""

    code = "unavailable"


class ModelBroken(Unavailable):
    """Version {version} of model {name!r} cannot be loaded: {reason}"""

    code = "model_broken"


class AliasesBroken(Unavailable):
    """The aliases of model {name!r} cannot be read: {reason}"""

    code = "aliases_broken"


class StorageFailed(Unavailable):
    """The server could not {what}: {reason}. Nothing half-written was kept; try again once that is mended."""

    code = "storage_failed"


class TrainingFailed(NeuronaError):
    """{reason}"""

    code = "training_failed"


class TrainingDiverged(TrainingFailed):
    """The loss became {loss} at epoch {epoch} (learning rate {learning_rate:g}). Try a learning rate ten times
    smaller, or look for very large values in the columns."""

    code = "diverged"


class WorkerLost(TrainingFailed):
    """The worker process died {times} times while running this job, most likely out of memory;
    use fewer rows, smaller layers, or a machine with more memory."""

    code = "worker_lost"


class TimedOut(TrainingFailed):
    """The job ran longer than max_runtime_seconds, {limit:g} s."""

    code = "timed_out"
