"""Clients that do not give up: they submit until answered, watch to the end, cancel, and predict all the while."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx
from local_server import NO_AUTHORITIES

FINAL = ("succeeded", "failed", "cancelled")
_PLAIN: dict[str, Any] = {"trust_env": False, "verify": NO_AUTHORITIES}
ANSWER_SECONDS = 120.0  # a request that is tried again and again is answered by then
REFUSED_SECONDS = 20.0  # connections may be refused that long after a process that answers them was killed

SPECS: tuple[dict[str, Any], ...] = (  # single networks that go on for a while, and committees
    {
        "data": "iris",
        "algorithm": "softmax_regression",
        "optimizer": "gradient_descent",
        "batch_size": "full",
        "max_epochs": 400,
    },
    {"data": "digits", "algorithm": "relu_network", "hidden_layer_sizes": [64], "max_epochs": 150},
    {"data": "digits", "algorithm": "relu_network", "hidden_layer_sizes": [96, 32], "max_epochs": 60},
    {"data": "iris", "algorithm": "auto", "max_epochs": 20},
    {"data": "digits", "algorithm": "relu_network", "folds": 3, "max_epochs": 8},
    {
        "data": "digits",
        "algorithm": "relu_network",
        "hidden_layer_sizes": [128],
        "batch_size": "full",
        "max_epochs": 250,
    },
    {"data": "digits", "algorithm": "relu_network", "max_epochs": 8, "warm_start": "base@1"},
)


@dataclass
class Seen:
    """What the clients saw; `wrong` holds every broken promise."""

    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)  # id → the spec
    epochs: dict[str, list[dict[str, Any]]] = field(default_factory=dict)  # id → as the watcher got them
    finals: dict[str, dict[str, Any]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)  # whose cancelling was answered with 202
    counts: Counter[str] = field(default_factory=Counter)
    longest: dict[str, float] = field(default_factory=lambda: {"answer": 0.0, "refused": 0.0})
    wrong: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        with self.lock:
            self.counts[what] += 1


class Crowd:
    """Clients of the server at `url`; `api_killed` says when a process that answers was last killed."""

    def __init__(self, url: str, datasets: dict[str, str], *, api_killed: Callable[[], float]) -> None:
        self.url, self.datasets, self.api_killed = url, datasets, api_killed
        self.seen = Seen()
        self.stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def begin(self, work: Callable[..., None], *arguments: object) -> threading.Thread:
        """Let somebody do something of his own; what he trips over is a broken promise."""

        def guarded() -> None:
            try:
                work(*arguments)
            except Exception as error:
                self.seen.wrong.append(f"{work.__name__}{arguments!r:.80}: {type(error).__name__}: {error}")

        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        self._threads.append(thread)
        return thread

    def leave(self, seconds: float) -> None:
        """Wait until all have done what they came for."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        late = sum(thread.is_alive() for thread in self._threads)
        if late:
            self.seen.wrong.append(f"{late} clients are not done after {seconds:g} s")

    @property
    def unfinished(self) -> int:
        return len(self.seen.jobs) - len(self.seen.finals)

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Ask until there is an answer other than "not now"."""
        begun = time.monotonic()
        while True:
            try:
                answer = httpx.request(method, self.url + path, timeout=60, **_PLAIN, **options)
            except httpx.TimeoutException:
                self.seen.wrong.append(f"{method} {path} was taken and left without an answer")
            except httpx.TransportError:
                self.seen.count("tried again")
            else:
                if answer.status_code not in (429, 503):
                    taken = time.monotonic() - begun
                    self.seen.longest["answer"] = max(self.seen.longest["answer"], taken)
                    return answer
                self.seen.count(f"not now: {answer.status_code}")
            if time.monotonic() - begun > ANSWER_SECONDS:
                raise TimeoutError(f"{method} {path} had no answer for {ANSWER_SECONDS:g} s")
            time.sleep(0.1)

    def submit(self, number: int, seed: int) -> None:
        """One job under one key, asked for once, or twice at the same time; then watched, sometimes cancelled."""
        rng = random.Random(seed)
        spec = dict(rng.choice(SPECS))
        body = {
            "dataset": self.datasets[spec.pop("data")],
            "algorithm": spec.pop("algorithm"),
            "warm_start": spec.pop("warm_start", None),
            "promote": rng.choice(["if_better", "always", "never"]),
            "hyperparameters": {"patience": None, "seed": rng.randrange(3), **spec},
        }
        if body["warm_start"]:
            body["algorithm"] = "relu_network"
        cancel_at = rng.randrange(1, spec["max_epochs"]) if rng.random() < 0.25 else None
        answers: list[str] = []

        def ask() -> None:
            path, headers = f"/v1/models/m{number % 4}/train", {"Idempotency-Key": f"{seed}-{number}"}
            answer = self.request("POST", path, json=body, headers=headers)
            assert answer.status_code in (200, 202), answer.text
            answers.append(answer.json()["id"])

        both = [self.begin(ask)] if rng.random() < 0.3 else []
        ask()
        for other in both:
            other.join()
        if len(set(answers)) != 1:
            self.seen.wrong.append(f"one key made several jobs: {answers}")
        self.seen.jobs[answers[0]] = body
        self.begin(self.watch, answers[0], cancel_at)

    def watch(self, job: str, cancel_at: int | None) -> None:
        """Follow a job's events to its final state, through every broken connection."""
        got = self.seen.epochs.setdefault(job, [])
        while job not in self.seen.finals:
            try:
                for event, value in self._events(job, got[-1]["sequence"] if got else 0):
                    if event == "state":
                        if value["state"] in FINAL:
                            self.seen.finals[job] = value
                        continue
                    got.append(value)
                    if value["sequence"] != len(got):
                        self.seen.wrong.append(f"{job}: epoch {len(got)} came as {value['sequence']}")
                        return
                    if len(got) == cancel_at:
                        self._cancel(job)
            except httpx.TransportError:
                self.seen.count("watch resumed")
                time.sleep(0.1)

    def _events(self, job: str, after: int) -> Iterator[tuple[str, dict[str, Any]]]:
        headers = {"Last-Event-ID": str(after)}
        url = f"{self.url}/v1/jobs/{job}/events"
        with httpx.stream("GET", url, headers=headers, timeout=25, **_PLAIN) as stream:
            if stream.status_code == 503:
                raise httpx.ConnectError("not now")
            assert stream.status_code == 200, stream.status_code
            fields: dict[str, str] = {}
            for line in stream.iter_lines():
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields and not line:
                    yield fields["event"], json.loads(fields["data"])
                    fields = {}

    def _cancel(self, job: str) -> None:
        answer = self.request("POST", f"/v1/jobs/{job}/cancel")
        assert answer.status_code in (202, 409), answer.text
        self.seen.count("cancel asked")
        if answer.status_code == 202:
            self.seen.cancelled.add(job)

    def predict(self, rows: list[Any], expected: dict[str, Any], pause: float) -> None:
        """Ask for predictions all the time: each is right, or refused while somebody was dead."""
        with httpx.Client(base_url=self.url, timeout=20, **_PLAIN) as client:
            while not self.stop.wait(pause):
                self._predict(client, rows, expected)

    def _predict(self, client: httpx.Client, rows: list[Any], expected: dict[str, Any]) -> None:
        begun = time.monotonic()
        try:
            answer = client.post("/v1/models/base@1/predict", json={"instances": rows})
        except httpx.TransportError as error:
            since = begun - self.api_killed()
            self.seen.longest["refused"] = max(self.seen.longest["refused"], since)
            self.seen.count("predict refused")
            if since > REFUSED_SECONDS or isinstance(error, httpx.TimeoutException):
                said = f"{type(error).__name__}, {since:.1f} s after the last kill"
                self.seen.wrong.append(f"a prediction was refused: {said}")
            return
        if answer.status_code == 503:
            self.seen.count("predict 503")
        elif answer.status_code != 200 or answer.json() != expected:
            self.seen.wrong.append(f"a prediction went wrong: {answer.status_code} {answer.text[:200]}")
        else:
            self.seen.count("predict 200")
