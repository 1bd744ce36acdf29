from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from emotion_tfx.evaluation import measure_reasons

WORDS = {"happy": 1.0, "glad": 0.5, "today": 0.0, "table": 0.0, "rain": -0.5}
TEXTS = ["happy table today", "today rain glad", "glad happy rain table"] * 5


@dataclass(frozen=True)
class Answered:
    probabilities: np.ndarray
    uncertain: np.ndarray


def predict(texts: Sequence[str]) -> Answered:
    """A model of one class that adds up what its words are worth."""
    worth = [0.5 + sum(WORDS[word] for word in text.split()) / 10 for text in texts]
    joy = np.array(worth)
    rest = np.repeat((1 - joy)[:, None] / 5, 5, axis=1)
    probabilities = np.column_stack([rest[:, :1], joy, rest[:, 1:]])
    return Answered(probabilities, np.zeros(len(texts), bool))


def honest(texts: Sequence[str]) -> list[list[tuple[str, float]]]:
    return [[(word, WORDS[word]) for word in text.split()] for text in texts]


def contrary(texts: Sequence[str]) -> list[list[tuple[str, float]]]:
    return [[(word, -value) for word, value in pairs] for pairs in honest(texts)]


def test_a_model_that_tells_its_reasons_is_faithful():
    reasons = measure_reasons(TEXTS, honest, predict)
    assert reasons.texts == len(TEXTS)
    assert reasons.faithful == 1.0
    assert reasons.first > reasons.random
    assert 0.05 <= reasons.first <= 0.1


def test_a_model_that_tells_other_reasons_is_not():
    reasons = measure_reasons(TEXTS, contrary, predict)
    assert reasons.faithful == 0.0
    assert reasons.first < reasons.random


def test_a_tie_is_no_faithfulness():
    assert measure_reasons(["today table"], honest, predict).faithful == 0.0


def test_texts_of_one_token_have_no_other_to_delete():
    assert measure_reasons(["happy", "happy today"], honest, predict).texts == 1
    assert measure_reasons(["happy", ""], honest, predict) is None
    assert measure_reasons([], honest, predict) is None


def test_the_same_texts_are_drawn_each_time():
    many = [f"{first} {second} today" for first in WORDS for second in WORDS] * 60
    assert measure_reasons(many, honest, predict) == measure_reasons(many, honest, predict)
    assert measure_reasons(many, honest, predict).texts == 1_000


def test_the_asking_ends_in_time():
    asked: list[int] = []

    def slow(texts: Sequence[str]) -> list[list[tuple[str, float]]]:
        asked.append(len(texts))
        return honest(texts)

    reasons = measure_reasons(TEXTS * 20, slow, predict, seconds=0.0)
    assert reasons.texts == sum(asked) < len(TEXTS) * 20


def test_the_figures_are_written_as_json():
    reasons = measure_reasons(TEXTS, honest, predict)
    stored = json.loads(reasons.to_json())
    assert stored.keys() == {"texts", "faithful", "first", "random"}
    assert stored["faithful"] == pytest.approx(reasons.faithful)
