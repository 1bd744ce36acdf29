"""Answers of an imagined model that is right exactly as often as it says."""

from __future__ import annotations

import numpy as np

from emotion_tfx.labels import LABELS
from emotion_tfx.monitoring.reference import Observed, Reference


def answers(texts: int, seed: int = 0) -> tuple[Observed, np.ndarray]:
    """Answers, and whether each is right."""
    random = np.random.default_rng(seed)
    confidence = 1 - 0.7 * random.beta(0.5, 3, texts)
    length = random.poisson(14, texts) + 1
    observed = Observed(
        predicted=random.integers(0, len(LABELS), texts),
        confidence=confidence,
        length=length,
        unknown_words=random.binomial(length, 0.02) / length,
    )
    return observed, random.random(texts) < confidence


def reference(texts: int, seed: int = 0) -> Reference:
    return Reference.make(*answers(texts, seed), LABELS, "an imagined test")
