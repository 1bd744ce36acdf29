"""What any good model must do with texts written for the purpose, whatever it learned from.

The tests of CheckList (Ribeiro, Wu, Guestrin, Singh, "Beyond Accuracy: Behavioral Testing of NLP
Models with CheckList", ACL 2020): a plain text whose emotion is beyond doubt (minimum
functionality), a change that must not matter (invariance), and a change that must move a
probability one way (directional expectation). The cases stand in ``behaviour.csv`` beside this
file, a line each. What is expected is written in a few words:

``joy or love``
    The most probable class is one of these.
``not joy or love``
    It is none of these.
``same``
    The changed text gets the same class as the text.
``more joy or love by 0.1``, ``less fear by 0.2``
    The change raises, or lowers, the probability of these classes together by at least this much.
    Where there is next to nothing left to raise (0.9 or more) or to lower (0.1 or less), it is
    enough that the change moves it the other way by no more than this much.
``uncertain``, ``certain``
    The model marks its answer as "not sure", or does not.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from emotion_tfx.errors import UserError
from emotion_tfx.labels import LABELS

#: The cases that come with the package.
CASES = Path(__file__).with_name("behaviour.csv")

#: What a model did with them, in its ``assets.extra`` and beside its report.
FILE = "behaviour.json"

#: A probability at least so high cannot be asked to rise, nor one as near to 0 to fall.
_NEARLY_ALL = 0.9

_COLUMNS = ("capability", "text", "changed", "expected")
_CLASSES = rf"(?:{'|'.join(LABELS)})(?: or (?:{'|'.join(LABELS)}))*"
_ONE_OF = re.compile(rf"(?P<no>not )?(?P<classes>{_CLASSES})")
_MOVED = re.compile(rf"(?P<way>more|less) (?P<classes>{_CLASSES}) by (?P<amount>0\.\d+)")


class Answers(Protocol):
    """A model's answers to N texts: probabilities float [N, 6] in label order, uncertain [N]."""

    @property
    def probabilities(self) -> NDArray[np.floating]: ...  # noqa: D102

    @property
    def uncertain(self) -> NDArray[np.bool_]: ...  # noqa: D102


#: Any model: N texts to their answers, in their order.
Predict = Callable[[Sequence[str]], Answers]


@dataclass(frozen=True, eq=False)
class Answer:
    """A model's answer to one text: float [6] in label order, and whether it is not sure."""

    probabilities: NDArray[np.floating]
    uncertain: bool

    @property
    def predicted(self) -> int:
        """The most probable class."""
        return int(self.probabilities.argmax())

    def __str__(self) -> str:
        return f"{LABELS[self.predicted]} {self.probabilities.max():.2f}"


class Expectation(Protocol):
    """What must hold of the answer to a text, or of those to a text and to the changed one."""

    @property
    def needs_change(self) -> bool:
        """Whether it is about a change."""

    def is_met(self, answer: Answer, changed: Answer) -> bool:
        """Whether it holds; without a change both answers are the same one."""

    def describe(self, answer: Answer, changed: Answer) -> str:
        """What was answered instead, in a few words."""


@dataclass(frozen=True)
class OneOf:
    """The predicted class is one of these."""

    classes: frozenset[int]
    needs_change = False

    def is_met(self, answer: Answer, _: Answer) -> bool:  # noqa: D102
        return answer.predicted in self.classes

    def describe(self, answer: Answer, _: Answer) -> str:  # noqa: D102
        return str(answer)


@dataclass(frozen=True)
class Doubt:
    """The model says that it is not sure, or does not say so."""

    uncertain: bool
    needs_change = False

    def is_met(self, answer: Answer, _: Answer) -> bool:  # noqa: D102
        return answer.uncertain == self.uncertain

    def describe(self, answer: Answer, _: Answer) -> str:  # noqa: D102
        return f"{answer}, {'not sure' if answer.uncertain else 'sure'}"


@dataclass(frozen=True)
class Same:
    """The predicted class stays."""

    needs_change = True

    def is_met(self, answer: Answer, changed: Answer) -> bool:  # noqa: D102
        return answer.predicted == changed.predicted

    def describe(self, answer: Answer, changed: Answer) -> str:  # noqa: D102
        return f"{answer} → {changed}"


@dataclass(frozen=True)
class Moved:
    """The probability of some classes together rises or falls by an amount or more."""

    classes: frozenset[int]
    rises: bool
    amount: float
    needs_change = True

    def is_met(self, answer: Answer, changed: Answer) -> bool:  # noqa: D102
        before, after = self._share(answer), self._share(changed)
        if not self.rises:
            before, after = 1 - before, 1 - after
        least = -self.amount if before >= _NEARLY_ALL else self.amount
        return after - before >= least

    def describe(self, answer: Answer, changed: Answer) -> str:  # noqa: D102
        names = " or ".join(LABELS[each] for each in sorted(self.classes))
        return f"{names} {self._share(answer):.2f} → {self._share(changed):.2f}"

    def _share(self, answer: Answer) -> float:
        return float(sum(answer.probabilities[each] for each in self.classes))


def parse_expectation(words: str) -> Expectation:
    """Read an expectation written as told above.

    Raises:
        ValueError: It is none.
    """
    if words == "same":
        return Same()
    if words in ("uncertain", "certain"):
        return Doubt(words == "uncertain")
    if found := _MOVED.fullmatch(words):
        return Moved(_classes(found), found["way"] == "more", float(found["amount"]))
    if found := _ONE_OF.fullmatch(words):
        named = _classes(found)
        return OneOf(frozenset(range(len(LABELS))) - named if found["no"] else named)
    raise ValueError(f"{words!r} is not an expectation")


def _classes(found: re.Match[str]) -> frozenset[int]:
    return frozenset(LABELS.index(name) for name in found["classes"].split(" or "))


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        capability: What it is about, such as ``negation``.
        text: A text.
        changed: The text after a change; None where the case is not about a change.
        expected: What must hold, in the words that :func:`parse_expectation` reads.

    Raises:
        ValueError: ``expected`` is no expectation, or lacks the changed text or does not need it.
    """

    capability: str
    text: str
    changed: str | None
    expected: str

    def __post_init__(self) -> None:
        if not self.capability:
            raise ValueError("the case has no capability")
        if self.expectation.needs_change != (self.changed is not None):
            needs = "needs a" if self.changed is None else "is not about a"
            raise ValueError(f"the expectation {self.expected!r} {needs} changed text")

    @property
    def expectation(self) -> Expectation:
        """What must hold."""
        return parse_expectation(self.expected)

    def __str__(self) -> str:
        change = "" if self.changed is None else f" → “{self.changed}”"
        return f"“{self.text}”{change}"


@dataclass(frozen=True)
class Outcome:
    """What a model did with a case, and its answer in a few words."""

    case: Case
    passed: bool
    answered: str


@dataclass(frozen=True)
class Capability:
    """How many of the cases of one capability there are and pass."""

    name: str
    cases: int
    passed: int


@dataclass(frozen=True)
class Behaviour:
    """What a model did with all cases, in their order. ``behaviour.json`` is its dump."""

    outcomes: tuple[Outcome, ...]

    @property
    def cases(self) -> int:
        """How many there are."""
        return len(self.outcomes)

    @property
    def passed(self) -> int:
        """How many pass."""
        return sum(each.passed for each in self.outcomes)

    @property
    def share(self) -> float:
        """The share that passes; 1 where there are none."""
        return self.passed / self.cases if self.cases else 1.0

    @cached_property
    def capabilities(self) -> list[Capability]:
        """The counts by capability, in the order of the cases."""
        passed: dict[str, list[bool]] = {}
        for each in self.outcomes:
            passed.setdefault(each.case.capability, []).append(each.passed)
        return [Capability(name, len(each), sum(each)) for name, each in passed.items()]

    @property
    def failing(self) -> list[Outcome]:
        """The cases that fail."""
        return [each for each in self.outcomes if not each.passed]

    def to_json(self) -> str:
        """The counts and the cases that fail, with what was answered."""
        content = {
            "cases": self.cases,
            "passed": self.passed,
            "capabilities": [asdict(each) for each in self.capabilities],
            "failing": [asdict(each.case) | {"answered": each.answered} for each in self.failing],
        }
        return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def read_cases(path: Path = CASES) -> list[Case]:
    """Read cases from a CSV with the columns ``capability, text, changed, expected``.

    Raises:
        UserError: The file or a line of it is not as it should be, or a case stands there twice.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return list(_parse(file, path))
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            "The cases cannot be read", "Give a CSV file in UTF-8.", path=path
        ) from error


def _parse(lines: Iterable[str], path: Path) -> Iterator[Case]:
    rows = csv.reader(lines, strict=True)
    seen: set[Case] = set()
    try:
        if tuple(next(rows, ())) != _COLUMNS:
            raise ValueError(f"the first line is not {','.join(_COLUMNS)}")
        for row in rows:
            if len(row) != len(_COLUMNS):
                raise ValueError(f"there are {len(row)} fields in place of {len(_COLUMNS)}")
            capability, text, changed, expected = row
            case = Case(capability, text, changed or None, expected)
            if case in seen:
                raise ValueError("the case stands here twice")
            seen.add(case)
            yield case
    except UnicodeDecodeError:
        raise
    except (csv.Error, ValueError) as error:
        problem = str(error)
        raise UserError(
            problem[:1].upper() + problem[1:],
            "Mend that line; how cases are written is told in docs/behaviour.md.",
            path=path,
            line=max(rows.line_num, 1),
        ) from error


def check_behaviour(cases: Sequence[Case], predict: Predict) -> Behaviour:
    """Ask a model about all cases, every text once and all in one call.

    Args:
        cases: What to ask about.
        predict: The model; see :data:`Predict`.
    """
    pairs = [(case.text, case.text if case.changed is None else case.changed) for case in cases]
    texts = list(dict.fromkeys(text for pair in pairs for text in pair))
    answers = predict(texts)
    of = {
        text: Answer(probabilities, bool(uncertain))
        for text, probabilities, uncertain in zip(
            texts, answers.probabilities, answers.uncertain, strict=True
        )
    }
    return Behaviour(
        tuple(
            Outcome(
                case,
                case.expectation.is_met(of[text], of[changed]),
                case.expectation.describe(of[text], of[changed]),
            )
            for case, (text, changed) in zip(cases, pairs, strict=True)
        )
    )
