"""Small vocabularies and prepared texts made up for the tests."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from emotion_tfx.features.preprocessing import STEM_IDS, SUBWORD_BUCKETS, SUBWORD_IDS, WORD_IDS
from emotion_tfx.features.text import SUBWORDS
from emotion_tfx.features.vocabulary import FIRST_WORD_ID, Vocabulary
from emotion_tfx.model.dataset import Dataset, from_columns
from emotion_tfx.model.hyperparameters import Hyperparameters


def vocabulary_of(words: Sequence[str], stems: Sequence[str] | None = None) -> Vocabulary:
    """A vocabulary of these words; each is its own stem unless told."""
    stems = words if stems is None else stems
    distinct = tuple(dict.fromkeys(stems))
    ids = [distinct.index(stem) + FIRST_WORD_ID for stem in stems]
    return Vocabulary(tuple(words), distinct, np.array(ids, np.int64))


def dataset_of(
    vocabulary: Vocabulary,
    texts: Sequence[str],
    labels: Sequence[int] | None = None,
    weights: Sequence[float] | None = None,
    domains: Sequence[str] | None = None,
) -> Dataset:
    """Texts of known words, prepared; sub-words are hashed in a way of our own."""
    tokens = [text.split() for text in texts]
    lines = np.array([vocabulary.words.index(word) for row in tokens for word in row], np.int32)
    kinds = np.arange(len(SUBWORDS))
    return from_columns(
        np.concatenate([[0], np.cumsum([len(row) for row in tokens], dtype=np.int64)]),
        {
            WORD_IDS: lines + FIRST_WORD_ID,
            STEM_IDS: vocabulary.stem_ids[lines],
            SUBWORD_IDS: (lines[:, None] * (kinds + 7)) % SUBWORD_BUCKETS + kinds * SUBWORD_BUCKETS,
        },
        np.array(labels if labels is not None else [0] * len(texts)),
        np.array(weights if weights is not None else [1.0] * len(texts)),
        None if domains is None else np.array([name.encode() for name in domains]),
    )


#: Enough to learn a handful of words in seconds.
QUICK = Hyperparameters(
    min_examples=0,
    units=12,
    dense_units=12,
    subword_dimensions=4,
    dropout=0.1,
    learning_rate=1e-2,
    batch_size=16,
    epochs=5,
)
