from __future__ import annotations

import random

import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from emotion_tfx.features.ids import FIRST_WORD_ID, UNKNOWN_ID
from emotion_tfx.features.preprocessing import STEM_IDS, SUBWORD_BUCKETS, SUBWORD_IDS, WORD_IDS
from emotion_tfx.features.text import subword_ids
from emotion_tfx.model.misspelling import Misspeller, misspell

from .examples import vocabulary_of

WORDS = ("happy", "anxious", "not", "😀", "l8er")
VOCABULARY = vocabulary_of(WORDS)


def inputs(repetitions: int = 200) -> dict[str, tf.Tensor]:
    words = np.repeat(np.arange(len(WORDS)) + FIRST_WORD_ID, repetitions)
    spelt = [WORDS[word - FIRST_WORD_ID] for word in words]
    return {
        WORD_IDS: tf.constant(words, tf.int64),
        STEM_IDS: tf.constant(words, tf.int64),
        SUBWORD_IDS: subword_ids(tf.constant(spelt), SUBWORD_BUCKETS),
    }


@given(st.text("abcdefgh", min_size=4, max_size=12), st.integers(0))
def test_a_slip_is_a_small_one(word: str, seed: int):
    slipped = misspell(word, random.Random(seed))
    assert slipped[0] == word[0]
    assert abs(len(slipped) - len(word)) <= 1
    assert len(set(word) - set(slipped)) <= 1


def test_words_are_spelt_wrongly_in_many_ways():
    spelt = {misspell("grateful", random.Random(seed)) for seed in range(300)}
    assert {"graetful", "grteful", "gratefful"} <= spelt
    assert len(spelt) > 30


def test_a_misspelt_word_is_unknown_but_for_its_sub_words():
    tf.random.set_seed(0)
    before = inputs()
    after = Misspeller(VOCABULARY, 0.5, seed=0)(before)
    changed = after[WORD_IDS].numpy() == UNKNOWN_ID
    long = np.isin(before[WORD_IDS].numpy(), [FIRST_WORD_ID, FIRST_WORD_ID + 1])
    assert 0.4 < changed[long].mean() < 0.6
    np.testing.assert_array_equal(changed, after[STEM_IDS].numpy() == UNKNOWN_ID)
    same = (after[SUBWORD_IDS].numpy() == before[SUBWORD_IDS].numpy()).all(axis=1)
    assert same[~changed].all()
    assert same[changed].mean() < 0.3
    kinds = after[SUBWORD_IDS].numpy() // SUBWORD_BUCKETS
    assert (kinds == np.arange(kinds.shape[1])).all()


def test_short_words_and_signs_are_left_alone():
    after = Misspeller(VOCABULARY, 0.999, seed=0)(inputs())[WORD_IDS].numpy()
    assert set(after) == {UNKNOWN_ID, FIRST_WORD_ID + 2, FIRST_WORD_ID + 3, FIRST_WORD_ID + 4} | (
        set(after) & {FIRST_WORD_ID, FIRST_WORD_ID + 1}
    )


def test_the_spellings_drawn_are_those_of_the_word():
    tf.random.set_seed(0)
    after = Misspeller(VOCABULARY, 0.999, seed=0)(inputs())
    changed = after[WORD_IDS].numpy() == UNKNOWN_ID
    spelt = [misspell("happy", random.Random(seed)) for seed in range(3_000)]
    possible = set(map(tuple, subword_ids(tf.constant(spelt), SUBWORD_BUCKETS).numpy()))
    happy = changed & (inputs()[WORD_IDS].numpy() == FIRST_WORD_ID)
    assert {tuple(ids) for ids in after[SUBWORD_IDS].numpy()[happy]} <= possible


def test_without_sub_words_the_others_are_hidden_all_the_same():
    words = {WORD_IDS: inputs()[WORD_IDS]}
    after = Misspeller(VOCABULARY, 0.5, seed=0)(words)
    assert after.keys() == words.keys()
    assert (after[WORD_IDS].numpy() == UNKNOWN_ID).any()
    assert (words[WORD_IDS].numpy() != UNKNOWN_ID).all()
