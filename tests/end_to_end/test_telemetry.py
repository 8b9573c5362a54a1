"""What the server tells of itself to its operator: spans to a collector, and lines of a log that join by ids."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from queue import Queue

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

pytestmark = pytest.mark.slow

SECRET = 12345.678
ROWS = {"instances": [[5.1, 3.5, 1.4, SECRET]]}


class Collector(HTTPServer):
    """Takes what an exporter sends, as the protocol's messages."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Taking)
        self.traces: Queue[ExportTraceServiceRequest] = Queue()
        self.metrics: Queue[ExportMetricsServiceRequest] = Queue()
        self.other: list[str] = []


class Taking(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/v1/traces":
            self.server.traces.put(ExportTraceServiceRequest.FromString(body))
        elif self.path == "/v1/metrics":
            self.server.metrics.put(ExportMetricsServiceRequest.FromString(body))
        else:
            self.server.other.append(self.path)
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Silent."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    server = Collector()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_collector_hears_of_predictions_and_of_everything_else_but_of_no_data(own, collector, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.server_port}")
    live = own(opentelemetry=True, trainer=False, models=Path("models").resolve())
    assert live.predict("iris", *ROWS["instances"])["labels"]
    assert (
        live.http.post("/v1/models/iris/predict", json={"instances": [[SECRET, "wide"]]}).status_code == 422
    )
    assert live.http.get("/v1/models/nothing").status_code == 404
    refused = 'neurona_prediction_failures_total{model="iris",protocol="native",status="422"} 1.0'
    assert refused in live.http.get("/metrics").text, "as without a collector"
    live.http.close()
    live.server.stop()  # sends what is left
    spans = [
        span
        for request in list(collector.traces.queue)
        for of in request.resource_spans
        for scope in of.scope_spans
        for span in scope.spans
    ]
    names = {span.name for span in spans}
    assert {"POST /v1/models/{ref}/predict", "GET /v1/models/{ref}"} <= names
    assert collector.metrics.qsize() > 0
    assert collector.other == [], "and no logs, which would hold what callers sent"
    assert str(SECRET) not in str(spans) + str(list(collector.metrics.queue))


def test_a_collector_that_takes_connections_and_never_answers_does_not_hold_the_servers_end_up(
    own, monkeypatch
):
    with socket.create_server(("127.0.0.1", 0), backlog=100) as silent:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        live = own(opentelemetry=True, trainer=False, models=Path("models").resolve())
        for _ in range(600):  # more than the exporter sends at once
            live.predict("iris", *ROWS["instances"])
        live.http.close()
        assert live.server.stop() == 0  # within 10 s


def test_lines_about_a_request_its_job_and_the_jobs_training_join_by_their_ids(own):
    live = own(log_format="json", access_log=True)
    with live.iris.open("rb") as body:
        answer = live.http.post(
            "/v1/models/flowers/train?label=species&max_epochs=3&hidden_layer_sizes=4",
            files={"file": ("iris.csv", body)},
            headers={"x-request-id": "who-asked"},
        )
    job = live.ended(answer.json())
    assert job["state"] == "succeeded"
    live.predict("flowers", *ROWS["instances"])
    until = time.monotonic() + 10
    while "attempt 1 succeeded" not in live.server.log.read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    live.http.close()
    live.server.stop()
    lines = [json.loads(line) for line in live.server.log.read_text().splitlines()]
    of_request = [line for line in lines if line.get("request_id") == "who-asked"]
    assert {"neurona.access", "neurona.jobs"} <= {line["logger"] for line in of_request}
    assert {line["job_id"] for line in of_request if "job_id" in line} == {job["id"]}
    training = [line["message"] for line in lines if line.get("job_id") == job["id"]]
    assert any("attempt 1 begins" in message for message in training)
    assert any("attempt 1 succeeded" in message for message in training)
    predicted = next(line for line in lines if line["message"] == "POST /v1/models/flowers/predict 200")
    assert (predicted["status"], predicted["level"]) == (200, "info")
    assert len(predicted["request_id"]) == 16
    assert str(SECRET) not in live.server.log.read_text()
