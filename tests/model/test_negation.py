from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from emotion_tfx.features import lexicon
from emotion_tfx.features.vocabulary import FIRST_WORD_ID
from emotion_tfx.model.negation import negated, readings, roles

from .examples import vocabulary_of

VOCABULARY = vocabulary_of(
    [
        *["i", "am", "happy", "really", "and", "sad", "been", "have"],
        *[*lexicon.NEGATIONS, *lexicon.SCOPE_ENDS, *lexicon.FEELING, *lexicon.COMPARISONS],
    ]
)


def marked(*texts: str) -> list[str]:
    """The texts with the words that a negation turns in capitals."""
    rows = [text.split() for text in texts]
    longest = max(map(len, rows))
    ids = [[VOCABULARY.words.index(word) + FIRST_WORD_ID for word in row] for row in rows]
    padded = np.array([row + [0] * (longest - len(row)) for row in ids]).T
    marks = negated(tf.constant(roles(VOCABULARY)[padded])).numpy().T
    return [
        " ".join(word.upper() if mark else word for word, mark in zip(row, of_row, strict=False))
        for row, of_row in zip(rows, marks, strict=True)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i am happy", "i am happy"),
        ("i am not happy", "i am not HAPPY"),
        ("i am not really really happy", "i am not REALLY REALLY HAPPY"),
        ("no , i am happy", "no , i am happy"),
        ("not happy but sad", "not HAPPY but sad"),
        ("never sad ! happy", "never SAD ! happy"),
        ("not i am really happy and sad", "not I AM REALLY HAPPY and sad"),  # four words at most
        ("i am happy not", "i am happy not"),
        ("never not happy", "never NOT HAPPY"),
        ("i am never happier", "i am never HAPPIER"),
        ("i have never been happier and happy", "i have never BEEN happier and happy"),
        ("never been more sad", "never BEEN more sad"),
        ("no more sad", "no MORE SAD"),
    ],
)
def test_a_negation_turns_what_follows_up_to_the_end_of_the_clause(text: str, expected: str):
    assert marked(text) == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("i feel happy", [0, 0, 0]),
        ("i am not happy", [0, 0, 0, 1]),
        ("i never feel happy", [0, 0, 1, 2]),
        ("i felt sad , i am not happy", [0, 0, 0, 0, 0, 0, 0, 2]),
        ("i am not sad i feel happy", [0, 0, 0, 1, 1, 1, 2]),
    ],
)
def test_a_turned_word_is_read_another_way_after_a_form_of_feel(text: str, expected: list[int]):
    ids = [VOCABULARY.words.index(word) + FIRST_WORD_ID for word in text.split()]
    found = readings(tf.constant(roles(VOCABULARY)[ids])[:, tf.newaxis])
    assert found.numpy()[:, 0].tolist() == expected


def test_each_text_of_a_batch_is_marked_by_itself():
    assert marked("not", "sad", "not sad and happy") == ["not", "sad", "not SAD AND HAPPY"]


def test_a_text_without_words_has_no_marks():
    assert not negated(tf.zeros([1, 2], tf.int32)).numpy().any()
