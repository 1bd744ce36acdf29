"""Misspelt words for training, so that sub-words learn to speak for words with typos."""

from __future__ import annotations

import random

import numpy as np
import tensorflow as tf

from emotion_tfx.features.ids import FIRST_WORD_ID, UNKNOWN_ID
from emotion_tfx.features.preprocessing import STEM_IDS, SUBWORD_BUCKETS, SUBWORD_IDS, WORD_IDS
from emotion_tfx.features.text import subword_ids
from emotion_tfx.features.vocabulary import Vocabulary

#: Misspellings of each word to draw from.
_VARIANTS = 8
#: Shorter words are left alone: with a letter changed they are other words.
_SHORTEST = 4


def misspell(word: str, generator: random.Random) -> str:
    """The word with one slip of the fingers, never in its first letter.

    Two neighbours change places, a letter is missing, comes twice, or another stands in its place.
    """
    place = generator.randrange(1, len(word))
    before, letter, after = word[:place], word[place], word[place + 1 :]
    slips = (
        before[:-1] + letter + before[-1] + after if place > 1 else before + after,
        before + after,
        before + letter * 2 + after,
        before + generator.choice("abcdefghijklmnopqrstuvwxyz") + after,
    )
    return generator.choice(slips)


class Misspeller:
    """Misspells some of the words that a network is fed in training.

    A misspelt word is not in the vocabulary, so that nothing but its sub-words is left of it.

    Source: Belinkov, Bisk, Synthetic and Natural Noise Both Break Neural Machine Translation, ICLR
    2018.

    Args:
        vocabulary: What the ids mean.
        share: Of the words.
        seed: Of the slips.
    """

    def __init__(self, vocabulary: Vocabulary, share: float, seed: int) -> None:
        generator = random.Random(seed)
        chances = [
            share if len(word) >= _SHORTEST and word.isascii() and word.isalpha() else 0.0
            for word in vocabulary.words
        ]
        spelt = [
            misspell(word, generator) if chance else word
            for word, chance in zip(vocabulary.words, chances, strict=True)
            for _ in range(_VARIANTS)
        ]
        ids = subword_ids(tf.constant(spelt), SUBWORD_BUCKETS).numpy()
        self._chances = tf.constant([0.0] * FIRST_WORD_ID + chances)
        self._subwords = tf.constant(
            np.pad(ids, [[FIRST_WORD_ID * _VARIANTS, 0], [0, 0]]), tf.int32
        )

    def __call__(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """The network's inputs, some of their words misspelt; see :meth:`EmotionNetwork.call`."""
        words = inputs[WORD_IDS]
        chosen = tf.random.uniform(tf.shape(words)) < tf.gather(self._chances, words)
        variants = tf.random.uniform(tf.shape(words), maxval=_VARIANTS, dtype=words.dtype)
        changed = {WORD_IDS: UNKNOWN_ID, STEM_IDS: UNKNOWN_ID}
        if SUBWORD_IDS in inputs:
            subwords = tf.gather(self._subwords, words * _VARIANTS + variants)
            changed[SUBWORD_IDS] = tf.cast(subwords, inputs[SUBWORD_IDS].dtype)
        return inputs | {
            name: tf.where(chosen[:, tf.newaxis] if name == SUBWORD_IDS else chosen, new, old)
            for name, new in changed.items()
            if (old := inputs.get(name)) is not None
        }
