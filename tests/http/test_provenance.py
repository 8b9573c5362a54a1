"""What became of aliases, and what changed between two versions, is told in full."""

import json

import numpy as np


def moves(client, **query):
    answer = client.get("/v1/models/iris/aliases", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_every_move_of_an_alias_is_told_newest_first(site, client):
    site.train()
    second = site.train(query="label=species&promote=always&seed=1")
    client.put("/v1/models/iris/aliases/canary", json={"version": 1})
    client.put("/v1/models/iris/aliases/canary", json={"version": 1})  # no move
    client.post("/v1/models/iris/rollback")
    client.delete("/v1/models/iris/aliases/canary")
    told = moves(client)
    assert (told["name"], told["aliases"], told["next_cursor"]) == ("iris", {"production": 1}, None)
    shown = [(m["sequence"], m["alias"], m["from"], m["to"], m["rollback"]) for m in told["items"]]
    assert shown == [
        (5, "canary", 1, None, False),
        (4, "production", 2, 1, True),
        (3, "canary", None, 1, False),
        (2, "production", 1, 2, False),
        (1, "production", None, 1, False),
    ]
    times = [move["at"] for move in told["items"]]
    assert times == sorted(times, reverse=True)
    assert times[3] >= second["started_at"]
    assert [move["job"] for move in told["items"]][:4] == [None, None, None, second["id"]]


def test_moves_come_in_pages_that_newer_moves_do_not_shift(site, client):
    site.train()
    for place in range(7):
        client.put(f"/v1/models/iris/aliases/{'ab'[place % 2]}{place // 2}", json={"version": 1})
    seen, cursor = [], None
    while True:
        page = moves(client, limit=3, **({"cursor": cursor} if cursor else {}))
        seen += [move["sequence"] for move in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        client.put("/v1/models/iris/aliases/new", json={"version": 1})
        client.delete("/v1/models/iris/aliases/new")
    assert seen == list(range(8, 0, -1))
    assert [move["sequence"] for move in moves(client, alias="a0")["items"]] == [2]
    assert moves(client, alias="nobody")["items"] == []
    assert client.get("/v1/models/nothing/aliases").json()["code"] == "model_not_found"


def test_a_difference_tells_data_hyperparameters_metrics_and_classes(site, client, iris_csv):
    first = site.train(query="label=species&algorithm=relu_network")
    lines = iris_csv.decode().splitlines()
    rng = np.random.default_rng(0)
    colours = ["colour", *rng.choice(["red", "green"], len(lines) - 1)]
    kept = [
        ",".join([*line.split(",")[1:-1], colour, line.split(",")[-1]])
        for line, colour in zip(lines, colours, strict=True)
        if "setosa" not in line
    ]
    words = [kept[0], *(line.replace(".", "_", 1) for line in kept[1:])]  # sepal_width as text
    sent = client.post(
        "/v1/models/flowers/train?label=species&hidden_layer_sizes=5&max_epochs=9&seed=3&algorithm=relu_network",
        content="\n".join(words).encode(),
        headers={"content-type": "text/csv"},
    )
    assert sent.status_code == 202, sent.text
    site.work()
    told = client.get("/v1/models/iris/diff", params={"with": "flowers@1"}).json()
    cards = [client.get(f"/v1/models/{ref}/card").json() for ref in ("iris@1", "flowers")]
    assert (told["before"]["model"], told["before"]["version"]) == ("iris", 1)
    assert (told["after"]["model"], told["after"]["sizes"]) == ("flowers", cards[1]["sizes"])
    assert told["before"]["job"] == first["id"]
    data = told["data"]
    assert data["dataset"] == {"before": first["dataset"], "after": cards[1]["lineage"]["dataset"]}
    assert data["training_rows"] == {"before": 135, "after": 90, "difference": -45}
    assert data["columns"] == {
        "added": ["colour"],
        "removed": ["sepal_length"],
        "retyped": [{"name": "sepal_width", "before": "numeric", "after": "categorical"}],
    }
    assert data["classes"] == {"added": [], "removed": ["setosa"]}
    assert told["hyperparameters"]["hidden_layer_sizes"] == {"before": [8], "after": [5]}
    assert told["hyperparameters"]["seed"] == {"before": 0, "after": 3}
    assert "optimizer" not in told["hyperparameters"]
    assert told["same_validation_rows"] is False
    for name in ("accuracy", "log_loss", "macro_f1", "brier", "ece"):
        before, after = (card["metrics"][name] for card in cards)
        assert told["metrics"][name] == {"before": before, "after": after, "difference": after - before}
    versicolor, virginica, setosa = told["per_class"]
    assert [each["label"] for each in told["per_class"]] == ["versicolor", "virginica", "setosa"]
    assert virginica["recall"]["after"] == cards[1]["metrics"]["per_class"][1]["recall"]
    assert virginica["recall"]["before"] == cards[0]["metrics"]["per_class"][2]["recall"]
    assert versicolor["support"] == {"before": 5, "after": 5, "difference": 0}
    assert (setosa["f1"]["after"], setosa["f1"]["difference"]) == (None, None)
    assert told["software"] == {}


def test_a_version_does_not_differ_from_itself(site, client):
    site.train()
    told = client.get("/v1/models/iris@1/diff?with=iris").json()
    assert told["before"] == told["after"]
    assert (told["hyperparameters"], told["software"], told["same_validation_rows"]) == ({}, {}, True)
    assert {step["difference"] for step in told["metrics"].values()} == {0}
    assert told["data"]["columns"] == {"added": [], "removed": [], "retyped": []}


def test_other_software_is_told(site, client):
    site.train()
    site.train(query="label=species&seed=1")
    path = site.settings.models / "iris" / "2" / "model.json"
    card = json.loads(path.read_text())
    card["lineage"]["software"]["numpy"] = "1.0"
    path.write_text(json.dumps(card))
    told = client.get("/v1/models/iris@2/diff?with=iris@1").json()["software"]
    assert told["numpy"]["before"] == "1.0"
    assert told["numpy"]["after"].startswith("2.")


def test_a_difference_from_what_is_not_there_says_which(site, client):
    site.train()
    assert client.get("/v1/models/iris/diff").status_code == 422
    for path, code in {
        "/v1/models/iris/diff?with=iris@9": "version_not_found",
        "/v1/models/nothing/diff?with=iris": "model_not_found",
        "/v1/models/iris/diff?with=iris@nobody": "alias_not_found",
    }.items():
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, code)
