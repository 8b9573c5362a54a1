"""Jobs are listed, followed live or by long-poll, resumed without gap or double, and cancelled."""

import csv
import io
import json
import threading
import time

import pytest

from app.bootstrap import build_workplace
from app.errors import StorageFailed
from app.jobs.ending import Ending
from app.training.body import run_job

ROWS = {"instances": [[i / 10] for i in range(40)], "labels": ["ab"[i >= 20] for i in range(40)]}


def events(text: str) -> list[tuple[str, str | None, dict]]:
    """The events of a finished stream: name, id, data."""
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if fields:
            found.append((fields["event"], fields.get("id"), json.loads(fields["data"])))
    return found


def test_history_is_every_epoch_in_order(site, client):
    job = site.train()
    history = client.get(f"/v1/jobs/{job['id']}/history").json()["epochs"]
    assert [each["sequence"] for each in history] == list(range(1, len(history) + 1))
    assert set(history[0]) == {
        *("sequence", "candidate", "epoch", "train_loss", "validation_loss", "validation_accuracy"),
        *("learning_rate", "seconds"),
    }
    rest = client.get(f"/v1/jobs/{job['id']}/history?after=3").json()["epochs"]
    assert rest == history[3:]


def test_history_as_csv_has_the_same_numbers(site, client):
    job = site.train()
    path = f"/v1/jobs/{job['id']}/history"
    answer = client.get(path, headers={"accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    history = client.get(path).json()["epochs"]
    assert [float(row["train_loss"]) for row in rows] == [each["train_loss"] for each in history]


def test_waiting_for_epochs_ends_with_the_job(site, client):
    job = site.train()
    began = time.monotonic()
    answer = client.get(f"/v1/jobs/{job['id']}/history?after=100000&wait=30")
    assert answer.json() == {"epochs": []}
    assert time.monotonic() - began < 10


def test_waiting_for_epochs_gives_up_after_the_time_said(client):
    job = client.post("/v1/models/m/train", json={"data": ROWS}).json()
    began = time.monotonic()
    assert client.get(f"/v1/jobs/{job['id']}/history?wait=0.3").json() == {"epochs": []}
    assert 0.25 < time.monotonic() - began < 5


def test_events_show_every_epoch_and_end_with_the_final_state(site, client):
    job = site.train()
    seen = events(client.get(f"/v1/jobs/{job['id']}/events").text)
    history = client.get(f"/v1/jobs/{job['id']}/history").json()["epochs"]
    assert [data for name, _, data in seen if name == "epoch"] == history
    assert [event_id for name, event_id, _ in seen if name == "epoch"] == [
        str(e["sequence"]) for e in history
    ]
    assert (seen[-1][0], seen[-1][2]["state"]) == ("state", "succeeded")
    assert seen[-1][2]["metrics"] == job["metrics"]


@pytest.mark.parametrize("last", [0, 1, 7])
def test_a_resumed_stream_has_nothing_missing_and_nothing_twice(site, client, last):
    job = site.train()
    text = client.get(f"/v1/jobs/{job['id']}/events", headers={"last-event-id": str(last)}).text
    history = client.get(f"/v1/jobs/{job['id']}/history").json()["epochs"]
    assert [data for name, _, data in events(text) if name == "epoch"] == history[last:]


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/csv", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("application/json, text/csv;q=0.1", "application/json"),
        ("*/*", "application/json"),
    ],
)
def test_a_history_is_written_as_its_reader_likes_it_best(site, client, accept, kind):
    job = site.train()
    answer = client.get(f"/v1/jobs/{job['id']}/history", headers={"accept": accept})
    assert answer.headers["content-type"].startswith(kind)


def test_a_stream_opened_before_the_job_runs_sees_all_of_it(site, client):
    job = client.post("/v1/models/m/train?max_epochs=10", json=ROWS).json()
    worker = threading.Thread(target=site.work)
    worker.start()
    seen = events(client.get(f"/v1/jobs/{job['id']}/events").text)
    worker.join()
    history = client.get(f"/v1/jobs/{job['id']}/history").json()["epochs"]
    assert [data for name, _, data in seen if name == "epoch"] == history
    assert seen[-1][2]["state"] == "succeeded"
    states = [data["state"] for name, _, data in seen if name == "state"]
    assert states == sorted(set(states), key=["queued", "running", "succeeded"].index)


@pytest.mark.parametrize("last", ["x", "-1", "१", "9" * 20])
def test_a_last_event_id_that_no_event_had_is_refused(site, client, last):
    job = client.post("/v1/models/m/train", json=ROWS).json()
    headers = {b"last-event-id": last.encode()}
    answer = client.get(f"/v1/jobs/{job['id']}/events", headers=headers)
    assert answer.status_code == 422


def test_a_cancelled_job_is_final(client, site):
    job = client.post("/v1/models/m/train", json=ROWS).json()
    answer = client.post(f"/v1/jobs/{job['id']}/cancel")
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    again = client.post(f"/v1/jobs/{job['id']}/cancel")
    assert (again.status_code, again.json()["code"]) == (409, "job_finished")


def test_a_job_that_lost_the_database_after_it_had_published_is_no_longer_cancelled(
    site, client, monkeypatch
):
    job = client.post("/v1/models/m/train?max_epochs=10", json=ROWS).json()
    place = build_workplace(site.settings)
    _, attempt = place.jobs.claim()

    def lost(*_, **__):
        raise StorageFailed(what="use its database", reason="it cannot be reached")

    with monkeypatch.context() as away:
        away.setattr(Ending, "succeed", lost)
        with pytest.raises(StorageFailed):
            run_job(place, job["id"], attempt)
    assert place.repository.aliases("m") == {"production": 1}
    refused = client.post(f"/v1/jobs/{job['id']}/cancel")
    assert (refused.status_code, refused.json()["code"]) == (409, "job_finished")
    assert "published" in refused.json()["detail"]
    place.jobs.lead("next", 5)
    place.jobs.resign("next")
    place.jobs.close()
    assert site.work() == ["succeeded"]
    assert site.work() == []


def test_jobs_are_listed_newest_first_and_by_model_and_state(client):
    ids = [client.post(f"/v1/models/{name}/train", json=ROWS).json()["id"] for name in ("a", "b", "a")]
    listed = client.get("/v1/jobs").json()
    assert [each["id"] for each in listed["items"]] == ids[::-1]
    assert listed["next_cursor"] is None
    assert [each["id"] for each in client.get("/v1/jobs?model=b").json()["items"]] == [ids[1]]
    assert client.get("/v1/jobs?state=failed").json()["items"] == []
    assert client.get("/v1/jobs?state=sleeping").status_code == 422
    assert client.get("/v1/jobs?limit=501").status_code == 422


@pytest.mark.parametrize("path", ["", "/history", "/events"])
def test_an_unknown_job_is_404(client, path):
    answer = client.get(f"/v1/jobs/job_nothing{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "job_not_found")
