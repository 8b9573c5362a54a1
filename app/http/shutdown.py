"""What begins as soon as the server is told to stop, before it waits for the requests in flight.

The application's own shutdown comes after that wait; whoever watches a job would be waited for in vain.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import parent_process
from types import FrameType


@contextmanager
def at_stop(begin: Callable[[], None]) -> Iterator[None]:
    """Within the block, SIGTERM and SIGINT have the running event loop call `begin`, and then do what they did."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are not for this thread: who runs a server here ends it by other means
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def handle(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(begin)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    handled = [number for number, handler in before.items() if callable(handler)]
    for number in handled:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number in handled:
            signal.signal(number, before[number])


def end_within(seconds: float) -> None:
    """Have this process, whose work is all done, be gone by then, whatever it still waits for.

    One that serves from another thread than its main one, as tests do, has work of its own: it is left alone.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    timer = threading.Timer(seconds, os._exit, (0,))
    timer.daemon = True
    timer.start()


def end_with_parent() -> None:
    """Have this process end when the server that started it as one of several is gone, however that died.

    It would else go on listening, and no new server could take its place.
    """
    if parent_process() is not None:
        threading.Thread(target=_end_after_parent, name="parent", daemon=True).start()


def _end_after_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
