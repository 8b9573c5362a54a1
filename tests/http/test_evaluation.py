"""Evaluation reads labelled rows for the model that they judge, and leaves nothing behind."""

import io
import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

IRIS = (Path(__file__).parents[2] / "examples/data/iris.csv").read_bytes()
CSV = {"content-type": "text/csv"}


def npz(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def foreseen(client, model, instances, labels):
    """Accuracy and log loss of the answers that predictions get: an independent way to the same numbers."""
    answer = client.post(f"/v1/models/{model}/predict", json={"instances": instances}).json()
    places = [answer["classes"].index(label) for label in labels]
    right = [found == label for found, label in zip(answer["labels"], labels, strict=True)]
    losses = [-math.log(row[at]) for row, at in zip(answer["probabilities"], places, strict=True)]
    return sum(right) / len(right), sum(losses) / len(losses)


def check(client, model, instances, labels, metrics):
    accuracy, loss = foreseen(client, model, instances, labels)
    assert metrics["accuracy"] == pytest.approx(accuracy)
    assert metrics["log_loss"] == pytest.approx(loss, rel=1e-4)


def test_a_dataset_with_the_same_rows_stays_and_the_job_that_needs_it_runs(site, client):
    site.train()
    sent = client.post("/v1/models/other/train?label=species&max_epochs=2", content=IRIS, headers=CSV).json()
    before = client.get("/v1/datasets").json()
    answer = client.post("/v1/models/iris/evaluate?label=species", content=IRIS, headers=CSV)
    assert (answer.status_code, answer.json()["rows"]) == (200, 150)
    assert len(answer.json()["metrics"]["per_class"]) == len(answer.json()["classes"]) == 3
    assert client.get("/v1/datasets").json() == before
    site.work()
    assert client.get(f"/v1/jobs/{sent['id']}").json()["state"] == "succeeded"


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_a_few_rows_of_one_class_will_do(site, client, rows):
    site.train()
    few = b"\n".join(IRIS.split(b"\n")[: rows + 1])
    answer = client.post("/v1/models/iris/evaluate", content=few, headers=CSV)
    assert (answer.status_code, answer.json().get("rows")) == (200, rows), answer.text


def test_no_rows_are_refused(site, client):
    site.train()
    answer = client.post("/v1/models/iris/evaluate", json={"instances": [], "labels": []})
    assert answer.status_code == 422


def test_lists_are_in_the_models_order_whether_or_not_a_value_is_missing(site, client, mixed):
    rows, labels = mixed()
    assert site.train_on("mixed", {"instances": rows, "labels": labels})["state"] == "succeeded"
    for some in (slice(0, 60), slice(3, 4)):
        lists = [list(row.values()) for row in rows[some]]
        body = {"instances": lists, "labels": labels[some]}
        answer = client.post("/v1/models/mixed/evaluate", json=body)
        assert answer.status_code == 200, answer.text
        check(client, "mixed", rows[some], labels[some], answer.json()["metrics"])


def test_texts_that_look_like_numbers_are_texts_where_the_model_knows_them_as_such(site, client):
    rows = [{"zone": str(i % 3), "width": i / 10, "new": i % 2 == 0} for i in range(60)]
    labels = [str(int(row["zone"] == "1")) for row in rows]
    assert site.train_on("zones", {"instances": rows, "labels": labels})["state"] == "succeeded"
    lines = [f"{row['zone']},{row['width']},,{label}" for row, label in zip(rows, labels, strict=True)]
    csv = "\n".join(["zone,width,new,label", *lines])
    answer = client.post("/v1/models/zones/evaluate", content=csv, headers=CSV)
    assert answer.status_code == 200, answer.text
    gaps = [{**row, "new": None} for row in rows]
    check(client, "zones", gaps, labels, answer.json()["metrics"])
    table = pa.table(
        {"zone": [int(row["zone"]) for row in rows], "width": [row["width"] for row in rows]}
        | {"new": pa.array([None] * 60, pa.bool_()), "label": labels}
    )
    file = io.BytesIO()
    parquet.write_table(table, file)
    headers = {"content-type": "application/vnd.apache.parquet"}
    same = client.post("/v1/models/zones/evaluate", content=file.getvalue(), headers=headers)
    assert same.json()["metrics"] == answer.json()["metrics"]


def test_vectors_are_taken_bare_by_name_and_from_an_array(site, client):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 4)).astype(np.float32)
    labels = (x[:, 0] > 0).astype(int).tolist()
    named = [{"picture": row} for row in x.tolist()]
    assert site.train_on("pictures", {"instances": named, "labels": labels})["state"] == "succeeded"
    answers = [
        client.post("/v1/models/pictures/evaluate", json={"instances": rows, "labels": labels})
        for rows in (named, x.tolist(), [[row] for row in x.tolist()])
    ]
    headers = {"content-type": "application/x-npz"}
    body = npz(x=x, y=np.array(labels))
    answers.append(client.post("/v1/models/pictures/evaluate", content=body, headers=headers))
    for answer in answers:
        assert answer.status_code == 200, answer.text
        check(client, "pictures", x.tolist(), labels, answer.json()["metrics"])


def test_a_vector_without_a_name_is_taken_bare_to_evaluate_and_to_retrain(site, client):
    """Its column is called x0, as the first of bare numbers would be."""
    x = np.random.default_rng(0).normal(size=(50, 4))
    labels = (x[:, 0] > 0).astype(int).tolist()
    wrapped = [[row] for row in x.tolist()]
    assert site.train_on("spots", {"instances": wrapped, "labels": labels})["state"] == "succeeded"
    for rows in (x.tolist(), wrapped):
        answer = client.post("/v1/models/spots/evaluate", json={"instances": rows, "labels": labels})
        assert answer.status_code == 200, answer.text
        check(client, "spots", x.tolist(), labels, answer.json()["metrics"])
        data = {"instances": rows[:40], "labels": labels[:40]}
        job = client.post("/v1/models/spots/retrain", json={"data": data}).json()
        dataset = client.get(f"/v1/datasets/{job['dataset']}").json()
        assert [(each["name"], each["type"]) for each in dataset["columns"]] == [("x0", "vector")]


def test_an_array_fits_a_model_of_numbers_by_place(site, client):
    site.train()
    table = [line.split(b",") for line in IRIS.split()[1:]]
    x = np.array([[float(cell) for cell in row[:4]] for row in table])
    y = np.array([row[4].decode() for row in table])
    headers = {"content-type": "application/x-npz"}
    answer = client.post("/v1/models/iris/evaluate", content=npz(x=x, y=y), headers=headers)
    assert answer.status_code == 200, answer.text
    check(client, "iris", x.tolist(), y.tolist(), answer.json()["metrics"])
    narrow = client.post("/v1/models/iris/evaluate", content=npz(x=x[:, :3], y=y), headers=headers)
    assert narrow.status_code == 422


def test_a_column_that_is_not_there_is_named(site, client, mixed):
    rows, labels = mixed()
    site.train_on("mixed", {"instances": rows, "labels": labels})
    less = [{name: cell for name, cell in row.items() if name != "colour"} for row in rows]
    answer = client.post("/v1/models/mixed/evaluate", json={"instances": less, "labels": labels})
    assert answer.status_code == 422
    assert "colour" in answer.json()["detail"]


@pytest.mark.parametrize("cell", [lambda i: i / 10, str], ids=["a number", "a text"])
def test_lists_of_a_single_cell_are_its_column(site, client, cell):
    rows = [[cell(i % 5)] for i in range(40)]
    labels = [int(i % 5 > 2) for i in range(40)]
    data = {"instances": rows, "labels": labels, "feature_names": ["size"]}
    assert site.train_on("single", data)["state"] == "succeeded"
    answer = client.post("/v1/models/single/evaluate", json={"instances": rows, "labels": labels})
    assert answer.status_code == 200, answer.text
    check(client, "single", rows, labels, answer.json()["metrics"])


def truths():
    """Rows of which a boolean alone tells the label, and the labels."""
    rows = [{"size": i % 5, "new": i % 2 == 0} for i in range(40)]
    return rows, ["fresh" if row["new"] else "used" for row in rows]


@pytest.mark.parametrize("written", ["true,false", "True,False", "TRUE,FALSE"])
def test_truth_in_a_csv_is_truth_however_it_is_written(site, client, written):
    """As it is where a model is trained, and as pandas writes it."""
    rows, labels = truths()
    yes, no = written.split(",")
    pairs = zip(rows, labels, strict=True)
    lines = [f"{row['size']},{yes if row['new'] else no},{label}" for row, label in pairs]
    csv = "\n".join(["size,new,label", *lines])
    assert client.post("/v1/models/ages/train?max_epochs=20", content=csv, headers=CSV).status_code == 202
    site.work()
    answer = client.post("/v1/models/ages/evaluate", content=csv, headers=CSV)
    check(client, "ages", rows, labels, answer.json()["metrics"])


@pytest.mark.parametrize(
    ("size", "new", "column", "message"),
    [
        ("x", "true", "size", "row 1, column 'size': expected a number, got the string 'x'"),
        ("1", "1", "new", "row 1, column 'new': expected true or false, got the string '1'"),
        ("1", "yes", "new", "row 1, column 'new': expected true or false, got the string 'yes'"),
    ],
)
def test_text_where_the_model_has_none_is_refused_by_its_place(site, client, size, new, column, message):
    rows, labels = truths()
    assert site.train_on("ages", {"instances": rows, "labels": labels})["state"] == "succeeded"
    csv = f"size,new,label\n,,fresh\n{size},{new},fresh\n"
    answer = client.post("/v1/models/ages/evaluate", content=csv, headers=CSV)
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"] == [{"message": message, "location": "row 1", "row": 1, "column": column}]


def test_no_advice_is_given_that_cannot_be_taken(site, client):
    """What a column is the model knows; to train, `?categorical=` says it."""
    site.train()
    csv = IRIS + b"x,1,1,1,setosa\n"
    answer = client.post("/v1/models/iris/evaluate", content=csv, headers=CSV)
    assert answer.status_code == 422
    assert (answer.json()["errors"][0]["row"], "categorical" in answer.json()["detail"]) == (150, False)
    assert "categorical=" in client.post("/v1/datasets", content=csv, headers=CSV).json()["detail"]


@pytest.mark.parametrize("field", ["lable", "categorical"])
def test_a_field_of_the_url_that_is_none_is_refused(site, client, field):
    site.train()
    answer = client.post(f"/v1/models/iris/evaluate?{field}=species", content=IRIS, headers=CSV)
    assert (answer.status_code, answer.json()["errors"][0]["location"]) == (422, f"query.{field}")
