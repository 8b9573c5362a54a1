"""A server with `models/` alone: no right to write anywhere, no data folder, no trainer."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import local_server
import pytest
from local_server import ROOT, LocalServer

from app.repository.repository import Repository

pytestmark = pytest.mark.slow

ROW = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
UNSHARE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--map-root-user", "--mount"]
READ_ONLY = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the models that ship, and nothing else; the server sees it on a read-only mount of its own."""
    place = tmp_path / "place"
    shutil.copytree(ROOT / "models", place / "models")
    tried = subprocess.run(
        [*UNSHARE, "sh", "-c", READ_ONLY, "sh", place, "true"], capture_output=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"no mounts of one's own here: {tried.stderr.decode()}")
    return place


@contextmanager
def replica(place: Path, **settings: object) -> Iterator[LocalServer]:
    command = [*UNSHARE, "sh", "-c", READ_ONLY, "sh", str(place), sys.executable, "-m", "app", "serve"]
    server = LocalServer(place, *command, trainer=False, **settings)
    server.log = place.parent / "server.log"
    server.start()
    try:
        yield server
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_it_predicts_follows_aliases_and_says_why_it_does_not_train(place: Path, workers: int) -> None:
    with (
        replica(place, workers=workers) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=20) as client,
    ):
        assert client.get("/v2/health/ready").status_code == 200
        assert client.post("/v1/models/iris/predict", json=ROW).json()["labels"] == ["setosa"]
        assert client.get("/v1/models/iris").json()["aliases"] == {"production": 1}
        assert client.get("/v1/models/iris/card").json()["version"] == 1
        assert client.get("/v1/info").json()["limits"]["max_predict_rows"] == 100_000
        assert "neurona_predictions_total" in client.get("/metrics").text
        for asked in (
            client.post("/v1/models/iris/train", files={"file": ("a.csv", b"a,b\n1,x\n2,y\n")}),
            client.post("/v1/models/iris/train", json={"data": {"instances": [[1], [2]], "labels": [0, 1]}}),
            client.post("/v1/datasets", content=b"a,b\n1,x\n2,y\n", headers={"content-type": "text/csv"}),
            client.get("/v1/jobs"),
            client.put("/v1/models/iris/aliases/best", json={"version": 1}),
            client.delete("/v1/models/iris@1"),
        ):
            assert asked.status_code in (409, 503), asked.text
            assert str(place) not in asked.text
            assert asked.status_code == 409 or "could not" in asked.json()["detail"], asked.text
        follow(place, client)
        assert [path.name for path in place.iterdir()] == ["models"], "it wrote nothing"


def follow(place: Path, client: httpx.Client) -> None:
    """A version that comes in, as by rsync, and its alias are served within a second."""
    versions = place / "models" / "iris"
    shutil.copytree(versions / "1", versions / ".2.part")
    (versions / ".2.part").rename(versions / "2")
    Repository(place / "models").set_alias("iris", "production", 2)
    moved = time.monotonic()
    served = set()
    while time.monotonic() < moved + 1.5:
        asked = time.monotonic()
        with httpx.Client(base_url=client.base_url, trust_env=False, timeout=20) as another:
            version = another.post("/v1/models/iris/predict", json=ROW).json()["version"]
        if asked > moved + 1.0:
            served.add(version)
    assert served == {2}


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_serving_and_is_told_of(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        replica(place) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=20) as client,
    ):
        versions = place / "models" / "iris"
        shutil.copytree(versions / "1", versions / "2")
        weights = versions / "2" / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:-4])
        Repository(place / "models").set_alias("iris", "production", 2)
        until = time.monotonic() + 5
        while 'neurona_model_load_failed{reference="iris"} 1.0' not in client.get("/metrics").text:
            assert client.post("/v1/models/iris/predict", json=ROW).json()["version"] == 1
            assert time.monotonic() < until
            time.sleep(0.05)
        answer = client.post("/v1/models/iris/predict", json=ROW)
        assert (answer.status_code, answer.json()["version"]) == (200, 1)
        ready = client.get("/v2/health/ready")
        assert ready.status_code == 200, "an older version serves"
        assert "not as long" in ready.json()["failures"]["iris"]
        Repository(place / "models").set_alias("iris", "production", 1)
        while "neurona_model_load_failed{" in client.get("/metrics").text:
            assert time.monotonic() < until + 5
            client.post("/v1/models/iris/predict", json=ROW)
            time.sleep(0.05)
    Repository(place / "models").set_alias("iris", "production", 2)
    monkeypatch.setattr(local_server, "START_SECONDS", 6.0)
    with pytest.raises(RuntimeError, match="/v2/health/ready 503"), replica(place, access_log=True):
        pass
