"""What is read off the rooms when Prometheus asks: jobs from the database, models from the cache."""

from collections.abc import Iterator
from importlib.metadata import version
from platform import python_version

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from app.errors import StorageFailed
from app.jobs import FeedbackStore, JobStore
from app.repository.cache import ModelCache


class JobMetrics:
    """Jobs by state, epochs trained, and how fast the running ones are."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs

    def collect(self) -> Iterator[Metric]:
        """The families; none while the database cannot be read."""
        try:
            counts, epochs, rate = self._jobs.statistics()
        except StorageFailed:
            return
        states = GaugeMetricFamily("neurona_jobs", "Jobs, by state", labels=("state",))
        for state, count in counts.items():
            states.add_metric((state,), count)
        yield states
        yield CounterMetricFamily("neurona_epochs", "Epochs trained", value=epochs)
        yield GaugeMetricFamily("neurona_training_rows_per_second", "Rows a second, running jobs", value=rate)


class FeedbackMetrics:
    """What feedback says about each version that was judged by it."""

    def __init__(self, feedback: FeedbackStore) -> None:
        self._feedback = feedback

    def collect(self) -> Iterator[Metric]:
        """The families; none while the database cannot be read."""
        try:
            standings = self._feedback.standings()
        except StorageFailed:
            return
        labels = ("model", "version")
        rows = GaugeMetricFamily("neurona_feedback_rows", "Rows of feedback", labels=labels)
        accuracy = GaugeMetricFamily(
            "neurona_feedback_accuracy", "Part of the rows of feedback foreseen", labels=labels
        )
        loss = GaugeMetricFamily("neurona_feedback_log_loss", "Log loss on feedback", labels=labels)
        for each in standings:
            of = (each.model, str(each.version))
            rows.add_metric(of, each.rows)
            accuracy.add_metric(of, each.accuracy)
            if each.log_loss is not None:
                loss.add_metric(of, each.log_loss)
        yield from (rows, accuracy, loss)


class CacheMetrics:
    """Models in the memory of the process that is asked."""

    def __init__(self, cache: ModelCache) -> None:
        self._cache = cache

    def collect(self) -> Iterator[Metric]:
        """The families."""
        size = GaugeMetricFamily(
            "neurona_model_bytes", "Memory of a loaded version", labels=("model", "version")
        )
        for (name, number), count in self._cache.loaded().items():
            size.add_metric((name, str(number)), count)
        yield size
        failures = GaugeMetricFamily(
            "neurona_model_load_failed", "Whether a load fails now", labels=("reference",)
        )
        for reference in self._cache.failures():
            failures.add_metric((reference,), 1)
        yield failures


class BuildMetrics:
    """What this server is made of."""

    def collect(self) -> Iterator[Metric]:
        """The family, always 1."""
        labels = {"version": version("neurona"), "python": python_version(), "numpy": version("numpy")}
        family = GaugeMetricFamily("neurona_build_info", "Releases that answer here", labels=tuple(labels))
        family.add_metric(tuple(labels.values()), 1)
        yield family
