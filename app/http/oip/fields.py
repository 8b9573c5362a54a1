"""The fields of a JSON object in a request, each of the type that the protocol gives it; others are let be."""

from typing import TypeAlias

from app.http.wire.json_document import JSONArray, JSONObject, describe, twice
from app.http.wire.problems import wrong

Fields: TypeAlias = dict[str, object]
_MOST_FIELDS = 1000


def fields(value: object, place: str) -> Fields:
    """The object's fields; none where there is no object. Raises: Invalid, as all here."""
    if value is None:
        return {}
    if not isinstance(value, JSONObject | dict):
        raise wrong(f"{place}: expected an object, got {describe(value)}")
    if len(value) > _MOST_FIELDS:
        raise wrong(f"{place}: expected an object of at most {_MOST_FIELDS} fields, got {len(value)}")
    # Not items(), which would make Python objects of all that is in it; a key with a NUL, which is none of the
    # protocol's, the parser names but does not find.
    found = {key: None if "\0" in key else value[key] for key in value}
    if len(found) != len(value):
        raise twice(list(value), place)
    return found


def objects(of: Fields, name: str, *, most: int) -> list[Fields]:
    """The objects in a list, at most so many; none where the field is not there."""
    value = of.get(name)
    if value is not None and not isinstance(value, JSONArray | list):
        raise wrong(f"expected {name!r} to be a list, got {describe(value)}")
    if value is not None and len(value) > most:
        raise wrong(f"expected at most {most} {name}, got {len(value)}")
    return [_object(each, f"{name}[{number}]") for number, each in enumerate(value or ())]


def text(of: Fields, name: str, place: str) -> str:
    """A string that must be there."""
    found = optional_text(of, name, place)
    if found is None:
        raise wrong(f"{place}: has no {name!r}")
    return found


def optional_text(of: Fields, name: str, place: str) -> str | None:
    """A string, or None."""
    value = of.get(name)
    if value is not None and not isinstance(value, str):
        raise wrong(f"{place}: expected {name!r} to be a string, got {describe(value)}")
    return value


def flag(of: Fields, name: str, place: str) -> bool | None:
    """true or false, or None."""
    value = of.get(name)
    if value is not None and not isinstance(value, bool):
        raise wrong(f"{place}: expected {name!r} to be true or false, got {describe(value)}")
    return value


def whole(of: Fields, name: str, place: str) -> int | None:
    """A whole number from 0, or None."""
    value = of.get(name)
    if value is not None and (type(value) is not int or value < 0):
        raise wrong(f"{place}: expected {name!r} to be a whole number from 0, got {describe(value)}")
    return value


def _object(value: object, place: str) -> Fields:
    if value is None:
        raise wrong(f"{place}: expected an object, got null")
    return fields(value, place)
