"""The aliases of one model with their history, as a value; on disk it is the file aliases.json."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import orjson

from app.repository.names import is_alias

FORMAT = 1
HISTORY_LIMIT = 1000


@dataclass(frozen=True, kw_only=True)
class Move:
    """One change of an alias; None is "pointed at nothing". `at` is RFC 3339 UTC; `job` promoted its version."""

    alias: str
    origin: int | None
    target: int | None
    at: str
    rollback: bool = False
    job: str | None = None


@dataclass(frozen=True, kw_only=True)
class Aliases:
    """Where each alias points, the newest `HISTORY_LIMIT` of all `moves`, and the highest version used up to then."""

    targets: Mapping[str, int] = field(default_factory=dict)
    history: tuple[Move, ...] = ()
    last_version: int = 0
    moves: int = 0

    def moved(
        self, alias: str, target: int | None, *, at: str, rollback: bool = False, job: str | None = None
    ) -> "Aliases":
        """These aliases after one of them was pointed at `target` (None: taken away)."""
        targets = {name: version for name, version in self.targets.items() if name != alias}
        if target is not None:
            targets[alias] = target
        origin = self.targets.get(alias)
        move = Move(alias=alias, origin=origin, target=target, at=at, rollback=rollback, job=job)
        history = (*self.history, move)[-HISTORY_LIMIT:]
        return replace(self, targets=targets, history=history, moves=self.moves + 1)

    def newest_first(self) -> list[tuple[int, Move]]:
        """The moves that are remembered, each with its number among all that there were, from 1."""
        return [(self.moves - age, move) for age, move in enumerate(reversed(self.history))]

    def reaching(self, version: int) -> "Aliases":
        """These aliases, remembering that `version` was used."""
        return replace(self, last_version=max(self.last_version, version))

    def trail(self, alias: str) -> list[int | None]:
        """The places the alias came through, oldest first, now last: a move pushes, a rollback pops."""
        trail: list[int | None] = []
        for move in self.history:
            if move.alias == alias:
                _follow(trail, move)
        now = self.targets.get(alias)
        return trail if trail and trail[-1] == now else [*trail, now]

    def earlier(self, alias: str, existing: Collection[int]) -> int | None:
        """Where a rollback takes the alias: the nearest earlier version that still exists and is another."""
        *before, now = self.trail(alias)
        return next((v for v in reversed(before) if v is not None and v != now and v in existing), None)


def _follow(trail: list[int | None], move: Move) -> None:
    if not trail:
        trail.append(move.origin)
    if move.rollback:
        while trail and trail[-1] != move.target:
            trail.pop()
    if not trail or trail[-1] != move.target:
        trail.append(move.target)


def to_bytes(aliases: Aliases) -> bytes:
    """The text of aliases.json."""
    content = {
        "format": FORMAT,
        "aliases": dict(sorted(aliases.targets.items())),
        "last_version": aliases.last_version,
        "moves": aliases.moves,
        "history": [_entry(move) for move in aliases.history],
    }
    return json.dumps(content, indent=1).encode()


def from_bytes(text: bytes) -> Aliases:
    """Reads aliases.json, trusting nothing in it; ValueError with the reason that a user may see."""
    try:
        content = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError("aliases.json is not JSON") from error
    if not isinstance(content, dict):
        raise ValueError("aliases.json is not a JSON object")
    _check_format(content.get("format"))
    history = _history(content.get("history", []))
    return Aliases(
        targets=_targets(content.get("aliases")),
        history=history,
        last_version=_count(content.get("last_version", 0), "last_version", least=0),
        moves=_count(content.get("moves", len(history)), "moves", least=len(history)),
    )


def _entry(move: Move) -> dict[str, Any]:
    entry: dict[str, Any] = {"alias": move.alias, "from": move.origin, "to": move.target, "at": move.at}
    entry |= {"rollback": True} if move.rollback else {}
    return entry | ({"job": move.job} if move.job is not None else {})


def _check_format(number: object) -> None:
    if type(number) is not int or number < 1:
        raise ValueError("aliases.json says no format")
    if number > FORMAT:
        raise ValueError(f"aliases.json has format {number}, newer than the {FORMAT} known to this server")


def _targets(value: object) -> dict[str, int]:
    if not isinstance(value, dict) or not all(map(is_alias, value)):
        raise ValueError("aliases.json holds something that is not an alias")
    return {alias: _count(version, "a version") for alias, version in value.items()}


def _history(value: object) -> tuple[Move, ...]:
    if not isinstance(value, list):
        raise ValueError("the history in aliases.json is not a list")
    return tuple(_move(entry) for entry in value[-HISTORY_LIMIT:])


def _move(entry: object) -> Move:
    if not isinstance(entry, dict) or not isinstance(entry.get("alias"), str):
        raise ValueError("the history in aliases.json holds something that is not a move")
    return Move(
        alias=entry["alias"],
        origin=_place(entry.get("from")),
        target=_place(entry.get("to")),
        at=str(entry.get("at", "")),
        rollback=entry.get("rollback") is True,
        job=None if entry.get("job") is None else str(entry["job"]),
    )


def _place(value: object) -> int | None:
    return None if value is None else _count(value, "a version in the history")


def _count(value: object, what: str, *, least: int = 1) -> int:
    if type(value) is not int or value < least:
        raise ValueError(f"{what} in aliases.json is not a whole number from {least}")
    return value
