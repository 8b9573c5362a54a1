"""A stranger can work with the OpenAPI document alone: all is described, and every example is right."""

import io
import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import numpy as np
import onnxruntime
import pyarrow
import pyarrow.parquet
import pytest
import safetensors.numpy

from app.bootstrap import build
from app.http.app import create_app
from app.settings import Settings


@pytest.fixture(scope="module")
def document(tmp_path_factory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("openapi")
    app = create_app(build(Settings(data=folder / "data", models=folder / "models", trainer=False)))
    return app.openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, calls in document["paths"].items():
        for method, call in calls.items():
            yield f"{method.upper()} {path}", call


def contents(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Where, media type and content of every body, of requests and good answers."""
    for name, call in operations(document):
        for kind, content in call.get("requestBody", {}).get("content", {}).items():
            yield name, kind, content
        for status, answer in call["responses"].items():
            for kind, content in answer.get("content", {}).items():
                if status < "300":
                    yield f"{name} {status}", kind, content


def examples(content: dict[str, Any]) -> list[Any]:
    found = [content["example"]] if "example" in content else []
    return found + [each["value"] for each in content.get("examples", {}).values() if "value" in each]


def test_every_operation_says_what_it_does_and_what_each_answer_means(document):
    for name, call in operations(document):
        assert call["summary"], name
        assert call["tags"], name
        for status, answer in call["responses"].items():
            assert answer["description"] not in ("", "Successful Response"), (name, status)
            assert "X-Request-ID" in answer["headers"], (name, status)


def test_every_parameter_is_described(document):
    for name, call in operations(document):
        for parameter in call.get("parameters", []):
            assert parameter.get("description"), (name, parameter["name"])


def test_every_json_body_and_answer_has_an_example_and_it_fits_its_schema(document):
    for where, kind, content in contents(document):
        if kind != "application/json":
            continue
        assert examples(content), where
        schema = {**content["schema"], "components": document["components"]}
        for example in examples(content):
            jsonschema_rs.validate(schema, example)


def line(content: dict[str, Any]) -> str | None:
    """The line of Python that stands in the place of an example, where no text can be one."""
    return content.get("examples", {}).get("in Python", {}).get("summary")


def test_every_body_and_answer_has_an_example_or_says_in_a_line_how_it_is_made_or_read(document):
    for where, kind, content in contents(document):
        binary = kind.startswith(("application/x-np", "application/vnd.apache", "application/octet-stream"))
        assert line(content) if binary else examples(content), (where, kind)


NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]


@pytest.fixture(scope="module")
def rows() -> list[list[float]]:
    return [[5.1, 3.5, 1.4, 0.2], [4.9, 3.0, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3], [5.9, 3.0, 5.1, 1.8]]


@pytest.fixture
def shipped(make_site, pytestconfig):
    return make_site(models_seed=pytestconfig.rootpath / "models").client


def known(rows: list[list[float]], **more: Any) -> dict[str, Any]:
    """The names that such a line may use."""
    modules = {"io": io, "json": json, "np": np, "onnxruntime": onnxruntime, "pyarrow": pyarrow}
    return modules | {"safetensors": safetensors, "rows": rows} | more


@pytest.mark.parametrize("path", ["/v1/datasets", "/v1/models/{name}/train", "/v1/models/{ref}/evaluate"])
def test_labelled_data_is_made_as_its_line_says(document, shipped, rows, path):
    labels = ["setosa", "setosa", "virginica", "virginica"]
    table = pyarrow.table([*zip(*rows, strict=True), labels], [*NAMES, "species"])
    contents = document["paths"][path]["post"]["requestBody"]["content"]
    lines = {kind: line(content) for kind, content in contents.items() if line(content)}
    assert len(lines) == 4
    for kind, text in lines.items():
        if kind == "application/x-npz" and "evaluate" in path:
            continue  # the model that ships has named columns
        body = io.BytesIO()
        exec(text, known(rows, labels=labels, table=table, body=body))  # noqa: S102 - the document's own line
        url = path.replace("{ref}", "iris").replace("{name}", f"made-{kind[-4:]}")
        sent = shipped.post(url, content=body.getvalue(), headers={"content-type": kind})
        assert sent.is_success, (kind, sent.text)


def test_rows_are_made_and_predictions_read_as_their_lines_say(document, shipped, rows):
    path, call = "/v1/models/iris/predict", document["paths"]["/v1/models/{ref}/predict"]["post"]
    table = pyarrow.table(list(zip(*rows, strict=True)), NAMES)
    expected = shipped.post(path, json={"instances": rows}).json()["probabilities"]
    for kind in ("application/x-npy", "application/vnd.apache.arrow.stream"):
        body = io.BytesIO()
        exec(line(call["requestBody"]["content"][kind]), known(rows, table=table, body=body))  # noqa: S102
        sent = {"content-type": kind, "accept": kind}
        answer = shipped.post(path, content=body.getvalue(), headers=sent)
        found = eval(line(call["responses"]["200"]["content"][kind]), known(rows, answer=answer.content))  # noqa: S307
        found = found if kind == "application/x-npy" else found["probabilities"].to_pylist()
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_tensors_are_made_and_read_as_their_lines_say(document, shipped, rows):
    call, kind = document["paths"]["/v2/models/{name}/infer"]["post"], "application/octet-stream"
    body = io.BytesIO()
    exec(line(call["requestBody"]["content"][kind]), known(rows, body=body))  # noqa: S102
    sent = {"content-type": kind, "inference-header-content-length": "0"}
    answer = shipped.post("/v2/models/iris/infer", content=body.getvalue(), headers=sent)
    read = known(rows, answer=answer.content, headers=answer.headers)
    told = eval(line(call["responses"]["200"]["content"][kind]), read)  # noqa: S307
    assert [each["shape"] for each in told["outputs"]] == [[4, 3], [4]]


def test_a_model_is_taken_away_and_read_as_its_lines_say(document, shipped, rows):
    for what in ("weights", "onnx"):
        (content,) = document["paths"][f"/v1/models/{{ref}}/{what}"]["get"]["responses"]["200"][
            "content"
        ].values()
        answer = shipped.get(f"/v1/models/iris/{what}").content
        found = eval(line(content), known(rows, answer=answer))  # noqa: S307
        assert len(found) == (2 if what == "onnx" else len(safetensors.numpy.load(answer)))


def test_the_form_that_is_shown_is_taken(document, shipped):
    content = document["paths"]["/v1/datasets"]["post"]["requestBody"]["content"]["multipart/form-data"]
    kind = content["encoding"]["file"]["contentType"]
    sent = shipped.post("/v1/datasets", files={"file": ("iris", content["example"]["file"], kind)})
    assert (sent.status_code, sent.json()["rows"]) == (201, 4)


def test_the_lines_of_metrics_that_are_shown_are_such_as_come(document, shipped, rows):
    shipped.post("/v1/models/iris/predict", json={"instances": rows})
    shown = document["paths"]["/metrics"]["get"]["responses"]["200"]["content"]["text/plain"]["example"]
    release = re.compile(r'(numpy|python|version)="[0-9.]+"')
    come = release.sub("", shipped.get("/metrics").text).splitlines()
    assert set(release.sub("", shown).splitlines()) <= set(come)


def test_the_error_example_is_an_error(document):
    schema = document["components"]["schemas"]["ProblemAnswer"]
    jsonschema_rs.validate({**schema, "components": document["components"]}, schema["example"])


def test_the_example_of_an_error_is_one_of_its_status(document):
    kind, default = "application/problem+json", document["components"]["schemas"]["ProblemAnswer"]["example"]
    for name, call in operations(document):
        for status, answer in call["responses"].items():
            if kind in answer.get("content", {}):
                shown = answer["content"][kind].get("example", default)
                assert str(shown["status"]) == status, (name, status)


def test_no_two_paths_are_the_same_but_for_the_names_in_them(document):
    plain = [
        "/".join("{}" if part.startswith("{") else part for part in path.split("/"))
        for path in document["paths"]
    ]
    assert len(plain) == len(set(plain))


def test_every_operation_that_needs_a_key_says_so(document):
    for name, call in operations(document):
        assert ("401" in call["responses"]) == (call.get("security") != []), name


def test_where_keys_are_configured_the_document_does_not_promise_calls_without(make_site, client):
    assert {} in client.get("/openapi.json").json()["security"]
    keyed = make_site(api_keys="admin:" + "k" * 16)
    assert keyed.client.get("/openapi.json").json()["security"] == [{"key": []}]


def test_every_training_field_is_a_parameter_of_the_url(document):
    names = {each["name"] for each in document["paths"]["/v1/models/{name}/train"]["post"]["parameters"]}
    fields = {"label", "hidden_layer_sizes", "patience", "promote", "warm_start", "dry_run", "metadata"}
    assert fields <= names


def test_times_are_told_as_times(document):
    schemas = document["components"]["schemas"]
    for name, field in [("Job", "finished_at"), ("DatasetAnswer", "created_at"), ("AliasMove", "at")]:
        said = schemas[name]["properties"][field]
        assert {"type": "string", "format": "date-time"}.items() <= said.get("anyOf", [said])[0].items(), name


@pytest.mark.parametrize(
    ("call", "status"),
    [
        ("get /v1/jobs/{job_id}/history", "406"),  # an Accept that is not written
        ("post /v1/datasets", "429"),  # max_uploads
        ("post /v1/models/{ref}/evaluate", "429"),
    ],
)
def test_what_a_route_refuses_it_tells(document, call, status):
    method, path = call.split()
    assert status in document["paths"][path][method]["responses"]


def test_a_part_of_a_file_and_the_id_of_an_inference_are_told(document):
    paths = document["paths"]
    part = paths["/v1/models/{ref}/weights"]["get"]["responses"]["206"]
    assert "application/octet-stream" in part["content"]
    answer = paths["/v2/models/{name}/infer"]["post"]["responses"]["200"]["content"]["application/json"]
    assert "id" in answer["schema"]["properties"]
