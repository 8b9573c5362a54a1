"""Whether a new version takes over production: both are judged on the same rows, which neither has learned from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.errors import NeuronaError, StorageFailed
from app.jobs import Job
from app.repository.model import Class, class_places
from app.repository.names import PRODUCTION
from app.repository.repository import Repository
from app.training.material import Material
from app.training.production import losses_of
from core.arrays import Array

ROUNDING = 1e-5  # of a loss that float32 members gave
MOST_NAMED = 5  # classes, in a sentence


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The new version beside the one in production, by mean log loss on `rows` rows.

    unseen: whether neither learned from any of the rows. unknown: rows whose class production lacks, on which it
    counts as if it had guessed among all classes: a version that knows more classes is not better by that alone.
    gone: classes that only production has.
    """

    production: int
    rows: int
    log_loss: float
    production_log_loss: float
    unseen: bool
    unknown: int
    gone: tuple[Class, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "production": self.production,
            "rows": self.rows,
            "log_loss": self.log_loss,
            "production_log_loss": self.production_log_loss,
            "unknown_labels": self.unknown,
            "judged": "on rows that neither has learned from"
            if self.unseen
            else "on rows that production or the new version may have learned from",
        }


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The decision, what it was made of, and what the user should know of it."""

    promoted: bool
    promotion: dict[str, Any]
    notes: tuple[str, ...] = ()


class Jury:
    """Judges a job's version, whose losses on the held-out rows are `losses`, against the one in production."""

    def __init__(self, repository: Repository, job: Job, *, material: Material, losses: Array) -> None:
        self._repository, self._job, self._material, self._losses = repository, job, material, losses
        self._known: dict[int, Comparison | str] = {}

    def decide(self) -> Verdict:
        """Apply the promotion rule. Comparing takes time, but only the first time for the same production."""
        production, rule = self._production(), self._job.promote
        if production is None or production == self._job.version:
            return Verdict(promoted=True, promotion={"rule": rule, "production": None})
        found = self._compare(production)
        told = (
            found.to_dict() if isinstance(found, Comparison) else {"production": production, "judged": found}
        )
        promoted = rule == "always" or (rule == "if_better" and _better(found))
        notes: tuple[str, ...] = () if promoted or rule == "never" else (_note(production, found),)
        if isinstance(found, Comparison):
            notes += _of_classes(found)
        return Verdict(promoted=promoted, promotion={"rule": rule, **told}, notes=notes)

    def _production(self) -> int | None:
        return self._repository.aliases(self._job.model).get(PRODUCTION)

    def _compare(self, version: int) -> Comparison | str:
        """How the version does beside this one, or why that cannot be said."""
        if version not in self._known:
            try:
                model = self._repository.load(self._job.model, version)
                theirs = losses_of(model, self._repository, self._material)
            except StorageFailed:
                raise  # the disk's condition says nothing of the version; the job comes back
            except (NeuronaError, ValueError) as error:
                self._known[version] = f"not at all: {error}"
            except KeyError as error:
                self._known[version] = f"not at all: the rows have no column {error}"
            else:
                self._known[version] = Comparison(
                    production=version,
                    rows=len(theirs.rows),
                    log_loss=float(self._losses[theirs.rows].mean()),
                    production_log_loss=float(theirs.losses.mean()),
                    unseen=theirs.unseen and self._material.deal.clean,
                    unknown=theirs.unknown,
                    gone=_missing(self._material.classes, model.classes),
                )
        return self._known[version]


def _better(found: Comparison | str) -> bool:
    """Lower by more than rounding, which is all that lies between a version and the same one trained again."""
    return isinstance(found, Comparison) and found.log_loss < (1 - ROUNDING) * found.production_log_loss


def _note(production: int, found: Comparison | str) -> str:
    if isinstance(found, str):
        reason = found.removeprefix("not at all: ")
        return f"not promoted: version {production} could not be judged on the same rows ({reason})"
    losses = f"{found.log_loss:.4g}, not below the {found.production_log_loss:.4g} of version {production}"
    return f"not promoted: validation log loss {losses} on the same {found.rows:,} rows"


def _missing(classes: Sequence[Class], wanted: Sequence[Class]) -> tuple[Class, ...]:
    places = class_places(classes, wanted)
    return tuple(each for each, place in zip(wanted, places, strict=True) if place is None)


def _of_classes(found: Comparison) -> tuple[str, ...]:
    """What the user should know where the classes are not those of production."""
    gone = ", ".join(map(repr, found.gone[:MOST_NAMED])) + (", …" if len(found.gone) > MOST_NAMED else "")
    notes = {
        f"no row has the label {gone} of version {found.production}, so this one cannot answer with it": found.gone,
        f"{found.unknown:,} of {found.rows:,} rows have a label that version {found.production} does not know: on"
        " these it is taken to guess": found.unknown,
    }
    return tuple(note for note, said in notes.items() if said)
