"""The embedded cluster, in real processes."""

import json
import logging

import pytest

from app.settings import Settings
from app.telemetry import log_config
from app.training.cluster import open_cluster


def complain() -> None:
    for name in ("distributed.worker", "tornado.application"):
        logging.getLogger(name).error("something is odd")


@pytest.mark.slow  # 2 s: a cluster of real processes
def test_what_dask_says_in_a_worker_is_logged_as_all_else_is(capfd) -> None:
    logs = log_config(Settings(log_format="json"))
    with open_cluster(None, workers=1, threads=1, niceness=0, logs=logs) as client:
        client.submit(complain).result()
    said = [line for line in capfd.readouterr().err.splitlines() if "something is odd" in line]
    assert [json.loads(line)["logger"] for line in said] == ["distributed.worker", "tornado.application"]
