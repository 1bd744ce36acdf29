"""Probabilities that mean what they say, and the rule for being unsure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

#: The share of the validation texts, the least certain ones, that the rule calls uncertain.
UNCERTAIN_SHARE = 0.1


@dataclass(frozen=True)
class Calibration:
    """How logits become probabilities, and which answers are uncertain.

    Attributes:
        temperature: Logits are divided by it before the softmax.
        uncertain_below: Answers of less confidence than this are marked as uncertain.
    """

    temperature: float = 1.0
    uncertain_below: float = 0.0


def probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
    """Float [N, 6] logits to float [N, 6] probabilities."""
    from scipy.special import softmax

    return softmax(logits.astype(np.float64) / temperature, axis=1)


def calibrate(logits: np.ndarray, labels: np.ndarray) -> Calibration:
    """Fits the temperature by likelihood, and the threshold, on validation texts.

    The threshold is the confidence that :data:`UNCERTAIN_SHARE` of the texts do not reach.

    Source: Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, ICML 2017.

    Args:
        logits: float [N, 6].
        labels: int [N].
    """
    from scipy.optimize import minimize_scalar

    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        given = probabilities(logits, float(np.exp(log_temperature)))[rows, labels]
        return float(-np.log(np.maximum(given, 1e-12)).mean())

    fitted = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    temperature = float(np.exp(fitted.x))
    confidence = probabilities(logits, temperature).max(axis=1)
    return Calibration(temperature, float(np.quantile(confidence, UNCERTAIN_SHARE)))
