"""Logs: one line an event, to standard error, as text for people or as JSON for machines."""

import json
import logging
from datetime import UTC, datetime
from typing import Any

from app.settings import Settings

_EXTRA = ("request_id", "job_id", "status", "seconds")


class JsonLines(logging.Formatter):
    """A record as one JSON object; ids that join the lines of one request or job stand in fields of their own."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line |= {name: value for name in _EXTRA if (value := getattr(record, name, None)) is not None}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


class TextLines(logging.Formatter):
    """A record for people. What a caller sent begins no line of its own, and moves no cursor."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging calls it so
        """The line, without its end; a traceback comes below it."""
        line = super().formatMessage(record)
        return line if line.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


def log_config(settings: Settings) -> dict[str, Any]:
    """The `logging.config` dictionary of every process."""
    name = settings.log_level.upper()
    loggers = {
        "neurona": {"level": name},
        "neurona.access": {"level": "INFO" if settings.access_log else "WARNING"},
        "uvicorn": {"level": name},
        "uvicorn.error": {"level": name},
        "distributed": {"level": "ERROR", "propagate": True},  # whose own handlers are thereby removed
        "tornado": {"level": "ERROR", "propagate": True},
    }
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "text": {
                "()": "app.telemetry.TextLines",
                "fmt": "%(asctime)s %(levelname)s %(name)s: %(message)s",
                "datefmt": "%Y-%m-%dT%H:%M:%S%z",
            },
            "json": {"()": "app.telemetry.JsonLines"},
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": settings.log_format}},
        "root": {"handlers": ["stderr"], "level": "WARNING"},
        "loggers": loggers,
    }
