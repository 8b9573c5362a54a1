"""Who takes a model away as ONNX gets from it, in onnxruntime, what the server answers to the same rows."""

import numpy as np
import onnxruntime
import pytest

LAYERS = [None, [8], [9, 8, 7]]


def session(client, ref, **query):
    answer = client.get(f"/v1/models/{ref}/onnx", params=query)
    assert answer.status_code == 200, answer.text
    assert int(answer.headers["content-length"]) == len(answer.content)
    return onnxruntime.InferenceSession(answer.content, providers=["CPUExecutionProvider"])


def how(layers, **more):
    given = {"max_epochs": 5, **more} | ({"hidden_layer_sizes": layers} if layers else {})
    return {"algorithm": "relu_network" if layers else "softmax_regression", "hyperparameters": given}


def equal(client, graph, inputs, instances):
    labels, probabilities = graph.run(["label", "probabilities"], inputs)
    expected = client.post("/v1/models/m/predict", json={"instances": instances}).json()
    np.testing.assert_allclose(probabilities, expected["probabilities"], rtol=0, atol=1e-5)
    assert labels.tolist() == expected["labels"]


@pytest.mark.parametrize("layers", LAYERS)
def test_numbers_some_of_them_missing(site, client, layers):
    rng = np.random.default_rng(1)
    x = rng.normal([0, 50, 1.7e9], [1, 9, 1e7], size=(60, 3)).astype(np.float32)
    labels = (x[:, 0] + x[:, 1] / 9 > 5).tolist()
    rows = x.astype(object)
    rows[::5, 1] = None
    data = {"instances": rows.tolist(), "labels": labels}
    assert site.train_on("m", data, **how(layers))["state"] == "succeeded"
    assert client.get("/v1/models/m/card").json()["temperature"] != 1
    graph = session(client, "m")
    equal(client, graph, {"features": rows.astype(np.float32)}, rows.tolist())


@pytest.mark.parametrize("layers", LAYERS)
def test_every_kind_of_column(site, client, mixed, layers):
    rows, labels = mixed()
    data = {"instances": rows, "labels": labels}
    assert site.train_on("m", data, **how(layers))["state"] == "succeeded"
    asked, _ = mixed(40, seed=7)
    asked[0] |= {"colour": "never seen", "width": None}
    words = {None: "", True: "true", False: "false"}
    inputs = {
        name: np.array([words.get(row[name], row[name]) for row in asked], object)[:, None]
        for name in ("colour", "new")
    }
    for name in ("width", "seconds"):
        inputs[name] = np.array([row[name] for row in asked], np.float32)[:, None]
    inputs["picture"] = np.array([row["picture"] for row in asked], np.float32)
    equal(client, session(client, "m@1"), inputs, asked)


def test_with_float64_inputs_it_sees_as_finely_as_the_server(site, client):
    rng = np.random.default_rng(1)
    x = 1.7e9 + rng.normal(size=(60, 3))
    data = {"instances": x.tolist(), "labels": (x[:, 0] > 1.7e9).tolist()}
    assert site.train_on("m", data, **how([8]))["state"] == "succeeded"
    equal(client, session(client, "m", inputs="float64"), {"features": x}, x.tolist())


def test_the_inputs_are_those_of_the_inference_protocol(site, client):
    site.train()
    described = client.get("/v2/models/iris").json()
    graph = session(client, "iris")
    assert [each.name for each in graph.get_inputs()] == [each["name"] for each in described["inputs"]]
    assert {each.name for each in graph.get_outputs()} == {each["name"] for each in described["outputs"]}
    disposition = client.get("/v1/models/iris/onnx").headers["content-disposition"]
    assert 'filename="iris-1.onnx"' in disposition


def test_what_is_not_there_or_cannot_be_is_said(site, client):
    assert client.get("/v1/models/iris/onnx").status_code == 404
    site.train()
    assert client.get("/v1/models/iris@9/onnx").json()["code"] == "version_not_found"
    assert client.get("/v1/models/iris/onnx?inputs=float16").status_code == 422
