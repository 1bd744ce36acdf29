from __future__ import annotations

import numpy as np
import pytest

from emotion_tfx.features import glove


def test_frequent_words_are_made_of_letters_and_come_in_order():
    words = glove.frequent_words(5_000)
    assert words[:3] == ["the", "of", "to"]
    assert len(set(words)) == 5_000
    assert all(word.isascii() and word.isalpha() and word.islower() for word in words)
    assert {word for word in words if len(word) == 1} <= {"a", "i"}
    assert glove.frequent_words(100) == words[:100]


def test_no_words_may_be_asked_for():
    assert glove.frequent_words(0) == []


def test_words_have_their_vectors_in_the_order_asked_for():
    found, known = glove.vectors(["happy", "xyzzyqq", "😢", "glad", "table"])
    assert (found.shape, found.dtype) == ((5, glove.DIMENSIONS), np.float32)
    assert known.tolist() == [True, False, False, True, True]
    assert not found[~known].any()
    # The first of the published values.
    the, _ = glove.vectors(["the"])
    assert the[0, :3] == pytest.approx([0.418, 0.24968, -0.41242], abs=1e-3)


def test_words_of_like_meaning_are_near_each_other():
    found, _ = glove.vectors(["happy", "glad", "table"])
    happy, glad, table = found / np.linalg.norm(found, axis=1, keepdims=True)
    assert happy @ glad > happy @ table + 0.3


def test_no_vectors_may_be_asked_for():
    found, known = glove.vectors([])
    assert (found.shape, known.shape) == ((0, glove.DIMENSIONS), (0,))
