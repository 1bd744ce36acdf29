"""Tells whether a text looks English, which is all the model reads."""

from __future__ import annotations

import re
from collections.abc import Iterable

import numpy as np
import py3langid

#: Below this probability of English, of all languages together, a text is called another's. On
#: short English texts that is wrong once in a hundred times or less.
_LEAST = 0.05

#: A word or two are too little to tell.
_FEWEST_LETTERS = 10

_LETTERS = re.compile(r"[^\W\d_]")
_MARKUP = re.compile(r"https?://\S+|[@#]\w+")
_STRETCHED = re.compile(r"(\w)\1{2,}")


def looks_english(text: str) -> bool:
    """Whether a text may be English; in doubt it may."""
    words = _STRETCHED.sub(r"\1", _MARKUP.sub(" ", text).lower())
    letters = len(_LETTERS.findall(words))
    if letters < _FEWEST_LETTERS and words.isascii():
        return True
    if not letters:
        return True
    languages, scores = zip(*py3langid.rank(words), strict=True)
    # The scores are logarithms of what is not normalised yet.
    shares = np.exp(np.array(scores) - max(scores))
    return bool(shares[languages.index("en")] >= _LEAST * shares.sum())


def share_of_english(texts: Iterable[str]) -> float:
    """The share of texts that may be English; 1 without any."""
    found = [looks_english(text) for text in texts if text.strip()]
    return sum(found) / len(found) if found else 1.0
