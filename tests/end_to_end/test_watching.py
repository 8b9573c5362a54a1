"""What a server with several processes says of its models is of all of them."""

import time

import httpx
import numpy as np
import pytest

pytestmark = pytest.mark.slow


def test_drift_is_of_the_rows_of_all_processes_and_feedback_is_the_same_in_each(own):
    neurona = own(workers=2)
    x = np.random.default_rng(0).normal(size=(400, 2))
    data = {"instances": x.tolist(), "labels": (x[:, 0] > 0).tolist()}
    body = {"data": data, "algorithm": "softmax_regression", "hyperparameters": {"max_epochs": 5}}
    neurona.ended(neurona.http.post("/v1/models/m/train", json=body).json())
    neurona.http.post("/v1/models/m/feedback", json={"instances": [[9, 0], [-9, 0]], "labels": [True, False]})
    shifted = x[:300] + np.array([0, 3])
    for part in np.split(shifted, 12):  # by connections of their own, which come to either process
        rows = {"instances": part.tolist()}
        answer = httpx.post(
            f"{neurona.server.url}/v1/models/m/predict", json=rows, verify=neurona.server.verify
        )
        assert answer.status_code == 200
    until = time.monotonic() + 10
    seen = 0
    while seen < 295:  # of 300, the earlier of which count a little less
        assert time.monotonic() < until, f"{seen} rows were seen"
        model = httpx.get(f"{neurona.server.url}/v1/models/m", verify=neurona.server.verify).json()
        seen = model["drift"]["rows"] if model["drift"] else 0
        time.sleep(0.05)  # a process shows what it counted every second
    assert [each["column"] for each in model["drift"]["columns"]] == ["x1", "x0"]
    assert len(model["warnings"]) == 1
    for _ in range(6):
        found = httpx.get(f"{neurona.server.url}/v1/models/m", verify=neurona.server.verify).json()[
            "feedback"
        ]
        assert (found["rows"], found["accuracy"]) == (2, 1.0)
