"""Disk and database go away and come back: clear refusals meanwhile, training that goes on, nothing torn."""

import os
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress

import httpx
import pytest
from disturbed.processes import children, words
from local_server import ROOT, LocalServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

BASE = ROOT / "models"
ROW = [[5.1, 3.5, 1.4, 0.2]]


def predicts(neurona) -> bool:
    return neurona.http.post("/v1/models/iris/predict", json={"instances": ROW}).status_code == 200


def submit(neurona):
    body = {
        "data": {"instances": [[0], [1]] * 10, "labels": [0, 1] * 10},
        "hyperparameters": {"folds": 1, "max_epochs": 5},
    }
    return neurona.http.post("/v1/models/small/train", json=body)


def answers(ask, status: int, *, seconds: float = 30):
    until = time.monotonic() + seconds
    while (answer := ask()).status_code != status:
        assert time.monotonic() < until, answer.text
        time.sleep(0.1)
    return answer


def refused(answer) -> bool:
    return answer.status_code == 503 and answer.json()["code"] == "storage_failed"


def test_a_postgresql_that_crashes_and_comes_back_costs_time_alone(live, postgres) -> None:
    neurona = live(database_url=postgres.database(), models_seed=BASE)
    job = neurona.train("m", max_epochs=250)
    neurona.epoch(job, 3)
    postgres.crash()
    try:
        assert refused(submit(neurona))
        assert refused(neurona.http.get(f"/v1/jobs/{job['id']}"))
        assert predicts(neurona)
        time.sleep(2)
    finally:
        postgres.start()
    done = neurona.ended(job)
    assert done["state"] == "succeeded", done
    assert neurona.sequences(job) == list(range(1, 251))
    assert submit(neurona).status_code == 202


def test_a_server_that_starts_without_its_database_trains_once_it_is_there(live, postgres) -> None:
    url = postgres.database()
    postgres.crash()
    try:
        neurona = live(database_url=url, models_seed=BASE)
        assert predicts(neurona)
        assert refused(submit(neurona))
    finally:
        postgres.start()
    job = answers(lambda: submit(neurona), 202).json()
    assert neurona.ended(job)["state"] == "succeeded"


def test_a_full_disk_refuses_uploads_and_sets_jobs_back_until_there_is_room(live, disk) -> None:
    data = disk(24 * 1024)
    neurona = live(data=data, models_seed=BASE)
    job = neurona.train("m", max_epochs=250, hidden_layer_sizes="256")
    neurona.epoch(job, 3)
    filler = data / "filler"
    with suppress(OSError), filler.open("wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()
    try:
        big = {"instances": [[i, i + 1] for i in range(20_000)], "labels": [i % 2 for i in range(20_000)]}
        answer = neurona.http.post("/v1/datasets", json=big)
        assert refused(answer), answer.text
        assert "No space left" in answer.json()["detail"] or "full" in answer.json()["detail"]
        assert predicts(neurona)
        time.sleep(2)
    finally:
        filler.unlink()
    done = neurona.ended(job)
    assert done["state"] == "succeeded", done
    assert neurona.sequences(job) == list(range(1, 251))
    assert len(neurona.http.get("/v1/datasets").json()["items"]) == 1


def test_a_data_folder_that_may_only_be_read_still_predicts_and_trains_once_it_may_be_written(
    live, disk
) -> None:
    data = disk(64 * 1024)
    subprocess.run(["mount", "-o", "remount,ro", data], check=True)
    neurona = live(data=data, models_seed=BASE)
    assert predicts(neurona)
    assert refused(submit(neurona))
    subprocess.run(["mount", "-o", "remount,rw", data], check=True)
    job = answers(lambda: submit(neurona), 202).json()
    assert neurona.ended(job)["state"] == "succeeded"


def test_an_upload_that_is_cut_off_leaves_nothing(live) -> None:
    neurona = live(trainer=False)
    head = "POST /v1/datasets HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {}\r\n{}\r\n"
    form = "multipart/form-data; boundary=x\r\nX: y"
    part = '--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
    for kind, length, start in (
        ("text/csv", "Content-Length: 1000000\r\n", "a,b\n"),
        ("text/csv", "Transfer-Encoding: chunked\r\n", "186a0\r\na,b\n"),
        (form, "Content-Length: 1000000\r\n", part + "a,b\n"),
    ):
        with socket.create_connection(("127.0.0.1", neurona.server.port)) as client:
            client.sendall((head.format(kind, length) + start + "1,2\n" * 20_000).encode())
            time.sleep(0.2)
    folder = neurona.server.data / "datasets"
    until = time.monotonic() + 5
    while folder.is_dir() and list(folder.iterdir()):
        assert time.monotonic() < until, list(folder.iterdir())
        time.sleep(0.05)
    assert neurona.http.get("/v1/datasets").json()["items"] == []


def test_no_job_is_accepted_for_a_dataset_that_is_being_deleted(live) -> None:
    """Whoever comes first wins: the deletion is refused, or the job is."""
    neurona = live(trainer=False)
    outcomes = set()
    for turn in range(20):
        body = {"instances": [[turn + i] for i in range(20)], "labels": [i % 2 for i in range(20)]}
        dataset = neurona.http.post("/v1/datasets", json=body).json()["id"]
        answers: dict[str, int] = {}

        def ask(name: str, method: str, path: str, dataset=dataset, answers=answers) -> None:
            json = {"dataset": dataset} if method == "POST" else None
            answers[name] = neurona.http.request(method, path, json=json).status_code

        asks = [("submit", "POST", "/v1/models/m/train"), ("delete", "DELETE", f"/v1/datasets/{dataset}")]
        threads = [threading.Thread(target=ask, args=each) for each in asks]
        for thread in threads[:: 1 if turn % 2 else -1]:
            thread.start()
        for thread in threads:
            thread.join()
        outcomes.add((answers["submit"], answers["delete"]))
    assert outcomes <= {(202, 409), (404, 204)}


def test_a_process_that_dies_before_it_shows_life_keeps_no_other_from_being_replaced(live) -> None:
    neurona = live(workers=2, models_seed=BASE, trainer=False)
    server = neurona.server.process.pid

    def processes() -> set[int]:
        return {each for each in children(server) if b"spawn_main" in words(each)}

    first, other = before = sorted(processes())
    os.kill(first, signal.SIGKILL)
    until = time.monotonic() + 10
    while not (new := processes() - set(before)):
        assert time.monotonic() < until
    os.kill(max(new), signal.SIGSTOP)
    time.sleep(1.5)  # by now it is asked, and its answer waited for
    began = time.monotonic()
    for each in (max(new), other):
        os.kill(each, signal.SIGKILL)
    with httpx.Client(base_url=neurona.server.url, trust_env=False, timeout=60) as client:
        assert client.post("/v1/models/iris/predict", json={"instances": ROW}).status_code == 200
    assert time.monotonic() - began < 15  # start_seconds is 30


@pytest.mark.parametrize("processes", [2])
def test_a_server_killed_alone_takes_its_processes_with_it_and_another_starts_at_once(
    live, processes
) -> None:
    neurona = live(workers=processes, models_seed=BASE)
    server: LocalServer = neurona.server
    assert server.process is not None
    server.process.kill()
    server.process.wait()
    until = time.monotonic() + 15
    while True:
        # A dying process of the one before may still answer, or hold the port, for a moment.
        try:
            server.start()
            assert predicts(neurona)
        except (RuntimeError, httpx.TransportError):
            assert time.monotonic() < until
            server.stop()
        else:
            break
