"""Counters and histograms under TensorFlow Serving's names, and their Prometheus text.

The usual client library cannot write these: it appends ``_total`` to every counter, and
dashboards made for TensorFlow Serving ask for the bare names. All times are in microseconds.
What TensorFlow Serving does not tell, as it knows nothing of texts, begins with ``emotion_``.
Source: ``util/prometheus_exporter.cc`` and ``servables/tensorflow/util.cc`` of tensorflow/serving,
``core/common_runtime/metrics.cc`` of tensorflow/tensorflow.
"""

from __future__ import annotations

import json
import os
import threading
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from prometheus_client.mmap_dict import MmapedDict

#: Metric to label values to part to number.
_Numbers = dict[str, dict[tuple[str, ...], dict[str, float]]]


class Values(Protocol):
    """Where numbers are kept, each under a key; safe to use from any thread."""

    def add(self, *amounts: tuple[str, float]) -> None:
        """Adds to the numbers under these keys."""
        ...

    def items(self) -> dict[str, float]:
        """All numbers by key, in the order in which they were first added to."""
        ...


class OwnValues:
    """Numbers of this process alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, float] = {}

    def add(self, *amounts: tuple[str, float]) -> None:
        """See :class:`Values`."""
        with self._lock:
            for key, amount in amounts:
                self._values[key] = self._values.get(key, 0) + amount

    def items(self) -> dict[str, float]:
        """See :class:`Values`."""
        with self._lock:
            return dict(self._values)


class SharedValues:
    """Numbers that several processes add to, each in a file of its own in one folder.

    What a process has counted stays when it ends, however it ends.

    Args:
        folder: A folder for these files only.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._own = MmapedDict(str(folder / f"{os.getpid()}.db"))

    def add(self, *amounts: tuple[str, float]) -> None:
        """See :class:`Values`."""
        with self._lock:
            for key, amount in amounts:
                value, _ = self._own.read_value(key)
                self._own.write_value(key, value + amount, 0.0)

    def items(self) -> dict[str, float]:
        """See :class:`Values`; the sums over all processes."""
        sums: dict[str, float] = {}
        for file in sorted(self._folder.glob("*.db")):
            try:
                values = list(MmapedDict.read_all_values_from_file(str(file)))
            except FileNotFoundError:  # Forgotten since it was listed.
                continue
            for key, value, _, _ in values:
                sums[key] = sums.get(key, 0) + value
        return sums


def forget(folder: Path, pid: int) -> None:
    """Removes what a process that has ended counted into :class:`SharedValues`."""
    (folder / f"{pid}.db").unlink(missing_ok=True)


class _Metric(ABC):
    """What counters and histograms have in common: keys for their numbers."""

    def __init__(self, name: str, labels: Sequence[str], values: Values | None) -> None:
        self._name = name
        self._labels = labels
        self._values: Values = values or OwnValues()
        self._keys: dict[tuple[str, ...], list[str]] = {}

    def _keys_of(self, label_values: tuple[str, ...], parts: Sequence[str]) -> list[str]:
        keys = self._keys.get(label_values)
        if keys is None:
            keys = [json.dumps([self._name, part, *label_values]) for part in parts]
            self._keys[label_values] = keys
        return keys

    def _label_text(self, label_values: tuple[str, ...]) -> str:
        return label_text(**dict(zip(self._labels, label_values, strict=True)))

    @abstractmethod
    def lines(self, numbers: _Numbers | None = None) -> Iterator[str]:
        """The metric in Prometheus' text format.

        Args:
            numbers: All numbers, if they have been read already.
        """

    def _read(self, numbers: _Numbers | None) -> dict[tuple[str, ...], dict[str, float]]:
        """The numbers of each part, by label values."""
        return (_by_name(self._values) if numbers is None else numbers).get(self._name, {})


@lru_cache(maxsize=100_000)
def _parsed(key: str) -> tuple[str, str, tuple[str, ...]]:
    """The metric, the part and the label values of a key."""
    name, part, *label_values = json.loads(key)
    return name, part, tuple(label_values)


def _by_name(values: Values) -> _Numbers:
    found: _Numbers = {}
    for key, value in values.items().items():
        name, part, label_values = _parsed(key)
        found.setdefault(name, {}).setdefault(label_values, {})[part] = value
    return found


class Counter(_Metric):
    """A value per combination of labels that only grows.

    Args:
        name: Full metric name.
        labels: Names of the labels, in the order in which values are given.
        values: Where the numbers are kept.
    """

    def __init__(self, name: str, labels: Sequence[str] = (), values: Values | None = None) -> None:
        super().__init__(name, labels, values)
        if not labels:
            self.add(amount=0)

    def add(self, *label_values: str, amount: float = 1) -> None:
        """Adds ``amount`` under these label values."""
        (key,) = self._keys_of(label_values, [""])
        self._values.add((key, amount))

    def lines(self, numbers: _Numbers | None = None) -> Iterator[str]:
        """See :class:`_Metric`."""
        yield f"# TYPE {self._name} counter"
        for label_values, parts in self._read(numbers).items():
            yield f"{self._name}{{{self._label_text(label_values)}}} {parts['']:.17g}"


class Histogram(_Metric):
    """A distribution per combination of labels, over fixed buckets.

    Args:
        name: Full metric name.
        labels: Names of the labels, in the order in which values are given.
        bounds: Inclusive upper bounds of the buckets, rising; ``+Inf`` is added.
        values: Where the numbers are kept.
    """

    def __init__(
        self,
        name: str,
        labels: Sequence[str],
        bounds: Sequence[float],
        values: Values | None = None,
    ) -> None:
        super().__init__(name, labels, values)
        self._bounds = bounds
        self._bound_texts = [*(f"{bound:.6g}" for bound in bounds), "+Inf"]
        self._parts = [*self._bound_texts, "sum"]

    def observe(self, value: float, *label_values: str, times: int = 1) -> None:
        """Adds one value under these label values, or the same several times."""
        keys = self._keys_of(label_values, self._parts)
        bucket = keys[bisect_left(self._bounds, value)]
        self._values.add((bucket, times), (keys[-1], value * times))

    def observe_all(self, values: Sequence[float], *label_values: str) -> None:
        """Adds values under these label values."""
        keys = self._keys_of(label_values, self._parts)
        counts: dict[str, int] = {}
        for value in values:
            key = keys[bisect_left(self._bounds, value)]
            counts[key] = counts.get(key, 0) + 1
        self._values.add(*counts.items(), (keys[-1], sum(values)))

    def lines(self, numbers: _Numbers | None = None) -> Iterator[str]:
        """See :class:`_Metric`."""
        yield f"# TYPE {self._name} histogram"
        for label_values, parts in self._read(numbers).items():
            labels = self._label_text(label_values)
            prefix = f"{labels}," if labels else ""
            running = list(accumulate(parts.get(bound, 0) for bound in self._bound_texts))
            for bound, count in zip(self._bound_texts, running, strict=True):
                yield f'{self._name}_bucket{{{prefix}le="{bound}"}} {count:.17g}'
            yield f"{self._name}_sum{{{labels}}} {parts.get('sum', 0):.17g}"
            yield f"{self._name}_count{{{labels}}} {running[-1]:.17g}"


class ServingMetrics:
    """Everything the server counts; safe to use from any thread.

    Args:
        values: Where the numbers are kept; of this process alone unless given.
        windows: Likewise, for numbers that also fall: what :mod:`.drift` counts.

    Attributes:
        windows: Where those are.
    """

    def __init__(self, values: Values | None = None, windows: Values | None = None) -> None:
        self._values = values or OwnValues()
        self.windows = windows or OwnValues()
        latency = exponential_bounds(10, 1.8, 33)
        served = ("model_name", "API")
        serving, core = ":tensorflow:serving", ":tensorflow:core"
        saved_model = ":tensorflow:cc:saved_model"
        self.request_count = self._counter(f"{serving}:request_count", "model_name", "status")
        self.request_latency = self._histogram(
            f"{serving}:request_latency", latency, *served, "entrypoint"
        )
        self.runtime_latency = self._histogram(
            f"{serving}:runtime_latency", latency, *served, "runtime"
        )
        self.queuing_latency = self._histogram(
            f"{serving}:batching_session:queuing_latency",
            exponential_bounds(100, 1.2, 52),
            "thread_pool_name",
        )
        self.graph_runs = self._counter(f"{core}:graph_runs")
        self.graph_run_time = self._counter(f"{core}:graph_run_time_usecs")
        self.graph_run_time_histogram = self._histogram(
            f"{core}:graph_run_time_usecs_histogram", exponential_bounds(1000, 2, 20)
        )
        self.load_attempt_count = self._counter(
            f"{saved_model}:load_attempt_count", "model_path", "status"
        )
        self.load_latency = self._counter(f"{saved_model}:load_latency", "model_path")
        self.refused = self._counter("emotion_refused_requests_total", "status")
        self.refused.add("503", amount=0)
        self.classes = self._counter("emotion_predictions_total", "model_name", "label")
        self.confidence = self._histogram(
            "emotion_confidence", [tenth / 10 for tenth in range(1, 10)], "model_name"
        )
        self.judged = self._counter("emotion_judged_texts_total", "model_name", "uncertain")
        self.sampled_words = self._counter("emotion_sampled_words_total", "model_name", "known")
        self.text_characters = self._histogram(
            "emotion_text_characters", exponential_bounds(8, 2, 11), "model_name"
        )

    def _counter(self, name: str, *labels: str) -> Counter:
        return Counter(name, labels, self._values)

    def _histogram(self, name: str, bounds: Sequence[float], *labels: str) -> Histogram:
        return Histogram(name, labels, bounds, self._values)

    def expect_calls(self, model_name: str) -> None:
        """Counts a model's successes and the server's likeliest faults from 0 on.

        Prometheus sees no growth in what was not there before: of faults that all come at once
        it would see none.
        """
        for status in ("OK", "INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED"):
            self.request_count.add(model_name, status, amount=0)

    def expect_texts(self, model_name: str, labels: Sequence[str]) -> None:
        """Counts what a classifier of texts may answer from 0 on, for the same reason."""
        for label in labels:
            self.classes.add(model_name, label, amount=0)
        for answer in ("true", "false"):
            self.judged.add(model_name, answer, amount=0)
            self.sampled_words.add(model_name, answer, amount=0)

    def graph_run(self, microseconds: int) -> None:
        """Counts one run of a model's graph."""
        self.graph_runs.add()
        self.graph_run_time.add(amount=microseconds)
        self.graph_run_time_histogram.observe(microseconds)

    def text(self) -> str:
        """All metrics in Prometheus' text format, version 0.0.4."""
        metrics = [metric for metric in vars(self).values() if isinstance(metric, _Metric)]
        numbers = _by_name(self._values)
        lines = [line for metric in metrics for line in metric.lines(numbers)]
        return "\n".join(lines) + "\n"


def exponential_bounds(scale: float, growth: float, count: int) -> list[float]:
    """The bounds ``scale * growth ** i`` for ``i`` below ``count``."""
    return [scale * growth**i for i in range(count)]


def label_text(**labels: str) -> str:
    """Labels as Prometheus' text format has them."""
    return ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items())


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
