"""Every operation of the OpenAPI document, asked whatever it allows and much that it does not, by Schemathesis:
`python bench/contract.py [--minutes 10] [--seed 1]`.

In rounds, each with a seed and a live server of its own (two models that ship, one made here, a dataset, jobs), since
what is asked deletes things as well. Each round is held against the same checks: no answer of 500 or above that the
document does not name, no status, type, header or body that it does not describe, nothing wrong accepted, and what is
right accepted wherever the document can say what is right, nothing without a key.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
for folder in (ROOT, ROOT / "scripts"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from local_server import LocalServer  # noqa: E402 - the folders above are not packages

_KEY = "contract-contract-contract"
_HEADERS = {"authorization": f"Bearer {_KEY}"}
_CSV = (ROOT / "examples" / "data" / "iris.csv").read_bytes()
# No schema can say which rows fit a model, or which text is a cursor: what is right by it may be wrong here.
_BEYOND_SCHEMAS = (
    *(
        "POST /v1/datasets",
        "GET /v1/datasets",
        "POST /v1/models/{name}/train",
        "POST /v1/models/{name}/retrain",
    ),
    "POST /v1/models/{name}/feedback",
    *("POST /v1/models/{ref}/predict", "POST /v1/models/{ref}/evaluate", "POST /v2/models/{name}/infer"),
    *("POST /v2/models/{name}/versions/{version}/infer", "POST /v2/repository/models/{name}/load"),
    "POST /v2/repository/models/{name}/unload",  # always refused, and says why
)
# With Inference-Header-Content-Length: 0 no body is JSON, and whatever has the right length is numbers.
_BY_HEADER = ("POST /v2/models/{name}/infer", "POST /v2/models/{name}/versions/{version}/infer")
_CONFIGURATION = """
[generation]
database = "none"

[checks.ensure_resource_availability]
enabled = false  # it takes a document's example of an id for the one that was made just before

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "401", "403", "404", "406", "409", "429"]

[[operations]]
include-path = "/v1/models/{{name}}/feedback"
checks.use_after_free.enabled = false  # what is deleted there is rows: the place stays, and is empty

[[operations]]
include-name = "GET /v1/jobs/{{job_id}}/history"
parameters = {{ "query.wait" = 0.01 }}

[[operations]]
include-path-regex = "/v1/jobs/.*"
parameters = {{ "path.job_id" = "{job}" }}

[[operations]]
include-path = "/v1/datasets/{{dataset_id}}"
include-method = "GET"
parameters = {{ "path.dataset_id" = "{dataset}" }}
"""


def examine(folder: Path, *, seed: int, examples: int, phases: str, seconds: float | None = None) -> str:
    """One round: the report of Schemathesis if it found anything or did not come to its end, else nothing."""
    server = LocalServer(folder, models_seed=ROOT / "models", checkpoint_seconds=1, api_keys=f"admin:{_KEY}")
    server.start()
    try:
        settings = folder / "schemathesis.toml"
        settings.write_text(_configuration(server))
        command = [str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(settings)]
        command += [
            "run",
            f"{server.url}/openapi.json",
            "--seed",
            str(seed),
            "--phases",
            phases,
            "--no-color",
        ]
        command += ["--max-examples", str(examples), "--request-timeout", "40", "--continue-on-failure"]
        command += [
            "--generation-database",
            "none",
            "--no-shrink",
            "--header",
            f"Authorization: Bearer {_KEY}",
        ]
        command += [] if seconds is None else ["--max-time", str(max(1, round(seconds)))]
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": "0"},
            capture_output=True,
            text=True,
            check=False,
        )
        report = done.stdout + done.stderr
        (folder / "report.txt").write_text(report)
        trace = "".join(line for line in server.log.read_text().splitlines(True) if "Traceback" in line)
        return report if done.returncode or "Test cases:" not in report else trace
    finally:
        server.stop()


def _configuration(server: LocalServer) -> str:
    """Names of what is there, so that what is asked for is sometimes found."""
    with httpx.Client(base_url=server.url, headers=_HEADERS, trust_env=False, timeout=60) as client:
        kind = {"content-type": "text/csv"}
        job = client.post("/v1/models/flowers/train?max_epochs=5", content=_CSV, headers=kind).json()
        client.get(f"/v1/jobs/{job['id']}/events")
        text = _CONFIGURATION.format(job=job["id"], dataset=job["dataset"])
    for name in _BY_HEADER:
        text += f'\n[[operations]]\ninclude-name = "{name}"\nchecks.negative_data_rejection.enabled = false\n'
    for name in _BEYOND_SCHEMAS:
        text += (
            f'\n[[operations]]\ninclude-name = "{name}"\nchecks.positive_data_acceptance.enabled = false\n'
        )
    return text


def main() -> int:
    """Rounds until the time is over; 1 if any found something, with its report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--examples", type=int, default=50, help="cases of each operation in a round's last phases"
    )
    arguments = parser.parse_args()
    until, seed, cases = time.monotonic() + 60 * arguments.minutes, arguments.seed, 0
    while (left := until - time.monotonic()) > 0:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            report = examine(
                place,
                seed=seed,
                examples=arguments.examples,
                phases="examples,coverage,fuzzing,stateful",
                seconds=left,
            )
            found = re.search(r"(\d+) generated", (place / "report.txt").read_text())
        if report:
            print(report)
            return 1
        asked = int(found[1]) if found else 0
        print(f"seed {seed}: {asked:,} requests", flush=True)
        cases += asked
        seed += 1
    print(f"{cases:,} requests, nothing found")
    return 0


if __name__ == "__main__":
    sys.exit(main())
