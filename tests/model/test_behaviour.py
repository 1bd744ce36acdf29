"""What the shipped model must do, case by case; the cases stand in ``evaluation/behaviour.csv``.

The cases that its card says fail must fail: one that starts to pass is to be noticed, and the
record renewed with ``emotion evaluate --behaviour --record``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from emotion_tfx import EmotionClassifier
from emotion_tfx.evaluation import Behaviour, check_behaviour, read_cases
from emotion_tfx.evaluation.behaviour import FILE, Case
from emotion_tfx.model.locate import newest_version, shipped_base

MODEL = newest_version(shipped_base())
CASES = read_cases()

pytestmark = pytest.mark.skipif(MODEL is None, reason="no model is shipped with this checkout")


def recorded() -> dict[str, Any]:
    """What the shipped model's own record says; nothing where there is none."""
    file = (MODEL or Path()) / "assets.extra" / FILE
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {"failing": []}


def key(case: Case) -> tuple[str | None, ...]:
    return (case.capability, case.text, case.changed, case.expected)


FAILING = {
    (each["capability"], each["text"], each["changed"], each["expected"])
    for each in recorded()["failing"]
}


def parameters(cases: Sequence[Case]) -> list[Any]:
    fails = pytest.mark.xfail(strict=True, raises=AssertionError, reason="listed in the model card")
    return [
        pytest.param(
            number,
            id=f"{case.capability}: {case}: {case.expected}",
            marks=fails if key(case) in FAILING else (),
        )
        for number, case in enumerate(cases)
    ]


@pytest.fixture(scope="module")
def behaviour() -> Behaviour:
    return check_behaviour(CASES, EmotionClassifier(MODEL).predict_arrays)


@pytest.mark.parametrize("number", parameters(CASES))
def test_case(behaviour: Behaviour, number: int):
    outcome = behaviour.outcomes[number]
    assert outcome.passed, f"expected {outcome.case.expected}, answered {outcome.answered}"


def test_most_cases_pass(behaviour: Behaviour):
    """95 % is the aim; what is missing is mostly "not" before a negative emotion."""
    assert behaviour.share >= 0.9


def test_the_record_is_of_this_model_and_of_these_cases(behaviour: Behaviour):
    assert {key(each.case) for each in behaviour.failing} == FAILING
    stored, measured = recorded(), json.loads(behaviour.to_json())
    assert {**stored, "failing": None} == {**measured, "failing": None}


def test_the_card_lists_the_capabilities_and_the_cases_that_fail(behaviour: Behaviour):
    assert MODEL is not None
    card = unescape((MODEL / "README.md").read_text(encoding="utf-8"))
    for each in behaviour.capabilities:
        assert f"| {each.name} | {each.cases:,} | {each.passed:,} |" in card
    for each in behaviour.failing:
        row = f"| {each.case.capability} | {each.case} | {each.case.expected} |"
        assert " ".join(row.split()) in card
