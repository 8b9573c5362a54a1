"""The end of a job is told, signed, until it is heard, and never to an address that is not public."""

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from typing import Any

import pytest
from pydantic import ValidationError

from app.errors import StorageFailed
from app.jobs import JobQueue
from app.jobs.records import Webhook
from app.training.webhooks import Webhooks, is_public


class Listener(ThreadingHTTPServer):
    """A real listener that answers with the statuses it was given, the last one again and again."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses = [200]
        self.heard: list[tuple[str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server_port}/hook?x=1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        body = self.rfile.read(int(self.headers["content-length"]))
        server.heard.append((self.path, dict(self.headers), body))
        status = server.statuses.pop(0) if len(server.statuses) > 1 else server.statuses[0]
        self.send_response(status)
        self.send_header("Location", "http://localhost:1/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Time:
    def __init__(self) -> None:
        self.now = 4e9  # later than any real end of a job

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def webhooks(bench, time) -> Webhooks:
    return Webhooks(jobs=bench.place.jobs, secret=None, allow_private=True, most_tries=3, now=time)


def ended(bench, url: str, secret: str | None = "s" * 16) -> Any:
    job = bench.submit(webhook={"url": url, "secret": secret})
    return bench.store.cancel(job.id)


def deliver(webhooks: Webhooks, time: Time) -> int:
    due = webhooks.jobs.due_webhooks(time())
    webhooks.deliver(due)
    return len(due)


def test_the_body_is_what_get_answers_and_its_signature_fits(bench, webhooks, listener, time):
    job = ended(bench, listener.url)
    assert deliver(webhooks, time) == 1
    ((path, headers, body),) = listener.heard
    assert path == "/hook?x=1"
    assert json.loads(body) == json.loads(bench.store.get(job.id).model_dump_json())
    signed = headers["X-Neurona-Timestamp"].encode() + b"." + body
    code = hmac.new(b"s" * 16, signed, hashlib.sha256).hexdigest()
    assert headers["X-Neurona-Signature"] == f"sha256={code}"
    assert headers["Host"].startswith("localhost:")
    assert deliver(webhooks, time) == 0


def test_without_a_secret_nothing_is_signed(bench, webhooks, listener, time):
    ended(bench, listener.url, secret=None)
    deliver(webhooks, time)
    assert "X-Neurona-Signature" not in listener.heard[0][1]


def test_a_listener_that_fails_is_tried_again_with_growing_pauses_and_then_given_up(
    bench, webhooks, listener, time
):
    listener.statuses = [500]
    ended(bench, listener.url)
    assert deliver(webhooks, time) == 1
    assert deliver(webhooks, time) == 0
    time.now += 2
    assert deliver(webhooks, time) == 1
    time.now += 3.9
    assert deliver(webhooks, time) == 0
    time.now += 0.1
    assert deliver(webhooks, time) == 1
    time.now += 1e6
    assert deliver(webhooks, time) == 0
    assert [headers["X-Neurona-Try"] for _, headers, _ in listener.heard] == ["1", "2", "3"]


def test_a_redirect_is_not_followed(bench, webhooks, listener, time):
    listener.statuses = [302, 200]
    ended(bench, listener.url)
    deliver(webhooks, time)
    time.now += 2
    deliver(webhooks, time)
    assert len(listener.heard) == 2


def test_a_listener_that_is_not_there_is_tried_again(bench, webhooks, time):
    ended(bench, "http://localhost:9/")
    assert deliver(webhooks, time) == 1
    time.now += 2
    assert deliver(webhooks, time) == 1


def test_a_private_address_is_never_called_and_not_tried_again(bench, listener, time):
    strict = Webhooks(jobs=bench.place.jobs, secret=None, allow_private=False, most_tries=3, now=time)
    ended(bench, listener.url)
    assert deliver(strict, time) == 1
    time.now += 1e6
    assert deliver(strict, time) == 0
    assert listener.heard == []


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "192.168.1.1", "172.16.0.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"),
        *("224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:4136:e378::1"),
    ],
)
def test_addresses_that_are_not_public_are_seen_through_every_disguise(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111", "64:ff9b::101:101"])
def test_public_addresses_are_public(address):
    assert is_public(address)


def test_several_senders_on_one_database_send_each_webhook_once(bench, webhooks, listener, time):
    ended(bench, listener.url)
    stop = threading.Event()
    senders = [threading.Thread(target=webhooks.run, args=(stop,)) for _ in range(3)]
    for sender in senders:
        sender.start()
    stop.wait(2.5)
    stop.set()
    for sender in senders:
        sender.join()
    assert len(listener.heard) == 1


@pytest.mark.parametrize(
    "url", ["http://localhost:99999/", "http://localhost:0/", "https:///hook", "http://[::1"]
)
def test_an_address_that_cannot_be_is_refused_when_it_is_said(url):
    with pytest.raises(ValidationError):
        Webhook(url=url)


def test_what_breaks_one_telling_breaks_no_other(webhooks, bench, time, listener, monkeypatch):
    first, second = ended(bench, listener.url), ended(bench, listener.url)
    real = Webhooks._post

    def post(self, job, tries):
        if job.id == first.id:
            raise OverflowError("a fault that nobody thought of")
        return real(self, job, tries)

    monkeypatch.setattr(Webhooks, "_post", post)
    assert deliver(webhooks, time) == 2
    assert [headers["X-Neurona-Job"] for _, headers, _ in listener.heard] == [second.id]
    time.now += 3
    assert [job.id for job in webhooks.jobs.due_webhooks(time())] == [first.id]


def test_who_answers_a_letter_at_a_time_does_not_hold_the_others_up(webhooks, bench, time, monkeypatch):
    monkeypatch.setattr("app.training.webhooks._SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                for _ in range(100):
                    connection.sendall(b"H")
                    sleep(0.1)

        thread = threading.Thread(target=drip)
        thread.start()
        ended(bench, f"http://localhost:{server.getsockname()[1]}/")
        began = monotonic()
        deliver(webhooks, time)
        assert monotonic() - began < 3
        thread.join()


def test_who_never_answers_holds_up_no_other_and_not_the_end_of_the_trainer(
    webhooks, bench, time, listener, monkeypatch
):
    monkeypatch.setattr("app.training.webhooks._SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        for _ in range(19):
            ended(bench, f"http://localhost:{silent.getsockname()[1]}/")
        ended(bench, listener.url)
        began = monotonic()
        sender = threading.Thread(target=deliver, args=(webhooks, time), daemon=True)
        sender.start()
        while not listener.heard:
            assert monotonic() - began < 1.9
            sleep(0.01)
        others = set(threading.enumerate()) - {sender}
        assert all(each.daemon for each in others if "_deliver" in each.name)
        sender.join()
    ended(bench, listener.url)
    time.now += 100
    assert [job.webhook_tries for job in webhooks.jobs.due_webhooks(time())] == [0, *[1] * 19]


def test_a_fault_of_the_records_ends_no_sender(webhooks, bench, time, listener, monkeypatch, caplog):
    job, real, stop = ended(bench, listener.url), JobQueue.due_webhooks, threading.Event()
    faults = iter([ValueError("a record that cannot be read"), StorageFailed(what="read", reason="gone")])

    def due(self, now):
        if (fault := next(faults, None)) is not None:
            raise fault
        stop.set()
        return real(self, now)

    monkeypatch.setattr(JobQueue, "due_webhooks", due)
    monkeypatch.setattr("app.training.webhooks._LOOK_SECONDS", 0.001)
    webhooks.run(stop)
    assert [headers["X-Neurona-Job"] for _, headers, _ in listener.heard] == [job.id]
    assert caplog.text.count("webhooks could not be sent") == 1
