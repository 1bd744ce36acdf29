"""The corpus: finding it, fetching it, reading and checking it, dividing it into clean splits."""

from __future__ import annotations

from emotion_tfx.data.find import Corpus, find_corpus, sample_corpus, written_texts
from emotion_tfx.data.prepare import (
    DataReport,
    Extra,
    FileReport,
    prepare,
    text_key,
    written_extra,
)
from emotion_tfx.data.read import Row, check_classes, read_csv, read_texts

__all__ = [
    "Corpus",
    "DataReport",
    "Extra",
    "FileReport",
    "Row",
    "check_classes",
    "find_corpus",
    "prepare",
    "read_csv",
    "read_texts",
    "sample_corpus",
    "text_key",
    "written_extra",
    "written_texts",
]
