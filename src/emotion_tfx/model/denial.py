"""Texts whose emotion is denied, for training: what a negation turns, and what is then not felt."""

from __future__ import annotations

import numpy as np

from emotion_tfx.features import lexicon
from emotion_tfx.features.ids import FIRST_WORD_ID
from emotion_tfx.features.preprocessing import WORD_IDS
from emotion_tfx.features.vocabulary import Vocabulary
from emotion_tfx.labels import LABELS
from emotion_tfx.model.dataset import Dataset, join

#: A word tells a label if so much of it, each label counting the same, stands under that label.
_TELLING = 0.6
_MIN_COUNT = 20
#: After these a word is what somebody feels or does ("i am afraid", "she was so angry").
_BEFORE = ("i", "you", "he", "she", "we", "they", "was", "were")
_DEGREES = ("so", "very", "really", "too", "just", "still", "pretty", "quite")


def deny(dataset: Dataset, vocabulary: Vocabulary, share: float) -> tuple[Dataset, np.ndarray]:
    """Adds copies of texts with "not" before the one word that tells their emotion.

    Corpora seldom show a plain denial: nobody labels "i am not angry". Beside another emotion
    ("not angry, just sad") it does not have to be understood. What can be said of a copy is that it
    has any label but that of the text.

    Texts with a negation are left alone, and so are those with a form of "feel", which CARER labels
    by the word that follows, negated or not.

    Source: Ishida, Niu, Hu, Sugiyama, Learning from Complementary Labels, NIPS 2017.

    Args:
        dataset: Texts to learn from.
        vocabulary: What the ids mean.
        share: How many copies are drawn for a text drawn.

    Returns:
        The texts with the copies after them; int [texts and copies], which text each is a copy of,
        -1 for those that are none.
    """
    ids = {word: number + FIRST_WORD_ID for number, word in enumerate(vocabulary.words)}
    words = dataset.distinct[WORD_IDS]
    denial = np.flatnonzero(words == ids.get("not", -1))
    if not share or not len(denial):
        return dataset, np.full(len(dataset), -1)
    places, rows = _places(dataset, ids)
    copies = dataset.select(rows)
    starts = copies.offsets[:-1] + places - dataset.offsets[rows]
    copies = Dataset(
        offsets=copies.offsets + np.arange(len(rows) + 1),
        tokens=np.insert(copies.tokens, starts, denial[0]),
        distinct=copies.distinct,
        labels=copies.labels,
        weights=np.full(len(rows), min(1.0, share * dataset.drawn / max(len(rows), 1)), np.float32),
        domains=copies.domains,
    )
    return join([dataset, copies]), np.concatenate([np.full(len(dataset), -1), rows])


def _places(dataset: Dataset, ids: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """Before which tokens "not" can stand, int [n], and in which texts, int [n]."""
    words = dataset.distinct[WORD_IDS][dataset.tokens]
    texts = np.repeat(np.arange(len(dataset)), dataset.lengths)

    def among(names: tuple[str, ...]) -> np.ndarray:
        return np.isin(words, [ids[name] for name in names if name in ids])

    telling = _telling(words, dataset.labels[texts])[dataset.labels[texts], words]
    alone = np.bincount(texts, weights=telling, minlength=len(dataset)) == 1
    excluded = among((*lexicon.NEGATIONS, *lexicon.FEELING))
    plain = np.bincount(texts, weights=excluded, minlength=len(dataset)) == 0
    degree, before = among(_DEGREES), among(_BEFORE)
    first = np.isin(np.arange(len(words)), dataset.offsets)
    places = np.flatnonzero(telling & (alone & plain)[texts] & ~first)
    places = places - (degree[places - 1] & ~first[places - 1])
    places = places[before[places - 1]]
    return places, texts[places]


def _telling(words: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Which words tell which label, bool [labels, word ids]."""
    counts = np.zeros((len(LABELS), words.max(initial=0) + 1))
    np.add.at(counts, (labels, words), 1)
    rates = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shares = rates / np.maximum(rates.sum(axis=0), 1e-12)
    telling = (shares > _TELLING) & (counts.sum(axis=0) >= _MIN_COUNT)
    telling[:, :FIRST_WORD_ID] = False
    return telling
