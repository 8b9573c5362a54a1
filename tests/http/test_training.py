"""Training is asked for in any body of the contract, and what was asked comes back on the job."""

import json
from dataclasses import replace

import pytest

from app.bootstrap import build_workplace

CSV = {"content-type": "text/csv"}
ROWS = {
    "instances": [[i / 10, (i * 7) % 5] for i in range(40)],
    "labels": ["low" if i < 20 else "high" for i in range(40)],
}


def test_a_file_in_one_call_becomes_a_model_in_production(site, client):
    job = site.train(query="label=species")
    assert (job["state"], job["version"], job["promoted"]) == ("succeeded", 1, True)
    answer = client.post("/v1/models/iris/predict", json={"instances": [[5.1, 3.5, 1.4, 0.2]]}).json()
    assert answer["labels"] == ["setosa"]


def test_a_job_has_every_field_of_the_contract(site):
    job = site.train()
    assert set(job) >= {
        *(
            "id",
            "model",
            "version",
            "state",
            "algorithm",
            "hyperparameters",
            "dataset",
            "warm_start",
            "promote",
        ),
        *("metadata", "created_at", "started_at", "finished_at", "progress", "metrics", "promoted", "error"),
        "warnings",
    }
    assert set(job["progress"]) == {"epoch", "max_epochs", "fraction", "rows_per_second", "eta_seconds"}
    assert job["hyperparameters"]["max_epochs"] == 15


def test_acceptance_answers_202_and_where_the_job_is(client, iris_csv):
    answer = client.post("/v1/models/iris/train?label=species", content=iris_csv, headers=CSV)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/v1/jobs/{answer.json()['id']}"
    assert answer.json()["state"] == "queued"


def test_a_json_body_names_a_dataset(client, iris_csv):
    dataset = client.post("/v1/datasets", content=iris_csv, headers=CSV).json()["id"]
    body = {
        "dataset": dataset,
        "algorithm": "softmax_regression",
        "hyperparameters": {"learning_rate": 0.1, "patience": None},
        "promote": "never",
        "metadata": {"ticket": 7},
    }
    job = client.post("/v1/models/iris/train", json=body).json()
    assert (job["algorithm"], job["promote"], job["metadata"]) == (
        "softmax_regression",
        "never",
        {"ticket": 7},
    )
    assert (job["hyperparameters"]["learning_rate"], job["hyperparameters"]["patience"]) == (0.1, None)
    assert job["hyperparameters"]["hidden_layer_sizes"] == []


def test_small_data_comes_inline_or_as_the_body_itself(client):
    inline = client.post("/v1/models/m/train", json={"data": ROWS})
    whole = client.post("/v1/models/m/train?algorithm=relu_network", json=ROWS)
    assert (inline.status_code, whole.status_code) == (202, 202)
    assert inline.json()["dataset"] == whole.json()["dataset"]
    assert whole.json()["algorithm"] == "relu_network"


def test_fields_are_query_parameters_where_the_body_is_data(client, iris_csv):
    query = (
        "hidden_layer_sizes=16,8&patience=null&batch_size=full&class_weight=balanced&seed=3&promote=always"
    )
    job = client.post(f"/v1/models/iris/train?{query}", content=iris_csv, headers=CSV).json()
    chosen = job["hyperparameters"]
    assert (chosen["hidden_layer_sizes"], chosen["patience"], chosen["batch_size"]) == ([16, 8], None, "full")
    assert (chosen["class_weight"], chosen["seed"], job["promote"]) == ("balanced", 3, "always")


def test_a_dry_run_says_what_would_run_and_runs_nothing(client, iris_csv):
    answer = client.post("/v1/models/iris/train?dry_run=true", content=iris_csv, headers=CSV)
    plan = answer.json()
    assert answer.status_code == 200
    assert (plan["rows"], len(plan["columns"]), len(plan["classes"])) == (150, 4, 3)
    assert plan["candidates"] == ["softmax_regression", "relu_network"]
    assert plan["memory_bytes"] > 0
    chosen = plan["hyperparameters"]
    units = chosen["folds"] * chosen["hidden_layer_sizes"][0]  # of every member
    features = 4 + 4 * chosen["bins"]
    assert plan["parameters"] == features * units + units + units * 3 + 3
    assert client.get("/v1/jobs").json()["items"] == []


def test_a_dry_run_knows_that_rows_will_stay_on_disk(make_site, iris_csv):
    client = make_site(training_memory_bytes=1).client
    plans = [
        client.post(f"/v1/models/iris/train?dry_run=true&{said}", content=iris_csv, headers=CSV).json()
        for said in ("folds=1&algorithm=softmax_regression", "folds=5&algorithm=softmax_regression")
    ]
    assert [plan["hyperparameters"]["optimizer"] for plan in plans] == ["adam", "lbfgs"]
    assert plans[0]["memory_bytes"] > 2 * 64 * 2**20 > plans[1]["memory_bytes"]  # two pools


WRONG = [
    ({"dataset": "ds_0123456789abcdef"}, 404, "ds_0123456789abcdef"),
    ({}, 422, "dataset"),
    ({"data": ROWS, "dataset": "ds_0123456789abcdef"}, 422, "not both"),
    ({"data": ROWS, "colour": 1}, 422, "colour"),
    ({"data": ROWS, "hyperparameters": {"learningrate": 1}}, 422, "learningrate"),
    ({"data": ROWS, "hyperparameters": {"learning_rate": -1}}, 422, "learning_rate"),
    ({"data": ROWS, "hyperparameters": {"validation_fraction": 1.5}}, 422, "validation_fraction"),
    ({"data": ROWS, "hyperparameters": {"hidden_layer_sizes": [0]}}, 422, "hidden_layer_sizes"),
    ({"data": ROWS, "hyperparameters": {"seed": False}}, 422, "seed"),
    ({"data": ROWS, "hyperparameters": {"patience": 2**64}}, 422, "patience"),
    ({"data": ROWS, "hyperparameters": {"batch_size": 2**64}}, 422, "batch_size"),
    ({"data": ROWS, "hyperparameters": {"l2": "0.1"}}, 422, "l2"),
    ({"data": ROWS, "hyperparameters": {"max_epochs": 2.5}}, 422, "max_epochs"),
    ({"data": ROWS, "max_runtime_seconds": True}, 422, "max_runtime_seconds"),
    ({"data": ROWS, "hyperparameters": {"class_weight": {"nobody": 1}}}, 422, "nobody"),
    (
        {"data": ROWS, "hyperparameters": {"class_weight": {"low": 1e300}}},
        422,
        "1,000,000 times the smallest",
    ),
    ({"data": ROWS, "algorithm": "random_forest"}, 422, "algorithm"),
    ({"data": ROWS, "promote": "maybe"}, 422, "promote"),
    ({"data": ROWS, "warm_start": "nothing@3"}, 404, "nothing"),
    ({"data": ROWS, "hyperparameters": {"hidden_layer_sizes": [60000, 60000]}}, 422, "max_parameters"),
    ({"data": {"instances": [[1]], "labels": ["a"]}}, 422, ""),
]


@pytest.mark.parametrize(("body", "status", "word"), WRONG)
def test_a_wrong_request_is_refused_by_the_field_that_is_wrong(client, body, status, word):
    answer = client.post("/v1/models/m/train", json=body)
    assert answer.status_code == status, answer.text
    assert word in answer.text
    assert client.get("/v1/jobs").json()["items"] == []


def test_a_whole_number_may_be_written_with_a_point(client):
    given = {"max_epochs": 5.0, "hidden_layer_sizes": [4.0], "batch_size": 8.0, "learning_rate": 1}
    job = client.post("/v1/models/m/train", json={"data": ROWS, "hyperparameters": given}).json()
    chosen = job["hyperparameters"]
    assert (chosen["max_epochs"], chosen["hidden_layer_sizes"], chosen["batch_size"]) == (5, [4], 8)


def test_an_unknown_query_field_is_refused(client, iris_csv):
    answer = client.post("/v1/models/iris/train?epochs=3", content=iris_csv, headers=CSV)
    assert answer.status_code == 422
    assert "epochs" in answer.json()["detail"]


def test_a_list_is_written_with_commas_or_one_by_one(client):
    """As HTTP clients write a list. Of two layers one would else be left, and of two columns of text."""
    csv = "zip,area,label\n" + "".join(f"{i % 3},{i % 2},{i % 2}\n" for i in range(8))
    said = "hidden_layer_sizes=16&hidden_layer_sizes=8&categorical=zip&categorical=area"
    for url in (f"/v1/models/m/train?dry_run=true&{said}", "/v1/datasets?categorical=zip&categorical=area"):
        answer = client.post(url, content=csv, headers=CSV)
        assert answer.is_success, answer.text
        assert [column["type"] for column in answer.json()["columns"]] == ["categorical"] * 2
        assert answer.json().get("hyperparameters", {}).get("hidden_layer_sizes", [16, 8]) == [16, 8]


@pytest.mark.parametrize("name", ["Iris", "-iris", "a" * 65, "iris%20x", ".."])
def test_a_model_name_outside_the_contract_is_refused(client, name):
    assert client.post(f"/v1/models/{name}/train", json={"data": ROWS}).status_code in (404, 405, 422)


def test_retrain_takes_everything_left_out_from_production(site, client):
    first = site.train(query="label=species&algorithm=relu_network&l2=0.001&seed=5")
    answer = client.post("/v1/models/iris/retrain")
    job = answer.json()
    assert answer.status_code == 202
    assert (job["dataset"], job["algorithm"], job["warm_start"]) == (
        first["dataset"],
        "relu_network",
        "iris@1",
    )
    assert job["hyperparameters"] == first["hyperparameters"]
    assert site.work() == ["succeeded"]


def test_retrain_of_a_committee_takes_its_members(site, client):
    site.train(query="label=species&algorithm=relu_network&folds=3&hidden_layer_sizes=5&max_epochs=4")
    job = client.post("/v1/models/iris/retrain").json()
    assert (job["warm_start"], job["algorithm"]) == ("iris@1", "relu_network")
    assert (job["hyperparameters"]["folds"], job["hyperparameters"]["hidden_layer_sizes"]) == (3, [5])
    assert site.work() == ["succeeded"]
    refused = client.post("/v1/models/iris/retrain?folds=4")
    assert refused.status_code == 422
    assert "iris@2 has folds 3; no other can go on" in refused.json()["detail"]
    assert client.post("/v1/models/iris/retrain?bins=4").status_code == 422


def test_retrain_asks_for_what_was_asked_for_and_not_for_what_came_of_it(site, client):
    site.train(query="label=species&hidden_layer_sizes=&algorithm=softmax_regression&max_epochs=900")
    job = client.post("/v1/models/iris/retrain").json()
    assert job["hyperparameters"]["max_epochs"] == 900
    assert job["hyperparameters"]["l2"] is None  # to be chosen again
    again = client.post("/v1/models/iris/retrain", json={"warm_start": None}).json()
    assert (again["algorithm"], again["warm_start"]) == ("softmax_regression", None)


def test_retrain_begins_afresh_when_told_so(site, client):
    site.train()
    assert client.post("/v1/models/iris/retrain", json={"warm_start": None}).json()["warm_start"] is None


def test_retrain_takes_new_data_and_new_hyperparameters(site, client, iris_csv):
    site.train(query="label=species&algorithm=softmax_regression&hidden_layer_sizes=")
    less = b"\n".join(iris_csv.split(b"\n")[:120])
    job = client.post("/v1/models/iris/retrain?max_epochs=3", content=less, headers=CSV).json()
    assert (job["warm_start"], job["hyperparameters"]["max_epochs"]) == ("iris@1", 3)
    assert site.work() == ["succeeded"]


def test_retraining_what_was_never_trained_is_not_found(client):
    answer = client.post("/v1/models/nothing/retrain")
    assert (answer.status_code, answer.json()["code"]) == (404, "model_not_found")


def test_a_warm_start_into_other_layers_is_refused_with_the_ones_it_has(site, client):
    site.train(query="label=species&algorithm=relu_network")
    answer = client.post("/v1/models/iris/retrain", json={"hyperparameters": {"hidden_layer_sizes": [9]}})
    assert answer.status_code == 422
    assert "[8]" in answer.json()["detail"]


def test_the_same_key_and_body_answer_with_the_same_job(client, iris_csv):
    headers = {**CSV, "idempotency-key": "k1"}
    first = client.post("/v1/models/iris/train", content=iris_csv, headers=headers)
    again = client.post("/v1/models/iris/train", content=iris_csv, headers=headers)
    assert (first.status_code, again.status_code) == (202, 200)
    assert first.json()["id"] == again.json()["id"]
    other = client.post("/v1/models/iris/train?seed=1", content=iris_csv, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len(client.get("/v1/jobs").json()["items"]) == 1


def test_a_repeated_retrain_gets_its_job_even_after_production_moved(site, client):
    site.train()
    headers = {"idempotency-key": "again"}
    first = client.post("/v1/models/iris/retrain", headers=headers, json={"promote": "always"})
    site.work()
    again = client.post("/v1/models/iris/retrain", headers=headers, json={"promote": "always"})
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])


def test_a_full_queue_is_429_with_a_time_to_come_back(make_site):
    client = make_site(max_queued_jobs=1).client
    assert client.post("/v1/models/m/train", json={"data": ROWS}).status_code == 202
    answer = client.post("/v1/models/m/train", json={"data": ROWS})
    assert answer.status_code == 429
    assert int(answer.headers["retry-after"]) > 0


def test_labels_come_back_as_they_were_sent(site, client):
    for labels in ([1, 2], [True, False], ["1", "02"]):
        name = f"m{len(str(labels))}{type(labels[0]).__name__}".lower()
        data = {
            "instances": [[float(i % 2)] for i in range(40)],
            "labels": [labels[i % 2] for i in range(40)],
        }
        client.post(f"/v1/models/{name}/train?max_epochs=30", json=data)
        assert site.work() == ["succeeded"]
        answer = client.post(f"/v1/models/{name}/predict", json={"instances": [[0.0], [1.0]]}).json()
        assert json.dumps(answer["labels"]) == json.dumps(labels)


def test_a_warm_start_says_which_column_it_takes_for_a_renamed_one(site, iris_csv):
    site.train()
    changed = iris_csv.replace(b"petal_width", b"width_of_petals", 1)
    sent = site.client.post(
        "/v1/models/iris/retrain?label=species", content=changed, headers={"content-type": "text/csv"}
    )
    assert sent.status_code == 202, sent.text
    site.work()
    job = site.client.get(f"/v1/jobs/{sent.json()['id']}").json()
    assert job["state"] == "succeeded"
    taken = [each for each in job["warnings"] if "is taken for" in each]
    assert taken == [
        "column 'width_of_petals' is taken for 'petal_width' of iris@1, whose place and values it has"
    ]


def test_where_no_class_has_two_rows_nothing_is_accepted(client):
    data = {"instances": [[1.0], [2.0], [3.0], [4.0]], "labels": ["a", "b", "c", "d"]}
    for query in ("", "?dry_run=true"):
        answer = client.post(f"/v1/models/single/train{query}", json={"data": data})
        assert (answer.status_code, answer.json()["errors"][0]["location"]) == (422, "dataset")
        assert "each row has another label 'label'" in answer.json()["detail"]


def test_what_the_url_says_of_rows_holds_for_json_too(client):
    rows = {"instances": [[i % 3, i / 7] for i in range(30)], "labels": [str(i % 2) for i in range(30)]}
    for body in (rows, {"data": rows}):
        answer = client.post("/v1/models/zones/train?categorical=x0&label=kind&name=zones", json=body)
        assert answer.status_code == 202, answer.text
        made = client.get(f"/v1/datasets/{answer.json()['dataset']}").json()
        assert [column["type"] for column in made["columns"]] == ["categorical", "numeric"]
        assert (made["label"], made["name"]) == ("kind", "zones")
    assert client.post("/v1/models/zones/train?categorical=x7", json=rows).status_code == 422


def test_a_dataset_and_data_are_not_both_taken(client, iris_csv):
    csv = {"content-type": "text/csv"}
    known = client.post("/v1/datasets?label=species", content=iris_csv, headers=csv).json()["id"]
    rows = {"instances": [[1.0], [2.0], [3.0], [4.0]], "labels": [0, 1, 0, 1]}
    url = f"/v1/models/iris/train?dataset={known}"
    for answer in (client.post(url, json=rows), client.post(url, content=iris_csv, headers=csv)):
        assert (answer.status_code, answer.json()["errors"][0]["location"]) == (422, "query.dataset")
    late = client.post("/v1/models/iris/train?label=petal_width", json={"dataset": known})
    assert (late.status_code, late.json()["errors"][0]["location"]) == (422, "query.label")


def test_retraining_takes_names_and_metadata_from_production(site, client, iris_csv):
    site.train(query='label=species&metadata={"owner":"flora"}')
    table = [line.split(",") for line in iris_csv.decode().split()[1:]]
    rows = {
        "instances": [[float(cell) for cell in row[:4]] for row in table],
        "labels": [row[4] for row in table],
    }
    for body in (rows, {"data": rows}):
        job = client.post("/v1/models/iris/retrain", json=body).json()
        made = client.get(f"/v1/datasets/{job['dataset']}").json()
        assert made["columns"][0]["name"] == "sepal_length"
        assert job["metadata"] == {"owner": "flora"}
    other = client.post("/v1/models/iris/retrain", json={"dataset": job["dataset"], "metadata": {}}).json()
    assert other["metadata"] == {}


def test_retraining_takes_as_text_what_production_has_as_text(site, client):
    """Postal codes that were said to be text would else be numbers the next time."""
    lines = [f"{i % 7},{1000 + i % 3},{'a' if i % 3 == 1 else 'b'}" for i in range(60)]
    csv = "\n".join(["size,zip,label", *lines])
    sent = client.post("/v1/models/m/train?categorical=zip&max_epochs=9", content=csv, headers=CSV)
    assert sent.status_code == 202, sent.text
    site.work()

    def types(content, query=""):
        made = client.post(f"/v1/models/m/retrain?dry_run=true{query}", content=content, headers=CSV)
        return {column["name"]: column["type"] for column in made.json()["columns"]}

    assert types(csv) == {"size": "numeric", "zip": "categorical"}
    assert types(csv, "&categorical=") == {"size": "numeric", "zip": "numeric"}
    assert types(csv.replace("zip", "area")) == {"size": "numeric", "area": "numeric"}
    rows = [[1, 1000], [2, 1001], [3, 1002], [4, 1001]]
    body = {"data": {"instances": rows, "labels": ["b", "a", "b", "a"]}}
    plan = client.post("/v1/models/m/retrain?dry_run=true", json=body).json()
    assert [column["type"] for column in plan["columns"]] == ["numeric", "categorical"]


def test_a_feature_of_production_is_not_taken_for_the_label(site, client, iris_csv):
    """The last column is the label unless another is named, also where the one before was named."""
    lines = [line.split(",") for line in iris_csv.decode().splitlines()]
    csv = "\n".join(",".join([cells[-1], *cells[:-1]]) for cells in lines)
    url = "/v1/models/iris/train?label=species&max_epochs=2&algorithm=softmax_regression"
    assert client.post(url, content=csv, headers=CSV).status_code == 202
    site.work()
    answer = client.post("/v1/models/iris/retrain", content=csv, headers=CSV)
    assert (answer.status_code, answer.json()["errors"][0]["column"]) == (422, "petal_width")
    again = client.post("/v1/models/iris/retrain?label=species", content=csv, headers=CSV)
    assert again.status_code == 202, again.text


def test_a_strangers_card_costs_nothing_but_what_it_does_not_tell(site, client, iris_csv):
    site.train()
    repository = build_workplace(site.settings).repository
    stranger = replace(repository.load("iris", 1), version=7, card={"lineage": "none", "metrics": 3})
    repository.publish(stranger)
    repository.set_alias("iris", "production", 7)
    refused = client.post("/v1/models/iris/retrain")
    assert (refused.status_code, refused.json()["errors"][0]["location"]) == (422, "dataset")
    headers = {"content-type": "text/csv"}
    job = client.post("/v1/models/iris/retrain?label=species&max_epochs=2", content=iris_csv, headers=headers)
    assert (job.status_code, job.json()["warm_start"]) == (202, "iris@7"), job.text
    site.work()
    assert client.get(f"/v1/jobs/{job.json()['id']}").json()["state"] == "succeeded"
    assert client.get("/v1/models/iris/feedback").status_code == 200
    assert client.get("/v1/models/iris@7/diff?with=iris@1").status_code == 200
    assert client.post("/v1/models/iris@7/verify").status_code < 500


@pytest.mark.parametrize(
    ("said", "location", "message"),
    [
        (
            {"batch_size": 0},
            "hyperparameters.batch_size",
            "greater than or equal to 1, or input should be 'full', not 0",
        ),
        (
            {"class_weight": "x"},
            "hyperparameters.class_weight",
            "should be 'balanced', or input should be an object, not 'x'",
        ),
        ({"class_weight": {"a": -1}}, "hyperparameters.class_weight.a", "greater than 0, not -1"),
        ({"foo": 1}, "hyperparameters.foo", "hyperparameters.foo: there is no such field"),
    ],
)
def test_a_wrong_hyperparameter_is_named_once_as_the_sender_knows_it(client, said, location, message):
    refused = client.post("/v1/models/m/train", json={"data": ROWS, "hyperparameters": said}).json()
    assert [error["location"] for error in refused["errors"]] == [location]
    assert message in refused["detail"]
    both = client.post("/v1/models/m/train", json={"data": ROWS, "dataset": "ds_0123456789abcdef"}).json()
    assert both["detail"].startswith("send either dataset or data")


def test_of_very_many_mistakes_the_first_twenty_are_told(client):
    refused = client.post("/v1/models/m/train", json={f"field{number}": 0 for number in range(9_000)})
    assert refused.status_code == 422
    assert [error["location"] for error in refused.json()["errors"]] == [
        f"field{number}" for number in range(20)
    ]


@pytest.mark.parametrize(
    ("field", "value", "end"),
    [
        ("hyperparameters", "x", "should be an object, not 'x'"),
        ("metadata", None, "should be an object, not null"),
        ("max_runtime_seconds", True, "should be a valid number, not true"),
    ],
)
def test_what_is_wrong_is_said_in_the_words_of_json(client, field, value, end):
    refused = client.post("/v1/models/m/train", json={"data": ROWS, field: value}).json()
    assert refused["detail"] == f"{field}: input {end}"


@pytest.mark.parametrize("label", [2**63, -(2**63) - 1, 1.5, ""])
def test_a_wrong_label_is_named_where_it_stands(client, label):
    rows = {"instances": [[1], [2], [3], [4]], "labels": [1, 2, 1, 2]}
    if label == "":
        rows["labels"] = ["a", "b", "a", "b"]
    rows["labels"][2] = label
    refused = client.post("/v1/models/m/train", json={"data": rows}).json()
    assert (refused["errors"][0]["location"], refused["errors"][0]["row"]) == ("labels[2]", 2), refused


def test_a_bound_that_was_not_said_is_shown_as_it_holds_for_the_whole_path(site, client, iris_csv):
    headers = {"content-type": "text/csv"}
    url = "/v1/models/iris/train?label=species&algorithm=softmax_regression"
    job = client.post(url, content=iris_csv, headers=headers).json()
    site.work()
    done = client.get(f"/v1/jobs/{job['id']}").json()
    most = job["hyperparameters"]["max_epochs"]
    assert done["progress"]["max_epochs"] == most == done["hyperparameters"]["max_epochs"]
    again = client.post(f"{url}&max_epochs={most}", content=iris_csv, headers=headers).json()
    site.work()
    weights = [client.get(f"/v1/models/iris@{version}/weights").content for version in (1, 2)]
    assert again["hyperparameters"]["max_epochs"] == most
    assert weights[0] == weights[1]


def test_a_warm_start_of_which_nothing_fits_says_so(site, client, iris_csv):
    site.train()
    body = {"instances": [{"a": n, "b": n % 7} for n in range(150)], "labels": [n % 3 for n in range(150)]}
    job = site.train_on("other", body, warm_start="iris", hyperparameters={"max_epochs": 2})
    said = "no column of iris@1 is here, so hardly anything of it could be carried over"
    assert (job["state"], said in job["warnings"]) == ("succeeded", True), job["warnings"]


def test_metadata_is_bounded_by_a_setting(make_site):
    client = make_site(max_metadata_bytes=100).client
    kept = client.post("/v1/models/m/train", json={"data": ROWS, "metadata": {"owner": "x" * 80}})
    assert (kept.status_code, kept.json()["metadata"]) == (202, {"owner": "x" * 80})
    refused = client.post("/v1/models/m/train", json={"data": ROWS, "metadata": {"owner": "x" * 90}})
    assert refused.status_code == 413
    assert "max_metadata_bytes" in refused.json()["detail"]
    assert client.get("/v1/info").json()["limits"]["max_metadata_bytes"] == 100


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/v1/models/iris/train", "label=species&seed=1&seed=2", "seed"),
        ("/v1/models/iris/train", "label=species&label=sepal_width", "label"),
        ("/v1/datasets", "name=a&name=a", "name"),
    ],
)
def test_a_field_that_the_url_says_twice_is_refused(client, iris_csv, path, query, field):
    answer = client.post(f"{path}?{query}", content=iris_csv, headers={"content-type": "text/csv"})
    [told] = answer.json()["errors"]
    assert (answer.status_code, told["location"]) == (422, f"query.{field}")
    assert f"{field} is said 2 times" in told["message"]
