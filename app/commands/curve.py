"""A job's progress in the terminal: a bar, the losses, the time left; plain lines where there is no terminal."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import httpx

_BAR = 24
_FINAL = ("succeeded", "failed", "cancelled")
_SPARKS = "█▇▆▅▄▃▂▁"


def follow(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    """Show a job until it ends; the job as it then is."""
    losses: list[float] = []
    for event, value in _events(client, job["id"]):
        if event == "epoch":
            losses.append(value["validation_loss"])
            _show(client, job["id"], value, losses)
        elif value["state"] in _FINAL:
            job = value
    if sys.stdout.isatty():
        print()
    return job


def _events(client: httpx.Client, job_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The server-sent events of a job, resumed where a lost connection left off."""
    last = "0"
    while True:
        try:
            with client.stream("GET", f"/v1/jobs/{job_id}/events", headers={"Last-Event-ID": last}) as stream:
                stream.raise_for_status()
                event = ""
                for line in stream.iter_lines():
                    name, _, text = line.partition(": ")
                    if name == "event":
                        event = text
                    elif name == "id":
                        last = text
                    elif name == "data":
                        value = json.loads(text)
                        yield event, value
                        if event == "state" and value["state"] in _FINAL:
                            return
        except httpx.TransportError:
            continue


def _show(client: httpx.Client, job_id: str, epoch: dict[str, Any], losses: list[float]) -> None:
    text = (
        f"{epoch['candidate']:<18} epoch {epoch['epoch']:>3}  train loss {epoch['train_loss']:.4f}  "
        f"validation loss {epoch['validation_loss']:.4f}  accuracy {epoch['validation_accuracy']:.4f}"
    )
    if not sys.stdout.isatty():
        print(text, flush=True)
        return
    progress = client.get(f"/v1/jobs/{job_id}").json()["progress"]
    done = round(progress["fraction"] * _BAR)
    eta = f"  at most {progress['eta_seconds']:.0f} s left" if progress["eta_seconds"] is not None else ""
    print(f"\r\x1b[2K{'━' * done}{'╌' * (_BAR - done)} {text}  {_spark(losses)}{eta}", end="", flush=True)


def _spark(losses: list[float]) -> str:
    shown = losses[-20:]
    low, high = min(shown), max(shown)
    span = (high - low) or 1.0
    return "".join(_SPARKS[int((high - loss) / span * (len(_SPARKS) - 1))] for loss in shown)
