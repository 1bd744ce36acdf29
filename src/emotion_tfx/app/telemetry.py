"""What the server tells of itself: from its own metrics, or from a Prometheus that watches it."""

from __future__ import annotations

import itertools
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import numpy as np
import pandas as pd
from prometheus_client.parser import text_string_to_metric_families

from emotion_tfx.labels import LABELS

_SERVING, _CORE = ":tensorflow:serving", ":tensorflow:core"
_DRIFT = "emotion_drift_distance"

Labels = frozenset[tuple[str, str]]


class TelemetryError(Exception):
    """The metrics cannot be read; the message says why, in English."""


@dataclass(frozen=True)
class Histogram:
    """Counts by upper bound.

    Attributes:
        bounds: The upper bounds, rising, the last one infinite.
        counts: How many values lie at or below each bound.
        total: The sum of all values.
    """

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    total: float

    @property
    def count(self) -> float:
        """How many values there are."""
        return self.counts[-1] if self.counts else 0.0

    @property
    def mean(self) -> float | None:
        """Of all values; None if there is none."""
        return self.total / self.count if self.count else None

    def quantile(self, share: float) -> float | None:
        """As Prometheus' ``histogram_quantile``: as if values were evenly spread in a bucket.

        None without values. A quantile beyond the last finite bound is given as that bound.
        """
        if not self.count:
            return None
        rank = share * self.count
        place = next(i for i, count in enumerate(self.counts) if count >= rank)
        if math.isinf(self.bounds[place]):
            return self.bounds[place - 1] if place else None
        lower = self.bounds[place - 1] if place else 0.0
        below = self.counts[place - 1] if place else 0.0
        width = self.counts[place] - below
        inside = (rank - below) / width if width else 1.0
        return lower + (self.bounds[place] - lower) * inside

    def buckets(self) -> Iterator[tuple[float, float, float]]:
        """Lower bound, upper bound and count of each bucket."""
        lower, below = 0.0, 0.0
        for bound, count in zip(self.bounds, self.counts, strict=True):
            yield lower, bound, count - below
            lower, below = bound, count


@dataclass(frozen=True)
class Snapshot:
    """All metrics of a server at one time.

    Attributes:
        taken_at: Seconds since 1970.
        samples: The values by name, without ``_total``, and labels.
    """

    taken_at: float
    samples: dict[str, dict[Labels, float]]

    @classmethod
    def parse(cls, text: str) -> Snapshot:
        """Reads Prometheus' text format.

        Raises:
            TelemetryError: It is none.
        """
        samples: defaultdict[str, dict[Labels, float]] = defaultdict(dict)
        try:
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    # The parser gives every counter OpenMetrics' ending, also where it has none.
                    name = sample.name.removesuffix("_total")
                    samples[name][frozenset(sample.labels.items())] = sample.value
        except (ValueError, KeyError, IndexError) as error:
            raise TelemetryError(f"The metrics cannot be read: {error}") from error
        return cls(time.time(), dict(samples))

    def total(self, name: str, **labels: str) -> float:
        """The sum of a metric's values over all labels but those given."""
        return sum(self._matching(name, labels).values())

    def by(self, name: str, label: str) -> dict[str, float]:
        """The sums of a metric's values by one label."""
        sums: defaultdict[str, float] = defaultdict(float)
        for labels, value in self.samples.get(name, {}).items():
            sums[dict(labels).get(label, "")] += value
        return dict(sums)

    def histogram(self, name: str, **labels: str) -> Histogram:
        """The sum of histograms of one name over all labels but those given."""
        counts = self._by_bound(f"{name}_bucket", labels)
        bounds = tuple(sorted(counts))
        return Histogram(
            bounds, tuple(counts[bound] for bound in bounds), self.total(f"{name}_sum", **labels)
        )

    def drift(self) -> Drift | None:
        """What is told of the last answers; None where no model has anything to compare with."""
        if "emotion_drift_texts" not in self.samples:
            return None
        distances: defaultdict[str, float] = defaultdict(float)
        for labels, value in self.samples.get(_DRIFT, {}).items():
            feature = dict(labels).get("feature", "")
            distances[feature] = max(distances[feature], value)
        return Drift(
            texts=self._least("emotion_drift_texts") or 0,
            distances=dict(distances),
            estimated=self._least("emotion_estimated_accuracy"),
            reference=self._least("emotion_reference_accuracy"),
        )

    def _least(self, name: str) -> float | None:
        return min(self.samples.get(name, {}).values(), default=None)

    def _by_bound(self, name: str, labels: dict[str, str]) -> dict[float, float]:
        counts: defaultdict[float, float] = defaultdict(float)
        for found, value in self._matching(name, labels).items():
            counts[float(dict(found)["le"])] += value
        return counts

    def _matching(self, name: str, labels: dict[str, str]) -> dict[Labels, float]:
        wanted = set(labels.items())
        return {
            found: value for found, value in self.samples.get(name, {}).items() if wanted <= found
        }


@dataclass(frozen=True)
class Drift:
    """The last answers against those that the model was judged on; of several models, the worst.

    Attributes:
        texts: How many answers.
        distances: How far each feature is from what it was, 0 to 1; empty for too few texts.
        estimated: The accuracy as far as it can be told without labels; None likewise.
        reference: That on the texts it was judged on.
    """

    texts: float
    distances: dict[str, float]
    estimated: float | None
    reference: float | None


@dataclass(frozen=True)
class Summary:
    """The figures of the monitoring page, since the server's start.

    Attributes:
        requests: How many, by their outcome; ``OK`` is the good one.
        latency: Of requests, microseconds.
        graph_runs: How many runs of a model's graph.
        graph_run_mean: How long one took, microseconds; None without a run.
        classes: How many texts were answered with each emotion, in label order.
        confidence: Of the answers.
        unsure_share: Share of texts of which the model was not sure; None without a text.
        unknown_share: Share of words that it did not know, in a sample; None without a word.
        text_characters: The lengths of the texts.
        model_age: Seconds since the serving model was saved; None if not told.
        drift: The last answers against those that the model was judged on; None if not told.
    """

    requests: dict[str, float]
    latency: Histogram
    graph_runs: float
    graph_run_mean: float | None
    classes: dict[str, float]
    confidence: Histogram
    unsure_share: float | None
    unknown_share: float | None
    text_characters: Histogram
    model_age: float | None
    drift: Drift | None


def summarise(snapshot: Snapshot) -> Summary:
    """The figures of one snapshot."""
    runs = snapshot.total(f"{_CORE}:graph_runs")
    classes = snapshot.by("emotion_predictions", "label")
    requests = snapshot.by(f"{_SERVING}:request_count", "status")
    ages = snapshot.samples.get("emotion_model_age_seconds", {}).values()
    return Summary(
        requests={status: count for status, count in requests.items() if count},
        latency=snapshot.histogram(f"{_SERVING}:request_latency"),
        graph_runs=runs,
        graph_run_mean=snapshot.total(f"{_CORE}:graph_run_time_usecs") / runs if runs else None,
        classes={label: classes.get(label, 0.0) for label in LABELS},
        confidence=snapshot.histogram("emotion_confidence"),
        unsure_share=_share(snapshot.by("emotion_judged_texts", "uncertain"), "true"),
        unknown_share=_share(snapshot.by("emotion_sampled_words", "known"), "false"),
        text_characters=snapshot.histogram("emotion_text_characters"),
        model_age=min(ages, default=None),
        drift=snapshot.drift(),
    )


def _share(counts: dict[str, float], which: str) -> float | None:
    total = sum(counts.values())
    return counts.get(which, 0.0) / total if total else None


@dataclass(frozen=True)
class Panel:
    """One chart over time.

    Attributes:
        name: The phrase key of its title.
        lines: What each line is called, and Prometheus' expression for it; a name that begins
            with ``{`` is that of a label, whose values are the lines.
    """

    name: str
    lines: tuple[tuple[str, str], ...]


def _rate(metric: str) -> str:
    return f'rate({{__name__="{metric}"}}[2m])'


def _latency(share: str) -> str:
    rate = _rate(f"{_SERVING}:request_latency_bucket")
    return f"histogram_quantile({share}, sum by (le) ({rate})) / 1000"


PANELS: tuple[Panel, ...] = (
    Panel(
        "monitoring.requests_per_second",
        (("{status}", f"sum by (status) ({_rate(f'{_SERVING}:request_count')})"),),
    ),
    Panel(
        "monitoring.latency",
        (("50 %", _latency("0.5")), ("95 %", _latency("0.95")), ("99 %", _latency("0.99"))),
    ),
    Panel(
        "monitoring.graph_runs_per_second",
        (("", f"sum({_rate(f'{_CORE}:graph_runs')})"),),
    ),
    Panel(
        "monitoring.run_time",
        (
            (
                "",
                f"sum({_rate(f'{_CORE}:graph_run_time_usecs')}) "
                f"/ sum({_rate(f'{_CORE}:graph_runs')}) / 1000",
            ),
        ),
    ),
    Panel(
        "monitoring.classes_over_time",
        (("{label}", f"sum by (label) ({_rate('emotion_predictions_total')})"),),
    ),
    Panel(
        "monitoring.confidence_over_time",
        (
            (
                "",
                f"sum({_rate('emotion_confidence_sum')}) "
                f"/ sum({_rate('emotion_confidence_count')})",
            ),
        ),
    ),
    Panel(
        "monitoring.drift",
        (("{feature}", f"max by (feature) ({_DRIFT})"),),
    ),
)


class Prometheus:
    """A Prometheus that watches the server.

    Args:
        address: With its scheme.
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip("/")
        self._http = httpx.Client(base_url=self.address, timeout=10.0, trust_env=False)

    def panel(self, panel: Panel, seconds: float) -> pd.DataFrame:
        """A panel's lines over the last so many seconds.

        Returns:
            A frame of ``time`` (UTC), ``line`` and ``value``; empty if nothing is known.

        Raises:
            TelemetryError: Prometheus does not answer.
        """
        parts = [self._line(name, expression, seconds) for name, expression in panel.lines]
        found = [part for part in parts if len(part)]
        return pd.concat(found, ignore_index=True) if found else _no_lines()

    def _line(self, name: str, expression: str, seconds: float) -> pd.DataFrame:
        end = time.time()
        step = max(1.0, seconds / 240)
        query: dict[str, str | float] = {
            "query": expression,
            "start": end - seconds,
            "end": end,
            "step": step,
        }
        try:
            response = self._http.get("/api/v1/query_range", params=query)
            results = response.raise_for_status().json()["data"]["result"]
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError) as error:
            raise TelemetryError(str(error)) from error
        frames = []
        for result in results:
            times, values = zip(*result["values"], strict=True)
            label = result["metric"].get(name[1:-1], "") if name.startswith("{") else name
            frame = pd.DataFrame(
                {
                    "time": pd.to_datetime(np.array(times, float), unit="s"),
                    "line": label,
                    "value": np.array(values, float),
                }
            )
            frames.append(frame[np.isfinite(frame["value"])])
        return pd.concat(frames, ignore_index=True) if frames else _no_lines()


def _no_lines() -> pd.DataFrame:
    return pd.DataFrame({"time": [], "line": [], "value": []})


def changes(history: list[Snapshot]) -> dict[str, pd.DataFrame]:
    """What happened between one look at the server and the next, for the same panels.

    Args:
        history: Snapshots, oldest first.

    Returns:
        A frame as of :meth:`Prometheus.panel` for each panel that can be told.
    """
    rows: defaultdict[str, list[tuple[pd.Timestamp, str, float]]] = defaultdict(list)
    for before, after in itertools.pairwise(history):
        seconds = after.taken_at - before.taken_at
        when = pd.Timestamp(after.taken_at, unit="s")
        old, new = summarise(before), summarise(after)
        if seconds <= 0 or new.graph_runs < old.graph_runs:
            continue  # The server was started anew in between.
        # A rate holds from one look to the next: two points, of which later ones share the first.
        ends = [when] if rows else [pd.Timestamp(before.taken_at, unit="s"), when]
        for end in ends:
            for status, count in new.requests.items():
                rate = (count - old.requests.get(status, 0.0)) / seconds
                rows["monitoring.requests_per_second"].append((end, status, rate))
            runs = new.graph_runs - old.graph_runs
            rows["monitoring.graph_runs_per_second"].append((end, "", runs / seconds))
            for label, count in new.classes.items():
                rate = (count - old.classes[label]) / seconds
                rows["monitoring.classes_over_time"].append((end, label, rate))
    return {
        name: pd.DataFrame(found, columns=["time", "line", "value"]) for name, found in rows.items()
    }
