"""Whether a model may go into service: a floor, and no step back behind the one in service.

The decision is the Evaluator's, and this the rule in words: on the test texts the accuracy must
reach the floor, and neither accuracy nor macro-F1 may lie more than the margin below those of the
model in service. The Evaluator is given the same rule; the report tells it with these sentences.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from emotion_tfx.evaluation.metrics import Metrics

#: What the gate found, kept with a pushed model.
FILE = "gate.json"

#: A drop of exactly the allowed size must pass although its difference carries rounding errors;
#: the Evaluator counts in single precision.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Verdict:
    """The gate's decision, and a sentence with figures for each thing it looked at."""

    passed: bool
    reasons: tuple[str, ...]


def check_gates(
    metrics: Metrics,
    baseline: Metrics | None,
    *,
    min_accuracy: float = 0.75,
    max_drop: float = 0.01,
) -> Verdict:
    """Decide whether a model with these figures may go into service.

    Args:
        metrics: The figures of the candidate.
        baseline: The figures of the model in service on the same rows; None where there is none.
        min_accuracy: The floor for the accuracy.
        max_drop: How far accuracy and macro-F1 may each lie below the baseline's.

    Returns:
        The verdict; a figure that is not a number never passes.
    """
    checks = [_floor_check("accuracy", metrics.accuracy, min_accuracy)]
    if baseline is None:
        checks.append((True, "there is no model in service to compare with"))
    else:
        checks += [
            _drop_check("accuracy", metrics.accuracy, baseline.accuracy, max_drop),
            _drop_check("macro-F1", metrics.macro.f1, baseline.macro.f1, max_drop),
        ]
    return Verdict(all(ok for ok, _ in checks), tuple(reason for _, reason in checks))


def _floor_check(name: str, value: float, floor: float) -> tuple[bool, str]:
    if math.isnan(value):
        return False, f"{name} is not a number"
    shown, limit = _distinct(value, floor)
    if value >= floor - ROUNDING:
        return True, f"{name} {shown} is at least the floor {limit}"
    return False, f"{name} {shown} is below the floor of {limit}"


def _drop_check(name: str, value: float, reference: float, max_drop: float) -> tuple[bool, str]:
    if math.isnan(value) or math.isnan(reference):
        return False, f"{name} is not a number, here or in the model in service"
    shown, other = _distinct(value, reference)
    drop = reference - value
    if drop <= 0:
        return True, f"{name} {shown} is at least the {other} of the model in service"
    ok = drop <= max_drop + ROUNDING
    size, allowed = _distinct(drop, max_drop)
    return ok, (
        f"{name} {shown} is {size} below the {other} of the model in service, "
        f"{'within' if ok else 'more than'} the {allowed} allowed"
    )


def _distinct(a: float, b: float) -> tuple[str, str]:
    """Return both figures with three decimals, or as many more as it takes to tell them apart."""
    for digits in range(3, 9):
        if f"{a:.{digits}f}" != f"{b:.{digits}f}":
            return f"{a:.{digits}f}", f"{b:.{digits}f}"
    return f"{a:.3f}", f"{b:.3f}"
