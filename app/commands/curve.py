"""A job's progress as it comes: curves, a bar, the time left; plain lines where there is no terminal."""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Protocol, TextIO

import httpx

from app.commands.plot import Line, plot

_FINAL = ("succeeded", "failed", "cancelled")
_TRIES = 60  # seconds without a server, after which watching ends
_FRAME_SECONDS = 0.1
_QUIET_SECONDS = 10.0  # longest silence between two plain lines, if there is news
_COLOURS = (36, 33, 35)
_HEIGHT, _WIDTH = 11, 78


class View(Protocol):
    """What shows a job: told of every epoch, then of the end."""

    def epoch(self, epoch: Mapping[str, Any]) -> None: ...
    def still(self) -> None: ...
    def end(self, job: Mapping[str, Any], /) -> None: ...


def follow(client: httpx.Client, job: dict[str, Any], out: TextIO = sys.stdout) -> dict[str, Any]:
    """Show a job until it ends; the job as it then is."""
    view = Drawing(client, job["id"], out) if _can_draw(out) else Lines(out)
    for event, value in _events(client, job["id"]):
        if event == "epoch":
            view.epoch(value)
        elif event == "state" and value["state"] in _FINAL:
            view.end(value)
            return value
        else:
            view.still()
    return job


def _can_draw(out: TextIO) -> bool:
    blocks = (out.encoding or "").lower().replace("-", "") == "utf8"
    return out.isatty() and blocks and os.environ.get("TERM", "dumb") != "dumb"


class Lines:
    """One line an epoch, ever fewer the more there are: enough for a log, and short."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._last: Mapping[str, Any] = {}  # the newest epoch, if it was not printed
        self._candidate = ""
        self._printed = 0.0

    def epoch(self, epoch: Mapping[str, Any]) -> None:
        if epoch["candidate"] != self._candidate:
            self._flush()
            if not self._candidate:
                print("candidate           epoch  train loss  validation loss  accuracy", file=self._out)
            self._candidate = epoch["candidate"]
        self._last = epoch
        if _is_round(epoch["epoch"]) or time.monotonic() - self._printed > _QUIET_SECONDS:
            self._flush()

    def still(self) -> None:
        """Nothing new: nothing to say."""

    def end(self, _: Mapping[str, Any]) -> None:
        """The last epoch is always shown; how the job ended is for the caller to say."""
        self._flush()

    def _flush(self) -> None:
        if self._last:
            loss, accuracy = self._last["validation_loss"], self._last["validation_accuracy"]
            print(
                f"{self._last['candidate']:<18} {self._last['epoch']:>6}  {self._last['train_loss']:>10.4f}  "
                f"{_number(loss):>15}  {_number(accuracy):>8}",
                file=self._out,
                flush=True,
            )
            self._last, self._printed = {}, time.monotonic()


def _is_round(epoch: int) -> bool:
    """1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100 …"""
    size = 10 ** (len(str(epoch)) - 1)
    return epoch / size in (1, 2, 3, 5, 7) or epoch == 15 * size // 10


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


class Drawing:
    """The losses of every candidate as curves, redrawn in place above a bar."""

    def __init__(self, client: httpx.Client, job_id: str, out: TextIO) -> None:
        self._client, self._path, self._out = client, f"/v1/jobs/{job_id}", out
        self._epochs: dict[str, list[Mapping[str, Any]]] = {}
        self._progress: Mapping[str, Any] = {}
        self._drawn = 0.0
        self._height = 0
        self._colours = "NO_COLOR" not in os.environ

    def epoch(self, epoch: Mapping[str, Any]) -> None:
        self._epochs.setdefault(epoch["candidate"], []).append(epoch)
        self.still()

    def still(self) -> None:
        if time.monotonic() - self._drawn >= _FRAME_SECONDS:
            with suppress(httpx.HTTPError):  # what is known already is drawn
                self._progress = self._client.get(self._path).raise_for_status().json()["progress"]
            self._draw()

    def end(self, job: Mapping[str, Any]) -> None:
        self._progress = {**job["progress"], "eta_seconds": None}
        if job["state"] == "succeeded":
            self._progress["fraction"] = 1.0
        self._draw()

    def _draw(self) -> None:
        """Draw over what was drawn before; a terminal made narrower meanwhile shows one untidy frame."""
        width = min(_WIDTH, shutil.get_terminal_size().columns - 1)
        lines = [*self._curves(width), self._legend(width), self._status(width)] if self._epochs else []
        up = f"\x1b[{self._height}A" if self._height else ""
        self._out.write(up + "".join(f"\x1b[2K{line}\n" for line in lines))
        self._out.flush()
        self._height, self._drawn = len(lines), time.monotonic()

    def _curves(self, width: int) -> list[str]:
        lines = []
        for colour, epochs in zip(_COLOURS, self._epochs.values(), strict=False):
            for name in ("train_loss", "validation_loss"):
                points = [(each["epoch"], each[name]) for each in epochs if each[name] is not None]
                lines.append(Line(points=points, colour=colour, dotted=name == "train_loss"))
        return plot(lines, width=width, height=_HEIGHT, colours=self._colours)

    def _legend(self, width: int) -> str:
        keys = [f"⠒⠒ {name}" for name in self._epochs]
        if len("   ".join([*keys, "⠂⠐ on the rows trained on"])) + 10 > width:
            return ""
        if self._colours:
            keys = [
                f"\x1b[{colour}m{key[:2]}\x1b[0m{key[2:]}"
                for colour, key in zip(_COLOURS, keys, strict=False)
            ]
        return " " * 10 + "   ".join([*keys, "⠂⠐ on the rows trained on"])

    def _status(self, width: int) -> str:
        progress, (*_, (name, epochs)) = self._progress, self._epochs.items()
        done = round((progress.get("fraction") or 0) * 16)
        parts = [
            f"{'━' * done}{'╌' * (16 - done)}",
            f"{name} epoch {epochs[-1]['epoch']}",
            f"loss {_number(epochs[-1]['validation_loss'])}",
            f"accuracy {_number(epochs[-1]['validation_accuracy'])}",
        ]
        if (eta := progress.get("eta_seconds")) is not None:
            parts.append(f"≤ {_duration(eta)}")
        if rate := progress.get("rows_per_second"):
            parts.append(f"{rate:,.0f} rows/s")
        while len("  ".join(parts)) > width and len(parts) > 1:
            parts.pop()
        return "  ".join(parts)[:width]


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _events(client: httpx.Client, job_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The server-sent events of a job, resumed where a lost connection left off; ("", {}) for a heartbeat.

    Raises: SystemExit when there is no server any more, or no such job.
    """
    last, failures = "0", 0
    while True:
        try:
            with client.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": last}) as stream:
                if stream.is_client_error:
                    sys.exit(f"the job cannot be watched: the server answered {stream.status_code}")
                stream.raise_for_status()
                event = ""
                for line in stream.iter_lines():
                    failures = 0
                    name, _, text = line.partition(": ")
                    if name == "event":
                        event = text
                    elif name == "id":
                        last = text
                    elif name == "data":
                        yield event, json.loads(text)
                    elif line.startswith(":"):
                        yield "", {}
        except (httpx.TransportError, httpx.HTTPStatusError):
            pass
        failures += 1
        if failures > _TRIES:
            sys.exit("the server is gone; a job that it accepted goes on when it is back")
        time.sleep(1.0)
