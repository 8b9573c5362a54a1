"""Watching a job: every epoch is shown or summed up, and a lost connection is taken up where it broke."""

import io
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.commands import curve


def epoch(sequence: int, *, candidate: str = "relu_network", number: int | None = None) -> dict[str, Any]:
    return {
        "sequence": sequence,
        "candidate": candidate,
        "epoch": number or sequence,
        "train_loss": 1 / sequence,
        "validation_loss": 1.5 / sequence,
        "validation_accuracy": 0.5,
        "learning_rate": 0.001,
        "seconds": 0.1 * sequence,
    }


def event(value: dict[str, Any]) -> str:
    return f"event: epoch\nid: {value['sequence']}\ndata: {json.dumps(value)}\n\n"


def state(name: str, **progress: object) -> dict[str, Any]:
    shown = {"epoch": 3, "max_epochs": 100, "fraction": 0.5, "rows_per_second": 1234.5, "eta_seconds": 90.0}
    return {"id": "job_1", "state": name, "progress": {**shown, **progress}}


def ending(name: str = "succeeded") -> str:
    return f"event: state\ndata: {json.dumps(state(name))}\n\n"


class Server(httpx.BaseTransport):
    """Answers each request for events with the next of its streams, and a job with its progress."""

    def __init__(self, *streams: "str | Exception | int") -> None:
        self.streams: Iterator[str | Exception | int] = iter(streams)
        self.progress: Iterator[httpx.Response | Exception] = iter([])
        self.resumed: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.path.endswith("/events"):
            told = next(self.progress, httpx.Response(200, json=state("running")))
            if isinstance(told, Exception):
                raise told
            return told
        self.resumed.append(request.headers["Last-Event-ID"])
        stream = next(self.streams)
        if isinstance(stream, Exception):
            raise stream
        return httpx.Response(stream) if isinstance(stream, int) else httpx.Response(200, text=stream)


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve.time, "sleep", lambda _: None)


def follow(server: Server, out: io.StringIO) -> dict[str, Any]:
    with httpx.Client(base_url="http://neurona", transport=server) as client:
        return curve.follow(client, state("queued"), out)


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def test_plain_lines_grow_rarer_and_end_with_the_last_epoch_of_each_candidate() -> None:
    first = [epoch(number, candidate="softmax_regression") for number in range(1, 14)]
    second = [epoch(13 + number, number=number) for number in range(1, 119)]
    out = io.StringIO()
    job = follow(Server("".join(map(event, [*first, *second])) + ending()), out)
    shown = [line.split()[:2] for line in out.getvalue().splitlines()[1:]]
    assert job["state"] == "succeeded"
    assert [number for name, number in shown if name == "softmax_regression"] == [
        "1",
        "2",
        "3",
        "5",
        "7",
        "10",
        "13",
    ]
    assert [number for name, number in shown if name == "relu_network"] == (
        ["1", "2", "3", "5", "7", "10", "15", "20", "30", "50", "70", "100", "118"]
    )


def test_a_job_that_cannot_be_asked_for_its_progress_is_drawn_with_what_is_known() -> None:
    server = Server(event(epoch(1)) + ending())
    server.progress = iter([httpx.Response(503, json={"code": "storage_failed"}), httpx.ConnectError("gone")])
    out = Terminal()
    assert follow(server, out)["state"] == "succeeded"
    assert "epoch 1" in out.getvalue()


def test_a_lost_connection_is_taken_up_behind_the_last_epoch_seen() -> None:
    server = Server(
        event(epoch(1)) + event(epoch(2)), httpx.ReadError("gone"), 503, event(epoch(3)) + ending("failed")
    )
    out = io.StringIO()
    assert follow(server, out)["state"] == "failed"
    assert server.resumed == ["0", "2", "2", "2"]
    assert [line.split()[1] for line in out.getvalue().splitlines()[1:]] == ["1", "2", "3"]


def test_it_gives_up_on_a_server_that_stays_away_and_on_a_job_that_is_not_there() -> None:
    with pytest.raises(SystemExit, match="the server is gone"):
        follow(Server(*[httpx.ConnectError("refused")] * 100), io.StringIO())
    with pytest.raises(SystemExit, match="answered 404"):
        follow(Server(404), io.StringIO())


def test_on_a_terminal_it_draws_in_place_with_bar_losses_rate_and_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(curve, "_FRAME_SECONDS", 0.0)
    out = Terminal()
    follow(Server(event(epoch(1)) + event(epoch(2)) + ": still here\n\n" + ending()), out)
    frames = out.getvalue().split("\x1b[13A")
    assert len(frames) == 4
    assert "━━━━━━━━╌╌╌╌╌╌╌╌  relu_network epoch 2  loss 0.7500  accuracy 0.5000  ≤ 2 min" in frames[1]
    assert "━" * 16 in frames[-1]
    assert "⠒⠒" in frames[-1]


def test_a_narrow_terminal_gets_lines_that_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    follow(Server(event(epoch(1)) + ending()), out)
    lines = out.getvalue().replace("\x1b[2K", "").replace("\x1b[13A", "").splitlines()
    assert max(map(len, lines)) < 40


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    out = Terminal()
    follow(Server(event(epoch(1)) + ending()), out)
    assert "\x1b" not in out.getvalue()
