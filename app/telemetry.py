"""Logs: one line an event, to standard error."""

from typing import Any


def log_config(level: str) -> dict[str, Any]:
    """The `logging.config` dictionary of every process."""
    name = level.upper()
    loggers = {
        "neurona": {"level": name},
        "uvicorn": {"level": name},
        "uvicorn.error": {"level": name},
        "uvicorn.access": {"level": name},
        "distributed": {"level": "ERROR"},
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "line": {
                "format": "%(asctime)s %(levelname)s %(name)s: %(message)s",
                "datefmt": "%Y-%m-%dT%H:%M:%S%z",
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": loggers,
    }
