"""Which tokens stand under a negation, and whether a form of "feel" came before."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from emotion_tfx.features import lexicon
from emotion_tfx.features.ids import FIRST_WORD_ID
from emotion_tfx.features.vocabulary import Vocabulary

#: A negation turns so many tokens after it, at most.
REACH = 4

_NEGATION, _END, _FEELING, _COMPARISON = 1, 2, 3, 4
#: How a token is read: as it is, turned by a negation, or turned after a form of "feel".
READINGS = 3


def roles(vocabulary: Vocabulary) -> np.ndarray:
    """What each word id does to those after it.

    Returns:
        int32 [ids]: 1 for a negation, 2 for what ends its reach, 3 for a form of "feel", 4 for a
        comparison, 0 for all others.
    """
    role = dict.fromkeys(lexicon.NEGATIONS, _NEGATION) | dict.fromkeys(lexicon.SCOPE_ENDS, _END)
    role |= dict.fromkeys(lexicon.FEELING, _FEELING)
    role |= dict.fromkeys(lexicon.COMPARISONS, _COMPARISON)
    return np.array(
        [0] * FIRST_WORD_ID + [role.get(word, 0) for word in vocabulary.words], np.int32
    )


def readings(roles: tf.Tensor) -> tf.Tensor:
    """How each token is to be read.

    CARER labels a text by the word that follows "feel", negated or not: of its texts on not feeling
    afraid, 84 % are labelled as fear; of those on not being afraid, as elsewhere, 30 %. So the two
    are told apart.

    Args:
        roles: int32 [time, N], as in :func:`roles`.

    Returns:
        int32 [time, N]: 0 as it is, 1 under a negation, 2 under one and after a form of "feel".
    """
    felt = tf.cumsum(tf.cast(tf.equal(roles, _FEELING), tf.int32), exclusive=True) > 0
    return tf.where(negated(roles), tf.where(felt, 2, 1), 0)


def negated(roles: tf.Tensor) -> tf.Tensor:
    """Marks the tokens that a negation turns.

    "I could not be happier" takes nothing away from happiness: a comparison ends the reach, unless
    the negation stands right before it, as in "no more tears".

    Source: Das, Chen, Yahoo! for Amazon: Extracting Market Sentiment from Stock Message Boards,
    2001; here the reach is limited, for texts without punctuation.

    Args:
        roles: int32 [time, N], as in :func:`roles`.

    Returns:
        bool [time, N].
    """
    turning = tf.equal(roles, _NEGATION)
    compared = tf.equal(roles, _COMPARISON) & ~_later(turning)
    open_ = tf.not_equal(roles, _END) & ~compared
    reached = tf.zeros_like(turning)
    for _ in range(REACH):
        reached = _later(reached | turning) & open_
    return reached


def _later(values: tf.Tensor) -> tf.Tensor:
    """One step later in time, nothing at first."""
    return tf.concat([tf.zeros_like(values[:1]), values[:-1]], axis=0)
