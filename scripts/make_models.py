"""What scripts/make_models runs: each table of examples/data is sent to a server of its own and trained on with the
defaults; the version that comes out replaces models/<name>."""

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import httpx
from local_server import ROOT, running

NAMES = ("iris", "digits")


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="neurona-models-") as name:
        with running(Path(name)) as server, httpx.Client(base_url=server.url, trust_env=False) as client:
            for model in NAMES:
                job = train(client, model)
                print(f"{model}: {job['metrics']['accuracy']:.4f} accuracy on its validation rows")
        for model in NAMES:
            replace(server.models / model, ROOT / "models" / model)
    return 0


def train(client: httpx.Client, model: str) -> dict[str, Any]:
    """Train on examples/data/<model>.csv and wait for the end."""
    with (ROOT / "examples" / "data" / f"{model}.csv").open("rb") as file:
        answer = client.post(f"/v1/models/{model}/train", files={"file": (file.name, file)}, timeout=60)
    job: dict[str, Any] = answer.raise_for_status().json()
    with client.stream("GET", f"/v1/jobs/{job['id']}/events", timeout=600) as events:
        for _ in events.iter_lines():
            pass
    job = client.get(f"/v1/jobs/{job['id']}").json()
    if job["state"] != "succeeded":
        raise SystemExit(f"{model}: {job['state']}: {job['error']}")
    return job


def replace(made: Path, shipped: Path) -> None:
    """Put version 1 and the aliases in the place of what was there."""
    shutil.rmtree(shipped, ignore_errors=True)
    shutil.copytree(made, shipped, ignore=shutil.ignore_patterns(".*"))


if __name__ == "__main__":
    sys.exit(main())
