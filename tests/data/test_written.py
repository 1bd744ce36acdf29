"""The texts written for training beside any corpus."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from emotion_tfx.data import read_csv, text_key, written_texts
from emotion_tfx.evaluation import read_cases
from emotion_tfx.labels import LABELS

from ..command import REPOSITORY

ROWS = read_csv(written_texts())
KEYS = {text_key(row.text) for row in ROWS}
#: Real corpora, where the checkout stands beside them.
CORPORA = REPOSITORY.parent / "shared" / "data"


def test_a_text_stands_there_once_or_without_an_emotion_under_every_label():
    labels: dict[str, list[int]] = {}
    for row in ROWS:
        labels.setdefault(text_key(row.text), []).append(row.label)
    neutral = {text_key(row.text) for row in ROWS if row.source == "written neutral"}
    assert neutral
    for key, found in labels.items():
        expected = list(range(len(LABELS))) if key in neutral else found[:1]
        assert sorted(found) == expected


def test_labels_are_balanced():
    counts = Counter(row.label for row in ROWS)
    assert len(counts) == len(LABELS)
    assert max(counts.values()) < 1.25 * min(counts.values())


def test_none_is_a_behavioural_case_nor_one_with_another_word():
    cases = {text_key(text) for case in read_cases() for text in (case.text, case.changed) if text}
    assert not cases & KEYS
    near = {form for case in cases for form in with_a_word_left_out(case)}
    assert not [key for key in KEYS if near & with_a_word_left_out(key)]


def with_a_word_left_out(key: str) -> set[tuple[int, str]]:
    """Two texts of as many words share one of these if they differ in a single word, or in none."""
    words = key.split()
    if len(words) < 4:
        return set()
    return {(place, " ".join(words[:place] + words[place + 1 :])) for place in range(len(words))}


@pytest.mark.skipif(not CORPORA.is_dir(), reason="needs the real corpora beside the checkout")
@pytest.mark.parametrize("name", ["carer/validation.csv", "carer/test.csv", "bench"])
def test_none_is_of_a_corpus_to_be_measured_on(name: str):
    path = CORPORA / name
    files: list[Path] = sorted(path.glob("*.csv")) if path.is_dir() else [path]
    assert files
    for file in files:
        assert not {text_key(row.text) for row in read_csv(file)} & KEYS
