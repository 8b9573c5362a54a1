"""A live server with its trainer, the calls that the tests make of it, and certificates for one that speaks HTTPS."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from local_server import ROOT, LocalServer

FINAL = ("succeeded", "failed", "cancelled")


@dataclass(frozen=True, kw_only=True)
class Neurona:
    """A server and a client of it."""

    server: LocalServer
    http: httpx.Client

    iris = ROOT / "examples" / "data" / "iris.csv"
    digits = ROOT / "examples" / "data" / "digits.csv"

    def train(self, model: str, file: Path, **options: object) -> dict[str, Any]:
        """Send a file as multipart form data; the job."""
        with file.open("rb") as body:
            answer = self.http.post(
                f"/v1/models/{model}/train", params=options, files={"file": (file.name, body)}
            )
        assert answer.status_code == 202, answer.text
        return answer.json()

    def train_long(self, model: str, *, epochs: int = 100_000) -> dict[str, Any]:
        """A job that is running, and goes on for as long as its epochs last."""
        options = {"hidden_layer_sizes": 128, "patience": "null", "max_epochs": epochs, "batch_size": 64}
        job = self.train(model, self.digits, algorithm="relu_network", **options)
        self.epochs(job, wait=20)
        return self.job(job)

    def job(self, job: dict[str, Any]) -> dict[str, Any]:
        answer = self.http.get(f"/v1/jobs/{job['id']}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def epochs(self, job: dict[str, Any], **query: object) -> list[dict[str, Any]]:
        answer = self.http.get(f"/v1/jobs/{job['id']}/history", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()["epochs"]

    def events(self, job: dict[str, Any], *, after: int = 0) -> Iterator[tuple[str, dict[str, Any]]]:
        """The server-sent events of a job, as they come; an epoch's id is checked to be its sequence."""
        headers = {"Last-Event-ID": str(after)}
        with self.http.stream("GET", f"/v1/jobs/{job['id']}/events", headers=headers) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            fields: dict[str, str] = {}
            for line in stream.iter_lines():
                if line and not line.startswith(":"):
                    name, _, value = line.partition(": ")
                    fields[name] = value
                elif fields:
                    value = json.loads(fields["data"])
                    assert fields["event"] == "state" or int(fields["id"]) == value["sequence"]
                    yield fields["event"], value
                    fields = {}

    def ended(self, job: dict[str, Any], *, seconds: float = 60) -> dict[str, Any]:
        """The job once it has reached a final state. Raises: AssertionError if that takes too long."""
        until = time.monotonic() + seconds
        while (now := self.job(job))["state"] not in FINAL:
            assert time.monotonic() < until, now
            after = self.epochs(job)[-1:]
            self.epochs(job, after=after[0]["sequence"] if after else 0, wait=1)
        return now

    def predict(self, ref: str, *rows: object) -> dict[str, Any]:
        answer = self.http.post(f"/v1/models/{ref}/predict", json={"instances": rows})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def serves(self, model: str, version: int, *, seconds: float = 3) -> bool:
        """Whether that version is in production, or comes there within some seconds: a server looks for new
        versions twice a second."""
        until = time.monotonic() + seconds
        while (now := self.http.get(f"/v1/models/{model}/card").json()["version"]) != version:
            assert time.monotonic() < until, f"version {now} is in production"
            time.sleep(0.05)
        rows = [[5.1, 3.5, 1.4, 0.2]]
        while self.predict(model, *rows)["version"] != version:
            assert time.monotonic() < until, "production is known, but not served"
            time.sleep(0.05)
        return True


def _open(server: LocalServer) -> Neurona:
    http = httpx.Client(base_url=server.url, trust_env=False, timeout=60, verify=server.verify)
    return Neurona(server=server, http=http)


@pytest.fixture(scope="session")
def neurona(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neurona]:
    """The server that the tests share."""
    live = _open(LocalServer(tmp_path_factory.mktemp("shared")))
    live.server.start()
    yield live
    live.http.close()
    live.server.stop()


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Callable[..., Neurona]]:
    """Servers of a test's own, to be stopped and started by it: `own(*command, **settings)`."""
    opened: list[Neurona] = []

    def make(*command: str, **settings: object) -> Neurona:
        live = _open(LocalServer(tmp_path, *command, **settings))
        opened.append(live)
        live.server.start()
        return live

    yield make
    for live in opened:
        live.http.close()
        live.server.stop()


class Pair(NamedTuple):
    """Files of a certificate and its key."""

    certificate: Path
    key: Path


@pytest.fixture
def signed(tmp_path: Path) -> Callable[..., Pair]:
    """Makes a certificate for loopback that signs itself."""

    def make(name: str, *, password: str | None = None) -> Pair:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
            .sign(key, hashes.SHA256())
        )
        pair = Pair(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        locked = serialization.BestAvailableEncryption(password.encode()) if password else None
        written = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            locked or serialization.NoEncryption(),
        )
        pair.key.write_bytes(written)
        return pair

    return make
