from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from emotion_tfx.data import Row, read_csv

#: The reference is from the corpus's test split: its validation split is news to it, and its like.
IN_DOMAIN = "carer/validation.csv"
OTHER_DOMAINS = ("general/crowdflower.csv", "general/dailydialog.csv", "bench/isear.csv")

#: The first rows of a corpus by its name.
Corpus = Callable[[str, int], list[Row]]


@pytest.fixture(scope="session")
def corpus(shared_data: Path) -> Corpus:
    return lambda name, rows: read_csv(shared_data / name)[:rows]
