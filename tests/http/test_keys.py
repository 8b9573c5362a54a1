"""A key opens what its role may do and nothing more; without keys only this machine itself is served."""

import asyncio
import hashlib
from pathlib import Path

import httpx
import pytest

from app.errors import Forbidden, Invalid, Unauthorized
from app.http import keys, lane
from app.http.app import create_app
from app.http.keys import Keys, Role, is_loopback, make_key, read_keys, role_needed
from app.settings import Settings

PREDICT, TRAIN, ADMIN = ("predict-" + "p" * 16, "train-" + "t" * 16, "admin-" + "a" * 16)
KEYS = f"predict:{PREDICT},train:{TRAIN},admin:{ADMIN}"


@pytest.fixture
def guarded(make_site):
    return make_site(api_keys=KEYS)


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


ROW = {"instances": [[1, 2, 3, 4]]}
ASKED = [
    ("POST", "/v1/models/iris/predict", PREDICT),
    ("GET", "/v1/models", PREDICT),
    ("GET", "/v1/info", PREDICT),
    ("GET", "/metrics", PREDICT),
    ("GET", "/v1/jobs", TRAIN),
    ("POST", "/v1/datasets", TRAIN),
    ("POST", "/v1/models/iris/train", TRAIN),
    ("POST", "/v1/models/iris/rollback", ADMIN),
    ("PUT", "/v1/models/iris/aliases/production", ADMIN),
    ("GET", "/v1/models/iris/feedback", PREDICT),
    ("POST", "/v1/models/iris/feedback", TRAIN),
    ("DELETE", "/v1/models/iris/feedback", ADMIN),
    ("DELETE", "/v1/models/iris", ADMIN),
    ("DELETE", "/v1/datasets/ds_0123456789abcdef", ADMIN),
]


def test_a_prefix_that_a_proxy_took_away_changes_nothing(built, tmp_path):
    """As `uvicorn --root-path /ml` says it: what comes as /v1 is /ml/v1 here, and /ml is the root."""
    models = Path(__file__).parents[2] / "models"
    app = create_app(built(Settings(data=tmp_path, models=models, api_keys=KEYS, trainer=False)))

    async def ask(*calls: tuple[str, str, str]) -> list[int]:
        transport = httpx.ASGITransport(app=app, root_path="/ml")
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost/ml") as client:
            row = {"instances": [[5.1, 3.5, 1.4, 0.2]]}
            return [
                (await client.request(method, path, json=row, headers=bearer(key))).status_code
                for method, path, key in calls
            ]

    health, predict, back = "/v2/health/ready", "/v1/models/iris/predict", "/v1/models/iris/rollback"
    asked = [
        ("GET", health, ""),
        ("POST", predict, PREDICT),
        ("POST", back, TRAIN),
        ("POST", f"/ml{back}", TRAIN),
    ]
    assert asyncio.run(ask(*asked)) == [200, 200, 403, 404]


@pytest.mark.parametrize(("method", "path", "least"), ASKED)
def test_each_call_needs_its_role_and_a_higher_one_will_do(guarded, method, path, least):
    ranking = [PREDICT, TRAIN, ADMIN]
    nobody = guarded.client.request(method, path, json=ROW)
    assert (nobody.status_code, nobody.json()["code"]) == (401, "unauthorized")
    assert nobody.headers["www-authenticate"] == "Bearer"
    assert nobody.headers["x-request-id"] == nobody.json()["request_id"]
    for key in ranking:
        answer = guarded.client.request(method, path, json=ROW, headers=bearer(key))
        if ranking.index(key) < ranking.index(least):
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        else:
            assert answer.status_code not in (401, 403)


@pytest.mark.parametrize("sent", ["Bearer nonsense-nonsense", "Basic abc", "Bearer", "x" * 5000])
def test_an_unknown_key_is_401(guarded, sent):
    answer = guarded.client.get("/v1/models", headers={"authorization": sent})
    assert answer.status_code == 401


@pytest.mark.parametrize("path", ["/v2/health/live", "/v2/health/ready", "/docs", "/openapi.json", "/"])
def test_health_and_pages_need_no_key(guarded, path):
    assert guarded.client.get(path).status_code == 200


def test_metrics_are_open_when_told_so(make_site):
    assert make_site(api_keys=KEYS, metrics_open=True).client.get("/metrics").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_without_keys_a_foreign_page_in_the_users_browser_is_refused(client, headers):
    assert client.get("/v1/models", headers=headers).status_code == 403
    assert client.post("/v1/models/iris/predict", json=ROW, headers=headers).status_code == 403


@pytest.mark.parametrize(
    "headers", [{"origin": "http://localhost:3000"}, {"sec-fetch-site": "same-origin"}, {}]
)
def test_without_keys_this_machine_is_served(client, headers):
    assert client.get("/v1/models", headers=headers).status_code == 200


def test_without_keys_another_address_than_loopback_is_refused():
    with pytest.raises(Unauthorized, match="NEURONA_API_KEYS"):
        Keys({}).check(Role.PREDICT, {}, "192.168.1.5")
    Keys({}).check(Role.PREDICT, {}, "127.0.0.1")
    Keys({}).check(Role.PREDICT, {}, "::1")
    Keys({}).check(Role.PREDICT, {}, None)


@pytest.mark.parametrize("name", ["testserver", "neurona", "localhost"])
def test_without_keys_a_client_in_the_same_process_calls_the_server_what_it_likes(site, built, name):
    """As tests of others do that have the application without a network."""
    transport = httpx.ASGITransport(create_app(built(site.settings)))

    async def ask() -> list[int]:
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{name}") as client:
            row = await client.post("/v1/models/nothing/predict", json=ROW)
            return [(await client.get("/v1/models")).status_code, row.status_code]

    assert asyncio.run(ask()) == [200, 404]


def test_why_a_foreign_host_is_refused_is_told(client):
    answer = client.get("/v1/models", headers={"host": "neurona.example"})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert "Host is localhost" in answer.json()["detail"]


def test_what_is_remembered_of_paths_and_hosts_is_bounded(client):
    for path in ("/v1/models/" + "i" * 5000 + "/predict", "/v2/models/" + "i" * 5000 + "/infer"):
        kept = [remembered.cache_info().currsize for remembered in (lane._call, lane._plain_call)]
        assert client.post(path, json=ROW).status_code in (404, 422)
        assert [remembered.cache_info().currsize for remembered in (lane._call, lane._plain_call)] == kept
    kept = keys._is_welcome.cache_info().currsize
    assert client.get("/v1/models", headers={"host": "localhost:" + "8" * 5000}).status_code == 403
    assert keys._is_welcome.cache_info().currsize == kept


def test_every_route_of_the_app_is_in_the_table_of_roles(guarded):
    for path, calls in guarded.client.get("/openapi.json").json()["paths"].items():
        for method in calls:
            needed = role_needed(method.upper(), path)
            if method in ("delete", "put"):
                assert needed is Role.ADMIN, path
            open_to_all = path in ("/v2/health/live", "/v2/health/ready")
            assert (needed is Role.NOBODY) == open_to_all, (method, path)


def test_keys_come_from_a_file_too_in_plain_or_as_hashes(tmp_path):
    digest = hashlib.sha256(TRAIN.encode()).hexdigest()
    (tmp_path / "keys").write_text(f"# ours\npredict {PREDICT}\ntrain: sha256:{digest}  # a hash\n\n")
    keys = read_keys(None, tmp_path / "keys", tmp_path)
    assert (keys.role_of(PREDICT), keys.role_of(TRAIN), keys.role_of(ADMIN)) == (Role.PREDICT, Role.TRAIN, 0)


def test_a_file_of_keys_may_be_of_another_editor_and_a_key_may_have_a_hash_sign(tmp_path):
    (tmp_path / "keys").write_bytes(b"\xef\xbb\xbfadmin:0123456789abcdef#gh\r\n#train:0123456789abcdef\r\n")
    keys = read_keys(None, tmp_path / "keys", tmp_path)
    assert keys.role_of("0123456789abcdef#gh") is Role.ADMIN
    assert keys.role_of("0123456789abcdef") is Role.NOBODY


def test_a_file_of_keys_that_is_no_text_stops_the_server(tmp_path):
    (tmp_path / "keys").write_bytes(b"\xff\xfea\0d\0m\0")
    with pytest.raises(Invalid, match="role:key"):
        read_keys(None, tmp_path / "keys", tmp_path)


@pytest.mark.parametrize("kept", ["", "no hash", "ab" * 31])
def test_the_hash_of_the_made_key_is_one_or_the_server_stops(tmp_path, kept):
    (tmp_path / "admin-key.sha256").write_text(kept)
    with pytest.raises(Invalid, match="makes another key"):
        read_keys(None, None, tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "predict:short",
        "root:" + "k" * 20,
        "k" * 30,
        "admin:" + "k" * 10 + " " + "k" * 10,
        "admin:" + "k" * 513,
        "admin:clé-de-la-maison-entière",  # clients differ in how they send such letters, so it would not be known
    ],
)
def test_a_key_that_is_not_written_as_one_stops_the_server(tmp_path, text):
    with pytest.raises(Invalid, match="role:key"):
        read_keys(text, None, tmp_path)


def test_a_first_start_makes_one_admin_key_and_keeps_its_hash_only(tmp_path):
    key = make_key(tmp_path)
    assert make_key(tmp_path) is None
    assert read_keys(None, None, tmp_path).role_of(key) is Role.ADMIN
    assert all(key.encode() not in path.read_bytes() for path in tmp_path.iterdir())
    assert read_keys(KEYS, None, tmp_path).role_of(key) is Role.NOBODY


def test_no_key_is_kept_in_plain_in_memory(tmp_path):
    keys = read_keys(KEYS, None, tmp_path)
    assert all(PREDICT.encode() not in known for known in keys.roles)


def test_a_low_role_is_told_which_one_it_needs(tmp_path):
    keys = read_keys(KEYS, None, tmp_path)
    with pytest.raises(Forbidden, match="A key for 'predict' may not do this; it needs one for 'admin'"):
        keys.check(Role.ADMIN, {b"authorization": b"Bearer " + PREDICT.encode()}, "10.0.0.1")


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("example.com", False),
    ],
)
def test_loopback_is_this_machine_alone(address, local):
    assert is_loopback(address) is local


@pytest.mark.parametrize("digest", ["", "12", "g" * 64, "0" * 63])
def test_a_hash_that_is_none_is_refused_in_words(tmp_path, digest):
    with pytest.raises(Invalid, match=r"64 hexadecimal digits|16 to 512 visible ASCII"):
        read_keys(f"admin:sha256:{digest}", None, tmp_path)
