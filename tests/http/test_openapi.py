"""A stranger can work with the OpenAPI document alone: all is described, and every example is right."""

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

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
    return found + [each["value"] for each in content.get("examples", {}).values()]


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


def test_every_text_body_has_an_example(document):
    for where, kind, content in contents(document):
        assert kind not in ("text/csv", "text/event-stream") or examples(content), where


def test_the_error_example_is_an_error(document):
    schema = document["components"]["schemas"]["ProblemAnswer"]
    jsonschema_rs.validate({**schema, "components": document["components"]}, schema["example"])


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
    assert {"label", "hidden_layer_sizes", "patience", "promote", "warm_start", "dry_run"} <= names
