"""How long a person waits for a model: `PYTHONPATH=scripts:. python bench/wait.py [rows,features,classes …]`.

Made-up tables of numbers are posted to a server of one's own as Arrow, nothing else said; seconds from the post to
the version in production, as the client sees them. A first job, not shown, waits for the trainer to be ready.
"""

import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import pyarrow as pa
from local_server import NO_AUTHORITIES, running

ARROW = "application/vnd.apache.arrow.stream"
SIZES = ("150,4,3", "1000,20,2", "1000,64,10", "20000,64,10", "100000,32,5", "1000000,32,5")


def table(rows: int, features: int, classes: int) -> bytes:
    """Labels as a network with random weights deals them, one in ten at random."""
    rng = np.random.default_rng(rows + features + classes)
    x = rng.standard_normal((rows, features), dtype=np.float32)
    hidden = np.maximum(x @ rng.standard_normal((features, 32), dtype=np.float32), 0)
    y = (hidden @ rng.standard_normal((32, classes), dtype=np.float32)).argmax(axis=1)
    y = np.where(rng.random(rows) < 0.1, rng.integers(0, classes, rows), y)
    columns = {f"x{place}": column for place, column in enumerate(x.T)}
    rows = pa.table({**columns, "label": y})
    target = pa.BufferOutputStream()
    with pa.ipc.new_stream(target, rows.schema) as stream:
        stream.write_table(rows)
    return target.getvalue().to_pybytes()


def waited(client: httpx.Client, body: bytes) -> tuple[float, dict]:
    began = time.perf_counter()
    job = client.post("/v1/models/made/train?warm_start=null", content=body, headers={"content-type": ARROW})
    job = job.raise_for_status().json()
    while job["state"] not in ("succeeded", "failed", "cancelled"):
        client.get(f"/v1/jobs/{job['id']}/history?after=1000000000&wait=30")
        job = client.get(f"/v1/jobs/{job['id']}").json()
    return time.perf_counter() - began, job


def main() -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running(Path(folder)) as server,
        httpx.Client(base_url=server.url, timeout=600, verify=NO_AUTHORITIES) as client,
    ):
        waited(client, table(100, 2, 2))
        print("| rows × features, classes | seconds | log loss | accuracy |")
        print("|---|---|---|---|")
        for size in sys.argv[1:] or SIZES:
            rows, features, classes = map(int, size.split(","))
            seconds, job = waited(client, table(rows, features, classes))
            loss, accuracy = (job["metrics"][name] for name in ("log_loss", "accuracy"))
            print(
                f"| {rows:,} × {features}, {classes} | {seconds:.1f} | {loss:.3f} | {accuracy:.3f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
