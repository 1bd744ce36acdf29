"""One evaluated run: all that the report and the model card are made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from emotion_tfx.evaluation.behaviour import Behaviour
from emotion_tfx.evaluation.gates import Verdict
from emotion_tfx.evaluation.metrics import Metrics, Predictions, compute_metrics
from emotion_tfx.evaluation.reasons import Reasons
from emotion_tfx.evaluation.slices import SliceMetrics, slice_metrics
from emotion_tfx.labels import LABELS


@dataclass(frozen=True, eq=False)
class EvaluatedRun:
    """A model's predictions on labelled texts, with what is known about its making.

    Attributes:
        predictions: What the model said about the test texts.
        verdict: The gate's decision about it.
        history: One entry an epoch, with any of ``epoch``, ``loss``, ``accuracy``, ``val_loss``,
            ``val_accuracy`` and ``val_macro_f1``; empty where the training is not known.
        facts: Further rows for the summary, by name; nested mappings are told part by part. The
            model card looks for ``model version``, ``model licence``, ``corpus``,
            ``corpus source`` and ``corpus licence``.
        data_report: The ``report.json`` beside the prepared data. ``labels`` and ``sources`` (rows
            per split and label or source) become tables, anything else a list.
        baseline: The figures of the model in service on the same texts, if there is one.
        behaviour: What the model did with the written cases, if it was asked.
        reasons: Whether the words that it names decide, if it was asked.
    """

    predictions: Predictions
    verdict: Verdict
    history: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    data_report: Mapping[str, Any] = field(default_factory=dict)
    baseline: Metrics | None = None
    behaviour: Behaviour | None = None
    reasons: Reasons | None = None

    @cached_property
    def metrics(self) -> Metrics:
        """The figures of the predictions."""
        return compute_metrics(self.predictions)

    @cached_property
    def slices(self) -> list[SliceMetrics]:
        """The figures by kind of text."""
        return slice_metrics(self.predictions)

    @property
    def label_counts(self) -> dict[str, dict[str, int]]:
        """The rows of each label in each split of the data; empty if the report has none."""
        return {
            split: {label: counts.get(label, 0) for label in LABELS}
            for split, counts in self.data_report.get("labels", {}).items()
        }

    @property
    def source_counts(self) -> dict[str, dict[str, int]]:
        """The rows of each source in each split of the data; empty if the report has none."""
        return {
            split: dict(counts) for split, counts in self.data_report.get("sources", {}).items()
        }


@dataclass(frozen=True)
class Mistake:
    """A text whose predicted class is not the true one."""

    text: str
    label: str
    predicted: str
    confidence: float


@dataclass(frozen=True)
class Confusion:
    """How often one class is taken for another: a count, and its share of the true class."""

    label: str
    predicted: str
    count: int
    share: float


def most_confident_mistakes(predictions: Predictions, limit: int = 25) -> list[Mistake]:
    """Return the mistakes the model was surest of, the surest first."""
    confidence, predicted = predictions.confidence, predictions.predicted
    wrong = np.flatnonzero(~predictions.correct)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:limit]
    return [
        Mistake(
            predictions.texts[row],
            LABELS[predictions.labels[row]],
            LABELS[predicted[row]],
            float(confidence[row]),
        )
        for row in surest
    ]


def frequent_confusions(metrics: Metrics, limit: int = 3) -> list[Confusion]:
    """Return the pairs of classes most often taken one for the other, by share of the true one."""
    pairs = [
        Confusion(true.label, predicted, count, count / true.support)
        for true, counts in zip(metrics.classes, metrics.confusion, strict=True)
        for predicted, count in zip(LABELS, counts, strict=True)
        if count and predicted != true.label
    ]
    return sorted(pairs, key=lambda pair: pair.share, reverse=True)[:limit]


def flatten(facts: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """Yield each leaf of nested mappings and lists with the way to it, as words."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            for inner, leaf in flatten(value):
                yield f"{name} / {inner}".replace("_", " "), leaf
        elif isinstance(value, list | tuple) and any(isinstance(part, Mapping) for part in value):
            numbered = {str(number): part for number, part in enumerate(value, 1)}
            yield from flatten({name: numbered})
        else:
            yield str(name).replace("_", " "), _in_words(value)


def _in_words(value: object) -> str:
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(_in_words(part) for part in value)
    return str(value)
