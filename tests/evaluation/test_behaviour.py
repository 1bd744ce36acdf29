from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion_tfx.errors import UserError
from emotion_tfx.evaluation.behaviour import (
    Answer,
    Behaviour,
    Case,
    check_behaviour,
    parse_expectation,
    read_cases,
)
from emotion_tfx.labels import LABELS

HEADER = "capability,text,changed,expected\n"


def shares(**named: float) -> np.ndarray:
    """Probabilities of the classes named; the last class gets what they leave."""
    values = np.array([named.get(name, 0.0) for name in LABELS])
    values[-1] += 1 - values.sum()
    return values


@dataclass
class Toy:
    """A model that knows a few texts, and remembers what it was asked."""

    known: Mapping[str, np.ndarray]
    unsure: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> Toy:
        self.calls.append(list(texts))
        self.probabilities = np.array([self.known[text] for text in texts])
        self.uncertain = np.array([text in self.unsure for text in texts])
        return self


def passes(expected: str, answer: np.ndarray, changed: np.ndarray | None = None) -> bool:
    case = Case("any", "a", None if changed is None else "b", expected)
    toy = Toy({"a": answer, "b": answer if changed is None else changed})
    return check_behaviour([case], toy).outcomes[0].passed


@pytest.mark.parametrize(
    ("expected", "met"),
    [
        ("joy", True),
        ("joy or love", True),
        ("love or joy", True),
        ("love", False),
        ("sadness or love", False),
        ("not joy", False),
        ("not love or joy", False),
        ("not love or fear", True),
    ],
)
def test_a_class_is_expected_or_ruled_out(expected: str, met: bool):
    assert passes(expected, shares(joy=0.6, love=0.3)) is met


@pytest.mark.parametrize(
    ("before", "after", "met"), [(0.9, 0.51, True), (0.9, 0.4, False), (0.1, 0.2, True)]
)
def test_a_change_must_not_change_the_class(before: float, after: float, met: bool):
    assert passes("same", shares(joy=before), shares(joy=after)) is met


@pytest.mark.parametrize(
    ("before", "after", "met"),
    [
        (0.3, 0.45, True),
        (0.3, 0.35, False),
        (0.3, 0.1, False),
        (0.89, 0.95, False),
        # There is hardly anything left to rise by.
        (0.95, 0.96, True),
        (0.95, 0.9, True),
        (0.95, 0.8, False),
    ],
)
def test_a_change_must_move_a_probability_by_the_amount(before: float, after: float, met: bool):
    assert passes("more joy by 0.1", shares(joy=before), shares(joy=after)) is met
    assert passes("less joy by 0.1", shares(joy=1 - before), shares(joy=1 - after)) is met


def test_several_classes_move_together():
    before, after = shares(joy=0.3, love=0.3), shares(joy=0.1, love=0.7)
    assert passes("more joy or love by 0.15", before, after)
    assert not passes("more joy by 0.15", before, after)


@st.composite
def answers(draw: st.DrawFn) -> Answer:
    weights = draw(st.lists(st.integers(1, 1000), min_size=6, max_size=6))
    return Answer(np.array(weights) / sum(weights), uncertain=False)


@given(answers(), answers(), st.sets(st.sampled_from(LABELS), min_size=1, max_size=5))
def test_a_class_is_ruled_out_where_one_of_the_others_is_expected(
    answer: Answer, changed: Answer, named: set[str]
):
    some, others = (" or ".join(names) for names in (named, set(LABELS) - named))
    forbidden, expected = parse_expectation(f"not {some}"), parse_expectation(others)
    assert forbidden.is_met(answer, changed) == expected.is_met(answer, changed)


@given(answers(), answers(), st.sampled_from(LABELS))
def test_no_change_moves_a_class_both_ways(answer: Answer, changed: Answer, name: str):
    up, down = (parse_expectation(f"{way} {name} by 0.15") for way in ("more", "less"))
    saturated = not 0.1 < answer.probabilities[LABELS.index(name)] < 0.9
    assert saturated or not (up.is_met(answer, changed) and down.is_met(answer, changed))


def test_doubt_is_what_the_model_says_of_itself():
    cases = [
        Case("uncertainty", text, None, expected)
        for text in ("???", "so happy")
        for expected in ("uncertain", "certain")
    ]
    even = np.full(len(LABELS), 1 / 6)
    behaviour = check_behaviour(
        cases, Toy({"???": even, "so happy": even}, unsure=frozenset({"???"}))
    )
    assert [each.passed for each in behaviour.outcomes] == [True, False, False, True]


def asked() -> tuple[Behaviour, Toy]:
    toy = Toy({"glad": shares(joy=0.8), "not glad": shares(joy=0.7), "bad": shares(sadness=0.9)})
    cases = [
        Case("negation", "glad", "not glad", "less joy by 0.3"),
        Case("words", "glad", None, "joy"),
        Case("words", "bad", None, "anger"),
        Case("negation", "glad", "not glad", "same"),
    ]
    return check_behaviour(cases, toy), toy


def test_a_model_is_asked_once_and_about_each_text_once():
    _, toy = asked()
    assert toy.calls == [["glad", "not glad", "bad"]]


def test_the_cases_are_counted_by_capability():
    behaviour, _ = asked()
    assert [(each.name, each.cases, each.passed) for each in behaviour.capabilities] == [
        ("negation", 2, 1),
        ("words", 2, 1),
    ]
    assert (behaviour.cases, behaviour.passed, behaviour.share) == (4, 2, 0.5)


def test_the_failing_cases_are_kept_with_the_answers():
    behaviour, _ = asked()
    stored = json.loads(behaviour.to_json())
    assert (stored["cases"], stored["passed"]) == (4, 2)
    assert stored["capabilities"][0] == {"name": "negation", "cases": 2, "passed": 1}
    assert stored["failing"] == [
        {
            "capability": "negation",
            "text": "glad",
            "changed": "not glad",
            "expected": "less joy by 0.3",
            "answered": "joy 0.80 → 0.70",
        },
        {
            "capability": "words",
            "text": "bad",
            "changed": None,
            "expected": "anger",
            "answered": "sadness 0.90",
        },
    ]


def test_the_suite_has_many_cases_of_each_capability_and_of_each_kind():
    cases = read_cases()
    assert len(cases) >= 240
    counts = Counter(case.capability for case in cases)
    assert len(counts) >= 17
    assert min(counts.values()) >= 12
    kinds = Counter(type(case.expectation).__name__ for case in cases)
    assert min(kinds[name] for name in ("OneOf", "Same", "Moved", "Doubt")) >= 20


def test_texts_are_read_as_they_stand(tmp_path: Path):
    file = tmp_path / "cases.csv"
    file.write_text(
        HEADER + '"a, b","  two\nlines 😡 ","say ""no""",same\nempty,,,uncertain\n', "utf-8"
    )
    assert read_cases(file) == [
        Case("a, b", "  two\nlines 😡 ", 'say "no"', "same"),
        Case("empty", "", None, "uncertain"),
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("a,b,,bliss", "'bliss' is not an expectation"),
        ("a,b,,joy and love", "'joy and love' is not an expectation"),
        ("a,b,c,more joy", "'more joy' is not an expectation"),
        ("a,b,c,more joy by 2", "'more joy by 2' is not an expectation"),
        ("a,b,,", "'' is not an expectation"),
        ("a,b,,same", "needs a changed text"),
        ("a,b,,less joy by 0.1", "needs a changed text"),
        ("a,b,c,joy", "is not about a changed text"),
        (",b,,joy", "no capability"),
        ("a,b, c,,joy", "5 fields in place of 4"),
        ("a,fine,,joy", "twice"),
        ('a,"b,,joy', "Unexpected end"),
    ],
)
def test_a_case_that_cannot_be_is_told_with_its_line(tmp_path: Path, line: str, told: str):
    file = tmp_path / "cases.csv"
    file.write_text(f"{HEADER}a,fine,,joy\n{line}\n", encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_cases(file)
    assert told in str(error.value)
    assert (error.value.path, error.value.line) == (file, 3)


@pytest.mark.parametrize("content", ["", "text,changed,expected\n", "a,fine,,joy\n"])
def test_a_file_with_other_columns_is_told(tmp_path: Path, content: str):
    file = tmp_path / "cases.csv"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UserError, match="line 1: The first line is not capability,text"):
        read_cases(file)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read"):
        read_cases(tmp_path / "missing.csv")
    (tmp_path / "latin.csv").write_bytes(HEADER.encode() + "a,müde,,joy\n".encode("latin-1"))
    with pytest.raises(UserError, match="UTF-8"):
        read_cases(tmp_path / "latin.csv")
