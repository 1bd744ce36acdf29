from __future__ import annotations

import math
from dataclasses import replace

import pytest

from emotion_tfx.evaluation import Metrics, check_gates, compute_metrics

from .examples import many_answers


@pytest.fixture(scope="module")
def measured() -> Metrics:
    return compute_metrics(many_answers())


def model(measured: Metrics, *, accuracy: float, macro_f1: float) -> Metrics:
    return replace(measured, accuracy=accuracy, macro=replace(measured.macro, f1=macro_f1))


def test_a_model_above_the_floor_passes_and_says_so(measured: Metrics):
    verdict = check_gates(model(measured, accuracy=0.927, macro_f1=0.885), None)
    assert verdict.passed
    assert "accuracy 0.927 is at least the floor 0.750" in verdict.reasons
    assert "no model in service" in verdict.reasons[1]


def test_a_model_below_the_floor_is_rejected(measured: Metrics):
    verdict = check_gates(model(measured, accuracy=0.742, macro_f1=0.7), None)
    assert not verdict.passed
    assert "accuracy 0.742 is below the floor of 0.750" in verdict.reasons


def test_the_floor_itself_is_enough(measured: Metrics):
    assert check_gates(model(measured, accuracy=0.75, macro_f1=0.7), None).passed


def test_figures_that_would_read_the_same_get_more_decimals(measured: Metrics):
    verdict = check_gates(model(measured, accuracy=0.74999, macro_f1=0.7), None)
    assert "accuracy 0.74999 is below the floor of 0.75000" in verdict.reasons


def test_an_equal_model_passes(measured: Metrics):
    assert check_gates(measured, measured, min_accuracy=0.5).passed


def test_a_better_model_passes(measured: Metrics):
    old = model(measured, accuracy=0.9, macro_f1=0.85)
    verdict = check_gates(model(measured, accuracy=0.93, macro_f1=0.9), old)
    assert verdict.passed
    assert "macro-F1 0.900 is at least the 0.850 of the model in service" in verdict.reasons


@pytest.mark.parametrize(
    ("accuracy", "macro_f1", "passed"),
    [
        (0.92, 0.87, True),  # both exactly as far below as is allowed
        (0.919, 0.88, False),
        (0.93, 0.869, False),
        (0.95, 0.8, False),  # more accuracy does not make up for a lost class
    ],
)
def test_each_figure_may_drop_by_so_much_and_no_more(
    measured: Metrics, accuracy: float, macro_f1: float, passed: bool
):
    old = model(measured, accuracy=0.93, macro_f1=0.88)
    verdict = check_gates(model(measured, accuracy=accuracy, macro_f1=macro_f1), old)
    assert verdict.passed is passed


def test_a_drop_is_told_with_its_figures(measured: Metrics):
    old = model(measured, accuracy=0.93, macro_f1=0.88)
    verdict = check_gates(model(measured, accuracy=0.925, macro_f1=0.85), old)
    assert verdict.reasons[1:] == (
        "accuracy 0.925 is 0.005 below the 0.930 of the model in service, within the 0.010 allowed",
        "macro-F1 0.850 is 0.030 below the 0.880 of the model in service, "
        "more than the 0.010 allowed",
    )


def test_floor_and_drop_can_be_set(measured: Metrics):
    old = model(measured, accuracy=0.7, macro_f1=0.7)
    new = model(measured, accuracy=0.6, macro_f1=0.6)
    assert check_gates(new, old, min_accuracy=0.5, max_drop=0.1).passed
    assert not check_gates(new, old, min_accuracy=0.65, max_drop=0.1).passed
    assert not check_gates(new, old, min_accuracy=0.5, max_drop=0.05).passed


@pytest.mark.parametrize("figure", ["accuracy", "macro_f1"])
def test_what_is_not_a_number_never_passes(measured: Metrics, figure: str):
    good = {"accuracy": 0.9, "macro_f1": 0.9}
    broken = model(measured, **{**good, figure: math.nan})
    sound = model(measured, **good)
    assert not check_gates(broken, sound).passed
    assert not check_gates(sound, broken).passed


def test_no_number_fails_the_floor_too(measured: Metrics):
    verdict = check_gates(model(measured, accuracy=math.nan, macro_f1=0.9), None)
    assert not verdict.passed
    assert "accuracy is not a number" in verdict.reasons
