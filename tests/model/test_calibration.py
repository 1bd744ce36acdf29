from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emotion_tfx.model.calibration import (
    MIN_TEXTS,
    UNCERTAIN_SHARE,
    Calibration,
    calibrate,
    calibrated,
    describe,
    probabilities,
)

FEW = MIN_TEXTS - 1
LOGITS = arrays(np.float32, (5, 6), elements=st.floats(-1e4, 1e4, width=32))
SLOPES = st.one_of(st.just(()), st.tuples(*[st.floats(-1, 1)] * 12))


def honest(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits that mean what they say: each label is drawn from their own softmax."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=2.0, size=(count, 6))
    chances = probabilities(logits, Calibration())
    drawn = (generator.random((count, 1)) > chances.cumsum(axis=1)).sum(axis=1)
    return logits, drawn.clip(max=5)


def gap(shares: np.ndarray, labels: np.ndarray) -> float:
    """By how much the first class's probability is above the share in which it is right."""
    return float(shares.max(axis=1).mean() - (shares.argmax(axis=1) == labels).mean())


@settings(deadline=None)
@given(LOGITS, st.floats(0.05, 20.0), SLOPES)
def test_probabilities_are_shares_in_the_order_of_the_logits(
    logits: np.ndarray, temperature: float, slopes: tuple[float, ...]
):
    shares = probabilities(logits, Calibration(temperature, slopes))
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-12)
    assert (shares[np.arange(5), logits.argmax(axis=1)] == shares.max(axis=1)).all()


@settings(deadline=None)
@given(st.floats(-1.0, 1.0), SLOPES)
def test_the_exported_arithmetic_is_that_of_the_fit(level: float, slopes: tuple[float, ...]):
    logits = np.random.default_rng(0).normal(level, 3.0, size=(20, 6))
    calibration = Calibration(0.8, slopes)
    served = tf.nn.softmax(calibrated(tf.constant(logits, tf.float32), calibration)).numpy()
    np.testing.assert_allclose(served, probabilities(logits, calibration), atol=1e-5)


def test_without_slopes_the_temperature_is_the_same_for_all():
    logits, _ = honest(10)
    np.testing.assert_allclose(calibrated(logits, Calibration(2.0)), logits / 2.0)


@pytest.mark.parametrize("boast", [0.25, 1.0, 4.0])
def test_few_texts_tell_by_how_much_the_logits_boast_and_no_more(boast: float):
    logits, labels = honest(FEW)
    fitted = calibrate(boast * logits, labels)
    assert fitted.slopes == ()
    assert fitted.temperature == pytest.approx(boast, rel=0.15)


@pytest.mark.parametrize("boast", [0.25, 1.0, 4.0])
def test_calibrated_probabilities_come_true_as_often_as_they_say(boast: float):
    logits, labels = honest(20_000)
    fitted = calibrate(boast * logits, labels)
    fresh, answers = honest(20_000, seed=1)
    shares = probabilities(boast * fresh, fitted)
    assert gap(shares, answers) == pytest.approx(0.0, abs=0.01)
    sure = shares.max(axis=1) > 0.8
    assert gap(shares[sure], answers[sure]) == pytest.approx(0.0, abs=0.02)


def test_a_class_that_boasts_more_than_others_is_believed_less():
    logits, labels = honest(20_000)
    boastful = logits.argmax(axis=1) == 2
    logits = np.where(boastful[:, None], 4.0, 1.0) * logits
    by_class = probabilities(logits, calibrate(logits, labels))
    by_temperature = probabilities(logits, Calibration(calibrate(logits, labels).temperature))
    for rows, most in ((boastful, 0.08), (~boastful, 0.02)):
        assert abs(gap(by_class[rows], labels[rows])) < most
    assert abs(gap(by_temperature[boastful], labels[boastful])) > 0.12


def test_other_domains_count_as_much_as_the_corpus_itself():
    logits, labels = honest(4_000)
    wrong = np.random.default_rng(2).integers(0, 6, size=400)
    domains = np.array([b"main"] * 4_000 + [b"other"] * 400)
    both = calibrate(np.r_[logits, logits[:400]], np.r_[labels, wrong], domains)
    own = gap(probabilities(logits, both), labels)
    other = gap(probabilities(logits[:400], both), wrong)
    assert own < -0.1, "the corpus's texts, which the logits are right about, are believed less"
    assert 0.1 < other < gap(probabilities(logits[:400], calibrate(logits, labels)), wrong) - 0.1


def test_labels_that_a_domain_lacks_are_not_held_against_its_texts():
    logits, labels = honest(4_000)
    possible = np.ones((4_000, 6), bool)
    possible[:, 5] = False
    labels = np.where(labels == 5, logits[:, :5].argmax(axis=1), labels)
    told = calibrate(logits, labels, possible=possible)
    untold = calibrate(logits, labels)
    first = logits.argmax(axis=1) == 5
    assert (
        probabilities(logits, told).max(axis=1)[first].mean()
        > probabilities(logits, untold).max(axis=1)[first].mean() + 0.1
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1_000))
def test_calibration_never_makes_the_loss_on_its_texts_worse(seed: int):
    generator = np.random.default_rng(seed)
    logits = generator.normal(scale=3.0, size=(50, 6))
    labels = generator.integers(0, 6, size=50)

    def loss(calibration: Calibration) -> float:
        confidence = probabilities(logits, calibration).max(axis=1)
        right = logits.argmax(axis=1) == labels
        return float(-np.log(np.where(right, confidence, 1 - confidence)).mean())

    assert loss(calibrate(logits, labels)) <= loss(Calibration()) + 1e-6


def test_the_threshold_marks_the_share_of_the_least_certain_texts_of_the_corpus():
    logits, labels = honest(10_000)
    domains = np.array([b"main"] * 8_000 + [b"other"] * 2_000)
    fitted = calibrate(logits, labels, domains)
    confidence = probabilities(logits[:8_000], fitted).max(axis=1)
    assert (confidence < fitted.uncertain_below).mean() == pytest.approx(UNCERTAIN_SHARE, abs=1e-3)


def test_a_faultless_network_does_not_break_the_fit():
    labels = np.arange(6).repeat(200)
    fitted = calibrate(1_000.0 * np.eye(6, dtype=np.float32)[labels], labels)
    assert np.isfinite([fitted.temperature, *fitted.slopes, fitted.uncertain_below]).all()


def test_what_describes_a_text_does_not_bend_below_its_bends():
    described = describe(tf.constant([[2.5, 1.0, 0.5, 0.0, 0.0, 0.0]])).numpy()[0]
    np.testing.assert_allclose(described[6:], [1.5, 0.5, 0.5, 0.0, 0.0, 0.0])
