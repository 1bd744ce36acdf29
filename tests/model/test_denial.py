from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emotion_tfx.features.preprocessing import WORD_IDS
from emotion_tfx.features.vocabulary import FIRST_WORD_ID
from emotion_tfx.labels import LABELS
from emotion_tfx.model.calibration import Calibration, probabilities
from emotion_tfx.model.dataset import Dataset
from emotion_tfx.model.denial import deny
from emotion_tfx.model.training import predict_logits, train

from .examples import QUICK, dataset_of, vocabulary_of

WORDS = ["i", "am", "she", "was", "so", "not", "feel", "but", "the", "today"]
WORDS += ["angry", "furious", "happy", "afraid"]
VOCABULARY = vocabulary_of(WORDS)
#: Enough texts for "angry", "happy" and "afraid" to tell their labels, and for "not" to be known.
KNOWN = [("angry", "anger"), ("happy", "joy"), ("afraid", "fear"), ("not today", "sadness")] * 30


def denied(*texts: tuple[str, str], share: float = 0.5) -> list[str]:
    """The copies made of some texts, beside those that make the words known."""
    rows = [*KNOWN, *texts]
    dataset = prepared(rows)
    both, copied = deny(dataset, VOCABULARY, share)
    assert texts_of(both)[: len(rows)] == [text for text, _ in rows]
    assert (copied[: len(rows)] == -1).all()
    copies = copied[len(rows) :]
    np.testing.assert_array_equal(both.labels[len(rows) :], dataset.labels[copies])
    np.testing.assert_array_equal(both.domains[len(rows) :], dataset.domains[copies])
    assert (copies >= len(KNOWN)).all()
    return texts_of(both)[len(rows) :]


def prepared(rows: list[tuple[str, str]]) -> Dataset:
    texts, names = zip(*rows, strict=True)
    return dataset_of(VOCABULARY, texts, [LABELS.index(name) for name in names])


def texts_of(dataset: Dataset) -> list[str]:
    words = [WORDS[number - FIRST_WORD_ID] for number in dataset.distinct[WORD_IDS][dataset.tokens]]
    bounds = zip(dataset.offsets[:-1], dataset.offsets[1:], strict=True)
    return [" ".join(words[start:end]) for start, end in bounds]


@pytest.mark.parametrize(
    ("text", "label", "expected"),
    [
        ("i angry", "anger", "i not angry"),
        ("she was so happy today", "joy", "she was not so happy today"),
        ("today i afraid but happy", "fear", "today i not afraid but happy"),
    ],
)
def test_not_is_put_before_the_word_that_tells_the_emotion(text: str, label: str, expected: str):
    assert denied((text, label)) == [expected]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("i not angry", "anger"),  # denied already
        ("i feel angry", "anger"),  # left as CARER means it
        ("i angry", "joy"),  # not what tells this label
        ("the angry", "anger"),  # not what somebody is
        ("angry", "anger"),  # nobody to be it
        ("i angry so angry", "anger"),  # denying one would leave the other
        ("i furious", "anger"),  # too rare to be known to tell
    ],
)
def test_other_texts_are_left_alone(text: str, label: str):
    assert denied((text, label)) == []


def test_so_many_copies_are_drawn_as_asked_for():
    texts = [("i angry", "anger"), ("i happy", "joy"), ("i afraid", "fear")] * 10
    both, copied = deny(prepared([*KNOWN, *texts]), VOCABULARY, 0.05)
    assert both.weights[copied >= 0].sum() == pytest.approx(0.05 * 150)


def test_without_a_share_or_a_not_nothing_is_denied():
    assert denied(("i angry", "anger"), share=0.0) == []
    dataset = prepared([("i angry", "anger")] * 30)
    assert deny(dataset, VOCABULARY, 0.5)[0] is dataset


NAMES = {"angry": "anger", "happy": "joy", "afraid": "fear"}
#: Each emotion with its word, and "not" without any of them.
SHOWN = [(f"{who} {word}", name) for word, name in NAMES.items() for who in ("i", "she was")]
SHOWN = [*SHOWN * 40, *[("not today", "sadness"), ("i was today", "sadness")] * 40]


def test_training_is_planned_for_the_copies_too():
    dataset = prepared(SHOWN)
    told: list[tuple[int, int]] = []
    train(
        dataset, dataset, VOCABULARY, replace(QUICK, epochs=2), progress=lambda *of: told.append(of)
    )
    totals = {total for _, total in told}
    assert totals == {2 * deny(dataset, VOCABULARY, 0.05)[0].drawn}
    assert min(totals) > 2 * len(dataset)


def test_what_is_denied_is_learned():
    """Though no text that is learned from shows a plain denial."""
    dataset = prepared(SHOWN)
    settings = replace(QUICK, subword_dimensions=32, epochs=4)
    trained = train(dataset, dataset, VOCABULARY, settings, seed=1)
    for word, name in NAMES.items():
        texts = prepared([(f"i {word}", name), (f"i not {word}", name)])
        shares = probabilities(predict_logits(trained.network, texts), Calibration())
        plain, denied = shares[:, LABELS.index(name)]
        assert plain > 0.9
        assert denied < 0.3
