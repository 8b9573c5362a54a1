"""Whoever doubts a version has it trained again: a job like any other, that answers with a comparison of bits."""

import shutil

import pytest

from app.jobs import JobStore

QUICK = "label=species&algorithm=relu_network&folds=1"


@pytest.fixture
def trained(site):
    assert site.train(query=QUICK)["state"] == "succeeded"
    return site


def verify(client, ref="iris", **more):
    return client.post(f"/v1/models/{ref}/verify", **more)


def test_a_version_is_verified_by_a_job_and_stays_as_it_is(trained):
    client = trained.client
    before = client.get("/v1/models/iris/card").json(), client.get("/v1/models/iris/aliases").json()
    sent = verify(client)
    assert sent.status_code == 202, sent.text
    job = sent.json()
    assert sent.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["kind"], job["model"], job["version"], job["state"]) == ("verify", "iris", 1, "queued")
    assert job["dataset"] == before[0]["lineage"]["dataset"]
    assert trained.work() == ["succeeded"]
    ended = client.get(f"/v1/jobs/{job['id']}").json()
    assert ended["metrics"]["identical"] is True
    assert ended["metrics"]["weights_sha256"] == ended["metrics"]["expected_sha256"]
    assert ended["promoted"] is None
    assert before == (client.get("/v1/models/iris/card").json(), client.get("/v1/models/iris/aliases").json())
    assert client.get("/v1/models/iris").json()["versions"] == [1]
    assert trained.train(query=QUICK)["version"] == 2


def test_jobs_are_listed_by_kind(trained):
    client = trained.client
    job = verify(client, "iris@1").json()

    def listed(**query):
        return [each["id"] for each in client.get("/v1/jobs", params=query).json()["items"]]

    assert listed(kind="verify") == [job["id"]]
    assert job["id"] not in listed(kind="train")
    assert set(listed()) == {*listed(kind="train"), job["id"]}
    assert client.get("/v1/jobs?kind=other").status_code == 422


def test_the_same_key_gives_the_same_job_and_another_request_is_refused(trained):
    client, headers = trained.client, {"idempotency-key": "k"}
    first = verify(client, headers=headers)
    again = verify(client, headers=headers)
    assert (first.status_code, again.status_code) == (202, 200)
    assert again.json() == first.json()
    other = verify(client, "iris@1", headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert verify(client, headers={"idempotency-key": "k" * 256}).status_code == 422


def test_a_verification_is_cancelled_as_any_job(trained):
    client = trained.client
    job = verify(client, json={"max_runtime_seconds": 60}).json()
    assert job["max_runtime_seconds"] == 60
    assert client.post(f"/v1/jobs/{job['id']}/cancel").json()["state"] == "cancelled"
    assert trained.work() == []


def test_what_a_verification_needs_is_not_deleted_under_it(trained):
    client = trained.client
    job = verify(client).json()
    client.delete("/v1/models/iris/aliases/production")
    for path in (f"/v1/datasets/{job['dataset']}", "/v1/models/iris@1", "/v1/models/iris"):
        refused = client.delete(path)
        assert refused.status_code == 409, path
        assert job["id"] in refused.json()["detail"]
    trained.work()
    assert client.delete("/v1/models/iris@1").status_code == 204


def refused(answer, reason):
    assert (answer.status_code, answer.json()["code"]) == (409, "not_verifiable")
    assert reason in answer.json()["detail"]


def test_a_version_whose_dataset_is_gone_cannot_be_verified(trained):
    client = trained.client
    dataset = client.get("/v1/models/iris/card").json()["lineage"]["dataset"]
    assert client.delete(f"/v1/datasets/{dataset}").status_code == 204
    refused(verify(client), f"its dataset '{dataset}' is not here")
    assert client.get("/v1/jobs?kind=verify").json()["items"] == []


def test_a_dataset_deleted_while_a_verification_is_being_accepted_is_missed(trained, monkeypatch):
    real = JobStore.submit

    def submit(self, *arguments, **more):
        for folder in (trained.settings.data / "datasets").glob("ds_*"):
            shutil.rmtree(folder)
        return real(self, *arguments, **more)

    monkeypatch.setattr(JobStore, "submit", submit)
    refused(verify(trained.client), "is not here")


def test_a_version_whose_parent_is_gone_cannot_be_verified(trained):
    client = trained.client
    client.post("/v1/models/iris/retrain", json={"promote": "always"})
    trained.work()
    assert verify(client, "iris@2").status_code == 202
    trained.work()
    assert client.get("/v1/jobs").json()["items"][0]["metrics"]["identical"] is True
    assert client.delete("/v1/models/iris@1").status_code == 204
    refused(verify(client, "iris@2"), "iris@1, whose weights it went on from, is not here")


def test_a_card_that_does_not_say_what_was_asked_for_cannot_be_verified(trained):
    client = trained.client
    path = trained.settings.models / "iris" / "1" / "model.json"
    path.write_text(path.read_text().replace('"requested"', '"forgotten"'))
    refused(verify(client), "its card does not say what was asked for")


def test_what_is_not_there_is_404_and_what_is_not_known_422(trained):
    client = trained.client
    assert verify(client, "nothing").json()["code"] == "model_not_found"
    assert verify(client, "iris@9").json()["code"] == "version_not_found"
    assert verify(client, json={"dataset": "ds_0123456789abcdef"}).status_code == 422


def test_only_who_may_train_may_verify(make_site):
    keyed = make_site(api_keys="predict:" + "p" * 16 + ",train:" + "t" * 16)
    for role, status in (("p", 403), ("t", 404)):
        headers = {"authorization": f"Bearer {role * 16}"}
        assert verify(keyed.client, headers=headers).status_code == status
