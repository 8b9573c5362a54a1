"""Long work that stops on the way, and whoever goes on with it."""

from collections.abc import Generator
from typing import TypeVar

Stop = TypeVar("Stop")
Result = TypeVar("Result")


def go_on(work: Generator[Stop, None, Result]) -> tuple[Stop | None, Result | None]:
    """To the next stop: what is said there, and None; or to the end: None, and the result."""
    try:
        return next(work), None
    except StopIteration as end:
        return None, end.value


def finish(work: Generator[Stop, None, Result]) -> Result:
    """To the end, without heed of the stops. The result may be anything but None."""
    while (result := go_on(work)[1]) is None:
        pass
    return result
