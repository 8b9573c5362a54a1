"""The model repository extension: what there is, and what of it is in memory."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from app.errors import Invalid, ModelNotFound, NeuronaError, Problem, VersionNotFound
from app.http.oip.fields import Fields, fields, flag
from app.http.wire.json_document import parse
from app.repository.cache import ModelCache
from app.repository.catalogue import Catalogue

Key = tuple[str, int]
_IDLE = "not in memory; its first request loads it"


def options(body: bytes) -> Fields:
    """The fields of an extension's request, whose body may be empty. Raises: Unreadable, Invalid."""
    return fields(parse(body, None), "the request") if body else {}


def index(catalogue: Catalogue, cache: ModelCache, body: bytes) -> list[dict[str, str]]:
    """All versions with their states; with `{"ready": true}` those in memory alone. Raises: Unreadable, Invalid."""
    ready_only = bool(flag(options(body), "ready", "the request"))
    loaded, failed = cache.loaded(), dict(_failures(catalogue, cache))
    return [
        _entry(key, key in loaded, failed.get(key))
        for key in keys(catalogue)
        if key in loaded or not ready_only
    ]


def keys(catalogue: Catalogue, name: str | None = None, version: int | None = None) -> list[Key]:
    """The versions of all models, of one, or one version. Raises: ModelNotFound, VersionNotFound."""
    if name is None:
        return [(each, number) for each in catalogue.names() for number in catalogue.versions(each)]
    numbers = catalogue.versions(name)
    if not numbers:
        raise ModelNotFound(name=name)
    if version is not None and version not in numbers:
        raise VersionNotFound(name=name, version=version)
    return [(name, number) for number in ([version] if version is not None else numbers)]


def load(catalogue: Catalogue, cache: ModelCache, name: str, body: bytes) -> None:
    """Brings what the name means now into memory, and makes it what is served.

    Raises: Invalid, for parameters, which would change a model; ModelBroken; as `Catalogue.resolve`.
    """
    parameters = list(fields(options(body).get("parameters"), "parameters"))
    if parameters:
        message = f"a model is loaded as it lies in the repository; parameters are not taken: {', '.join(parameters)}"
        raise Invalid(Problem(message=message))
    cache.preload(*catalogue.resolve(name))
    cache.refresh(name)
    cache.get(name)


def unload(catalogue: Catalogue, cache: ModelCache, name: str, body: bytes) -> None:
    """Lets go of what is in memory of a model, whose next request loads it again.

    Raises: ModelNotFound; Unreadable, Invalid.
    """
    fields(options(body).get("parameters"), "parameters")
    keys(catalogue, name)
    cache.release(name)


def _entry(key: Key, loaded: bool, failure: str | None) -> dict[str, Any]:
    name, version = key
    state, reason = ("READY", "") if loaded else ("UNAVAILABLE", failure or _IDLE)
    return {"name": name, "version": str(version), "state": state, "reason": reason}


def _failures(catalogue: Catalogue, cache: ModelCache) -> Iterator[tuple[Key, str]]:
    for ref, reason in cache.failures().items():
        with suppress(NeuronaError):
            yield catalogue.resolve(ref), reason
