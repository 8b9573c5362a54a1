"""Data goes in once, is named by its content, and what is wrong with it is said with row and column."""

import gzip

import pytest

CSV = {"content-type": "text/csv"}
JSON = {"content-type": "application/json"}


def test_a_stored_dataset_is_described_as_the_contract_says(client, iris_csv):
    answer = client.post("/v1/datasets?label=species&name=flowers", content=iris_csv, headers=CSV)
    dataset = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/datasets/{dataset['id']}"
    assert dataset["id"].startswith("ds_")
    assert len(dataset["id"]) == 3 + 16
    assert (dataset["name"], dataset["rows"], dataset["label"]) == ("flowers", 150, "species")
    assert next(column["name"] for column in dataset["columns"]) == "sepal_length"
    assert {column["type"] for column in dataset["columns"]} == {"numeric"}
    assert dataset["classes"] == [
        {"label": name, "rows": 50} for name in ("setosa", "versicolor", "virginica")
    ]
    assert dataset["created_at"].endswith("Z")
    assert dataset["warnings"] == []


def test_the_same_content_again_is_200_with_the_same_id(client, iris_csv):
    first = client.post("/v1/datasets", content=iris_csv, headers=CSV)
    again = client.post("/v1/datasets", content=iris_csv, headers=CSV)
    zipped = client.post(
        "/v1/datasets", content=gzip.compress(iris_csv), headers={**CSV, "content-encoding": "gzip"}
    )
    assert [each.status_code for each in (first, again, zipped)] == [201, 200, 200]
    assert first.json() == again.json() == zipped.json()


def test_a_form_is_read_by_its_parts_type_or_else_by_its_name(client, iris_csv):
    plain = client.post("/v1/datasets", content=iris_csv, headers=CSV).json()["id"]
    for part in (("iris.csv", iris_csv, "text/csv"), ("iris.csv", iris_csv, "application/octet-stream")):
        assert client.post("/v1/datasets", files={"file": part}).json()["id"] == plain
    packed = ("iris.csv.gz", gzip.compress(iris_csv), "application/gzip")
    assert client.post("/v1/datasets", files={"file": packed}).json()["id"] == plain


def test_a_whole_form_may_be_gzip(client, iris_csv):
    plain = client.post("/v1/datasets", content=iris_csv, headers=CSV).json()["id"]
    form = client.build_request("POST", "/v1/datasets", files={"file": ("iris.csv", iris_csv, "text/csv")})
    body, headers = form.read(), {"content-type": form.headers["content-type"], "content-encoding": "gzip"}
    packed = gzip.compress(body)
    assert client.post("/v1/datasets", content=packed, headers=headers).json()["id"] == plain
    for broken in (packed[:-9], packed + b"more", body):
        answer = client.post("/v1/datasets", content=broken, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (400, "unreadable"), answer.text


def test_a_mistyped_field_is_refused(client, iris_csv):
    answer = client.post("/v1/datasets?labl=species", content=iris_csv, headers=CSV)
    assert (answer.status_code, answer.json()["errors"][0]["location"]) == (422, "query.labl")


def test_a_form_takes_the_files_name_where_none_is_said(client, iris_csv):
    assert client.post("/v1/datasets", files={"file": ("my.csv", iris_csv)}).json()["name"] == "my.csv"


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"data": {"label": "species"}}, "label"),
        ({"files": {"upload": ("a.csv", b"a,b\n1,2\n")}}, "upload"),
    ],
)
def test_a_form_without_a_file_part_or_with_another_is_refused(client, form, sentence):
    answer = client.post("/v1/datasets", **form)
    assert answer.status_code in (415, 422)
    assert sentence in answer.text or answer.status_code == 415


def test_a_form_that_breaks_off_leaves_nothing_behind(client, site):
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\na,b\n1,x\n2,y\n'
    answer = client.post(
        "/v1/datasets", content=body, headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert answer.status_code == 400
    assert "boundary" in answer.json()["detail"]
    assert client.get("/v1/datasets").json()["items"] == []
    assert [path for path in (site.settings.data / "datasets").rglob("*") if path.is_file()] == []


def test_datasets_are_listed_newest_first_in_pages(client):
    ids = []
    for number in range(5):
        rows = "\n".join(f"{number}.{i},{'ab'[i % 2]}" for i in range(8))
        ids.append(client.post("/v1/datasets", content=f"x,y\n{rows}\n", headers=CSV).json()["id"])
    first = client.get("/v1/datasets?limit=2").json()
    second = client.get(f"/v1/datasets?limit=2&cursor={first['next_cursor']}").json()
    third = client.get(f"/v1/datasets?limit=2&cursor={second['next_cursor']}").json()
    listed = [each["id"] for page in (first, second, third) for each in page["items"]]
    assert sorted(listed) == sorted(ids)
    assert third["next_cursor"] is None


def test_a_deleted_dataset_is_gone_and_one_that_a_job_needs_stays(client, site, iris_csv):
    dataset = client.post("/v1/datasets", content=iris_csv, headers=CSV).json()["id"]
    job = client.post("/v1/models/iris/train", json={"dataset": dataset}).json()
    refused = client.delete(f"/v1/datasets/{dataset}")
    assert (refused.status_code, refused.json()["code"]) == (409, "dataset_in_use")
    assert job["id"] in refused.json()["detail"]
    client.post(f"/v1/jobs/{job['id']}/cancel")
    assert client.delete(f"/v1/datasets/{dataset}").status_code == 204
    assert client.get(f"/v1/datasets/{dataset}").status_code == 404
    assert client.delete(f"/v1/datasets/{dataset}").status_code == 404


BAD = [
    (b"", CSV, 400, None, None),
    (b"a,b\n1,x\n2\n3,y\n4,x\n", CSV, 422, 1, None),
    (b"age,b\n1,x\n2,y\nabc,x\n4,y\n", CSV, 422, 2, "age"),
    (b"age,b\n1,x\ninf,y\n3,x\n4,y\n", CSV, 422, 1, "age"),
    (b"a,a,b\n1,2,x\n", CSV, 422, None, "a"),
    (b"a,,b\n1,2,x\n", CSV, 422, None, None),
    (b"a,b\n1,x\n2,x\n3,x\n4,x\n", CSV, 422, None, None),
    (b"a,b\n1,x\n2,\n3,y\n4,x\n", CSV, 422, 1, "b"),
    (b"a,b\n\xff\xfe,x\n", CSV, 400, None, None),
    (b"PK\x03\x04 not csv", CSV, 400, None, None),
    (b"PAR1truncated", {"content-type": "application/vnd.apache.parquet"}, 400, None, None),
    (b"a,b\n1,x\n", {"content-type": "text/plain"}, 415, None, None),
    (b"{", JSON, 400, None, None),
    (b'{"instances": [[1], [2, 3]], "labels": ["a", "b"]}', JSON, 422, 1, None),
    (b'{"instances": [[1], [2]], "labels": ["a"]}', JSON, 422, None, None),
    (b"\x1f\x8bnot gzip", {**CSV, "content-encoding": "gzip"}, 400, None, None),
    (b"a,b\n1,x\n", {**CSV, "content-encoding": "br"}, 415, None, None),
]


@pytest.mark.parametrize(("body", "headers", "status", "row", "column"), BAD)
def test_bad_input_is_refused_with_its_place(client, body, headers, status, row, column):
    answer = client.post("/v1/datasets", content=body, headers=headers)
    problem = answer.json()
    assert answer.status_code == status, problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["status"] == status
    assert problem["request_id"] == answer.headers["x-request-id"]
    if row is not None:
        assert problem["errors"][0]["row"] == row
    if column is not None:
        assert problem["errors"][0]["column"] == column
    assert client.get("/v1/datasets").json()["items"] == []


def test_an_unknown_label_column_is_refused_with_those_there_are(client, iris_csv):
    answer = client.post("/v1/datasets?label=kind", content=iris_csv, headers=CSV)
    assert answer.status_code == 422
    assert "kind" in answer.json()["detail"]
    assert "species" in answer.json()["detail"]


def test_a_gzip_bomb_is_stopped_at_the_limit(make_site):
    client = make_site(max_dataset_bytes=100_000).client
    bomb = gzip.compress(b"a,b\n" + b"1,x\n" * 1_000_000)
    answer = client.post("/v1/datasets", content=bomb, headers={**CSV, "content-encoding": "gzip"})
    assert answer.status_code == 413
    assert "max_dataset_bytes" in answer.json()["detail"]


def test_a_body_over_the_limit_is_refused_by_its_setting(make_site):
    client = make_site(max_upload_bytes=1000).client
    answer = client.post("/v1/datasets", content=b"a,b\n" + b"1,x\n" * 1000, headers=CSV)
    assert answer.status_code == 413
    assert "max_upload_bytes" in answer.json()["detail"]
