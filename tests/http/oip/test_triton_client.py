"""An unmodified `tritonclient.http` works against a live server, for all that the protocol has."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

X = np.random.default_rng(4).normal(size=(50, 3)).astype(np.float32)


@pytest.fixture
def live(tmp_path, publish, make_site) -> Iterator[SimpleNamespace]:
    """A server with the models; `client` is tritonclient's, `http` a plain one, `repository` the folder."""
    repository = publish(tmp_path / "models")
    site = make_site()
    client = triton.InferenceServerClient(site.client.base_url.netloc.decode())
    yield SimpleNamespace(client=client, http=site.client, repository=repository)
    client.close()


def tensor(name: str, array: np.ndarray, datatype: str, *, binary: bool = True) -> triton.InferInput:
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def texts(*values: str) -> np.ndarray:
    return np.array([value.encode() for value in values], dtype=object).reshape(-1, 1)


def refused(call: Callable[..., Any], *arguments: Any, **named: Any) -> InferenceServerException:
    with pytest.raises(InferenceServerException) as caught:
        call(*arguments, **named)
    return caught.value


def test_the_server_and_its_models_are_live_and_ready(live):
    assert live.client.is_server_live()
    assert live.client.is_server_ready()
    assert live.client.is_model_ready("numeric")
    assert live.client.is_model_ready("numeric", "1")
    assert not live.client.is_model_ready("numeric", "2")
    assert not live.client.is_model_ready("nobody")
    assert live.http.get("/v2/models/numeric/ready").json() == {"name": "numeric", "ready": True}


def test_a_model_that_cannot_be_loaded_is_not_ready_and_neither_is_the_server(live, models):
    live.repository.publish(replace(models["word"], name="broken"))
    live.repository.weights("broken", 1).write_bytes(b"no weights")
    live.repository.set_alias("broken", "production", 1)
    assert not live.client.is_model_ready("broken")
    assert not live.client.is_server_ready()
    assert live.client.is_model_ready("word")
    for path in ("/v2/models/broken/ready", "/v2/health/ready"):
        assert live.http.get(path).status_code == 503
        assert "'broken'" in live.http.get(path).json()["error"]
    index = {each["name"]: each for each in live.client.get_model_repository_index()}
    assert index["broken"]["state"] == "UNAVAILABLE"
    assert "cannot be loaded" in index["broken"]["reason"]


def test_metadata_says_what_is_taken_and_given(live):
    server = live.client.get_server_metadata()
    assert server["name"] == "neurona"
    assert {"binary_tensor_data", "classification", "model_repository", "statistics"} == set(
        server["extensions"]
    )
    found = live.client.get_model_metadata("numeric")
    assert found == {
        "name": "numeric",
        "versions": ["1"],
        "platform": "neurona_safetensors",
        "inputs": [{"name": "features", "datatype": "FP32", "shape": [-1, 3]}],
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
        ],
        "properties": {"classes": '["setosa","weiß","a:b"]'},
    }
    assert live.client.get_model_metadata("numeric", "1") == found
    assert live.client.get_model_metadata("mixed")["inputs"] == [
        {"name": "width", "datatype": "FP32", "shape": [-1, 1]},
        {"name": "colour", "datatype": "BYTES", "shape": [-1, 1]},
        {"name": "new", "datatype": "BYTES", "shape": [-1, 1]},
        {"name": "x", "datatype": "FP32", "shape": [-1, 4]},
    ]
    assert refused(live.client.get_model_metadata, "nobody").status() == "404"
    assert refused(live.client.get_model_metadata, "numeric", "9").status() == "404"


def test_an_inference_with_the_clients_defaults(live, models, expected):
    result = live.client.infer("numeric", [tensor("features", X, "FP32")])
    oracle = expected(models["numeric"], X)
    np.testing.assert_allclose(result.as_numpy("probabilities"), oracle, rtol=2e-4, atol=2e-6)
    classes = models["numeric"].classes
    assert [label.decode() for label in result.as_numpy("label")] == [
        classes[k] for k in oracle.argmax(axis=1)
    ]
    assert (result.get_response()["model_name"], result.get_response()["model_version"]) == ("numeric", "1")


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [(True, True), (True, False), (False, True), (False, False)])
def test_every_mix_of_json_and_binary(live, models, expected, binary_in, binary_out):
    outputs = [
        triton.InferRequestedOutput(name, binary_data=binary)
        for name, binary in zip(("label", "probabilities"), binary_out, strict=True)
    ]
    result = live.client.infer(
        "numeric", [tensor("features", X, "FP32", binary=binary_in)], outputs=outputs, request_id="mine",
        model_version="1",
    )  # fmt: skip
    oracle = expected(models["numeric"], X)
    np.testing.assert_allclose(result.as_numpy("probabilities"), oracle, rtol=2e-4, atol=2e-6)
    assert result.as_numpy("label").shape == (50,)
    assert result.get_response()["id"] == "mine"
    assert [output["name"] for output in result.get_response()["outputs"]] == ["label", "probabilities"]


@pytest.mark.parametrize("datatype", ["FP16", "FP64", "INT8", "INT64", "UINT8", "UINT32", "BOOL"])
def test_every_kind_of_number(live, models, expected, datatype):
    kinds = {"FP16": np.float16, "FP64": float, "BOOL": bool}
    array = np.array([[0, 1, 1], [1, 0, 0]]).astype(kinds.get(datatype) or datatype.lower())
    result = live.client.infer("numeric", [tensor("features", array, datatype)])
    np.testing.assert_allclose(
        result.as_numpy("probabilities"), expected(models["numeric"], array), rtol=2e-4, atol=2e-6
    )


@pytest.mark.parametrize("binary", [True, False])
def test_a_model_with_categories_takes_an_input_for_each_column(live, models, expected, binary):
    values = {
        "width": [1.5, 2.0],
        "colour": ["red", "ß"],
        "new": ["true", "false"],
        "x": np.arange(8.0).reshape(2, 4),
    }
    inputs = [
        tensor("width", np.array([[1.5], [2.0]], np.float32), "FP32", binary=binary),
        tensor("colour", texts("red", "ß"), "BYTES", binary=binary),
        tensor("new", texts("true", "false"), "BYTES", binary=binary),
        tensor("x", values["x"].astype(np.float32), "FP32", binary=binary),
    ]
    result = live.client.infer("mixed", inputs)
    np.testing.assert_allclose(
        result.as_numpy("probabilities"), expected(models["mixed"], values), rtol=2e-4, atol=2e-6
    )


def test_classification(live, models, expected):
    wish = triton.InferRequestedOutput("probabilities", class_count=2)
    result = live.client.infer("numeric", [tensor("features", X, "FP32")], outputs=[wish])
    found = result.as_numpy("probabilities")
    assert found.shape == (50, 2)
    order = np.argsort(-expected(models["numeric"], X), axis=1)[:, :2]
    assert [[int(text.decode().split(":")[1]) for text in row] for row in found] == order.tolist()


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_compression_both_ways(live, models, expected, algorithm):
    result = live.client.infer(
        "numeric",
        [tensor("features", X, "FP32")],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    np.testing.assert_allclose(
        result.as_numpy("probabilities"), expected(models["numeric"], X), rtol=2e-4, atol=2e-6
    )
    body = {"inputs": [{"name": "features", "shape": [50, 3], "datatype": "FP32", "data": X.tolist()}]}
    answer = live.http.post("/v2/models/numeric/infer", json=body, headers={"accept-encoding": algorithm})
    assert answer.headers["content-encoding"] == algorithm
    assert answer.json()["outputs"][0]["shape"] == [50, 3]


def test_asynchronous_inferences(live, models, expected):
    with triton.InferenceServerClient(live.http.base_url.netloc.decode(), concurrency=4) as client:
        waiting = [client.async_infer("numeric", [tensor("features", X[:n], "FP32")]) for n in range(1, 9)]
        for n, each in enumerate(waiting, 1):
            found = each.get_result().as_numpy("probabilities")
            np.testing.assert_allclose(found, expected(models["numeric"], X[:n]), rtol=2e-4, atol=2e-6)


def test_refusals_reach_the_client_as_its_own_errors(live):
    error = refused(live.client.infer, "numeric", [tensor("features", X[:, :2], "FP32")])
    assert (error.status(), error.message()) == (
        "400",
        "input 'features': expected shape [-1, 3], got [50, 2]",
    )
    assert refused(live.client.infer, "nobody", [tensor("features", X, "FP32")]).status() == "404"
    assert refused(live.client.infer, "numeric", [tensor("features", X, "FP32")], "7").status() == "404"


def test_the_index_says_what_is_in_memory(live, make_version):
    live.repository.publish(make_version(2))
    live.client.infer("numeric", [tensor("features", X, "FP32")])
    index = {(each["name"], each["version"]): each for each in live.client.get_model_repository_index()}
    assert set(index) == {
        ("numeric", "1"),
        ("numeric", "2"),
        *((n, "1") for n in ("clock", "mixed", "vector", "word")),
    }
    assert index["numeric", "1"] == {"name": "numeric", "version": "1", "state": "READY", "reason": ""}
    assert index["numeric", "2"]["state"] == "UNAVAILABLE"
    live.client.infer("numeric", [tensor("features", X, "FP32")], "2")
    ready = live.http.post("/v2/repository/index", json={"ready": True}).json()
    assert {("numeric", "1"), ("numeric", "2")} <= {(each["name"], each["version"]) for each in ready}
    assert {each["state"] for each in ready} == {"READY"}
    assert live.http.post("/v2/repository/index", json={"ready": 1}).status_code == 400
    assert list(live.http.post("/v2/repository/index", content=b"{").json()) == ["error"]


def test_load_brings_what_the_name_means_now_into_memory_at_once(live, make_version):
    live.client.load_model("numeric")
    live.repository.publish(make_version(2))
    live.repository.set_alias("numeric", "production", 2)
    live.client.load_model("numeric")
    result = live.client.infer("numeric", [tensor("features", X, "FP32")])
    assert result.get_response()["model_version"] == "2"
    assert refused(live.client.load_model, "nobody").status() == "404"
    assert refused(live.client.load_model, "numeric", config="{}").status() == "400"


def test_unloading_frees_memory_and_the_next_request_loads_again(live):
    def in_memory() -> bool:
        index = live.client.get_model_repository_index()
        return ("numeric", "READY") in [(each["name"], each["state"]) for each in index]

    assert live.client.is_model_ready("numeric")
    assert in_memory()
    live.client.unload_model("numeric", unload_dependents=True)
    assert not in_memory()
    assert live.client.is_server_ready()
    live.client.infer("numeric", [tensor("features", X, "FP32")])
    assert in_memory()
    assert refused(live.client.unload_model, "nobody").status() == "404"


def test_statistics_count_what_was_asked(live):
    for n in (1, 3, 3):
        live.client.infer("numeric", [tensor("features", X[:n], "FP32")])
    refused(live.client.infer, "numeric", [tensor("features", X[:, :2], "FP32")])
    (found,) = live.client.get_inference_statistics("numeric", "1")["model_stats"]
    assert (found["name"], found["version"]) == ("numeric", "1")
    assert (found["inference_count"], found["execution_count"]) == (7, 3)
    assert (found["inference_stats"]["success"]["count"], found["inference_stats"]["fail"]["count"]) == (3, 1)
    assert found["inference_stats"]["success"]["ns"] > 0
    assert [(each["batch_size"], each["compute_infer"]["count"]) for each in found["batch_stats"]] == [
        (1, 1),
        (3, 2),
    ]
    assert live.client.get_inference_statistics("numeric")["model_stats"] == [found]
    names = {each["name"] for each in live.client.get_inference_statistics()["model_stats"]}
    assert names == {"numeric", "vector", "clock", "word", "mixed"}
    assert refused(live.client.get_inference_statistics, "nobody").status() == "404"
    assert refused(live.client.get_inference_statistics, "numeric", "4").status() == "404"


def test_errors_of_the_framework_are_in_the_protocols_form_too(live):
    for method, path, status in [
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/models/numeric/infer", 405),
        ("DELETE", "/v2/models/numeric", 405),
        ("GET", "/v2/models/A%2FB", 404),
        ("POST", "/v2/models/numeric/infer", 400),
    ]:
        answer = live.http.request(method, path)
        assert answer.status_code == status, path
        assert list(answer.json()) == ["error"]


def test_a_promotion_under_load_loses_no_answer_and_mixes_no_two_versions(live, make_version, expected):
    """Each answer is wholly that of the version that it names; the last ones are the newest version's."""
    oracles = {}
    for version in range(1, 6):
        model = make_version(version)
        live.repository.publish(model)
        oracles[str(version)] = expected(model, X)
    seen, done = [], threading.Event()

    def load() -> None:
        client = triton.InferenceServerClient(live.http.base_url.netloc.decode())
        while not done.is_set():
            result = client.infer("numeric", [tensor("features", X, "FP32")])
            seen.append((result.get_response()["model_version"], result.as_numpy("probabilities")))
        client.close()

    def promoted(version: int) -> None:
        """Promote over HTTP, and wait until an answer comes from it."""
        live.http.put("/v1/models/numeric/aliases/production", json={"version": version}).raise_for_status()
        body = {"inputs": [{"name": "features", "shape": [0, 3], "datatype": "FP32", "data": []}]}
        for _ in range(10_000):
            answer: httpx.Response = live.http.post("/v2/models/numeric/infer", json=body)
            if answer.raise_for_status().json()["model_version"] == str(version):
                return
        raise AssertionError(f"version {version} never answered")

    failed = []
    threads = [threading.Thread(target=_noting(load, failed)) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for version in (2, 3, 1, 4, 5):
            promoted(version)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failed == []
    assert {version for version, _ in seen} <= set(oracles)
    assert len({version for version, _ in seen}) > 1
    for version, probabilities in seen:
        np.testing.assert_allclose(probabilities, oracles[version], rtol=2e-4, atol=2e-6)


def _noting(call: Callable[[], None], failed: list[BaseException]) -> Callable[[], None]:
    def noting() -> None:
        try:
            call()
        except BaseException as error:
            failed.append(error)

    return noting
