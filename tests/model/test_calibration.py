from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emotion_tfx.model.calibration import UNCERTAIN_SHARE, calibrate, probabilities


def honest(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that mean what they say: each label is drawn from their own softmax."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=2.0, size=(count, 6))
    chances = probabilities(logits, 1.0)
    drawn = (generator.random((count, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    return logits, drawn.clip(max=5)


def log_loss(logits: np.ndarray, labels: np.ndarray, temperature: float) -> float:
    return float(-np.log(probabilities(logits, temperature)[np.arange(len(labels)), labels]).mean())


@given(
    arrays(np.float32, (5, 6), elements=st.floats(-1e4, 1e4, width=32)),
    st.floats(0.05, 20.0),
)
def test_probabilities_are_shares_in_the_order_of_the_logits(
    logits: np.ndarray, temperature: float
):
    shares = probabilities(logits, temperature)
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-12)
    assert (shares[np.arange(5), logits.argmax(axis=1)] == shares.max(axis=1)).all()


@pytest.mark.parametrize("boast", [0.25, 1.0, 4.0])
def test_the_temperature_takes_back_by_how_much_the_logits_boast(boast: float):
    logits, labels = honest(20_000)
    assert calibrate(boast * logits, labels).temperature == pytest.approx(boast, rel=0.05)


def test_calibrated_probabilities_come_true_as_often_as_they_say():
    logits, labels = honest(20_000)
    fitted = calibrate(5.0 * logits, labels)
    fresh, answers = honest(20_000, seed=1)
    shares = probabilities(5.0 * fresh, fitted.temperature)
    right = shares.argmax(axis=1) == answers
    assert shares.max(axis=1).mean() == pytest.approx(right.mean(), abs=0.01)


@given(st.integers(0, 1_000))
def test_calibration_never_makes_the_loss_on_its_texts_worse(seed: int):
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=3.0, size=(50, 6))
    labels = generator.integers(0, 6, size=50)
    fitted = calibrate(logits, labels).temperature
    assert log_loss(logits, labels, fitted) <= log_loss(logits, labels, 1.0) + 1e-6


def test_the_threshold_marks_the_share_of_the_least_certain_texts():
    logits, labels = honest(10_000)
    fitted = calibrate(logits, labels)
    confidence = probabilities(logits, fitted.temperature).max(axis=1)
    assert (confidence < fitted.uncertain_below).mean() == pytest.approx(UNCERTAIN_SHARE, abs=1e-3)


def test_a_faultless_network_does_not_break_the_fit():
    labels = np.arange(6)
    fitted = calibrate(1_000.0 * np.eye(6, dtype=np.float32), labels)
    assert np.isfinite([fitted.temperature, fitted.uncertain_below]).all()
