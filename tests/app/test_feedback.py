from __future__ import annotations

import csv
from pathlib import Path

import pytest

from emotion_tfx.app.client import Answer
from emotion_tfx.app.feedback import FeedbackError, FeedbackStore
from emotion_tfx.data import read_csv
from emotion_tfx.errors import UserError
from emotion_tfx.labels import LABELS

from ..command import emotion

ANSWER = Answer("joy", 0.9, False, dict.fromkeys(LABELS, 0.1), (), "emotion", "7")


@pytest.fixture
def store(tmp_path: Path) -> FeedbackStore:
    return FeedbackStore(f"sqlite:///{tmp_path / 'deep' / 'feedback.sqlite'}")


def exported(store: FeedbackStore, path: Path) -> dict[str, str]:
    store.export(path)
    return {row.text: LABELS[row.label] for row in read_csv(path)}


def test_a_text_is_kept_only_with_consent(store: FeedbackStore, tmp_path: Path):
    store.keep("a", ANSWER, "love", None)
    store.keep("b", ANSWER, "joy", "i am fine")
    assert store.agreement() == (1, 2)
    assert exported(store, tmp_path / "out.csv") == {"i am fine": "joy"}
    assert store.export(tmp_path / "out.csv").withheld == 1
    database = (tmp_path / "deep" / "feedback.sqlite").read_bytes()
    assert database.count(b"i am fine") == 1


def test_another_choice_takes_the_place_of_the_first(store: FeedbackStore, tmp_path: Path):
    store.keep("a", ANSWER, "joy", "well")
    store.keep("a", ANSWER, "fear", "well")
    assert store.agreement() == (0, 1)
    assert exported(store, tmp_path / "out.csv") == {"well": "fear"}
    store.forget("a")
    assert store.agreement() == (0, 0)


def test_consent_taken_back_takes_the_text_out(store: FeedbackStore, tmp_path: Path):
    store.keep("a", ANSWER, "joy", "a secret of mine")
    store.keep("a", ANSWER, "joy", None)
    with pytest.raises(UserError, match="no feedback with a text"):
        store.export(tmp_path / "out.csv")
    assert b"a secret of mine" not in (tmp_path / "deep" / "feedback.sqlite").read_bytes()


def test_the_majority_decides_and_between_equals_the_latest(store: FeedbackStore, tmp_path: Path):
    said = [("x", "joy"), ("x", "fear"), ("x", "joy"), ("y", "anger"), ("y", "love")]
    for number, (text, chosen) in enumerate(said):
        store.keep(str(number), ANSWER, chosen, text)
    assert exported(store, tmp_path / "out.csv") == {"x": "joy", "y": "love"}


def test_any_text_comes_back_as_it_was_and_training_reads_it(store: FeedbackStore, tmp_path: Path):
    texts = ['she said "no",\nand left', "=1+1", "'quoted'", "😡 ça suffit", "a\tb", "ends\r\n"]
    for number, text in enumerate(texts):
        store.keep(str(number), ANSWER, "anger", text)
    assert set(exported(store, tmp_path / "out.csv")) == set(texts)
    with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file)) == ["text", "label", "source"]


def test_the_command_exports_what_the_app_keeps(tmp_path: Path):
    settings = {"EMOTION_OUTPUT": str(tmp_path)}
    FeedbackStore(f"sqlite:///{tmp_path / 'feedback.sqlite'}").keep("a", ANSWER, "love", "dear me")
    ended = emotion("feedback", "export", "--output", tmp_path / "f.csv", settings=settings)
    assert (ended.code, ended.output) == (0, f"1 texts written to {tmp_path / 'f.csv'}\n")
    (row,) = read_csv(tmp_path / "f.csv")
    assert (row.text, LABELS[row.label], row.source) == ("dear me", "love", "feedback")


def test_nothing_to_export_ends_in_one_message(tmp_path: Path):
    ended = emotion("feedback", "export", settings={"EMOTION_OUTPUT": str(tmp_path / "none")})
    assert ended.code == 2
    assert ended.errors.startswith("error: There is no feedback with a text")
    assert len(ended.errors.strip().splitlines()) == 1


def test_a_database_that_cannot_be_used_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("no database")
    store = FeedbackStore(f"sqlite:///{tmp_path / 'file'}")
    with pytest.raises(FeedbackError, match="not a database"):
        store.keep("a", ANSWER, "joy", None)
    with pytest.raises(UserError, match="EMOTION_FEEDBACK"):
        store.export(tmp_path / "out.csv")
    for address in ("nonsense", "nosuch://x/y"):
        with pytest.raises(UserError, match="sqlite:///"):
            FeedbackStore(address)


def test_an_export_that_cannot_be_written_is_told(store: FeedbackStore, tmp_path: Path):
    store.keep("a", ANSWER, "joy", "well")
    with pytest.raises(UserError, match="--output"):
        store.export(tmp_path / "no" / "folder.csv")
