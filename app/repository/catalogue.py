"""The models on a folder, to be read: what there is, what references mean, cards, weights, whole models.

<root>/<name>/<version>/{model.safetensors, model.json} and <root>/<name>/aliases.json; beside a softmax regression
that came of a committee also members.safetensors, which no prediction needs. Everything is taken as
written by a stranger: no link is followed, no claim believed unchecked. No right to write is needed.
"""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

from app.errors import (
    AliasesBroken,
    AliasNotFound,
    ModelBroken,
    ModelNotFound,
    VersionNotFound,
)
from app.repository import aliases as alias_file
from app.repository import card as cards
from app.repository import weights as weights_file
from app.repository.aliases import Aliases
from app.repository.card import Outline
from app.repository.model import Model
from app.repository.names import PRODUCTION, check_name, is_name, parse_reference, version_number
from app.storage.folder import reported
from app.storage.reading import is_regular_below, open_below, read_below
from core.network import Params

CARD, WEIGHTS, MEMBERS, ALIASES = "model.json", "model.safetensors", "members.safetensors", "aliases.json"
CARD_LIMIT = ALIASES_LIMIT = 64 << 20
_NOT_PLAIN = (errno.ELOOP, errno.ENOTDIR, errno.EINVAL, errno.EISDIR)
Stamp = tuple[int, ...]


class Catalogue:
    """The models below `root`; those with more than `max_parameters` weights are not loaded.

    Weights of `map_from` bytes or more are mapped, not copied (see `weights.read`).
    """

    def __init__(
        self, root: Path, *, max_parameters: int = 100_000_000, map_from: int = weights_file.MAP_FROM
    ) -> None:
        self._root = root
        self._max_parameters, self._map_from = max_parameters, map_from

    def names(self, *, after: str = "", most: int | None = None) -> list[str]:
        """The names of models with a version, sorted: all, or up to `most` of those behind `after`.

        `StorageFailed` if the folder cannot be read.
        """
        behind = (name for name in sorted(folders(self._root)) if name > after and is_name(name))
        return list(islice(filter(self._has_versions, behind), most))

    def versions(self, name: str) -> list[int]:
        """The complete versions of a model, ascending; empty for a model that does not exist."""
        numbers = (version_number(text) for text in folders(self._root / check_name(name)))
        return sorted(number for number in numbers if number and self._is_complete(name, number))

    def aliases(self, name: str) -> dict[str, int]:
        """Where the aliases of a model point; empty for a model that does not exist."""
        return dict(self._aliases(check_name(name)).targets)

    def alias_record(self, name: str) -> Aliases:
        """The aliases of a model with the history of their moves; `ModelNotFound`."""
        self._need_model(check_name(name))
        return self._aliases(name)

    def last_version(self, name: str) -> int:
        """The highest version number ever used by a model, whether it still exists or not; 0 if none."""
        numbers = (version_number(text) or 0 for text in folders(self._root / check_name(name)))
        return max([self._aliases(name).last_version, *numbers])

    def resolve(self, ref: str) -> tuple[str, int]:
        """The name and version that `name`, `name@7` or `name@alias` means now.

        Raises `Invalid` for another syntax, `ModelNotFound`, `AliasNotFound` or `VersionNotFound`.
        """
        wanted = parse_reference(ref)
        version = wanted.version
        if version is None:
            version = self._aliases(wanted.name).targets.get(wanted.alias or PRODUCTION)
        if version is None:
            self._need_model(wanted.name)
            raise AliasNotFound(name=wanted.name, alias=wanted.alias)
        self._need_version(wanted.name, version)
        return wanted.name, version

    def stamp(self, ref: str) -> Stamp | None:
        """A cheap token that is another one whenever `ref` may have come to mean something else.

        None: what it hangs on does not exist.
        """
        wanted = parse_reference(ref)
        last = ALIASES if wanted.version is None else str(wanted.version)
        with reported("look for a change of a model"):
            try:
                found = os.lstat(self._root / wanted.name / last)
            except (FileNotFoundError, NotADirectoryError):
                return None
        return (found.st_mtime_ns, found.st_size, found.st_ino)

    # What a version is

    def card(self, name: str, version: int) -> dict[str, Any]:
        """The version's card; `ModelBroken` if it is none, `VersionNotFound`, `ModelNotFound`."""
        self._need_version(name, version)
        with unbroken(name, version):
            card = cards.from_bytes(read_below(self._root, name, str(version), CARD, limit=CARD_LIMIT))
        return {**card, "name": name, "version": version}

    def load(self, name: str, version: int) -> Model:
        """The whole version, with read-only arrays; `ModelBroken` with the reason if it is not as claimed."""
        card = self.card(name, version)
        with unbroken(name, version):
            outline = self._outline(card)
            with open_below(self._root, name, str(version), WEIGHTS) as file:
                parameters = weights_file.read(file, outline.sizes, map_from=self._map_from)
        return Model(
            name=name,
            version=version,
            parameters=parameters,
            encoding=outline.encoding,
            classes=outline.classes,
            temperature=outline.temperature,
            card=card,
        )

    def members(self, model: Model, count: int) -> tuple[Params, ...] | None:
        """The `count` softmax regressions that learned beside this one, each without the rows of its fold; None
        where they were not kept. Raises `ModelBroken`."""
        with unbroken(model.name, model.version):
            try:
                with open_below(self._root, model.name, str(model.version), MEMBERS) as file:
                    return weights_file.read_members(file, model.sizes, count)
            except FileNotFoundError:
                return None

    def weights(self, name: str, version: int) -> Path:
        """The place of the version's safetensors file."""
        self._need_version(name, version)
        return self._root / name / str(version) / WEIGHTS

    def _is_complete(self, name: str, version: int) -> bool:
        return all(is_regular_below(self._root, name, str(version), file) for file in (WEIGHTS, CARD))

    def _has_versions(self, name: str) -> bool:
        numbers = map(version_number, folders(self._root / check_name(name)))
        return any(number and self._is_complete(name, number) for number in numbers)

    def _need_model(self, name: str) -> None:
        if not self._has_versions(name):
            raise ModelNotFound(name=name)

    def _need_version(self, name: str, version: int) -> None:
        if version_number(str(version)) and self._is_complete(check_name(name), version):
            return
        self._need_model(name)
        raise VersionNotFound(name=name, version=version)

    def _aliases(self, name: str) -> Aliases:
        with reported(f"read the aliases of model {name!r}"):
            try:
                return alias_file.from_bytes(
                    read_below(self._root, check_name(name), ALIASES, limit=ALIASES_LIMIT)
                )
            except FileNotFoundError:
                return Aliases()
            except ValueError as error:
                raise AliasesBroken(name=name, reason=str(error)) from error
            except OSError as error:
                raise AliasesBroken(name=name, reason=_plainly(error)) from error

    def _outline(self, card: dict[str, Any]) -> Outline:
        outline = cards.outline(card)
        if outline.parameters > self._max_parameters:
            raise ValueError(
                f"its {outline.parameters} weights are more than the limit of {self._max_parameters}"
                " (max_parameters)"
            )
        return outline


@contextmanager
def unbroken(name: str, version: int) -> Iterator[None]:
    """Turns what is wrong with a version's content into `ModelBroken`, with the disk into `StorageFailed`."""
    with reported(f"read version {version} of model {name!r}"):
        try:
            yield
        except FileNotFoundError as error:
            raise VersionNotFound(name=name, version=version) from error
        except ValueError as error:
            raise ModelBroken(name=name, version=version, reason=str(error)) from error
        except MemoryError as error:
            raise ModelBroken(name=name, version=version, reason="there is too little memory") from error
        except OSError as error:
            raise ModelBroken(name=name, version=version, reason=_plainly(error)) from error


def _plainly(error: OSError) -> str:
    """What an error says about the file; one that tells of the disk goes on to whoever reports those."""
    if error.errno == errno.EFBIG:
        return "one of its files is larger than can be"
    if error.errno in _NOT_PLAIN:
        return "one of its files is not a plain file in its place"
    raise error


def folders(path: Path) -> list[str]:
    """The names of the true folders (no links) in a folder; none if that does not exist."""
    with reported("list the models"):
        try:
            with os.scandir(path) as entries:
                return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
        except (FileNotFoundError, NotADirectoryError):
            return []
