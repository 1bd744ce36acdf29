"""Counters and histograms under TensorFlow Serving's names, and their Prometheus text.

The usual client library cannot write these: it appends ``_total`` to every counter, and
dashboards made for TensorFlow Serving ask for the bare names. All times are in microseconds.
Source: ``util/prometheus_exporter.cc`` and ``servables/tensorflow/util.cc`` of tensorflow/serving,
``core/common_runtime/metrics.cc`` of tensorflow/tensorflow.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import accumulate


class Counter:
    """A value per combination of labels that only grows.

    Args:
        name: Full metric name.
        labels: Names of the labels, in the order in which values are given.
    """

    def __init__(self, name: str, labels: Sequence[str] = ()) -> None:
        self._name = name
        self._labels = labels
        self._lock = threading.Lock()
        self._values: dict[tuple[str, ...], int] = {} if labels else {(): 0}

    def add(self, *label_values: str, amount: int = 1) -> None:
        """Adds ``amount`` under these label values."""
        with self._lock:
            self._values[label_values] = self._values.get(label_values, 0) + amount

    def lines(self) -> Iterator[str]:
        """The metric in Prometheus' text format."""
        yield f"# TYPE {self._name} counter"
        with self._lock:
            values = dict(self._values)
        for label_values, value in values.items():
            yield f"{self._name}{{{_label_text(self._labels, label_values)}}} {value}"


class Histogram:
    """A distribution per combination of labels, over fixed buckets.

    Args:
        name: Full metric name.
        labels: Names of the labels, in the order in which values are given.
        bounds: Inclusive upper bounds of the buckets, rising; ``+Inf`` is added.
    """

    def __init__(self, name: str, labels: Sequence[str], bounds: Sequence[float]) -> None:
        self._name = name
        self._labels = labels
        self._bounds = bounds
        self._bound_texts = [*(f"{bound:.6g}" for bound in bounds), "+Inf"]
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, ...], list[int]] = {}
        self._sums: dict[tuple[str, ...], float] = {}

    def observe(self, value: float, *label_values: str) -> None:
        """Adds one value under these label values."""
        bucket = bisect_left(self._bounds, value)
        with self._lock:
            counts = self._counts.get(label_values)
            if counts is None:
                counts = self._counts[label_values] = [0] * len(self._bound_texts)
                self._sums[label_values] = 0.0
            counts[bucket] += 1
            self._sums[label_values] += value

    def lines(self) -> Iterator[str]:
        """The metric in Prometheus' text format."""
        yield f"# TYPE {self._name} histogram"
        with self._lock:
            cells = [(key, list(counts), self._sums[key]) for key, counts in self._counts.items()]
        for label_values, counts, total in cells:
            labels = _label_text(self._labels, label_values)
            prefix = f"{labels}," if labels else ""
            running = list(accumulate(counts))
            for bound, count in zip(self._bound_texts, running, strict=True):
                yield f'{self._name}_bucket{{{prefix}le="{bound}"}} {count}'
            yield f"{self._name}_sum{{{labels}}} {total:.17g}"
            yield f"{self._name}_count{{{labels}}} {running[-1]}"


class ServingMetrics:
    """Everything the server counts; safe to use from any thread."""

    def __init__(self) -> None:
        latency = exponential_bounds(10, 1.8, 33)
        self.request_count = Counter(":tensorflow:serving:request_count", ("model_name", "status"))
        self.request_latency = Histogram(
            ":tensorflow:serving:request_latency", ("model_name", "API", "entrypoint"), latency
        )
        self.runtime_latency = Histogram(
            ":tensorflow:serving:runtime_latency", ("model_name", "API", "runtime"), latency
        )
        self.queuing_latency = Histogram(
            ":tensorflow:serving:batching_session:queuing_latency",
            ("thread_pool_name",),
            exponential_bounds(100, 1.2, 52),
        )
        self.graph_runs = Counter(":tensorflow:core:graph_runs")
        self.graph_run_time = Counter(":tensorflow:core:graph_run_time_usecs")
        self.graph_run_time_histogram = Histogram(
            ":tensorflow:core:graph_run_time_usecs_histogram",
            (),
            exponential_bounds(1000, 2, 20),
        )
        self.load_attempt_count = Counter(
            ":tensorflow:cc:saved_model:load_attempt_count", ("model_path", "status")
        )
        self.load_latency = Counter(":tensorflow:cc:saved_model:load_latency", ("model_path",))

    def graph_run(self, microseconds: int) -> None:
        """Counts one run of a model's graph."""
        self.graph_runs.add()
        self.graph_run_time.add(amount=microseconds)
        self.graph_run_time_histogram.observe(microseconds)

    def text(self) -> str:
        """All metrics in Prometheus' text format, version 0.0.4."""
        lines = [line for metric in vars(self).values() for line in metric.lines()]
        return "\n".join(lines) + "\n"


def exponential_bounds(scale: float, growth: float, count: int) -> list[float]:
    """The bounds ``scale * growth ** i`` for ``i`` below ``count``."""
    return [scale * growth**i for i in range(count)]


def _label_text(names: Sequence[str], values: Sequence[str]) -> str:
    return ",".join(f'{name}="{_escape(value)}"' for name, value in zip(names, values, strict=True))


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
