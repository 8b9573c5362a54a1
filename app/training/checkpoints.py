"""Where a run stands, on disk: written whole or not at all, and exact to the last bit."""

import io
import json
import time
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.storage.folder import make_folder, remove_tree, reported, sweep, write_atomic
from core import network
from core.arrays import Array
from core.network import Params

FORMAT = 3
_KEPT = 2  # attempts whose checkpoints are kept: the newest, and the one before in case that is damaged
_ABANDONED_SECONDS = 60.0  # a file that nobody has written to for so long is one that a killed worker began


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A candidate whose training is over: its members at their best, and what they score on held-out rows.

    stage: the place in the candidate's path that they are of. No members: it diverged, in epoch number `epochs`.
    """

    members: tuple[Params, ...]
    validation_loss: float
    epochs: int
    stage: int = 0


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """The position of a job: finished candidates, the arrays of the one in training, and the history's length."""

    finished: tuple[Finished, ...] = ()
    state: dict[str, Array] | None = None
    sequence: int = 0
    seconds: float = 0.0


class Checkpoints:
    """One folder a job, one file an attempt; a later attempt starts from the newest.

    An attempt that was superseded but still lives writes only to its own file, which then is no longer the newest.
    However many attempts there are, the room that they take is that of two or three checkpoints.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def save(self, job_id: str, attempt: int, checkpoint: Checkpoint) -> None:
        """Replace the attempt's checkpoint. Raises: StorageFailed."""
        home = self._root / job_id
        with reported("write a checkpoint"):
            make_folder(home)
            write_atomic(home / f"{attempt:06d}.npz", _to_bytes(checkpoint))
        for old in _files(home)[_KEPT:]:
            with suppress(OSError):
                old.unlink()
        sweep(home, before=time.time() - _ABANDONED_SECONDS)

    def newest(self, job_id: str) -> Checkpoint:
        """The newest whole checkpoint of a job; the beginning, if there is none."""
        for path in _files(self._root / job_id):
            try:
                return _from_bytes(path.read_bytes())
            except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
                continue
        return Checkpoint()

    def discard(self, job_id: str) -> None:
        """Forget a job that has reached a final state."""
        with suppress(OSError):  # what is left over is only space
            remove_tree(self._root / job_id)


def _files(home: Path) -> list[Path]:
    """A job's checkpoints, the newest attempt's first."""
    return sorted(home.glob("[0-9]*.npz"), reverse=True)


def _to_bytes(checkpoint: Checkpoint) -> bytes:
    arrays = {f"state/{name}": array for name, array in (checkpoint.state or {}).items()}
    for index, finished in enumerate(checkpoint.finished):
        for member, parameters in enumerate(finished.members):
            arrays[f"finished/{index}/{member}"] = network.flatten(parameters)
    meta = {
        "format": FORMAT,
        "sequence": checkpoint.sequence,
        "seconds": checkpoint.seconds,
        "training": checkpoint.state is not None,
        "finished": [
            {
                "loss": each.validation_loss.hex(),
                "epochs": each.epochs,
                "stage": each.stage,
                "sizes": [list(network.sizes(parameters)) for parameters in each.members],
            }
            for each in checkpoint.finished
        ],
    }
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    target = io.BytesIO()
    np.savez(target, **arrays)  # type: ignore[arg-type]
    return target.getvalue()


def _from_bytes(data: bytes) -> Checkpoint:
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        meta = json.loads(arrays["meta"].tobytes())
        if meta["format"] != FORMAT:
            raise ValueError("a checkpoint of another release: the job begins again")
        state = {
            name.removeprefix("state/"): arrays[name] for name in arrays.files if name.startswith("state/")
        }
        finished = tuple(
            Finished(
                members=tuple(
                    network.layers(arrays[f"finished/{index}/{member}"], sizes)
                    for member, sizes in enumerate(each["sizes"])
                ),
                validation_loss=float.fromhex(each["loss"]),
                epochs=each["epochs"],
                stage=each["stage"],
            )
            for index, each in enumerate(meta["finished"])
        )
    return Checkpoint(
        finished=finished,
        state=state if meta["training"] else None,
        sequence=meta["sequence"],
        seconds=meta["seconds"],
    )
