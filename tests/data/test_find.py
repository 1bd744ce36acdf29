from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from emotion_tfx.data import find_corpus, read_csv, sample_corpus, text_key
from emotion_tfx.errors import UserError
from emotion_tfx.labels import LABELS


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EMOTION_OFFLINE", "1")


@pytest.fixture
def folder(tmp_path: Path):
    """Makes a folder with small CSV files of the given names."""

    def make(*names: str) -> Path:
        for name in names:
            (tmp_path / name).write_text("text,label\nso happy,joy\n")
        return tmp_path

    return make


def find(data: Path | None, cache: Path = Path("/nonexistent")):
    """What is found, and all that is said meanwhile."""
    said: list[str] = []
    return find_corpus(data, cache=cache, say=said.append), " ".join(said)


def test_a_file_is_a_corpus_without_splits(folder: Callable[..., Path]):
    path = folder("mine.csv") / "mine.csv"
    corpus, said = find(path)
    assert (corpus.name, corpus.files, corpus.is_sample) == ("mine", (path,), False)
    assert not corpus.train
    assert not said


def test_a_folder_with_train_and_test_is_an_official_corpus(folder: Callable[..., Path]):
    data = folder("train.csv", "validation.csv", "test.csv")
    corpus, said = find(data)
    assert corpus.train == (data / "train.csv",)
    assert corpus.validation == (data / "validation.csv",)
    assert corpus.test == (data / "test.csv",)
    assert not corpus.files
    assert not said


@pytest.mark.parametrize("name", ["val.csv", "valid.csv", "dev.csv", "Validation.CSV"])
def test_the_validation_file_has_several_names(folder: Callable[..., Path], name: str):
    data = folder("train.csv", "test.csv", name)
    assert find(data)[0].validation == (data / name,)


def test_an_official_corpus_may_lack_the_validation_file(folder: Callable[..., Path]):
    corpus, _ = find(folder("train.csv", "test.csv"))
    assert corpus.train
    assert not corpus.validation


def test_files_left_out_of_an_official_corpus_are_named(folder: Callable[..., Path]):
    _, said = find(folder("train.csv", "test.csv", "more.csv", "old.csv"))
    assert "more.csv, old.csv" in said
    assert "--extra" in said


def test_all_files_of_any_other_folder_are_one_corpus(folder: Callable[..., Path]):
    data = folder("b.csv", "a.csv", "train.csv", ".hidden.csv", "notes.txt")
    (data / "deeper").mkdir()
    (data / "deeper" / "c.csv").write_text("text,label\n")
    corpus, _ = find(data)
    assert corpus.files == (data / "a.csv", data / "b.csv", data / "train.csv")
    assert corpus.name == data.name


def test_a_folder_without_csv_is_refused(folder: Callable[..., Path]):
    with pytest.raises(UserError, match="no CSV file") as caught:
        find(folder("notes.txt"))
    assert caught.value.path


def test_a_missing_path_is_refused(tmp_path: Path):
    with pytest.raises(UserError, match="no such file or folder"):
        find(tmp_path / "none")


def test_a_corpus_in_the_cache_comes_first(tmp_path: Path):
    (tmp_path / "kaggle").mkdir()
    (tmp_path / "kaggle" / "text.csv").write_text(",text,label\n0,so happy,1\n")
    corpus, said = find(None, cache=tmp_path)
    assert corpus.name == "nelgiriyewithana/emotions"
    assert corpus.files == (tmp_path / "kaggle" / "text.csv",)
    assert not said


def test_the_sample_is_used_last_and_its_purpose_told(tmp_path: Path):
    corpus, said = find(None, cache=tmp_path)
    assert corpus == sample_corpus()
    assert "not for accuracy" in said
    assert "DATA=" in said


def test_a_path_to_the_sample_is_known_as_the_sample(tmp_path: Path):
    sample = sample_corpus().files[0]
    link = tmp_path / "link.csv"
    link.symlink_to(sample)
    for path in (sample, sample.parent, link):
        corpus, said = find(path)
        assert corpus.is_sample
        assert "not for accuracy" in said


def test_the_sample_is_large_mixed_and_free_of_duplicates():
    (path,) = sample_corpus().files
    rows = read_csv(path)
    assert len(rows) >= 1200
    assert min(Counter(row.label for row in rows).values()) >= 200
    assert len({row.label for row in rows}) == len(LABELS)
    assert len({text_key(row.text) for row in rows}) == len(rows)
    for start in range(0, len(rows), 200):
        assert len({row.label for row in rows[start : start + 200]}) == len(LABELS)
    with path.open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == ["text", "label"]
