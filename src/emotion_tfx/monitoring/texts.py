"""Texts to look at: of a file, or of those that people judged."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emotion_tfx.config import Settings
from emotion_tfx.data import read_texts


@dataclass(frozen=True)
class Texts:
    """N texts, at least one.

    Attributes:
        texts: The texts.
        labels: The positions of their labels, if they are known.
        source: Where they are from, in words.
    """

    texts: Sequence[str]
    labels: Sequence[int] | None
    source: str


def file_texts(path: Path, column: str) -> Texts:
    """Those of a CSV.

    Raises:
        UserError: It cannot be read, or has no such column.
    """
    texts, labels = read_texts(path, column)
    return Texts(texts, labels, f"from {path.name}")


def feedback_texts(settings: Settings) -> Texts:
    """Those that people judged in the web app and consented to give, with what they chose.

    Raises:
        UserError: There are none, or their database cannot be read.
    """
    from emotion_tfx.app.feedback import FeedbackStore

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "feedback.csv"
        FeedbackStore(settings.feedback_address).export(file)
        texts, labels = read_texts(file)
    return Texts(texts, labels, "judged in the web app")
