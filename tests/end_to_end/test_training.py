"""From rows to predictions over HTTP, with a real trainer behind."""

import itertools
import time

import pytest

pytestmark = pytest.mark.slow

SETOSA = [5.1, 3.5, 1.4, 0.2]


def test_a_file_becomes_a_prediction_in_two_calls(neurona) -> None:
    job = neurona.train("two-calls", neurona.iris, label="species")
    assert job["state"] in ("queued", "running")
    job = neurona.ended(job)
    assert job["state"] == "succeeded", job
    assert job["promoted"] is True
    answer = neurona.predict("two-calls", SETOSA, [7.7, 2.6, 6.9, 2.3])
    assert answer["labels"] == ["setosa", "virginica"]
    assert answer["version"] == job["version"] == 1
    assert [sum(row) for row in answer["probabilities"]] == pytest.approx([1, 1], abs=1e-6)


def test_digits_reach_97_in_a_hundred_with_no_hyperparameter_given(neurona, tmp_path) -> None:
    header, *rows = neurona.digits.read_text().splitlines()
    train = tmp_path / "digits.csv"
    train.write_text("\n".join([header, *(row for place, row in enumerate(rows) if place % 5)]))
    job = neurona.ended(neurona.train("digits", train))
    assert job["state"] == "succeeded", job
    held_back = [[int(value) for value in row.split(",")] for row in rows[::5]]
    labels = neurona.predict("digits", *(row[:-1] for row in held_back))["labels"]
    right = sum(label == row[-1] for label, row in zip(labels, held_back, strict=True))
    assert right / len(held_back) >= 0.97


def test_a_version_is_verified_by_the_trainer_to_the_bit(neurona) -> None:
    made = neurona.ended(
        neurona.train(
            "verified", neurona.iris, label="species", algorithm="relu_network", folds=1, max_epochs=20
        )
    )
    assert made["state"] == "succeeded", made
    answer = neurona.http.post("/v1/models/verified/verify")
    assert answer.status_code == 202, answer.text
    job = neurona.ended(answer.json())
    assert (job["kind"], job["state"]) == ("verify", "succeeded"), job
    assert (job["metrics"]["identical"], job["metrics"]["software"]) == (True, {})
    assert neurona.http.get("/v1/models/verified").json()["versions"] == [1]


def test_inline_rows_train_as_a_file_does(neurona) -> None:
    rows = [[0.0, 1.0], [0.1, 0.9], [1.0, 0.0], [0.9, 0.1]] * 10
    labels = ["left", "left", "right", "right"] * 10
    body = {
        "data": {"instances": rows, "labels": labels},
        "algorithm": "softmax_regression",
        "metadata": {"by": "me"},
    }
    answer = neurona.http.post("/v1/models/inline/train", json=body)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    job = neurona.ended(answer.json())
    assert (job["state"], job["metadata"]) == ("succeeded", {"by": "me"})
    assert neurona.predict("inline", [0.05, 0.95], [0.95, 0.05])["labels"] == ["left", "right"]


def test_a_dry_run_says_what_would_run_and_runs_nothing(neurona) -> None:
    with neurona.iris.open("rb") as body:
        answer = neurona.http.post(
            "/v1/models/dry/train",
            params={"dry_run": "true", "max_epochs": 7},
            files={"file": ("iris.csv", body)},
        )
    assert answer.status_code == 200, answer.text
    plan = answer.json()
    assert plan["rows"] == 150
    assert [each["label"] for each in plan["classes"]] == ["setosa", "versicolor", "virginica"]
    assert plan["hyperparameters"]["max_epochs"] == 7
    assert plan["memory_bytes"] > 0
    assert neurona.http.get("/v1/jobs", params={"model": "dry"}).json()["items"] == []


def test_an_idempotency_key_makes_one_job(neurona) -> None:
    body = {"data": {"instances": [[0], [1]] * 10, "labels": [0, 1] * 10}}
    headers = {"Idempotency-Key": "the-same"}
    first = neurona.http.post("/v1/models/once/train", json=body, headers=headers)
    again = neurona.http.post("/v1/models/once/train", json=body, headers=headers)
    other = neurona.http.post("/v1/models/once/train", json={**body, "promote": "never"}, headers=headers)
    assert (first.status_code, again.status_code, other.status_code) == (202, 200, 409)
    assert first.json()["id"] == again.json()["id"]
    assert other.json()["code"] == "idempotency_key_reused"
    assert len(neurona.http.get("/v1/jobs", params={"model": "once"}).json()["items"]) == 1


def test_events_are_the_history_and_resume_with_nothing_missing_and_nothing_twice(neurona) -> None:
    job = neurona.train_long("events", epochs=60)
    live = []
    for event, value in neurona.events(job):
        if event == "epoch":
            live.append(value)
        if len(live) == 5:
            break
    *rest, (last_event, last) = neurona.events(job, after=live[-1]["sequence"])
    assert (last_event, last["state"]) == ("state", "succeeded")
    seen = live + [value for event, value in rest if event == "epoch"]
    assert [each["sequence"] for each in seen] == list(range(1, 61))
    assert seen == neurona.epochs(job)
    assert list(neurona.events(job, after=60)) == [("state", last)]


def test_a_long_poll_answers_when_the_next_epoch_is_there(neurona) -> None:
    job = neurona.train_long("polled")
    seen = neurona.epochs(job)[-1]["sequence"]
    newer = neurona.epochs(job, after=seen, wait=30)
    assert newer
    assert newer[0]["sequence"] == seen + 1
    neurona.http.post(f"/v1/jobs/{job['id']}/cancel")


def test_history_comes_as_csv_too(neurona) -> None:
    job = neurona.ended(neurona.train("csv", neurona.iris, max_epochs=3))
    text = neurona.http.get(f"/v1/jobs/{job['id']}/history", headers={"Accept": "text/csv"}).text
    assert len(text.splitlines()) == 1 + len(neurona.epochs(job))


def test_a_running_job_is_cancelled_within_seconds_and_only_once(neurona) -> None:
    job = neurona.train_long("cancelled")
    begun = time.monotonic()
    assert neurona.http.post(f"/v1/jobs/{job['id']}/cancel").status_code == 202
    assert neurona.ended(job)["state"] == "cancelled"
    assert time.monotonic() - begun < 3
    again = neurona.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "job_finished")
    assert (
        neurona.http.post("/v1/models/cancelled/predict", json={"instances": [[0] * 64]}).status_code == 404
    )


def test_retraining_goes_on_from_production_and_promotion_follows_its_rule(neurona) -> None:
    neurona.ended(neurona.train("again", neurona.iris, max_epochs=5))
    never = neurona.http.post("/v1/models/again/retrain", json={"promote": "never"})
    assert never.status_code == 202, never.text
    job = neurona.ended(never.json())
    assert (job["state"], job["version"], job["promoted"]) == ("succeeded", 2, False)
    assert job["warm_start"] == "again@1"
    assert neurona.predict("again", SETOSA)["version"] == 1
    always = neurona.ended(neurona.http.post("/v1/models/again/retrain", json={"promote": "always"}).json())
    assert (always["version"], always["promoted"]) == (3, True)
    assert neurona.serves("again", 3)
    assert neurona.predict("again@2", SETOSA)["version"] == 2
    assert neurona.http.post("/v1/models/again/rollback").json()["version"] == 1
    assert neurona.predict("again", SETOSA)["version"] == 1


def test_what_is_in_use_is_not_deleted(neurona) -> None:
    neurona.ended(neurona.train("kept", neurona.iris, max_epochs=2))
    refused = neurona.http.delete("/v1/models/kept@1")
    assert (refused.status_code, refused.json()["code"]) == (409, "version_in_use")
    job = neurona.train_long("keeper")
    refused = neurona.http.delete(f"/v1/datasets/{job['dataset']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "dataset_in_use")
    neurona.http.post(f"/v1/jobs/{job['id']}/cancel")
    assert neurona.ended(job)["state"] == "cancelled"


def test_jobs_are_listed_newest_first_in_pages(neurona) -> None:
    body = {
        "data": {"instances": [[0], [1]] * 10, "labels": [0, 1] * 10},
        "hyperparameters": {"max_epochs": 1},
    }
    ids = [neurona.http.post("/v1/models/paged/train", json=body).json()["id"] for _ in range(3)]
    first = neurona.http.get("/v1/jobs", params={"model": "paged", "limit": 2}).json()
    second = neurona.http.get("/v1/jobs", params={"model": "paged", "cursor": first["next_cursor"]}).json()
    assert [job["id"] for job in itertools.chain(first["items"], second["items"])] == ids[::-1]
    assert second["next_cursor"] is None
    for job in first["items"] + second["items"]:
        neurona.ended(job)
