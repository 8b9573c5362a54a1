"""One example of every record that the API answers with, as the OpenAPI page shows them: iris, from file to card."""

from typing import Any

from core.metrics import HEADLINE

_COLUMNS = [
    {"name": name, "type": "numeric", "missing": 0, "dtype": "float64"}
    for name in ("sepal_length", "sepal_width", "petal_length", "petal_width")
]
_SPECIES = ["setosa", "versicolor", "virginica"]
_CLASSES = [{"label": label, "rows": 50} for label in _SPECIES]
_DATASET_SHA256 = "7711e08ff4e76d4c9a0c7f1b8f6e2d35c4b1a0998877665544332211ffeeddcc"
_DATASET_ID, _JOB_ID = "ds_7711e08ff4e76d4c", "job_ee6c6c73c82dbe91"
_HYPERPARAMETERS = {
    "hidden_layer_sizes": [128],
    "optimizer": "adam",
    "learning_rate": 0.0025,
    "schedule": "cosine",
    "momentum": 0.9,
    "batch_size": 32,
    "max_epochs": 100,
    "patience": 25,
    "folds": 10,
    "bins": 4,
    "validation_fraction": 0.1,
    "l2": 0.0067,
    "class_weight": None,
    "seed": 0,
}
_RELIABILITY = [{"low": 0.93, "high": 1.0, "rows": 124, "confidence": 0.99, "accuracy": 0.99}]
_METRICS = {
    "rows": 150,
    "accuracy": 0.973,
    "log_loss": 0.078,
    "macro_f1": 0.973,
    "per_class": [{"precision": 0.96, "recall": 0.96, "f1": 0.96, "support": 50} for _ in _SPECIES],
    "confusion_matrix": [[50, 0, 0], [0, 48, 2], [0, 2, 48]],
    "brier": 0.041,
    "ece": 0.037,
    "reliability": _RELIABILITY,
}
_PROMOTION = {
    "rule": "if_better",
    "production": 1,
    "rows": 150,
    "log_loss": 0.078,
    "production_log_loss": 0.081,
    "unknown_labels": 0,
    "judged": "on rows that neither has learned from",
}

DATASET: dict[str, Any] = {
    "id": _DATASET_ID,
    "name": "iris.csv",
    "rows": 150,
    "bytes": 7250,
    "label": "species",
    "columns": _COLUMNS,
    "classes": _CLASSES,
    "created_at": "2026-01-31T12:44:07.997Z",
    "warnings": [],
    "sha256": _DATASET_SHA256,
}
JOB: dict[str, Any] = {
    "id": _JOB_ID,
    "kind": "train",
    "model": "iris",
    "version": 1,
    "state": "queued",
    "dataset": _DATASET_ID,
    "algorithm": "auto",
    "hyperparameters": _HYPERPARAMETERS,
    "warm_start": None,
    "promote": "if_better",
    "metadata": {},
    "max_runtime_seconds": None,
    "webhook": None,
    "feedback": None,
    "warnings": [],
    "created_at": "2026-01-31T12:44:08.019Z",
    "started_at": None,
    "finished_at": None,
    "progress": {
        "epoch": 0,
        "max_epochs": 0,
        "fraction": 0.0,
        "rows_per_second": None,
        "eta_seconds": None,
    },
    "metrics": None,
    "promoted": None,
    "error": None,
}
CANCELLED: dict[str, Any] = {
    **JOB,
    "state": "cancelled",
    "started_at": "2026-01-31T12:44:08.026Z",
    "finished_at": "2026-01-31T12:44:08.151Z",
    "progress": {
        "epoch": 40,
        "max_epochs": 100,
        "fraction": 0.7,
        "rows_per_second": 190163.5,
        "eta_seconds": 0.2,
    },
}
SUCCEEDED: dict[str, Any] = {
    **JOB,
    "state": "succeeded",
    "started_at": "2026-01-31T12:44:08.026Z",
    "finished_at": "2026-01-31T12:44:08.349Z",
    "progress": {
        "epoch": 100,
        "max_epochs": 100,
        "fraction": 1.0,
        "rows_per_second": 190163.5,
        "eta_seconds": 0.0,
    },
    # Of every row, by the members that have not seen it.
    "metrics": {name: _METRICS[name] for name in HEADLINE}
    | {"validation_rows": 150, "promotion": {**_PROMOTION, "promoted": True}},
    "promoted": True,
}
PLAN: dict[str, Any] = {
    "model": "iris",
    "dataset": _DATASET_ID,
    "rows": 150,
    "columns": _COLUMNS,
    "classes": _CLASSES,
    "algorithm": "auto",
    "candidates": ["softmax_regression", "relu_network"],
    "hyperparameters": _HYPERPARAMETERS,
    "warm_start": None,
    "promote": "if_better",
    "feedback": None,
    "parameters": 30723,
    "memory_bytes": 1451944,
    "warnings": [],
}
MODEL: dict[str, Any] = {"name": "iris", "versions": [1, 2], "aliases": {"production": 2, "staging": 1}}
_ON_VERSION = {
    "version": 2,
    "rows": 120,
    "accuracy": 0.95,
    "log_loss": 0.18,
    "unknown_labels": 0,
    "since": "2026-02-01T09:00:00.000Z",
    "until": "2026-02-07T18:30:00.000Z",
}
MODEL_DETAILS: dict[str, Any] = {
    **MODEL,
    "feedback": _ON_VERSION,
    "drift": {
        "version": 2,
        "rows": 18_231,
        "columns": [{"column": "petal_width", "index": 0.31}, {"column": "sepal_width", "index": 0.02}],
    },
    "warnings": [
        "The rows asked about are unlike those trained on in column 'petal_width': "
        "population stability index 0.31, from 0.25 on it is told (drift_threshold)."
    ],
}
FEEDBACK: dict[str, Any] = {
    "model": "iris",
    "version": 2,
    "rows": 2,
    "accuracy": 1.0,
    "log_loss": 0.12,
    "unknown_labels": 0,
    "received_at": "2026-02-07T18:30:00.000Z",
    "total_rows": 120,
}
FEEDBACK_SUMMARY: dict[str, Any] = {"model": "iris", "rows": 120, "new_rows": 20, "versions": [_ON_VERSION]}
ALIAS: dict[str, Any] = {"model": "iris", "alias": "staging", "version": 2, "previous": 1}
ROLLED_BACK: dict[str, Any] = {"model": "iris", "alias": "production", "version": 1, "previous": 2}
EVALUATION: dict[str, Any] = {
    "model": "iris",
    "version": 1,
    "rows": 150,
    "classes": _SPECIES,
    "metrics": _METRICS,
}
CARD: dict[str, Any] = {
    "name": "iris",
    "version": 1,
    "format": 1,
    "created_at": "2026-01-31T12:44:08.330Z",
    "schema": {"columns": [{"name": "sepal_length", "type": "numeric"}]},
    "algorithm": "relu_network",
    "classes": _SPECIES,
    "sizes": [20, 1280, 3],
    "hyperparameters": _HYPERPARAMETERS,
    "requested": {"algorithm": "auto", "hyperparameters": {}},
    "committee": {
        "members": 10,
        "hidden": [128],
        "deal": {
            "folds": 10,
            "fraction": 0.1,
            "seed": 0,
            "columns": ["sepal_length", "sepal_width", "petal_length", "petal_width"],
            "together": True,
        },
    },
    "rows": {"train": 150, "validation": 150},
    "metrics_on": "out-of-fold",
    "metrics": _METRICS,
    "temperature": 0.91,
    "calibration": {
        "temperature": 0.91,
        "class_weight_shift": 0.0,
        "before": {"log_loss": 0.079, "ece": 0.041, "reliability": _RELIABILITY},
        "after": {"log_loss": 0.078, "ece": 0.037, "reliability": _RELIABILITY},
    },
    "promotion": _PROMOTION,
    "candidates": [
        {
            "algorithm": algorithm,
            "validation_log_loss": log_loss,
            "uncalibrated": round(log_loss + 0.001, 3),
            "temperature": temperature,
            "epochs": epochs,
        }
        for algorithm, log_loss, temperature, epochs in (
            ("softmax_regression", 0.083, 1.1, 98),
            ("relu_network", 0.078, 0.91, 61),
        )
    ],
    "encoding": {
        "columns": [
            {"name": "sepal_length", "type": "numeric", "mean": 5.82, "scale": 0.81, "indicator": False}
        ]
    },
    "profile": {
        "traits": [
            {"column": "sepal_length", "counts": [30, 30, 31, 29, 30, 0], "edges": [5.0, 5.6, 6.1, 6.5]}
        ]
    },
    "metadata": {},
    "lineage": {
        "dataset": _DATASET_ID,
        "dataset_sha256": _DATASET_SHA256,
        "feedback": None,
        "job": _JOB_ID,
        "parent": None,
        "seed": 0,
        "training_memory_bytes": 4294967296,
        "max_categories": 1000,
        "software": {
            "neurona": "0.1.0",
            "code": "9d1f04c2a7b3e865",
            "numpy": "2.4.6",
            "python": "3.12.3",
            "machine": "x86_64",
            "blas": "openblas 0.3.31",
            "blas_kernels": "SkylakeX",
            "blas_threads": 1,
            "simd": "X86_V2 X86_V3 X86_V4",
        },
    },
}
ALIAS_PAGE: dict[str, Any] = {
    "name": "iris",
    "aliases": {"production": 1},
    "items": [
        {
            "sequence": 3,
            "alias": "production",
            "from": 2,
            "to": 1,
            "at": "2026-02-01T08:30:00.000Z",
            "rollback": True,
            "job": None,
        },
        {
            "sequence": 2,
            "alias": "production",
            "from": 1,
            "to": 2,
            "at": "2026-02-01T08:12:31.402Z",
            "rollback": False,
            "job": "job_3d0f5a4be1c2970a",
        },
    ],
    "next_cursor": "2",
}
_STEP = {"before": 0.93, "after": 0.96, "difference": 0.03}
_SAME = {"before": 15, "after": 15, "difference": 0}
DIFFERENCE: dict[str, Any] = {
    "before": {
        "model": "iris",
        "version": 1,
        "created_at": "2026-01-31T12:44:08.330Z",
        "algorithm": "softmax_regression",
        "sizes": [4, 3],
        "parent": None,
        "job": _JOB_ID,
    },
    "after": {
        "model": "iris",
        "version": 2,
        "created_at": "2026-02-01T08:12:31.398Z",
        "algorithm": "relu_network",
        "sizes": [5, 64, 3],
        "parent": None,
        "job": "job_3d0f5a4be1c2970a",
    },
    "data": {
        "dataset": {"before": _DATASET_ID, "after": "ds_0b8b2f60c1d4a3e9"},
        "training_rows": {"before": 135, "after": 162, "difference": 27},
        "validation_rows": {"before": 15, "after": 18, "difference": 3},
        "columns": {
            "added": ["colour"],
            "removed": [],
            "retyped": [{"name": "petal_width", "before": "numeric", "after": "categorical"}],
        },
        "classes": {"added": [], "removed": []},
    },
    "hyperparameters": {"hidden_layer_sizes": {"before": [], "after": [64]}},
    "same_validation_rows": False,
    "metrics": dict.fromkeys(("accuracy", "macro_f1"), _STEP)
    | {
        "log_loss": {"before": 0.21, "after": 0.12, "difference": -0.09},
        "brier": {"before": 0.09, "after": 0.06, "difference": -0.03},
        "ece": {"before": 0.11, "after": 0.1, "difference": -0.01},
    },
    "per_class": [
        {"label": label, **dict.fromkeys(("precision", "recall", "f1"), _STEP), "support": _SAME}
        for label in _SPECIES
    ],
    "software": {"numpy": {"before": "2.4.5", "after": "2.4.6"}},
}
_SHA256 = "3c1c8a9b5f5f0d8e7a6b4c3d2e1f00112233445566778899aabbccddeeff0011"
VERIFICATION: dict[str, Any] = {
    **JOB,
    "id": "job_91b7c4d05e6f2a38",
    "kind": "verify",
    "algorithm": "relu_network",
    "promote": "never",
}
VERIFIED: dict[str, Any] = {
    **VERIFICATION,
    **{name: SUCCEEDED[name] for name in ("state", "started_at", "finished_at", "progress")},
    "metrics": {
        "identical": True,
        "differs": [],
        "weights_sha256": _SHA256,
        "expected_sha256": _SHA256,
        "largest_difference": 0.0,
        "software": {},
    },
}
INFO: dict[str, Any] = {
    "name": "neurona",
    "version": "0.1.0",
    "limits": {"max_predict_rows": 100_000, "max_json_bytes": 67_108_864},
}
METRICS = """\
# HELP neurona_build_info Releases that answer here
# TYPE neurona_build_info gauge
neurona_build_info{numpy="2.4.6",python="3.12.3",version="0.1.0"} 1.0
# HELP neurona_http_requests_total Requests answered
# TYPE neurona_http_requests_total counter
neurona_http_requests_total{method="POST",route="/v1/models/{ref}/predict",status="200"} 1.0
# HELP neurona_prediction_rows_total Rows predicted
# TYPE neurona_prediction_rows_total counter
neurona_prediction_rows_total{model="iris",protocol="native",version="1"} 4.0
# HELP neurona_jobs Jobs, by state
# TYPE neurona_jobs gauge
neurona_jobs{state="queued"} 0.0
"""
