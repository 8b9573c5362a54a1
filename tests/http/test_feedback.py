"""Labels that come after predictions judge production, are kept once, and are trained on once."""

import csv
import io
import threading
from pathlib import Path

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
URL = "/v1/models/iris/feedback"


@pytest.fixture
def flowers(iris_csv):
    rows = list(csv.DictReader(io.StringIO(iris_csv.decode())))
    return [[float(row[name]) for name in NAMES] for row in rows], [row["species"] for row in rows]


@pytest.fixture
def shipped(make_site):
    """A client of a server with the models that ship, where nothing need be trained."""
    return make_site(models_seed=Path(__file__).parents[2] / "models").client


def train(site):
    """A model of iris, trained in no time; the job."""
    return site.train(query="label=species&algorithm=softmax_regression&hidden_layer_sizes=&folds=1")


def send(client, rows, labels, key=None, url=URL):
    headers = {} if key is None else {"idempotency-key": key}
    return client.post(url, json={"instances": rows, "labels": labels}, headers=headers)


def retrain(site, **fields):
    sent = site.client.post("/v1/models/iris/retrain", json={"promote": "always", **fields})
    assert sent.status_code == 202, sent.text
    assert site.work() == ["succeeded"]
    return site.client.get(f"/v1/jobs/{sent.json()['id']}").json()


def metrics(client, name):
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.name == name
    }


def test_feedback_says_how_good_production_is_as_its_answers_do(shipped, flowers):
    client = shipped
    rows, labels = flowers[0][40:110], flowers[1][40:110]
    answer = client.post("/v1/models/iris/predict", json={"instances": rows}).json()
    places = [answer["classes"].index(label) for label in labels]
    right = np.mean([a == b for a, b in zip(answer["labels"], labels, strict=True)])
    loss = -np.log(np.array(answer["probabilities"])[np.arange(70), places]).mean()
    sent = send(client, rows, labels)
    assert sent.status_code == 201, sent.text
    assert sent.headers["location"] == URL
    kept = sent.json()
    assert (kept["model"], kept["version"], kept["rows"], kept["total_rows"]) == ("iris", 1, 70, 70)
    assert (kept["accuracy"], kept["unknown_labels"]) == (pytest.approx(right), 0)
    assert kept["log_loss"] == pytest.approx(loss, rel=1e-4)
    of = (("model", "iris"), ("version", "1"))
    assert metrics(client, "neurona_feedback_rows") == {of: 70}
    assert metrics(client, "neurona_feedback_accuracy")[of] == pytest.approx(right)
    assert metrics(client, "neurona_feedback_log_loss")[of] == pytest.approx(loss, rel=1e-4)
    assert client.get("/v1/models/iris").json()["feedback"]["accuracy"] == pytest.approx(right)


def test_rows_come_as_lists_or_objects_and_are_checked_as_a_predictions_are(shipped, flowers):
    client = shipped
    rows, labels = flowers
    objects = [dict(zip(NAMES, row, strict=True)) for row in rows[:3]]
    assert send(client, objects, labels[:3]).status_code == 201
    wrong = [[5, 3, "wide", 1], [1, 2, 3]]
    refused = send(client, wrong, labels[:2]).json()
    asked = client.post("/v1/models/iris/predict", json={"instances": wrong}).json()
    assert (refused["status"], refused["detail"], refused["errors"]) == (
        422,
        asked["detail"],
        asked["errors"],
    )
    assert client.get(URL).json()["rows"] == 3


WRONG = [
    ([], "expected an object"),
    ({"instances": [[1, 2, 3, 4]]}, "expected 'labels' to be a list, got null"),
    ({"instances": [[1, 2, 3, 4]], "labels": ["setosa", "setosa"]}, "1 instances but 2 labels"),
    ({"instances": [], "labels": []}, "there are no instances"),
    ({"instances": [[1, 2, 3, 4]], "labels": ["setosa"], "top_k": 1}, "unknown field 'top_k'"),
    ({"instances": [[1, 2, 3, 4]], "labels": [3]}, "row 0: expected a string as the label, got the number 3"),
    ({"instances": [[1, 2, 3, 4]], "labels": [None]}, "expected a string as the label, got null"),
    ({"instances": [[1, 2, 3, 4]], "labels": [""]}, "expected a string as the label"),
]


@pytest.mark.parametrize(("body", "said"), WRONG)
def test_what_is_no_feedback_is_refused_and_not_kept(shipped, body, said):
    client = shipped
    refused = client.post(URL, json=body)
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid"), refused.text
    assert said in refused.json()["detail"]
    assert client.get(URL).json() == {"model": "iris", "rows": 0, "new_rows": 0, "versions": []}


def test_labels_are_of_the_classes_type(site, client):
    data = {"instances": [[float(i % 2)] for i in range(40)], "labels": [i % 2 for i in range(40)]}
    client.post("/v1/models/m/train?max_epochs=30&algorithm=softmax_regression&folds=1", json=data)
    assert site.work() == ["succeeded"]
    url = "/v1/models/m/feedback"
    assert send(client, [[0], [1]], [0, 1.0], url=url).json()["accuracy"] == 1
    assert "got true" in send(client, [[0]], [True], url=url).json()["detail"]
    assert "got the number 0.5" in send(client, [[0]], [0.5], url=url).json()["detail"]


def test_a_class_that_production_lacks_is_never_foreseen_and_has_no_loss(shipped, flowers):
    client = shipped
    rows = flowers[0][:2]
    alone = send(client, rows[:1], ["orchid"]).json()
    assert (alone["accuracy"], alone["log_loss"], alone["unknown_labels"]) == (0, None, 1)
    both = send(client, rows, ["setosa", "orchid"]).json()
    one = send(client, rows[:1], ["setosa"]).json()
    assert both["accuracy"] == one["accuracy"] / 2
    assert both["log_loss"] == pytest.approx(one["log_loss"])
    (version,) = client.get(URL).json()["versions"]
    assert (version["rows"], version["unknown_labels"]) == (4, 2)


def test_the_same_key_and_body_count_once_whatever_happens_meanwhile(site, client, flowers):
    train(site)
    rows, labels = flowers[0][:4], flowers[1][:4]
    first = send(client, rows, labels, key="k")
    retrain(site)
    again = send(client, rows, labels, key="k")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    other = send(client, rows[:1], labels[:1], key="k")
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert client.get(URL).json()["rows"] == 4
    assert send(client, rows, labels, key="x" * 256).status_code == 422


def test_one_key_sent_by_many_at_once_counts_once(shipped, flowers):
    client = shipped
    answers = []

    def post():
        answers.append(send(client, flowers[0][:2], flowers[1][:2], key="k"))

    threads = [threading.Thread(target=post) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert client.get(URL).json()["rows"] == 2


def test_what_is_retrained_with_feedback_is_what_one_body_would_have_been(site, client, iris_csv, flowers):
    first = train(site)
    rows, labels = flowers[0][45:60], [*flowers[1][45:59], "orchid"]
    send(client, rows[:7], labels[:7])
    send(client, [dict(zip(NAMES, row, strict=True)) for row in rows[7:]], labels[7:])
    job = retrain(site, include_feedback=True)
    lines = [",".join([*map(str, row), label]) for row, label in zip(rows, labels, strict=True)]
    whole = iris_csv.strip() + b"\n" + "\n".join(lines).encode()
    stored = client.post("/v1/datasets?label=species", content=whole, headers={"content-type": "text/csv"})
    assert (stored.status_code, stored.json()["id"]) == (200, job["dataset"])
    assert job["feedback"] == {"rows": 15, "base": first["dataset"]}
    card = client.get("/v1/models/iris/card").json()
    assert card["lineage"]["feedback"] == job["feedback"]
    assert card["lineage"]["dataset"] == job["dataset"]
    assert "orchid" in card["classes"]
    assert client.get(URL).json()["new_rows"] == 0


def test_who_retrains_every_week_adds_each_row_once(site, client, flowers):
    train(site)
    for week in range(3):
        part = slice(10 * week, 10 * week + 10)
        send(client, flowers[0][part], flowers[1][part])
        job = retrain(site, include_feedback=True)
        assert job["feedback"]["rows"] == 10
        assert client.get(f"/v1/datasets/{job['dataset']}").json()["rows"] == 160 + 10 * week
    assert [each["version"] for each in client.get(URL).json()["versions"]] == [1, 2, 3]


def test_what_did_not_reach_production_is_added_again(site, client, flowers):
    """A version that was not promoted, or was rolled back, has not learned for production."""
    first = train(site)
    send(client, flowers[0][:10], flowers[1][:10])
    retrain(site, include_feedback=True, promote="never")
    send(client, flowers[0][10:15], flowers[1][10:15])
    assert client.get(URL).json()["new_rows"] == 15
    job = retrain(site, include_feedback=True)
    assert job["feedback"] == {"rows": 15, "base": first["dataset"]}
    client.post("/v1/models/iris/rollback")
    assert client.get(URL).json()["new_rows"] == 15


def test_without_feedback_to_add_nothing_is_trained_and_that_is_said(site, client, flowers):
    first = train(site)
    refused = client.post("/v1/models/iris/retrain?include_feedback=true")
    assert refused.status_code == 422
    assert f"no feedback on 'iris' that dataset {first['dataset']} does not hold" in refused.json()["detail"]
    send(client, flowers[0][:10], flowers[1][:10])
    retrain(site, include_feedback=True)
    assert client.post("/v1/models/iris/retrain", json={"include_feedback": True}).status_code == 422
    assert client.post("/v1/models/iris/retrain", json={}).status_code == 202
    assert client.post("/v1/models/iris/retrain", json={"include_feedback": 1}).status_code == 422


def test_a_key_of_a_retraining_means_the_feedback_of_its_first_time(site, client, flowers):
    train(site)
    send(client, flowers[0][:10], flowers[1][:10])
    headers, body = {"idempotency-key": "week-1"}, {"include_feedback": True}
    first = client.post("/v1/models/iris/retrain", json=body, headers=headers)
    send(client, flowers[0][:10], flowers[1][:10])
    again = client.post("/v1/models/iris/retrain", json=body, headers=headers)
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    other = client.post("/v1/models/iris/retrain", json={}, headers=headers)
    assert other.status_code == 409


def test_a_dry_run_shows_what_feedback_adds(site, client, flowers):
    first = train(site)
    send(client, flowers[0][:10], flowers[1][:10])
    plan = client.post("/v1/models/iris/retrain?dry_run=true&include_feedback=true").json()
    assert (plan["rows"], plan["feedback"]) == (160, {"rows": 10, "base": first["dataset"]})
    assert client.get(URL).json()["new_rows"] == 10


def test_feedback_goes_on_with_the_columns_that_a_new_dataset_has(site, client, flowers):
    train(site)
    send(client, flowers[0][:10], flowers[1][:10])
    rows = [dict(zip(NAMES[:3], row[:3], strict=True)) for row in flowers[0]]
    other = client.post("/v1/datasets", json={"instances": rows, "labels": flowers[1]}).json()["id"]
    wanted = {"dataset": other, "include_feedback": True, "warm_start": None}
    answer = client.post("/v1/models/iris/retrain", json=wanted)
    assert (answer.status_code, answer.json()["feedback"]["rows"]) == (202, 10)
    made = client.get(f"/v1/datasets/{answer.json()['dataset']}").json()
    assert [column["name"] for column in made["columns"]] == NAMES[:3]
    elsewhere = [{"height": row[0]} for row in flowers[0]]
    third = client.post("/v1/datasets", json={"instances": elsewhere, "labels": flowers[1]}).json()["id"]
    refused = client.post("/v1/models/iris/retrain", json={**wanted, "dataset": third})
    assert refused.status_code == 422
    assert f"does not fit dataset {third}: it has none of its columns" in refused.json()["detail"]


def test_a_full_store_says_what_to_do_and_that_helps(make_site, flowers):
    site = make_site(max_feedback_rows=12)
    client = site.client
    train(site)
    rows, labels = flowers
    assert send(client, rows[:10], labels[:10]).status_code == 201
    full = send(client, rows[:3], labels[:3])
    assert (full.status_code, full.json()["code"]) == (409, "feedback_full")
    assert client.delete(f"{URL}?used=true").status_code == 204
    assert send(client, rows[:3], labels[:3]).status_code == 409
    retrain(site, include_feedback=True)
    assert client.delete(f"{URL}?used=true").status_code == 204
    assert send(client, rows[:3], labels[:3]).status_code == 201
    found = client.get(URL).json()
    assert (found["rows"], found["new_rows"]) == (3, 3)
    assert [each["rows"] for each in found["versions"]] == [10, 3]


def test_limits_of_a_request_are_settings(make_site, flowers):
    site = make_site(max_feedback_request_rows=3, max_feedback_request_bytes=500)
    train(site)
    rows, labels = flowers
    many = send(site.client, rows[:4], labels[:4])
    assert (many.status_code, "max_feedback_request_rows" in many.text) == (413, True)
    large = send(site.client, rows[:3], ["setosa" * 100] * 3)
    assert (large.status_code, "max_feedback_request_bytes" in large.text) == (413, True)
    limits = site.client.get("/v1/info").json()["limits"]
    assert limits["max_feedback_request_rows"] == 3
    assert {"max_feedback_rows", "max_feedback_bytes"} <= set(limits)
    refused = site.client.post(URL, content=b"a,b", headers={"content-type": "text/csv"})
    assert refused.status_code == 415


def test_deleted_feedback_is_gone_and_a_deleted_models_too(site, client, flowers):
    train(site)
    send(client, flowers[0][:4], flowers[1][:4], key="k")
    assert client.delete(URL).status_code == 204
    assert client.get(URL).json()["versions"] == []
    assert send(client, flowers[0][:4], flowers[1][:4], key="k").status_code == 201
    assert client.delete("/v1/models/iris").status_code == 204
    train(site)
    assert client.get(URL).json() == {"model": "iris", "rows": 0, "new_rows": 0, "versions": []}
    assert client.get("/v1/models/iris").json()["feedback"] is None


def test_a_model_that_is_not_there_has_no_feedback(client):
    for answer in (client.get(URL), client.delete(URL), send(client, [[1]], ["a"])):
        assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")


def test_every_kind_of_column_is_fed_back(site, client):
    rng = np.random.default_rng(0)
    rows = [
        {"size": float(size), "colour": colour, "open": bool(flag), "shape": [float(size), -1.0]}
        for size, colour, flag in zip(
            rng.normal(size=60), rng.choice(["red", "blue"], 60), rng.integers(0, 2, 60), strict=True
        )
    ]
    labels = [row["colour"] for row in rows]
    url = "/v1/models/m/feedback"
    client.post(
        "/v1/models/m/train?max_epochs=20&algorithm=softmax_regression&folds=1",
        json={"instances": rows[:40], "labels": labels[:40]},
    )
    assert site.work() == ["succeeded"]
    later = [{**row, "open": str(row["open"]).lower()} for row in rows[40:]]
    assert send(client, later, labels[40:], url=url).status_code == 201
    job = client.post("/v1/models/m/retrain?include_feedback=true").json()
    whole = client.post("/v1/datasets", json={"instances": rows, "labels": labels}).json()
    assert (job["dataset"], job["feedback"]["rows"]) == (whole["id"], 20)
    assert site.work() == ["succeeded"]


def test_without_a_database_a_models_versions_are_still_told(site, client):
    train(site)
    for file in site.settings.data.glob("neurona.db*"):
        file.unlink()
    answer = client.get("/v1/models/iris")
    assert (answer.status_code, answer.json()["versions"]) == (200, [1])
    assert "database" in answer.json()["warnings"][0]
    assert client.get(URL).status_code == 503
