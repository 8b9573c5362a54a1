"""Telling others of a job's end: signed, tried again until it is heard, and never sent where it must not go."""

import asyncio
import hashlib
import hmac
import logging
import secrets
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any

import httpx

from app.errors import StorageFailed
from app.jobs import Job, JobQueue

log = logging.getLogger("neurona.webhooks")

_LOOK_SECONDS = 1.0
_LEASE_SECONDS = 120.0  # longer than a round of tries
_SECONDS = 10.0  # for one try
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 600.0
_GONE = 410
_TRANSLATED = IPv6Network("64:ff9b::/96")  # an IPv4 address in disguise, RFC 6052


class Refused(Exception):
    """An address that webhooks are not sent to."""


@contextmanager
def _guarded() -> Iterator[None]:
    """Let no fault end the thread."""
    try:
        yield
    except StorageFailed:
        pass  # the trainer tells of it
    except Exception:
        log.exception("webhooks could not be sent")


@dataclass(frozen=True, kw_only=True)
class Webhooks:
    """Sends what is due; the database remembers what is not yet heard."""

    jobs: JobQueue
    secret: str | None
    allow_private: bool
    most_tries: int
    now: Callable[[], float]

    def run(self, stop: threading.Event) -> None:
        """Deliver until `stop` is set. Of several senders on one database, one sends at a time."""
        owner = secrets.token_hex(8)
        while not stop.wait(_LOOK_SECONDS):
            with _guarded():
                due = self.jobs.due_webhooks(self.now())
                if due and self.jobs.hold_lease("webhooks", owner, _LEASE_SECONDS):
                    self.deliver(due)

    def deliver(self, due: Sequence[Job]) -> None:
        """Try these, all at once: one that does not answer holds no other up, nor, in a daemon thread, the trainer's
        end."""
        threads = [threading.Thread(target=self._deliver, args=(job,), daemon=True) for job in due]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @_guarded()
    def _deliver(self, job: Job) -> None:
        assert job.webhook is not None
        tries = job.webhook_tries + 1
        try:
            status = self._post(job, tries)
            heard, reason = 200 <= status < 300 or status == _GONE, f"status {status}"
        except Refused as error:
            heard, reason, tries = False, str(error), self.most_tries
        except Exception as error:  # whatever is wrong with one address, the others are to hear
            heard, reason = False, type(error).__name__
        if heard or tries >= self.most_tries:
            if not heard:
                message, named = "job %s: its webhook was given up after %d tries: %s", {"job_id": job.id}
                log.warning(message, job.id, tries, reason, extra=named)
            self.jobs.settle_webhook(job.id, tries=tries, due=None)
        else:
            pause = min(_FIRST_PAUSE * 2 ** (tries - 1), _LONGEST_PAUSE)
            self.jobs.settle_webhook(job.id, tries=tries, due=self.now() + pause)

    def _post(self, job: Job, tries: int) -> int:
        assert job.webhook is not None
        body = job.model_dump_json().encode()
        url = httpx.URL(job.webhook.url)
        address = self._address(url)
        headers = {
            "Host": url.netloc.decode("ascii"),
            "Content-Type": "application/json",
            "User-Agent": f"Neurona/{version('neurona')}",
            "X-Neurona-Job": job.id,
            "X-Neurona-Try": str(tries),
            **self._signature(job.webhook.secret or self.secret, body),
        }
        # The address that was checked is the one connected to: the name could mean another a moment later.
        target = url.copy_with(host=address)
        extensions = {"sni_hostname": url.host}
        return asyncio.run(_status(target, content=body, headers=headers, extensions=extensions))

    def _signature(self, secret: str | None, body: bytes) -> dict[str, str]:
        if secret is None:
            return {}
        stamp = str(int(self.now()))
        code = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
        return {"X-Neurona-Timestamp": stamp, "X-Neurona-Signature": f"sha256={code}"}

    def _address(self, url: httpx.URL) -> str:
        port = url.port or {"http": 80, "https": 443}[url.scheme]
        found = socket.getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
        addresses = [str(each[4][0]) for each in found]
        for address in addresses:
            if not self.allow_private and not is_public(address):
                raise Refused(f"{url.host} is a private address (webhook_private_addresses)")
        return addresses[0]


async def _status(url: httpx.URL, **sent: Any) -> int:
    """The status that a POST is answered with, which must come within the time of one try, however slowly it drips.

    Raises: TimeoutError, and as httpx does.
    """
    async with (
        asyncio.timeout(_SECONDS),
        httpx.AsyncClient(timeout=_SECONDS, follow_redirects=False, trust_env=False) as client,
        client.stream("POST", url, **sent) as answer,
    ):
        return answer.status_code


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet, looked at through every disguise."""
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (IPv4Address(ip.packed[-4:]) if ip in _TRANSLATED else None)
        if inner is not None:
            return is_public(str(inner))
        if ip.teredo is not None:
            return False
    return ip.is_global and not ip.is_multicast
