"""Predictions made up for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from emotion_tfx.evaluation import (
    EvaluatedRun,
    Predictions,
    Reasons,
    check_gates,
    compute_metrics,
)
from emotion_tfx.evaluation.behaviour import Behaviour, Case, Outcome
from emotion_tfx.labels import LABELS


def answers(
    labels: Sequence[int],
    predicted: Sequence[int],
    confidence: Sequence[float] | None = None,
    *,
    texts: Sequence[str] | None = None,
    sources: Sequence[str] | None = None,
    uncertain: Sequence[bool] | None = None,
) -> Predictions:
    """Return predictions with these classes; what the confidence leaves is shared by the others."""
    n = len(labels)
    top = np.full(n, 0.9) if confidence is None else np.array(confidence, dtype=float)
    probabilities = np.repeat((1 - top)[:, None] / (len(LABELS) - 1), len(LABELS), axis=1)
    probabilities[np.arange(n), np.array(predicted, dtype=int)] = top
    return Predictions(
        texts=texts or [f"text number {row}" for row in range(n)],
        labels=np.array(labels, dtype=int),
        probabilities=probabilities,
        uncertain=np.zeros(n, dtype=bool) if uncertain is None else np.array(uncertain),
        sources=sources or ["made up"] * n,
    )


def many_answers(n: int = 600, seed: int = 7) -> Predictions:
    """Return predictions that are right in most rows and surer where they are right."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(LABELS), n)
    scores = rng.normal(0, 1, (n, len(LABELS)))
    scores[np.arange(n), labels] += 2.5
    odds = np.exp(scores)
    probabilities = odds / odds.sum(axis=1, keepdims=True)
    words = [
        "i",
        "feel",
        "felt",
        "not",
        "never",
        "happy",
        "today",
        "here",
        "you",
        ":)",
        "at",
        "all",
    ]
    texts = [" ".join(rng.choice(words, rng.integers(1, 50))) + f" {row}" for row in range(n)]
    return Predictions(
        texts=texts,
        labels=labels,
        probabilities=probabilities,
        uncertain=probabilities.max(axis=1) < 0.5,
        sources=["diary" if row % 3 else "chat" for row in range(n)],
    )


def example_behaviour(*, perfect: bool = False) -> Behaviour:
    """Return what a model did with three cases, of which one may fail."""
    changed = Case("negation", "i | am glad <3", "i am not glad <3", "less joy by 0.2")
    return Behaviour(
        (
            Outcome(Case("emoji", "😢", None, "sadness"), True, "sadness 0.91"),
            Outcome(changed, perfect, "joy 0.95 → 0.94"),
            Outcome(Case("negation", "not sad", None, "not sadness"), True, "joy 0.50"),
        )
    )


def example_run(predictions: Predictions | None = None, **changes: object) -> EvaluatedRun:
    """Return a run in which everything is known."""
    rows = many_answers() if predictions is None else predictions
    metrics = compute_metrics(rows)
    counts = dict(zip(LABELS, (4000, 5000, 1300, 2100, 1900, 570), strict=True))
    run = EvaluatedRun(
        predictions=rows,
        verdict=check_gates(metrics, metrics, min_accuracy=0.5),
        history=[
            {"epoch": 1, "loss": 1.4, "accuracy": 0.6, "val_loss": 1.2, "val_accuracy": 0.7},
            {"epoch": 2, "loss": 0.6, "accuracy": 0.8, "val_loss": 0.7, "val_macro_f1": 0.75},
        ],
        facts={
            "model version": 3,
            "model licence": "apache-2.0",
            "corpus": "Diaries | Chats",
            "corpus source": "our own pens",
            "corpus licence": "CC0",
            "hyperparameters": {"units": 96, "rate": 0.002},
        },
        data_report={
            "corpus": "Diaries | Chats",
            "is_sample": False,
            "files": [{"path": "/home/me/diaries.csv", "rows": 15870}],
            "labels": {"train": counts, "test": counts},
            "sources": {"train": {"diary": 15000, "chat": 870}, "test": {"diary": 15870}},
        },
        baseline=metrics,
        behaviour=example_behaviour(),
        reasons=Reasons(texts=540, faithful=0.963, first=0.412, random=0.027),
    )
    return replace(run, **changes)
