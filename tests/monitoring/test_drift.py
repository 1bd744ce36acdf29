from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from emotion_tfx.monitoring.drift import (
    DRIFT_FROM,
    MIN_TEXTS,
    distance,
    drift,
    estimate_accuracy,
)
from emotion_tfx.monitoring.reference import Histogram

from .examples import answers, reference

counts = st.lists(st.integers(0, 10_000), min_size=6, max_size=6).filter(any)


@given(counts, counts)
def test_the_distance_is_the_same_both_ways_and_from_0_to_1(one: list[int], other: list[int]):
    assert distance(one, other) == pytest.approx(distance(other, one), abs=1e-9)
    assert 0 <= distance(one, other) <= 1


@given(counts, st.integers(1, 1000))
def test_equal_distributions_have_no_distance_however_many_texts_they_hold(
    one: list[int], factor: int
):
    assert distance(one, [factor * each for each in one]) == pytest.approx(0, abs=1e-7)


@given(counts, counts, counts)
def test_no_way_round_is_shorter(one: list[int], other: list[int], third: list[int]):
    assert distance(one, third) <= distance(one, other) + distance(other, third) + 1e-7


@given(counts, counts)
def test_the_distance_is_scipys(one: list[int], other: list[int]):
    assert distance(one, other) == pytest.approx(jensenshannon(one, other, base=2), abs=1e-6)


def test_distributions_without_a_common_bin_are_as_far_apart_as_can_be():
    assert distance([3, 0], [0, 9]) == 1


@given(counts, counts)
def test_drift_is_the_distance_less_what_chance_gives(one: list[int], other: list[int]):
    assert 0 <= drift(one, other) <= distance(one, other)


@pytest.mark.parametrize("texts", [MIN_TEXTS, 5000])
def test_chance_hardly_ever_passes_for_drift_and_the_figure_hardly_depends_on_the_texts(texts: int):
    random = np.random.default_rng(0)
    shares = np.array([0.29, 0.34, 0.08, 0.14, 0.11, 0.04])
    other = np.array([0.20, 0.25, 0.15, 0.14, 0.16, 0.10])
    same, changed = [], []
    for _ in range(1000):
        seen = random.multinomial(2000, shares)
        same.append(drift(seen, random.multinomial(texts, shares)))
        changed.append(drift(seen, random.multinomial(texts, other)))
    assert np.mean(np.array(same) < DRIFT_FROM) > 0.999
    assert np.mean(same) < 0.02
    assert np.mean(changed) == pytest.approx(distance(shares, other), abs=0.01)


def test_the_estimate_is_the_accuracy_where_nothing_has_changed():
    kept = reference(2000)
    estimate = estimate_accuracy(kept, kept.features["confidence"].counts)
    assert estimate.accuracy == pytest.approx(kept.accuracy, abs=0.005)
    assert 0 < estimate.margin < 0.03


def test_answers_of_less_confidence_are_expected_to_be_right_less_often():
    kept = reference(2000)
    doubtful = kept.features["confidence"].count(np.full(1000, 0.65))
    assert estimate_accuracy(kept, doubtful.counts).accuracy == pytest.approx(0.65, abs=0.1)


def test_the_estimate_holds_as_often_as_its_margin_says():
    """For calibrated answers, 500 at a time, that is in about 95 of 100 cases."""
    within = []
    for seed in range(200):
        kept = reference(2000, seed)
        observed, correct = answers(500, seed + 1000)
        counts = kept.count(observed)["confidence"].counts
        estimate = estimate_accuracy(kept, counts)
        within.append(abs(estimate.accuracy - correct.mean()) <= estimate.margin)
    assert 0.9 <= np.mean(within) <= 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_every_value_lies_in_the_one_bin_whose_bounds_hold_it(values: list[float]):
    bins = Histogram(bounds=(0.1, 0.5, 0.9), counts=(0, 0, 0, 0))
    edges = (-1, *bins.bounds, np.inf)
    for value, where in zip(values, bins.bins(np.array(values)).tolist(), strict=True):
        assert edges[where] < value <= edges[where + 1]
    assert sum(bins.count(np.array(values)).counts) == len(values)
