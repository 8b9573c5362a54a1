"""The models that are loaded, within a bound of memory: what every prediction gets its model from.

`get` of a reference that is held is one dictionary look-up and one reading of the clock, without a lock. At
most every `refresh_seconds` it also looks at one file's stat. A reference that has come to mean another
version goes on answering with the old one while a thread loads and warms the new one; then one entry of the
dictionary changes. A version that cannot be loaded changes nothing but `failures()`.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from app.errors import NeuronaError, NotFound
from app.repository.catalogue import Catalogue, Stamp
from app.repository.loaded import Key, LoadedModels
from app.repository.model import Model
from app.repository.names import PRODUCTION


@dataclass(slots=True)
class _Held:
    """A reference with the model it means; `stamp` is what it was resolved from, as the `turn`-th since the start."""

    model: Model
    key: Key
    stamp: Stamp | None
    turn: int
    fresh_until: float


@dataclass(frozen=True, slots=True)
class _Failure:
    key: Key
    error: Exception
    until: float


class ModelCache:
    """Loaded models of a catalogue, at most `capacity_bytes` of them beyond the newest.

    `warm` is called with every model before the first caller gets it, and may refuse it by raising.
    `clock` counts seconds; `executor` runs the loads that replace a model in use (default: its own thread).
    """

    def __init__(
        self,
        catalogue: Catalogue,
        capacity_bytes: int,
        *,
        warm: Callable[[Model], object] | None = None,
        refresh_seconds: float = 0.5,
        retry_seconds: float = 2.0,
        clock: Callable[[], float] = time.monotonic,
        executor: Executor | None = None,
    ) -> None:
        self._catalogue, self._warm = catalogue, warm
        self._refresh_seconds, self._retry_seconds, self._clock = refresh_seconds, retry_seconds, clock
        self._executor = executor or _executor()
        self._loaded = LoadedModels(self._load, capacity_bytes)
        self._lock = threading.Lock()  # for writing _held and _pending
        self._held: dict[str, _Held] = {}
        self._turns = count()  # of two that looked, who looked first
        self._evictions = 0  # those whose references are no longer held
        self._pending: set[str] = set()
        self._failures: dict[str, _Failure] = {}
        self._proven: dict[str, int] = {}
        self._missing: dict[str, str] = {"*": "the models have not been looked for yet"}

    # Getting models

    def get(self, ref: str) -> Model:
        """The model that `ref` means, or meant up to `refresh_seconds` and one load ago.

        Waits for the disk only if nothing is held for `ref` yet. Raises as `Repository.resolve` and `load`.
        """
        held = self._held.get(ref)
        if held is not None and self._clock() < held.fresh_until:
            return held.model
        return self._look(ref, held)

    def peek(self, ref: str) -> Model | None:
        """As `get`, but None where that would have to load: for callers that must not wait."""
        held = self._held.get(ref)
        if held is None:
            return None
        return held.model if self._clock() < held.fresh_until else self._look(ref, held)

    def preload(self, name: str, version: int) -> Model:
        """Loads and warms a version that no reference may mean yet; raises as `Repository.load`."""
        return self._loaded.get((name, version))

    def refresh(self, *names: str) -> None:
        """Brings every held reference to these models up to date now: whoever hears here that an alias was moved, or
        a version deleted, is answered accordingly from then on."""
        wanted = set(names)
        for ref, held in [pair for pair in list(self._held.items()) if pair[1].key[0] in wanted]:
            with suppress(NeuronaError):
                if not self._unchanged(ref, held):
                    self._follow(ref)

    def release(self, name: str) -> None:
        """Lets go of every version of a model, until it is asked for again."""
        self._loaded.drop(name)
        with self._lock:
            for ref in [ref for ref, held in self._held.items() if held.key[0] == name]:
                del self._held[ref]

    def follow(self) -> None:
        """Follows, in the loader's thread, every held reference that has come to mean another version.

        To be called now and then: who has not been asked for a while would else answer once with the old one.
        """
        for ref, held in list(self._held.items()):
            with suppress(NeuronaError):
                if not self._unchanged(ref, held):
                    self._follow_later(ref)

    # Readiness

    def sweep(self) -> None:
        """Finds every production alias and loads what it points at; to be called at start and then again.

        Raises `StorageFailed` if the models cannot be listed.
        """
        names, missing = self._catalogue.names(), {}
        for name in names:
            try:
                self._keep_up(name)
            except NeuronaError as error:
                if name not in self._proven:
                    missing[name] = str(error)
        self._missing = missing
        self._proven = {name: version for name, version in self._proven.items() if name in names}
        for ref in [ref for ref in list(self._failures) if ref.partition("@")[0] not in names]:
            self._failures.pop(ref, None)

    def not_ready(self) -> dict[str, str]:
        """The models found by `sweep` of whose production no version could be loaded yet, with the reason."""
        return dict(self._missing)

    def failures(self) -> dict[str, str]:
        """References whose present target could not be loaded, with the reason; an older one may serve."""
        return {ref: _sentence(failure.error) for ref, failure in list(self._failures.items())}

    def loaded(self) -> dict[Key, int]:
        """The versions in memory, least recently used first, with their bytes."""
        return self._loaded.sizes()

    def counts(self) -> tuple[int, int, int]:
        """Versions loaded, loads that failed, and versions dropped to make room, since the beginning."""
        return self._loaded.loads, self._loaded.failures, self._loaded.evictions

    def close(self) -> None:
        """Leaves out the loads that have not begun; what is held is still served, and followed if asked again."""
        closed, self._executor = self._executor, _executor()
        closed.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._pending.clear()

    # References

    def _look(self, ref: str, held: _Held | None) -> Model:
        if held is None:
            return self._follow(ref)
        held.fresh_until = self._clock() + self._refresh_seconds
        if self._unchanged(ref, held):
            self._loaded.touch(held.key)
        else:
            self._follow_later(ref)
        return held.model

    def _unchanged(self, ref: str, held: _Held) -> bool:
        """Whether `ref` still means what is held. NotFound passes through, and `ref` is forgotten."""
        try:
            stamp = self._catalogue.stamp(ref)
            if stamp != held.stamp:
                if self._catalogue.resolve(ref) != held.key:
                    return False
                held.stamp = stamp
        except NotFound:
            self._forget(ref)
            raise
        except NeuronaError as error:
            self._fail(ref, held.key, error)
            return True
        self._failures.pop(ref, None)
        return True

    def _follow_later(self, ref: str) -> None:
        with self._lock:
            if ref in self._pending:
                return
            self._pending.add(ref)
        try:
            self._executor.submit(self._follow_once, ref)
        except RuntimeError:  # closed meanwhile: the old model serves to the end
            self._pending.discard(ref)

    def _follow_once(self, ref: str) -> None:
        self._pending.discard(ref)
        with suppress(Exception):  # it stands in failures()
            self._follow(ref)

    def _follow(self, ref: str) -> Model:
        """Loads what `ref` means now and holds it; a version that failed a moment ago fails again at once."""
        turn, stamp = next(self._turns), self._catalogue.stamp(ref)
        try:
            key = self._catalogue.resolve(ref)
        except NotFound:
            self._forget(ref)
            raise
        failure = self._failures.get(ref)
        if failure is not None and failure.key == key and self._clock() < failure.until:
            raise failure.error.with_traceback(None)
        try:
            model = self._loaded.get(key)
        except Exception as error:
            self._fail(ref, key, error)
            raise
        self._hold(ref, _Held(model, key, stamp, turn, self._clock() + self._refresh_seconds))
        return model

    def _hold(self, ref: str, held: _Held) -> None:
        with self._lock:
            before = self._held.get(ref)
            if before is None or before.turn < held.turn:
                self._held[ref] = held
            self._failures.pop(ref, None)
            if (evictions := self._loaded.evictions) == self._evictions:
                return
            self._evictions = evictions
            kept = {*self._loaded.sizes(), held.key}
            for other in [other for other, old in self._held.items() if old.key not in kept]:
                del self._held[other]

    def _forget(self, ref: str) -> None:
        self._held.pop(ref, None)
        self._failures.pop(ref, None)

    def _fail(self, ref: str, key: Key, error: Exception) -> None:
        self._failures[ref] = _Failure(key, error, self._clock() + self._retry_seconds)

    def _keep_up(self, name: str) -> None:
        production = self._catalogue.aliases(name).get(PRODUCTION)
        if production is None:
            self._proven.pop(name, None)
        elif self._proven.get(name) != production:
            self._follow(name)
            self._proven[name] = production

    def _load(self, key: Key) -> Model:
        model = self._catalogue.load(*key)
        if self._warm is not None:
            self._warm(model)
        return model


def _executor() -> Executor:
    return ThreadPoolExecutor(1, thread_name_prefix="model-loader")


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, NeuronaError) else f"Loading failed: {type(error).__name__}."
