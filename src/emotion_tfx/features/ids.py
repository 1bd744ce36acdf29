"""What the ids of tokens mean. Cheap to import, for those who read them without making them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Ids that are no word's: what fills short rows up, and what stands for a word not known.
PADDING_ID = 0
UNKNOWN_ID = 1
FIRST_WORD_ID = 2


def count_tokens(word_ids: NDArray[np.integer]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many tokens each text has, and how many of them are not known.

    Args:
        word_ids: As the signature ``transform_features`` gives them, int [N, longest].

    Returns:
        Both int64 [N].
    """
    return (word_ids != PADDING_ID).sum(axis=1), (word_ids == UNKNOWN_ID).sum(axis=1)
