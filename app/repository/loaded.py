"""Versions in memory: each loaded once however many threads ask, the least recently used dropped first."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future

from app.repository.model import Model

Key = tuple[str, int]


class LoadedModels:
    """What `load` gave, by name and version; at most `capacity_bytes`, or the newest one alone."""

    def __init__(self, load: Callable[[Key], Model], capacity_bytes: int) -> None:
        self._load = load
        self._capacity = capacity_bytes
        self._lock = threading.Lock()
        self._models: OrderedDict[Key, tuple[Model, int]] = OrderedDict()
        self._bytes = 0  # of all models here
        self._flights: dict[Key, Future[Model]] = {}
        self.loads = self.failures = self.evictions = 0  # in all

    def get(self, key: Key) -> Model:
        """The model, loaded if need be; threads that want the same one wait for the first."""
        with self._lock:
            if key in self._models:
                self._models.move_to_end(key)
                return self._models[key][0]
            flight = self._flights.get(key)
            first = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if first:
            self._fly(key, flight)
        return flight.result()

    def touch(self, key: Key) -> None:
        """Marks the model as used just now, if it is here."""
        with self._lock:
            if key in self._models:
                self._models.move_to_end(key)

    def drop(self, name: str) -> None:
        """Lets go of all versions of a model."""
        with self._lock:
            for key in [key for key in self._models if key[0] == name]:
                self._bytes -= self._models.pop(key)[1]

    def sizes(self) -> dict[Key, int]:
        """What is here, least recently used first, with its bytes."""
        with self._lock:
            return {key: size for key, (_, size) in self._models.items()}

    def _fly(self, key: Key, flight: Future[Model]) -> None:
        try:
            model = self._load(key)
            size = model.nbytes
        except BaseException as error:
            with self._lock:
                self.failures += 1
                del self._flights[key]
            flight.set_exception(error)
        else:
            with self._lock:
                self.loads += 1
                del self._flights[key]
                self._models[key] = (model, size)
                self._bytes += size
                self._evict()
            flight.set_result(model)

    def _evict(self) -> None:
        while self._bytes > self._capacity and len(self._models) > 1:
            self._bytes -= self._models.popitem(last=False)[1][1]
            self.evictions += 1
