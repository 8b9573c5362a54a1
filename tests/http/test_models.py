"""Models are listed, moved by alias, rolled back, given away as weights, and deleted when nothing needs them."""

import json
import shutil
from pathlib import Path

import pytest
import safetensors.numpy

SHIPPED = Path(__file__).parents[2] / "models"


def test_a_trained_model_is_listed_with_versions_and_aliases(site, client):
    site.train()
    assert client.get("/v1/models").json() == {
        "items": [{"name": "iris", "versions": [1], "aliases": {"production": 1}}],
        "next_cursor": None,
    }
    assert client.get("/v1/models/iris").json() == {
        "name": "iris",
        "versions": [1],
        "aliases": {"production": 1},
        "feedback": None,
        "drift": None,
        "warnings": [],
    }


def test_models_are_paged_by_name(site, client):
    for name in ("c", "a", "b"):
        shutil.copytree(SHIPPED / "iris", site.settings.models / name)
    first = client.get("/v1/models?limit=2").json()
    assert ([each["name"] for each in first["items"]], first["next_cursor"]) == (["a", "b"], "b")
    last = client.get("/v1/models?limit=2&cursor=b").json()
    assert ([each["name"] for each in last["items"]], last["next_cursor"]) == (["c"], None)


def test_a_model_whose_aliases_cannot_be_read_is_listed_beside_the_others(site, client):
    site.train()
    site.train("broken")
    (site.settings.models / "broken" / "aliases.json").write_text("{")
    broken, iris = client.get("/v1/models").json()["items"]
    said = "The aliases of model 'broken' cannot be read: aliases.json is not JSON"
    assert broken == {"name": "broken", "versions": [1], "aliases": {}, "warnings": [said]}
    assert iris == {"name": "iris", "versions": [1], "aliases": {"production": 1}}
    assert client.get("/v1/models/broken").json()["warnings"] == [said]


def test_a_card_tells_what_the_contract_asks(site, client):
    job = site.train()
    card = client.get("/v1/models/iris/card").json()
    assert card["classes"] == ["setosa", "versicolor", "virginica"]
    assert card["lineage"]["job"] == job["id"]
    assert card["lineage"]["dataset"] == job["dataset"]
    assert card["hyperparameters"] == job["hyperparameters"]
    assert card["temperature"] > 0
    metrics = card["metrics"]
    assert {
        "accuracy",
        "log_loss",
        "macro_f1",
        "per_class",
        "confusion_matrix",
        "brier",
        "ece",
        "reliability",
    } <= set(metrics)
    assert sum(map(sum, metrics["confusion_matrix"])) == 15
    assert (
        client.get("/v1/models/iris@1/card").json()
        == client.get("/v1/models/iris@production/card").json()
        == card
    )


def test_a_card_tells_the_columns_as_a_dataset_does(site, client, mixed):
    rows, labels = mixed()
    job = site.train_on("mixed", {"instances": rows, "labels": labels}, hyperparameters={"max_epochs": 2})
    told = client.get(f"/v1/datasets/{job['dataset']}").json()["columns"]
    kept = [{k: v for k, v in column.items() if k not in ("missing", "dtype")} for column in told]
    assert client.get("/v1/models/mixed/card").json()["schema"] == {"columns": kept}


def test_a_card_that_tells_no_columns_is_shown_without(site, client):
    site.train()
    file = site.settings.models / "iris" / "1" / "model.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "encoding": [1]}))
    assert client.get("/v1/models/iris/card").json()["schema"] is None


def test_an_alias_is_moved_and_followed(site, client):
    site.train()
    site.train(query="label=species&seed=1&promote=never")
    row = {"instances": [[6.0, 3.0, 4.8, 1.6]]}
    assert client.post("/v1/models/iris/predict", json=row).json()["version"] == 1
    moved = client.put("/v1/models/iris/aliases/production", json={"version": 2})
    assert moved.json() == {"model": "iris", "alias": "production", "version": 2, "previous": 1}
    assert client.post("/v1/models/iris/predict", json=row).json()["version"] == 2
    assert client.post("/v1/models/iris@1/predict", json=row).json()["version"] == 1
    client.put("/v1/models/iris/aliases/canary", json={"version": 1})
    assert client.post("/v1/models/iris@canary/predict", json=row).json()["version"] == 1
    assert client.delete("/v1/models/iris/aliases/canary").status_code == 204
    assert client.post("/v1/models/iris@canary/predict", json=row).status_code == 404


def test_rollback_goes_to_the_version_before_and_then_refuses(site, client):
    site.train()
    assert client.post("/v1/models/iris/rollback").status_code == 409
    site.train(query="label=species&promote=always&seed=1")
    assert client.post("/v1/models/iris/rollback").json()["version"] == 1
    again = client.post("/v1/models/iris/rollback")
    assert (again.status_code, again.json()["code"]) == (409, "nothing_to_roll_back")


def test_the_weights_are_a_safetensors_file(site, client):
    site.train(query="label=species&algorithm=softmax_regression&hidden_layer_sizes=")
    answer = client.get("/v1/models/iris/weights")
    assert answer.status_code == 200
    assert sum(array.size for array in safetensors.numpy.load(answer.content).values()) == 4 * 3 + 3


def test_weights_come_in_parts_and_parts_that_are_not_there_are_refused_in_the_contracts_form(site, client):
    site.train()
    whole = client.get("/v1/models/iris/weights").content
    part = client.get("/v1/models/iris/weights", headers={"range": "bytes=8-99"})
    assert (part.status_code, part.content) == (206, whole[8:100])
    assert part.headers["content-range"] == f"bytes 8-99/{len(whole)}"
    for asked, status, code in (("bytes=9999999-", 416, "range_not_satisfiable"), ("x", 400, "bad_request")):
        refused = client.get("/v1/models/iris/weights", headers={"range": asked})
        assert (refused.status_code, refused.json()["code"]) == (status, code)
        assert refused.headers["content-type"] == "application/problem+json"
        assert "Range" in refused.json()["detail"]
        assert asked == "x" or refused.headers["content-range"] == f"bytes */{len(whole)}"


@pytest.mark.parametrize(
    ("method", "asked"), [("GET", "rows=0-9"), ("HEAD", "bytes=0-9"), ("HEAD", "bytes=999999-")]
)
def test_a_range_is_of_bytes_and_for_get_alone(site, client, method, asked):
    """RFC 9110, section 14.2: any other is passed over."""
    site.train()
    whole = client.get("/v1/models/iris/weights")
    answer = client.request(method, "/v1/models/iris/weights", headers={"range": asked})
    assert (answer.status_code, answer.headers["content-length"]) == (200, str(len(whole.content)))


OF_ONE_ANSWER = {"content-length", "content-type", "date", "x-request-id"}


@pytest.mark.parametrize("path", ["/v1/models/iris/weights", "/", "/static/swagger-ui-bundle.js"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_file_is_not_sent_to_who_has_it(site, client, path, method):
    site.train()
    whole = dict(client.get(path).headers)
    tag = whole["etag"]
    for names in (tag, f'"x", W/{tag}', "*"):
        known = client.request(method, path, headers={"if-none-match": names, "range": "bytes=8-99"})
        assert (known.status_code, known.content) == (304, b"")
        assert {k: v for k, v in known.headers.items() if k not in OF_ONE_ANSWER} == {
            k: v for k, v in whole.items() if k not in OF_ONE_ANSWER
        }
    other = client.request(method, path, headers={"if-none-match": '"x"'})
    assert (other.status_code, len(other.content) > 0) == (200, method == "GET")


def test_a_version_that_an_alias_points_at_is_not_deleted(site, client):
    site.train()
    site.train(query="label=species&promote=always&seed=1")
    refused = client.delete("/v1/models/iris@2")
    assert (refused.status_code, refused.json()["code"]) == (409, "version_in_use")
    assert client.delete("/v1/models/iris@1").status_code == 204
    assert client.get("/v1/models/iris@1/card").status_code == 404
    assert client.delete("/v1/models/iris@production").status_code == 422


def test_a_version_that_a_job_starts_from_is_not_deleted(site, client):
    site.train()
    site.train(query="label=species&promote=always&seed=1")
    job = client.post("/v1/models/iris/retrain", json={"warm_start": "iris@1"}).json()
    refused = client.delete("/v1/models/iris@1")
    assert refused.status_code == 409
    assert job["id"] in refused.json()["detail"]


def test_version_numbers_are_never_used_again(site, client):
    site.train()
    assert client.delete("/v1/models/iris").status_code == 204
    assert client.get("/v1/models/iris").status_code == 404
    assert client.get("/v1/models").json()["items"] == []
    assert site.train()["version"] == 2


def test_what_is_not_there_is_404_with_its_own_code(client, site):
    site.train()
    codes = {
        "/v1/models/nothing": "model_not_found",
        "/v1/models/nothing/card": "model_not_found",
        "/v1/models/iris@9/card": "version_not_found",
        "/v1/models/iris@nobody/card": "alias_not_found",
    }
    for path, code in codes.items():
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, code)
    assert client.put("/v1/models/iris/aliases/production", json={"version": 9}).status_code == 404
    assert client.put("/v1/models/iris/aliases/production", json={"version": 0}).status_code == 422
    assert client.put("/v1/models/iris/aliases/7", json={"version": 1}).status_code == 422


def test_evaluation_gives_the_cards_metrics_and_keeps_nothing(site, client, iris_csv):
    site.train()
    before = client.get("/v1/datasets").json()
    less = b"\n".join(iris_csv.split(b"\n")[:101]) + b"\n"
    answer = client.post(
        "/v1/models/iris/evaluate?label=species", content=less, headers={"content-type": "text/csv"}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["rows"] == 100
    assert sum(map(sum, answer.json()["metrics"]["confusion_matrix"])) == 100
    assert answer.json()["metrics"].keys() == client.get("/v1/models/iris/card").json()["metrics"].keys()
    assert sum(each["rows"] for each in answer.json()["metrics"]["reliability"]) == 100
    assert client.get("/v1/datasets").json() == before


def test_evaluation_refuses_labels_that_the_model_lacks(site, client, iris_csv):
    site.train()
    other = iris_csv.replace(b"virginica", b"orchid")
    answer = client.post("/v1/models/iris/evaluate", content=other, headers={"content-type": "text/csv"})
    assert answer.status_code == 422
    assert "orchid" in answer.json()["detail"]


@pytest.mark.parametrize("version", [True, "1", 1.5])
def test_an_alias_points_at_a_whole_number(site, client, version):
    site.train()
    assert client.put("/v1/models/iris/aliases/canary", json={"version": version}).status_code == 422
