"""How far answers in service lie from those the model was judged on, without any labels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .reference import Reference

#: With fewer texts, chance alone may look like drift: nothing is told.
MIN_TEXTS = 500
#: From this distance on, texts or answers are others than the model was judged on.
DRIFT_FROM = 0.1

#: Standard errors to each side of an estimate that hold 95 % of cases.
_WIDTH = 1.96


@dataclass(frozen=True)
class Estimate:
    """An accuracy without labels.

    Attributes:
        accuracy: The estimate.
        margin: It is right within this much in 95 of 100 cases, as far as answers of a given
            confidence are right as often as they were on the reference.
    """

    accuracy: float
    margin: float


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    """The Jensen-Shannon distance between two distributions over the same bins, to base 2.

    The square root of the divergence (Lin, "Divergence Measures Based on the Shannon Entropy",
    1991); a metric (Endres, Schindelin, 2003).

    Args:
        one: Counts or shares, none below 0 and not all 0.
        other: The same of the other, as many.

    Returns:
        0 for equal distributions, 1 for those that have no bin in common.
    """
    return math.sqrt(_divergence(_shares(one), _shares(other)))


def drift(reference: Sequence[int], current: Sequence[int]) -> float:
    """The distance between two samples, beyond what chance gives to samples of one distribution.

    Two samples of the same distribution, of n and m texts over k bins, have a divergence of
    (k - 1) (1/n + 1/m) / (8 ln 2) bits on average, to second order (after Grosse et al., "Analysis
    of Symbolic Sequences using the Jensen-Shannon Divergence", 2002). That much is taken off, so
    that the figure means the same whatever the number of texts.

    Args:
        reference: Texts in each bin, not all 0.
        current: The same of the other sample.

    Returns:
        0 to 1.
    """
    n, m = sum(reference), sum(current)
    bins = sum(a + b > 0 for a, b in zip(reference, current, strict=True))
    by_chance = (bins - 1) * (1 / n + 1 / m) / (8 * math.log(2))
    divergence = _divergence(_shares(reference), _shares(current))
    return math.sqrt(max(0.0, divergence - by_chance))


def estimate_accuracy(reference: Reference, confidence: Sequence[int]) -> Estimate:
    """The accuracy that answers of such confidence have, if they are right as often as before.

    The mean of the calibrated confidence: confidence-based performance estimation, as NannyML
    names it (https://nannyml.readthedocs.io, "How it works: Estimation of performance"). It sees
    other kinds of texts by the doubt that they cause, and cannot see answers that are as sure as
    before but wrong.

    Args:
        reference: Of the model.
        confidence: Texts in each of the reference's bins of confidence, not all 0.
    """
    right = np.array(reference.accuracy_by_confidence)
    shares, texts = _shares(confidence), sum(confidence)
    seen = np.maximum(reference.features["confidence"].counts, 1)
    variance = right * (1 - right)
    error = (shares * variance).sum() / texts + (shares**2 * variance / seen).sum()
    return Estimate(float((shares * right).sum()), float(_WIDTH * math.sqrt(error)))


def _shares(counts: Sequence[float]) -> NDArray[np.float64]:
    values = np.asarray(counts, dtype=np.float64)
    return values / values.sum()


def _divergence(p: NDArray[np.float64], q: NDArray[np.float64]) -> float:
    """In bits, 0 to 1."""
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.array([np.where(each > 0, each * np.log2(each / middle), 0) for each in (p, q)])
    return min(1.0, max(0.0, float(terms.sum()) / 2))
