"""Every setting and limit of the server, each readable from a `NEURONA_*` environment variable."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

KIB = 1024
MIB = 1024 * KIB
# Of those who answer requests and send webhooks.
_SECRETS = ("api_keys", "api_keys_file", "ssl_keyfile_password", "webhook_secret")


class Settings(BaseSettings):
    """What the operator decides. Every field has a default that works; `/v1/info` shows the limits."""

    model_config = SettingsConfigDict(env_prefix="NEURONA_", extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on")
    workers: int = Field(1, ge=1, description="processes that answer requests")
    data: Path = Field(Path("data"), description="folder for datasets, checkpoints and the database")
    models: Path = Field(Path("models"), description="folder of the model repository")
    models_seed: Path | None = Field(None, description="models copied into `models` when that is empty")
    database_url: str | None = Field(
        None, repr=False, description="SQLAlchemy URL; default: SQLite inside `data`"
    )
    api_keys: str | None = Field(
        None, repr=False, description="keys as role:key, with commas; roles predict, train, admin"
    )
    api_keys_file: Path | None = Field(
        None, description="file with such keys, one a line (a container secret)"
    )
    cors_origins: str | None = Field(
        None, description="web origins, with commas, whose pages may call from a browser; default: none"
    )
    ssl_certfile: Path | None = Field(None, description="certificate chain (PEM); with it, HTTPS is spoken")
    ssl_keyfile: Path | None = Field(None, description="its private key (PEM); default: in the same file")
    ssl_keyfile_password: str | None = Field(None, repr=False, description="password of the private key")
    ssl_ca_certs: Path | None = Field(
        None, description="authorities (PEM); with them, a client must show a certificate of theirs"
    )
    metrics_open: bool = Field(False, description="answer /metrics without a key")
    idle_seconds: float = Field(30.0, gt=0, description="longest pause within a body being sent")
    body_seconds: float = Field(60.0, gt=0, description="longest that a body kept in memory may take to come")
    min_upload_rate: int = Field(
        1024, ge=0, description="least bytes a second of an upload, once idle_seconds have passed"
    )
    max_uploads: int = Field(16, ge=1, description="uploads at once in a process; more get 429")
    max_in_flight: int = Field(
        16, ge=1, description="large predictions (bodies beyond 64 KiB) at once in a process"
    )
    max_waiting: int = Field(1024, ge=0, description="predictions that wait for a place; more get 429")
    wait_seconds: float = Field(
        5.0, gt=0, description="longest a prediction waits for a place; then it gets 429"
    )
    max_connections: int = Field(4096, ge=1, description="open connections of a process; more get 429")
    keep_alive_seconds: float = Field(65.0, gt=0, description="longest rest of a connection between requests")
    head_seconds: float = Field(30.0, gt=0, description="longest that a request's headers may take to come")
    max_head_bytes: int = Field(64 * KIB, ge=1024, description="largest headers of a request")
    min_download_rate: int = Field(
        1024,
        ge=0,
        description="least bytes a second at which an answer is read, in every idle_seconds",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level logged")
    log_format: Literal["text", "json"] = Field("text", description="how a line of the log is written")
    access_log: bool = Field(False, description="log every request")
    opentelemetry: bool = Field(
        False, description="report requests to the collector that `OTEL_EXPORTER_OTLP_ENDPOINT` names"
    )
    start_seconds: float = Field(
        30.0, ge=1, description="time that a process gets to be ready in a rolling restart, or to show life"
    )
    drain_seconds: float = Field(
        1.0, ge=0, description="how long connections at rest are kept for a last request at shutdown"
    )
    shutdown_seconds: float = Field(8.0, gt=0, description="time that requests in flight get at shutdown")

    trainer: bool = Field(True, description="start and watch a trainer beside the server")
    trainer_workers: int = Field(
        1, ge=1, description="jobs trained at once, and workers of the embedded cluster"
    )
    trainer_threads: int = Field(1, ge=1, description="BLAS threads of each training process")
    training_niceness: int = Field(
        10, ge=0, le=19, description="how far training yields the processor to predictions"
    )
    dask_address: str | None = Field(None, description="scheduler of an existing Dask cluster to train on")
    checkpoint_seconds: float = Field(5.0, gt=0, description="most training time lost to a crash")
    max_attempts: int = Field(3, ge=1, description="workers a job may lose before it fails")
    max_setbacks: int = Field(
        60,
        ge=1,
        description="times in a row that disk or database may fail a job, 5 s apart, before it fails",
    )
    max_runtime_seconds: float = Field(24 * 3600, gt=0, description="longest a job may run")
    training_memory_bytes: int = Field(
        4096 * MIB, ge=1, description="encoded rows beyond which training reads them from disk as it goes"
    )
    memory_wait_seconds: float = Field(600.0, gt=0, description="longest a job waits for memory")
    webhook_secret: str | None = Field(
        None, repr=False, description="signs webhooks that bring no secret of their own"
    )
    webhook_private_addresses: bool = Field(False, description="send webhooks to private addresses too")
    webhook_tries: int = Field(12, ge=1, description="tries to deliver a webhook")
    max_queued_jobs: int = Field(1000, ge=1, description="jobs waiting, beyond which training answers 429")
    idempotency_hours: float = Field(24.0, gt=0, description="how long an Idempotency-Key is remembered")

    max_upload_bytes: int = Field(16 * 1024 * MIB, ge=1, description="largest dataset body, as sent")
    max_dataset_bytes: int = Field(32 * 1024 * MIB, ge=1, description="largest dataset, decompressed")
    max_json_bytes: int = Field(64 * MIB, ge=1, description="largest JSON body, decompressed")
    max_json_depth: int = Field(
        100, ge=4, description="deepest nesting of JSON data, or of a request to train"
    )
    max_metadata_bytes: int = Field(16 * KIB, ge=2, description="largest metadata of a job, as JSON")
    max_predict_bytes: int = Field(64 * MIB, ge=1, description="largest prediction body, decompressed")
    max_predict_rows: int = Field(100_000, ge=1, description="most rows in one prediction")
    max_explain_rows: int = Field(1_000, ge=1, description="most rows in one explained prediction")
    max_feedback_request_bytes: int = Field(
        16 * MIB, ge=1, description="largest request of feedback, decompressed"
    )
    max_feedback_request_rows: int = Field(10_000, ge=1, description="most rows in one request of feedback")
    max_feedback_bytes: int = Field(1024 * MIB, ge=1, description="feedback kept for a model, as JSON")
    max_feedback_rows: int = Field(1_000_000, ge=1, description="rows of feedback kept for a model")
    drift_threshold: float = Field(
        0.25, gt=0, description="population stability index from which a column counts as drifted"
    )
    max_drift_columns: int = Field(
        20, ge=0, description="columns of a version, the farthest, whose drift is told"
    )
    max_columns: int = Field(100_000, ge=1, description="most columns of a dataset")
    max_classes: int = Field(10_000, ge=2, description="most classes of a dataset")
    max_categories: int = Field(1_000, ge=1, description="categories of a column with a place of their own")
    max_parameters: int = Field(100_000_000, ge=1, description="most weights in a model")
    model_cache_bytes: int = Field(1024 * MIB, ge=1, description="memory for loaded models")
    map_weights_bytes: int = Field(
        16 * MIB, ge=0, description="weights from this size on are mapped, so that processes share them"
    )

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        path = str(self.data.resolve() / "neurona.db").replace("%", "%25").replace("?", "%3F")
        return self.database_url or f"sqlite:///{path}"

    def without_secrets(self) -> "Settings":
        """These settings for a process on another machine, which has no use for keys."""
        return self.model_copy(update=dict.fromkeys(_SECRETS))

    def environment(self) -> dict[str, str]:
        """These settings as environment variables, for a process that is to run under the same."""
        said = self.model_dump(mode="json", exclude_none=True)
        return {f"NEURONA_{name.upper()}": str(value) for name, value in said.items()}

    def limits(self) -> dict[str, int | float]:
        """Every limit in force, by its setting's name."""
        return {
            name: getattr(self, name)
            for name in type(self).model_fields
            if name.startswith(("max_", "min_"))
            or name.endswith(("_seconds", "_hours", "_bytes", "_tries", "_threshold"))
        }


def mistakes(error: ValueError) -> list[str]:
    """A sentence for each setting that was wrong; no values, which may be secrets."""
    if not isinstance(error, ValidationError):
        return [str(error)]
    return [f"NEURONA_{'_'.join(map(str, each['loc'])).upper()}: {each['msg']}" for each in error.errors()]
