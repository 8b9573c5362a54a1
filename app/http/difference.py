"""What changed from one version to another: data, hyperparameters, metrics and software, as their cards tell it."""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel, Field

from app.repository.model import Class, part
from core.dealing import Deal
from core.metrics import HEADLINE

OF_A_CLASS = ("precision", "recall", "f1", "support")

Card = Mapping[str, Any]


class Version(BaseModel):
    """One of the two versions."""

    model: str
    version: int
    created_at: str | None
    algorithm: str | None
    sizes: list[int] = Field(description="features of the network, hidden units of each layer, classes")
    parent: str | None = Field(description="the version whose weights it went on from")
    job: str | None


class Change(BaseModel):
    """A value before and after."""

    before: Any = None
    after: Any = None


class Step(BaseModel):
    """A number before and after, null where a card has none; `difference` is after less before."""

    before: int | float | None
    after: int | float | None
    difference: int | float | None


class Retyped(BaseModel):
    """A column of both whose type is another."""

    name: str
    before: str
    after: str


class Columns(BaseModel):
    """Columns by name."""

    added: list[str]
    removed: list[str]
    retyped: list[Retyped]


class Classes(BaseModel):
    """Classes by label."""

    added: list[Class]
    removed: list[Class]


class Data(BaseModel):
    """What the versions were trained on."""

    dataset: Change
    training_rows: Step
    validation_rows: Step
    columns: Columns
    classes: Classes


class OfClass(BaseModel):
    """How well one class is told, before and after; null where a version has no such class."""

    label: Class
    precision: Step
    recall: Step
    f1: Step
    support: Step


class Difference(BaseModel):
    """What changed from the version `before` to the version `after`."""

    before: Version
    after: Version
    data: Data
    hyperparameters: dict[str, Change] = Field(description="those that differ, as resolved")
    same_validation_rows: bool = Field(
        description="whether both were judged on the same rows; if not, differences of metrics mean less"
    )
    metrics: dict[str, Step] = Field(description="each version's own, on its validation rows")
    per_class: list[OfClass]
    software: dict[str, Change] = Field(description="what differs of the software that computed them")


def compare(before: Card, after: Card) -> Difference:
    """From one card to the other. What a card lacks is null, for cards may be older or a stranger's."""
    return Difference(
        before=_version(before),
        after=_version(after),
        data=_data(before, after),
        hyperparameters=_changes(before, after, "hyperparameters"),
        same_validation_rows=_validation(before) is not None and _validation(before) == _validation(after),
        metrics={name: _step(part(before, "metrics"), part(after, "metrics"), name) for name in HEADLINE},
        per_class=_per_class(before, after),
        software=_changes(part(before, "lineage"), part(after, "lineage"), "software"),
    )


def _version(card: Card) -> Version:
    lineage = part(card, "lineage")
    sizes = card.get("sizes")
    return Version(
        model=card["name"],
        version=card["version"],
        created_at=_text(card.get("created_at")),
        algorithm=_text(card.get("algorithm")),
        sizes=[size for size in sizes if type(size) is int] if isinstance(sizes, list) else [],
        parent=_text(lineage.get("parent")),
        job=_text(lineage.get("job")),
    )


def _data(before: Card, after: Card) -> Data:
    rows = part(before, "rows"), part(after, "rows")
    types = _types(before), _types(after)
    return Data(
        dataset=Change(
            before=part(before, "lineage").get("dataset"), after=part(after, "lineage").get("dataset")
        ),
        training_rows=_step(*rows, "train"),
        validation_rows=_step(*rows, "validation"),
        columns=Columns(
            added=[name for name in types[1] if name not in types[0]],
            removed=[name for name in types[0] if name not in types[1]],
            retyped=[
                Retyped(name=name, before=kind, after=types[1][name])
                for name, kind in types[0].items()
                if types[1].get(name, kind) != kind
            ],
        ),
        classes=Classes(added=_lacking(after, before), removed=_lacking(before, after)),
    )


def _types(card: Card) -> dict[str, str]:
    """The columns in the schema's order, and of what type each is."""
    columns = part(card, "encoding").get("columns")
    described = [each for each in columns if isinstance(each, Mapping)] if isinstance(columns, list) else []
    return {str(each.get("name")): _type(each) for each in described}


def _type(column: Card) -> str:
    kind = str(column.get("type"))
    if kind == "vector" and isinstance(column.get("mean"), list):
        return f"vector of {len(column['mean'])}"
    return "boolean" if column.get("boolean") is True else kind


def _lacking(card: Card, other: Card) -> list[Class]:
    """The classes of one that the other does not have; True and 1 are different classes."""
    known = {(type(label), label) for label in _labels(other)}
    return [label for label in _labels(card) if (type(label), label) not in known]


def _labels(card: Card) -> list[Class]:
    classes = card.get("classes")
    return [each for each in classes if isinstance(each, Class)] if isinstance(classes, list) else []


def _validation(card: Card) -> tuple[Any, ...] | None:
    """What decides which rows the metrics are of, if the card says all of it: a committee is judged on all."""
    dataset = part(card, "lineage").get("dataset")
    if dataset is None or card.get("metrics_on") == "out-of-fold":
        return None if dataset is None else (dataset,)
    try:
        deal = Deal.from_dict(part(part(card, "committee"), "deal"))
    except ValueError:
        return None
    return dataset, deal.fraction, deal.seed, deal.together, set(deal.names.items())


def _per_class(before: Card, after: Card) -> list[OfClass]:
    rows = _class_rows(before), _class_rows(after)
    keys = [*rows[1], *(key for key in rows[0] if key not in rows[1])]
    return [
        OfClass(
            label=key[1],
            **{name: _step(rows[0].get(key, {}), rows[1].get(key, {}), name) for name in OF_A_CLASS},
        )
        for key in keys
    ]


def _class_rows(card: Card) -> dict[tuple[type, Class], Card]:
    rows = part(card, "metrics").get("per_class")
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        return {}
    return {(type(label), label): row for label, row in zip(_labels(card), rows, strict=False)}


def _changes(before: Card, after: Card, name: str) -> dict[str, Change]:
    """The entries of a part of both cards that differ, those of the later first."""
    ours, theirs = part(before, name), part(after, name)
    return {
        key: Change(before=ours.get(key), after=theirs.get(key))
        for key in _union(theirs, ours)
        if ours.get(key) != theirs.get(key)
    }


def _union(first: Iterable[str], second: Iterable[str]) -> list[str]:
    return list(dict.fromkeys([*first, *second]))


def _step(before: Card, after: Card, name: str) -> Step:
    ours, theirs = _number(before.get(name)), _number(after.get(name))
    known = ours is not None and theirs is not None
    return Step(before=ours, after=theirs, difference=theirs - ours if known else None)  # type: ignore[operator]


def _number(value: object) -> int | float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
