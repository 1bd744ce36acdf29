"""The last texts that a version answered, against those that it was judged on.

A rolling window: what enters is added to a histogram and what leaves is taken off, so the sums over
several processes are the histogram of all their windows.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..monitoring.drift import MIN_TEXTS, drift, estimate_accuracy
from ..monitoring.reference import FEATURES, Feature, Histogram, Reference, read_reference
from .metrics import Values, label_text

logger = logging.getLogger(__name__)

#: A model's reference may be written a little after the model.
_LOOK_SECONDS = 5.0


class DriftWindow:
    """The last answers of one version; a version without a reference has none.

    Every method may be called from any thread.

    Args:
        model_name: The model's name.
        version: The version's number.
        path: Its folder, with its reference or without.
        labels: The names of its classes.
        size: Texts in the window, of each process.
        values: Where the histograms are kept.
    """

    def __init__(
        self,
        model_name: str,
        version: int,
        path: Path,
        labels: Sequence[str],
        size: int,
        values: Values,
    ) -> None:
        self.model_name = model_name
        self._version = version
        self._path = path
        self._labels = tuple(labels)
        self._size = size
        self._values = values
        self._lock = threading.Lock()
        self._features: dict[Feature, _Rolling] = {}
        self._reference: Reference | None = None
        self._next_look = 0.0
        self._notice = ""

    @property
    def reference(self) -> Reference | None:
        """What is compared with; looked for again now and then while there is none."""
        now = time.monotonic()
        if self._reference is None and self._labels and now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            self._look()
        return self._reference

    def add(self, values: Mapping[Feature, np.ndarray]) -> None:
        """Puts the values of some features, [N] each, into the window."""
        if self.reference is None:
            return
        with self._lock:
            changes = [
                change for name, new in values.items() for change in self._features[name].add(new)
            ]
            self._values.add(*changes)

    def close(self) -> None:
        """Empties the window."""
        with self._lock:
            self._values.add(
                *(change for each in self._features.values() for change in each.clear())
            )

    def counts(self, numbers: Mapping[str, float]) -> dict[Feature, Histogram]:
        """The histograms of the windows of all processes.

        Args:
            numbers: All that is kept.
        """
        with self._lock:
            return {name: each.histogram(numbers) for name, each in self._features.items()}

    def _look(self) -> None:
        try:
            found = read_reference(self._path)
        except ValueError as error:
            self._notify(f"cannot be read: {error}")
            return
        if found is None:
            return
        if found.labels != self._labels:
            self._notify("is one of another model, with other labels")
            return
        with self._lock:
            if self._reference is None:
                self._features = {
                    name: _Rolling(self._keys(name, each), each, self._size)
                    for name, each in found.features.items()
                }
                self._reference = found

    def _keys(self, name: Feature, histogram: Histogram) -> list[str]:
        prefix = [self.model_name, self._version, name]
        return [json.dumps([*prefix, part]) for part in range(len(histogram.counts))]

    def _notify(self, problem: str) -> None:
        """Logs a problem, once for as long as it holds."""
        if problem != self._notice:
            logger.warning(
                "The reference of version %d of model %s %s",
                self._version,
                self.model_name,
                problem,
            )
        self._notice = problem


class _Rolling:
    """The bins of the last values of one feature."""

    def __init__(self, keys: Sequence[str], bins: Histogram, size: int) -> None:
        self._keys = keys
        self._bins = bins
        self._size = size
        self._window: deque[int] = deque()

    def add(self, values: np.ndarray) -> list[tuple[str, float]]:
        """Puts values into the window; gives what that changes in the histogram."""
        changes: dict[int, int] = {}
        for entering in self._bins.bins(values).tolist():
            if len(self._window) == self._size:
                leaving = self._window.popleft()
                changes[leaving] = changes.get(leaving, 0) - 1
            self._window.append(entering)
            changes[entering] = changes.get(entering, 0) + 1
        return [(self._keys[part], change) for part, change in changes.items() if change]

    def clear(self) -> list[tuple[str, float]]:
        """Empties the window; gives what that changes in the histogram."""
        left = np.bincount(np.array(self._window, dtype=int), minlength=len(self._keys))
        self._window.clear()
        return [(key, -count) for key, count in zip(self._keys, left.tolist(), strict=True)]

    def histogram(self, numbers: Mapping[str, float]) -> Histogram:
        """The numbers of these bins."""
        # Read while another process changes them, a bin can seem to hold less than nothing.
        counts = tuple(max(0, int(numbers.get(key, 0))) for key in self._keys)
        return Histogram(bounds=self._bins.bounds, counts=counts)


def drift_lines(windows: Iterable[DriftWindow], values: Values) -> Iterator[str]:
    """What the windows tell, in Prometheus' text format.

    Args:
        windows: One for each model.
        values: Where their histograms are kept.
    """
    known = [(each, each.reference) for each in windows]
    numbers = values.items() if any(reference for _, reference in known) else {}
    found: dict[str, list[str]] = {name: [] for name in _METRICS}
    for window, reference in known:
        if reference is not None:
            for name, labels, value in _figures(reference, window.counts(numbers)):
                text = label_text(model_name=window.model_name, **labels)
                found[name].append(f"{name}{{{text}}} {value:.6g}")
    for name, lines in found.items():
        yield f"# TYPE {name} gauge"
        yield from lines


_METRICS = (
    "emotion_drift_texts",
    "emotion_drift_distance",
    "emotion_estimated_accuracy",
    "emotion_reference_accuracy",
)


def _figures(
    reference: Reference, window: Mapping[Feature, Histogram]
) -> Iterator[tuple[str, dict[str, str], float]]:
    """Name, labels and value of all that one model's window tells."""
    counts = {name: window[name].counts for name in FEATURES}
    yield "emotion_drift_texts", {}, sum(counts["label"])
    for name in FEATURES:
        if sum(counts[name]) >= MIN_TEXTS:
            value = drift(reference.features[name].counts, counts[name])
            yield "emotion_drift_distance", {"feature": name}, value
    if sum(counts["confidence"]) >= MIN_TEXTS:
        estimate = estimate_accuracy(reference, counts["confidence"])
        yield "emotion_estimated_accuracy", {}, estimate.accuracy
    yield "emotion_reference_accuracy", {}, reference.accuracy
