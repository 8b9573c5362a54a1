"""Models on disk, to be read and changed: publishing, aliases, rolling back, deleting.

A version's folder is complete or it does not exist, and never changes once it does. Changes to one model
exclude each other by a lock file, among threads and processes; reading waits for nobody.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path

from app.errors import AliasNotFound, NothingToRollBack, StorageFailed, VersionInUse
from app.repository import aliases as alias_file
from app.repository import card as cards
from app.repository import weights as weights_file
from app.repository.aliases import Aliases
from app.repository.catalogue import (
    ALIASES,
    CARD,
    CARD_LIMIT,
    MEMBERS,
    WEIGHTS,
    Catalogue,
    folders,
    unbroken,
)
from app.repository.model import Model
from app.repository.names import PRODUCTION, check_alias, check_name, is_name
from app.storage import folder
from app.times import timestamp, utc_now
from core.network import Params

LOCK = ".lock"
_ABANDONED_SECONDS = 3600.0  # what was begun longer ago, a writer that was killed has left


class Repository(Catalogue):
    """The models below one folder. `clock` gives the time that cards and histories are dated with."""

    def __init__(
        self,
        root: Path,
        *,
        clock: Callable[[], datetime] = utc_now,
        max_parameters: int = 100_000_000,
        map_from: int = weights_file.MAP_FROM,
    ) -> None:
        super().__init__(root, max_parameters=max_parameters, map_from=map_from)
        self._clock = clock

    def publish(self, model: Model) -> None:
        """Makes the model's version exist, in one step; one that exists already is left as it is.

        Raises `ModelBroken` for a model that could not be loaded again, `StorageFailed` with nothing changed.
        """
        with self.staged(model) as publish:
            publish()

    @contextmanager
    def staged(self, model: Model, *, members: Sequence[Params] = ()) -> Iterator[Callable[[], None]]:
        """Writes all that can be written beforehand; the function it gives then publishes in one short step.

        members: softmax regressions to be kept beside the model (see `Catalogue.members`).
        For callers that must hold something while the version appears. Raises as `publish`.
        """
        what = f"publish version {model.version} of model {model.name!r}"
        home = self._home(model.name, what)
        weights, card = self._prepare(model)
        side_by_side = weights_file.members_to_bytes(members) if members else None
        with ExitStack() as stack:
            with folder.reported(what):
                folder.make_folder(home)
                folder.sweep(home, before=self._clock().timestamp() - _ABANDONED_SECONDS)
                staged = stack.enter_context(folder.staging(home))
                folder.write_new(staged / WEIGHTS, weights)
                folder.write_new(staged / CARD, card)
                if side_by_side is not None:
                    folder.write_new(staged / MEMBERS, side_by_side)

            def publish() -> None:
                with folder.reported(what):
                    self._settle(staged, home / str(model.version))

            yield publish

    def set_alias(self, name: str, alias: str, version: int, *, job: str | None = None) -> int | None:
        """Points the alias at a version; where it pointed before (None: it is new). `job`: whose promotion it is."""
        check_alias(alias)
        with self._changing(name, f"move alias {alias!r} of model {name!r}"):
            self._need_version(name, version)
            aliases = self._aliases(name)
            if aliases.targets.get(alias) != version:
                self._write(name, aliases.moved(alias, version, at=self._now(), job=job))
        return aliases.targets.get(alias)

    def delete_alias(self, name: str, alias: str) -> None:
        """Takes the alias away; `AliasNotFound` if there is none."""
        check_alias(alias)
        with self._changing(name, f"delete alias {alias!r} of model {name!r}"):
            aliases = self._aliases(name)
            if alias not in aliases.targets:
                raise AliasNotFound(name=name, alias=alias)
            self._write(name, aliases.moved(alias, None, at=self._now()))

    def rollback(self, name: str) -> tuple[int | None, int]:
        """Points production at what it was before (again: further back); where it pointed until now, and does now.

        Versions deleted since are passed over. `NothingToRollBack` if nothing is left to go back to.
        """
        with self._changing(name, f"roll back model {name!r}"):
            aliases = self._aliases(name)
            version = aliases.earlier(PRODUCTION, self.versions(name))
            if version is None:
                raise NothingToRollBack(name=name)
            self._write(name, aliases.moved(PRODUCTION, version, at=self._now(), rollback=True))
        return aliases.targets.get(PRODUCTION), version

    def delete_version(self, name: str, version: int) -> None:
        """Removes a version; `VersionInUse` while an alias points at it. Its number is never used again."""
        with self._changing(name, f"delete version {version} of model {name!r}"):
            self._need_version(name, version)
            aliases = self._aliases(name)
            by = next((alias for alias, target in aliases.targets.items() if target == version), None)
            if by is not None:
                raise VersionInUse(name=name, version=version, by=f"alias {by!r}")
            if aliases.last_version < version:  # else nothing is written, which a full disk would refuse
                self._write(name, aliases)
            folder.remove_tree(self._root / name / str(version))

    def delete_model(self, name: str) -> None:
        """Removes all versions and aliases of a model; its version numbers stay used."""
        with self._changing(name, f"delete model {name!r}"):
            aliases = self._aliases(name)
            for alias in list(aliases.targets):
                aliases = aliases.moved(alias, None, at=self._now())
            self._write(name, aliases)
            for version in self.versions(name):
                folder.remove_tree(self._root / name / str(version))

    def sweep(self, *, older_than_seconds: float = _ABANDONED_SECONDS) -> int:
        """Deletes what crashed writers left unfinished; how many things that were."""
        before = self._clock().timestamp() - older_than_seconds
        with folder.reported("clear away unfinished models"):
            homes = [self._root / name for name in folders(self._root) if is_name(name)]
            return sum(folder.sweep(home, before=before) for home in [self._root, *homes])

    def _prepare(self, model: Model) -> tuple[bytes, bytes]:
        """Weights and card as bytes, once it is sure that they can be loaded again."""
        with unbroken(model.name, model.version):
            card = cards.to_bytes(model, created_at=self._now())
            if len(card) > CARD_LIMIT:
                raise ValueError(f"its card is larger than {CARD_LIMIT} bytes")
            outline = self._outline(cards.from_bytes(card))
            return weights_file.to_bytes(model.parameters, outline.sizes), card

    def _settle(self, staged: Path, final: Path) -> None:
        with folder.lock(final.parent / LOCK):
            if self._is_complete(final.parent.name, int(final.name)):
                folder.fsync_folder(final.parent)
            else:
                if os.path.lexists(final):
                    folder.remove_tree(final)
                folder.publish_folder(staged, final)
        folder.fsync_folder(self._root)

    @contextmanager
    def _changing(self, name: str, what: str) -> Iterator[None]:
        self._need_model(name)
        home = self._home(name, what)
        with folder.reported(what), folder.lock(home / LOCK):
            yield

    def _home(self, name: str, what: str) -> Path:
        home = self._root / check_name(name)
        if home.is_symlink():
            raise StorageFailed(what=what, reason="its folder is a link")
        return home

    def _write(self, name: str, aliases: Aliases) -> None:
        data = alias_file.to_bytes(aliases.reaching(self.last_version(name)))
        folder.write_atomic(self._root / name / ALIASES, data)

    def _now(self) -> str:
        return timestamp(self._clock())
