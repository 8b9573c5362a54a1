"""Predictions are the model's own, in every body and answer of the contract."""

import gzip
import io
import socket
import threading
import time

import numpy as np
import pyarrow as pa
import pytest

from app.repository.repository import Repository
from app.serving.predictor import Predictor
from core import encoding, network

NPY = "application/x-npy"
ARROW = "application/vnd.apache.arrow.stream"
NAMES = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
ROWS = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3], [5.9, 3.0, 4.2, 1.5]])


@pytest.fixture
def trained(site):
    site.train(query="label=species&algorithm=relu_network")
    return site


@pytest.fixture
def expected(trained) -> np.ndarray:
    """The probabilities by the mathematics, without the service."""
    model = Repository(trained.settings.models).load("iris", 1)
    logits = network.logits(model.parameters, encoding.transform_matrix(model.encoding, ROWS)).astype(float)
    scores = np.exp(logits / model.temperature)
    return scores / scores.sum(axis=1, keepdims=True)


def npy(array: np.ndarray) -> bytes:
    target = io.BytesIO()
    np.save(target, array)
    return target.getvalue()


def arrow(rows: np.ndarray) -> bytes:
    table = pa.table({name: rows[:, place] for place, name in enumerate(NAMES)})
    target = io.BytesIO()
    with pa.ipc.new_stream(target, table.schema) as stream:
        stream.write_table(table)
    return target.getvalue()


def bodies() -> list[tuple[str, bytes]]:
    text = ",".join(NAMES) + "\n" + "\n".join(",".join(map(repr, map(float, row))) for row in ROWS) + "\n"
    lists = '{"instances": ' + str(ROWS.tolist()) + "}"
    objects = [dict(zip(NAMES[::-1], row[::-1].tolist(), strict=True)) for row in ROWS]
    return [
        ("application/json", lists.encode()),
        ("application/json", ('{"instances": ' + str(objects).replace("'", '"') + "}").encode()),
        (NPY, npy(ROWS)),
        (NPY, npy(np.asfortranarray(ROWS))),
        (ARROW, arrow(ROWS)),
        ("text/csv", text.encode()),
    ]


@pytest.mark.parametrize(("media_type", "body"), bodies())
def test_every_body_gets_the_same_probabilities(trained, expected, media_type, body):
    answer = trained.client.post(
        "/v1/models/iris/predict", content=body, headers={"content-type": media_type}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["classes"] == ["setosa", "versicolor", "virginica"]
    assert answer.json()["labels"] == [answer.json()["classes"][place] for place in expected.argmax(axis=1)]
    np.testing.assert_allclose(answer.json()["probabilities"], expected, rtol=1e-5, atol=1e-7)
    assert (answer.json()["model"], answer.json()["version"]) == ("iris", 1)


def test_a_gzipped_body_gets_the_same_answer(trained, expected):
    body = gzip.compress(bodies()[0][1])
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    answer = trained.client.post("/v1/models/iris/predict", content=body, headers=headers)
    np.testing.assert_allclose(answer.json()["probabilities"], expected, rtol=1e-5, atol=1e-7)


def test_answers_come_as_npy_or_arrow_when_accepted(trained, expected):
    body = {"instances": ROWS.tolist()}
    answer = trained.client.post("/v1/models/iris/predict", json=body, headers={"accept": NPY})
    assert answer.headers["content-type"] == NPY
    np.testing.assert_allclose(np.load(io.BytesIO(answer.content)), expected, rtol=1e-5, atol=1e-7)
    answer = trained.client.post("/v1/models/iris/predict", json=body, headers={"accept": ARROW})
    table = pa.ipc.open_stream(answer.content).read_all()
    np.testing.assert_allclose(table["probabilities"].to_pylist(), expected, rtol=1e-5, atol=1e-7)
    refused = trained.client.post("/v1/models/iris/predict", json=body, headers={"accept": "text/html"})
    assert refused.status_code == 406


def test_top_k_replaces_the_probabilities(trained, expected):
    answer = trained.client.post(
        "/v1/models/iris/predict", json={"instances": ROWS.tolist(), "top_k": 2}
    ).json()
    assert "probabilities" not in answer
    assert next([each["label"] for each in row] for row in answer["top"])[0] == "setosa"
    np.testing.assert_allclose(
        [[each["probability"] for each in row] for row in answer["top"]],
        -np.sort(-expected, axis=1)[:, :2],
        rtol=1e-5,
        atol=1e-7,
    )


def test_an_explanation_names_every_column_and_sums_to_the_logit_difference(trained):
    body = {"instances": ROWS.tolist(), "explain": True}
    answer = trained.client.post("/v1/models/iris/predict", json=body).json()
    model = Repository(trained.settings.models).load("iris", 1)
    x = encoding.transform_matrix(model.encoding, ROWS)
    logits = network.logits(model.parameters, x)
    base = network.logits(model.parameters, np.zeros_like(x))
    winners = logits.argmax(axis=1)
    assert [each["label"] for each in answer["explained"]] == answer["labels"]
    for row, (shares, explained) in enumerate(zip(answer["explanations"], answer["explained"], strict=True)):
        assert list(shares) == NAMES
        assert explained["logit"] == pytest.approx(float(logits[row, winners[row]]), abs=1e-5)
        assert explained["baseline"] == pytest.approx(float(base[row, winners[row]]), abs=1e-5)
        assert sum(shares.values()) == pytest.approx(explained["logit"] - explained["baseline"], abs=1e-5)


@pytest.mark.parametrize("layers", [None, [8], [400], [12, 9], [90, 70, 50]])
def test_whoever_adds_up_an_explanation_gets_from_the_baseline_to_the_logit(site, mixed, layers):
    rows, labels = mixed()
    given_ = {"max_epochs": 4} | ({"hidden_layer_sizes": layers} if layers else {})
    algorithm = "relu_network" if layers else "softmax_regression"
    data = {"instances": rows, "labels": labels}
    assert site.train_on("m", data, algorithm=algorithm, hyperparameters=given_)["state"] == "succeeded"
    asked, _ = mixed(50, seed=1)
    asked[0] |= {"colour": "never seen", "new": None, "width": -1e3}
    answer = site.client.post("/v1/models/m/predict", json={"instances": asked, "explain": True}).json()
    for shares, explained in zip(answer["explanations"], answer["explained"], strict=True):
        assert set(shares) == set(rows[0])
        total = sum(sum(each) if isinstance(each, list) else each for each in shares.values())
        assert explained["baseline"] + total == pytest.approx(explained["logit"], abs=1e-4)


def test_explaining_is_work_for_a_thread_and_holds_up_no_other_request(trained, monkeypatch):
    seen = []
    real = Predictor.explain

    def explain(self, *arguments):
        seen.append(threading.current_thread() is trained.server.thread)
        return real(self, *arguments)

    monkeypatch.setattr(Predictor, "explain", explain)
    for body in (
        {"instances": ROWS.tolist(), "explain": True},
        {"explain": True, "instances": ROWS.tolist()},
    ):
        assert trained.client.post("/v1/models/iris/predict", json=body).status_code == 200
    assert seen == [False, False]


def test_no_rows_get_no_answers(trained):
    answer = trained.client.post("/v1/models/iris/predict", json={"instances": []}).json()
    assert (answer["labels"], answer["probabilities"]) == ([], [])


@pytest.mark.parametrize(
    ("rows", "row", "column"),
    [
        ([[1, 2, 3, 4], [1, 2, 3]], 1, None),
        ([[1, 2, 3, 4], [1, "x", 3, 4]], 1, "sepal_width"),
        ([[1, 2, 3, 4], {"sepal_length": 1}], 1, None),
        ([{"sepal_length": 1, "sepal_width": 1, "petal_length": 1, "colour": 2}], 0, None),
    ],
)
def test_a_bad_row_is_named_with_its_column(trained, rows, row, column):
    answer = trained.client.post("/v1/models/iris/predict", json={"instances": rows})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["row"] == row
    assert column is None or answer.json()["errors"][0]["column"] == column


def test_limits_are_named_by_their_settings(make_site):
    site = make_site(max_predict_rows=10, max_predict_bytes=2000, max_explain_rows=2)
    site.train()
    predict = "/v1/models/iris/predict"
    many = site.client.post(predict, json={"instances": [[1, 2, 3, 4]] * 11})
    large = site.client.post(predict, json={"instances": [[1.00000001, 2, 3, 4]] * 200})
    explained = site.client.post(predict, json={"instances": [[1, 2, 3, 4]] * 3, "explain": True})
    for answer, setting in (
        (many, "max_predict_rows"),
        (large, "max_predict_bytes"),
        (explained, "max_explain_rows"),
    ):
        assert answer.status_code == 413
        assert setting in answer.json()["detail"]


def test_an_unknown_model_or_type_or_field_is_refused(trained):
    client, rows = trained.client, {"instances": [[1, 2, 3, 4]]}
    assert client.post("/v1/models/nothing/predict", json=rows).status_code == 404
    assert client.post("/v1/models/iris@7/predict", json=rows).status_code == 404
    assert (
        client.post(
            "/v1/models/iris/predict", content=b"{", headers={"content-type": "application/json"}
        ).status_code
        == 400
    )
    assert (
        client.post(
            "/v1/models/iris/predict", content=b"x", headers={"content-type": "text/html"}
        ).status_code
        == 415
    )
    assert client.post("/v1/models/iris/predict", json={**rows, "topk": 1}).status_code == 422


def test_mixed_columns_missing_values_and_unseen_categories_are_predicted(site):
    cells = [(i % 10, ["red", "green", "blue"][i % 3], i % 2 == 0) for i in range(120)]
    lines = [
        f"{'' if i % 17 == 0 else a},{b},{str(c).lower()},{'yes' if b == 'red' else 'no'}"
        for i, (a, b, c) in enumerate(cells)
    ]
    body = ("size,colour,new,bought\n" + "\n".join(lines) + "\n").encode()
    sent = site.client.post("/v1/models/shop/train", content=body, headers={"content-type": "text/csv"})
    assert sent.status_code == 202, sent.text
    assert site.work() == ["succeeded"]
    rows = [
        {"size": 3, "colour": "red", "new": True},
        {"size": None, "colour": "green", "new": False},
        {"size": 4, "colour": "mauve", "new": None},
    ]
    answer = site.client.post("/v1/models/shop/predict", json={"instances": rows})
    assert answer.status_code == 200, answer.text
    assert answer.json()["labels"][:2] == ["yes", "no"]
    listed = [[3, "red", True], [None, "green", False], [4, "mauve", None]]
    again = site.client.post("/v1/models/shop/predict", json={"instances": listed}).json()
    assert again["probabilities"] == answer.json()["probabilities"]


def test_images_posted_as_npz_are_predicted_as_bare_vectors(site):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    images = (rng.integers(0, 100, (200, 6, 6)) + 120 * labels[:, None, None]).astype(np.uint8)
    target = io.BytesIO()
    np.savez_compressed(target, x=images, y=labels)
    headers = {"content-type": "application/x-npz"}
    assert (
        site.client.post("/v1/models/spots/train", content=target.getvalue(), headers=headers).status_code
        == 202
    )
    assert site.work() == ["succeeded"]
    answer = site.client.post(
        "/v1/models/spots/predict", json={"instances": images[:20].reshape(20, 36).tolist()}
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["labels"] == labels[:20].tolist()
    raw = site.client.post(
        "/v1/models/spots/predict", content=npy(images[:20].reshape(20, 36)), headers={"content-type": NPY}
    )
    assert raw.json()["labels"] == labels[:20].tolist()


def test_the_first_answer_after_a_while_without_any_is_of_the_version_of_now(site):
    def version() -> int:
        return site.client.post("/v1/models/iris/predict", json={"instances": ROWS.tolist()}).json()[
            "version"
        ]

    site.train()
    assert version() == 1
    site.train(query="label=species&promote=never")
    Repository(site.settings.models).set_alias("iris", "production", 2)  # as another process does
    time.sleep(1.0)
    assert version() == 2


@pytest.mark.parametrize(
    "teller",
    [
        "/v1/jobs/{job}",
        "/v1/jobs/{job}/events",
        "/v1/jobs",
        "/v1/models",
        "/v1/models/iris",
        "/v1/models/iris/card",
    ],
)
def test_who_hears_of_a_promotion_is_answered_by_the_new_version(site, client, teller):
    row = {"instances": ROWS.tolist()}
    site.train()
    assert client.post("/v1/models/iris/predict", json=row).json()["version"] == 1
    job = site.train(query="label=species&promote=always&seed=1")
    client.post("/v1/models/iris@1/predict", json=row)
    assert client.get(teller.format(job=job["id"])).status_code == 200
    assert client.post("/v1/models/iris/predict", json=row).json()["version"] == 2


def test_a_field_of_the_body_in_the_url_is_not_passed_over(site, client):
    site.train()
    row = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
    answer = client.post("/v1/models/iris/predict?top_k=1", json=row)
    assert (answer.status_code, answer.json()["errors"][0]["location"]) == (422, "query.top_k")
    assert client.post("/v1/models/iris/predict?trace=7", json=row).status_code == 200


@pytest.mark.parametrize("option", [{"top_k": 1}, {"explain": True}])
def test_what_only_json_can_tell_is_not_passed_over_in_other_answers(site, client, option):
    site.train()
    body = {"instances": ROWS.tolist(), **option}
    refused = client.post("/v1/models/iris/predict", json=body, headers={"accept": NPY})
    assert (refused.status_code, refused.json()["code"]) == (406, "not_acceptable")
    either = client.post("/v1/models/iris/predict", json=body, headers={"accept": f"{NPY}, */*;q=0.1"})
    assert either.headers["content-type"] == "application/json"


def test_a_header_given_twice_says_all_that_it_says(site, client):
    site.train()
    accepting = [("accept", NPY), ("accept", "text/html;q=0.1"), ("content-type", "application/json")]
    body = b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}'
    answer = client.post("/v1/models/iris/predict", content=body, headers=accepting)
    assert answer.headers["content-type"] == NPY
    twice = [("content-type", "application/json"), ("content-type", NPY)]
    assert client.post("/v1/models/iris/predict", content=body, headers=twice).status_code == 415


def test_contributions_add_up_however_far_a_row_is(site, client):
    site.train()
    body = {"instances": [[5.1, 3.5, 1e7, 0.2], [5.1, 3.5, 1.4, 0.2]], "explain": True}
    answer = client.post("/v1/models/iris/predict", json=body).json()
    for row, told in zip(answer["explanations"], answer["explained"], strict=True):
        assert abs(sum(row.values()) - (told["logit"] - told["baseline"])) < 1e-4


def test_a_body_that_says_itself_that_it_is_too_large_is_refused_before_it_comes(make_site):
    site = make_site(max_predict_bytes=2000, max_feedback_request_bytes=2000)
    host, port = site.client.base_url.host, site.client.base_url.port
    for path in ("predict", "feedback"):
        with socket.create_connection((host, port), timeout=5) as connection:
            head = f"POST /v1/models/iris/{path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            connection.sendall(f"{head}Content-Length: 2001\r\n\r\n".encode())
            assert connection.recv(4096).startswith(b"HTTP/1.1 413")
