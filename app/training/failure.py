"""How an exception that ended a job reads in the job's record."""

from app.errors import NeuronaError
from app.jobs import Failure


def failure_of(error: BaseException) -> Failure:
    """What went wrong, for the user: no server path, no stack."""
    if isinstance(error, NeuronaError):
        return Failure(code=error.code, message=str(error))
    if isinstance(error, MemoryError):
        message = "the machine had not enough memory for this job; use fewer rows or smaller layers"
        return Failure(code="out_of_memory", message=message)
    return Failure(
        code="internal_error", message=f"an unexpected {type(error).__name__}; see the server's log"
    )
