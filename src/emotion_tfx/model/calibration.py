"""Probabilities that mean what they say, and the rule for being unsure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from emotion_tfx.data.prepare import MAIN_DOMAIN

#: The share of the validation texts, the least certain ones, that the rule calls uncertain.
UNCERTAIN_SHARE = 0.1
#: Fewer texts than this fit a temperature and no more.
MIN_TEXTS = 1_000

#: The lead of the first class over the second at which the temperature may bend.
_BENDS = (1.0, 2.0, 3.0, 4.0)
#: Of the squares of the slopes, chosen by how well those fitted on some domains serve another.
_PENALTY = 1e-2
_FARTHEST = 3.0
_LEAST, _RULED_OUT = 1e-9, -1e4


@dataclass(frozen=True)
class Calibration:
    """How logits become probabilities, and which answers are uncertain.

    Attributes:
        temperature: Logits are divided by it before the softmax.
        slopes: How its logarithm falls with what :func:`describe` tells of a text's logits; none
            where there were too few texts to tell.
        uncertain_below: Answers of less confidence than this are marked as uncertain.
    """

    temperature: float = 1.0
    slopes: tuple[float, ...] = ()
    uncertain_below: float = 0.0


def describe(logits: tf.Tensor) -> tf.Tensor:
    """What a text's temperature depends on.

    The network is surer of the texts of its corpus than of others, and of some classes than of
    others; so its logits themselves tell how far to believe them, and how far the first of them is
    ahead of the second tells most.

    Args:
        logits: float [N, 6].

    Returns:
        float [N, 12].
    """
    first, second, third = tf.unstack(tf.math.top_k(logits, 3).values, axis=1)
    lead = first - second
    bent = [tf.nn.relu(lead - bend) for bend in _BENDS]
    return tf.concat([logits, tf.stack([lead, second - third, *bent], axis=1)], axis=1)


def calibrated(logits: tf.Tensor, calibration: Calibration) -> tf.Tensor:
    """Logits, float [N, 6], divided by the temperature of each text: the order stays.

    Source: Tomani, Cremers, Buettner, Parameterized Temperature Scaling for Boosting the Expressive
    Power in Post-Hoc Uncertainty Calibration, ECCV 2022; here it is a linear function of them.
    """
    if not calibration.slopes:
        return logits / calibration.temperature
    slopes = tf.constant(calibration.slopes, logits.dtype)
    growth = tf.linalg.matvec(describe(logits), slopes)
    return logits * _factor(growth - np.log(calibration.temperature))


def _factor(logarithm: tf.Tensor) -> tf.Tensor:
    """Factors float [N, 1], within bounds: texts unlike any seen must not blow them up."""
    return tf.exp(tf.clip_by_value(logarithm, -_FARTHEST, _FARTHEST))[:, tf.newaxis]


def probabilities(logits: np.ndarray, calibration: Calibration) -> np.ndarray:
    """Logits, float [N, 6], to probabilities, float64 [N, 6]."""
    return tf.nn.softmax(calibrated(tf.constant(logits, tf.float64), calibration)).numpy()


def calibrate(
    logits: np.ndarray,
    labels: np.ndarray,
    domains: np.ndarray | None = None,
    possible: np.ndarray | None = None,
) -> Calibration:
    """Fits the temperature of each text, and the threshold, on texts not trained on.

    Fitted is the likelihood of the first class being right, as that one's probability is what
    people are told; half of it is over the corpus's own texts and half over those of other domains,
    if there are any. The threshold is the confidence that :data:`UNCERTAIN_SHARE` of the corpus's
    own texts do not reach.

    Sources: Guo, Pleiss, Sun, Weinberger, On Calibration of Modern Neural Networks, ICML 2017;
    Gupta, Ramdas, Top-Label Calibration and Multiclass-to-Binary Reductions, ICLR 2022.

    Args:
        logits: float [N, 6].
        labels: int [N].
        domains: bytes [N], the name of each text's domain; all are of the corpus without it.
        possible: bool [N, 6], which labels a text of that domain can have; all without it.
    """
    if domains is None:
        domains = np.full(len(labels), MAIN_DOMAIN.encode())
    if possible is None:
        possible = np.ones(logits.shape, bool)
    weights = _weights(domains)
    given, allowed = logits.astype(np.float64), np.where(possible, 0.0, _RULED_OUT)
    described = describe(tf.constant(given)).numpy()
    mean, deviation = described.mean(axis=0), described.std(axis=0)
    standard = (described - mean) / np.maximum(deviation, _LEAST)
    if len(labels) < MIN_TEXTS:
        standard = standard[:, :0]
    constant, *fitted = _fit(given, allowed, labels, weights, standard)
    slopes = np.array(fitted) / np.maximum(deviation[: len(fitted)], _LEAST)
    temperature = float(np.exp(slopes @ mean[: len(slopes)] - constant))
    calibration = Calibration(temperature, tuple(map(float, slopes)))
    own = given[domains == MAIN_DOMAIN.encode()]
    confidence = probabilities(own, calibration).max(axis=1)
    threshold = float(np.quantile(confidence, UNCERTAIN_SHARE))
    return Calibration(temperature, calibration.slopes, threshold)


def _weights(domains: np.ndarray) -> np.ndarray:
    """Weights of N texts: half for the corpus itself, half for other domains if there are any."""
    own = domains == MAIN_DOMAIN.encode()
    weights = np.where(own, 1 / max(own.sum(), 1), 1 / max((~own).sum(), 1))
    return weights / weights.sum()


def _fit(
    logits: np.ndarray,
    allowed: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    described: np.ndarray,
) -> np.ndarray:
    """The logarithm of the factor as a linear function: its constant, then its slopes."""
    from scipy.optimize import minimize

    columns = tf.constant(np.column_stack([np.ones(len(labels)), described]))
    first = (logits + allowed).argmax(axis=1)
    right = first == labels

    @tf.function
    def loss(values: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(values)
            scaled = logits * _factor(tf.linalg.matvec(columns, values)) + allowed
            confidence = tf.gather(tf.nn.softmax(scaled), first, batch_dims=1)
            chance = tf.where(right, confidence, 1.0 - confidence)
            surprise = -tf.math.log(tf.maximum(chance, _LEAST))
            mean = tf.reduce_sum(weights * surprise) + _PENALTY * tf.reduce_sum(values[1:] ** 2)
        return mean, tape.gradient(mean, values)

    def evaluate(values: np.ndarray) -> tuple[float, np.ndarray]:
        mean, gradient = loss(tf.constant(values))
        return float(mean), gradient.numpy()

    return minimize(evaluate, np.zeros(columns.shape[1]), jac=True, method="L-BFGS-B").x
