from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from emotion_tfx import EmotionClassifier, bulk
from emotion_tfx.errors import UserError
from emotion_tfx.labels import LABELS

from .command import SAMPLE
from .conftest import SampleRun

OURS = ["label", "confidence", *(f"p_{name}" for name in LABELS)]


@pytest.fixture(scope="module")
def classifier(sample_run: SampleRun) -> EmotionClassifier:
    return EmotionClassifier(sample_run.model)


def write(path: Path, *rows: list[str]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_rows_keep_their_order_columns_quotes_and_line_breaks(
    classifier: EmotionClassifier, tmp_path: Path
):
    rows = [
        ["1", 'she said "no", and left', "a,b"],
        ["2", "two lines:\ni am so scared\r\nand alone", ""],
        ["3", "", ' "" '],
        ["4", "😡 ça suffit", "愛"],
        ["5", "happy " * 30, "x"],
    ]
    source = write(tmp_path / "in.csv", ["id", "text", "note"], *rows)
    target = tmp_path / "out.csv"

    bulk.predict_csv(classifier, source, target, "text")

    header, *written = read(target)
    assert header == ["id", "text", "note", *OURS]
    assert [row[:3] for row in written] == rows
    answers = classifier.predict_many([row[1] for row in rows])
    assert [row[3] for row in written] == [answer.label for answer in answers]
    shares = np.array([row[5:] for row in written], float)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-5)
    np.testing.assert_allclose([float(row[4]) for row in written], shares.max(axis=1))


def test_columns_of_the_same_names_are_kept_and_ours_are_called_otherwise(
    classifier: EmotionClassifier, tmp_path: Path
):
    header = ["label", "tweet", "p_joy", "predicted_p_joy"]
    source = write(tmp_path / "in.csv", header, ["joy", "i feel fine", "a", "b"])
    target = tmp_path / "out.csv"

    bulk.predict_csv(classifier, source, target, "tweet")

    written, row = read(target)
    assert written[:4] == header
    assert row[:4] == ["joy", "i feel fine", "a", "b"]
    assert len(set(written)) == len(written)
    assert row[written.index("predicted_label")] in LABELS
    assert "predicted_predicted_p_joy" in written
    assert "p_fear" in written


def test_a_byte_order_mark_is_no_part_of_a_column(classifier: EmotionClassifier, tmp_path: Path):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes("\ufefftext\ni feel fine\n".encode())
    bulk.predict_csv(classifier, source, target, "text")
    assert read(target)[0] == ["text", *OURS]


def test_short_rows_are_filled_up(classifier: EmotionClassifier, tmp_path: Path):
    source, target = write(tmp_path / "in.csv", ["id", "text"], ["1"]), tmp_path / "out.csv"
    bulk.predict_csv(classifier, source, target, "text")
    _, row = read(target)
    assert row[:2] == ["1", ""]
    assert row[2] in LABELS


def test_a_file_may_be_answered_in_place(classifier: EmotionClassifier, tmp_path: Path):
    file = write(tmp_path / "texts.csv", ["text"], ["i feel fine"], ["i am scared"])
    bulk.predict_csv(classifier, file, file, "text")
    assert [row[0] for row in read(file)] == ["text", "i feel fine", "i am scared"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no column 'text'.*empty"),
        (b"id,tweet\n1,hello\n", "no column 'text'.*'id', 'tweet'.*--text-column"),
        (b"text\n" + b"hello\n" * 20_000 + b"m\xfcde\n", "not UTF-8"),
        (b"text,id\nhello,1\none, two,2\n", "line 3: The row has 3 fields"),
        (b"text\n" + b"x" * 10_000_001 + b"\n", "field larger than"),
    ],
    ids=["empty", "missing column", "latin-1 late", "too many fields", "huge field"],
)
def test_what_is_wrong_is_told_and_an_earlier_target_is_left(
    classifier: EmotionClassifier, tmp_path: Path, content: bytes, told: str
):
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_bytes(content)
    target.write_text("an earlier answer")
    with pytest.raises(UserError, match=told) as error:
        bulk.predict_csv(classifier, source, target, "text")
    assert error.value.path == source
    assert target.read_text() == "an earlier answer"
    assert sorted(tmp_path.iterdir()) == [source, target]


def test_a_missing_file_is_told(classifier: EmotionClassifier, tmp_path: Path):
    with pytest.raises(UserError, match="no such file") as error:
        bulk.predict_csv(classifier, tmp_path / "in.csv", tmp_path / "out.csv", "text")
    assert error.value.path == tmp_path / "in.csv"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_place_of_a_file_is_told(classifier: EmotionClassifier, tmp_path: Path):
    source = write(tmp_path / "in.csv", ["text"], ["hello"])
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError):
        bulk.predict_csv(classifier, source, tmp_path / "folder", "text")
    with pytest.raises(UserError):
        bulk.predict_csv(classifier, tmp_path / "folder", tmp_path / "out.csv", "text")
    assert {path.name for path in tmp_path.iterdir()} == {"in.csv", "folder"}


def test_texts_are_answered_a_line_each_in_their_order(
    classifier: EmotionClassifier, capsys: pytest.CaptureFixture[str]
):
    texts = ["i am scared", "", "what a lovely day"]
    bulk.predict_texts(classifier, texts)
    lines = capsys.readouterr().out.splitlines()
    answers = classifier.predict_many(texts)
    assert [line.split()[0] for line in lines] == [answer.label for answer in answers]
    assert ["(not sure)" in line for line in lines] == [answer.uncertain for answer in answers]


def test_as_json_each_line_is_one_object_with_its_text(
    classifier: EmotionClassifier, capsys: pytest.CaptureFixture[str]
):
    texts = ['she said "no" 😡', "", "ça suffit"]
    bulk.predict_texts(classifier, iter(texts), as_json=True)
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["text"] for each in objects] == texts
    for each in objects:
        assert each["probabilities"][each["label"]] == each["confidence"]
        assert sum(each["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)


def test_lines_of_a_stream_are_its_texts():
    assert list(bulk.read_lines(io.BytesIO("one\r\n\nça\nlast".encode()))) == [
        "one",
        "",
        "ça",
        "last",
    ]


def test_a_stream_that_is_not_utf_8_is_told_with_the_line():
    with pytest.raises(UserError, match="Line 2"):
        list(bulk.read_lines(io.BytesIO(b"one\nm\xfcde\n")))


def test_evaluation_shows_the_accuracy_and_each_emotion(
    classifier: EmotionClassifier, capsys: pytest.CaptureFixture[str]
):
    bulk.evaluate_csv(classifier, SAMPLE / "emotions.csv")
    shown = capsys.readouterr().out
    assert "accuracy" in shown
    assert all(name in shown for name in LABELS)


def test_evaluation_as_json_counts_what_the_classifier_gets_right(
    classifier: EmotionClassifier, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    texts = ["i feel so happy", "i am scared of the dark", "i miss you", "how dare you"]
    given = ["joy", "4", "love", "joy"]
    data = write(
        tmp_path / "some.csv", ["text", "label"], *map(list, zip(texts, given, strict=True))
    )
    bulk.evaluate_csv(classifier, data, as_json=True)
    metrics = json.loads(capsys.readouterr().out)
    answered = [answer.label for answer in classifier.predict_many(texts)]
    right = [a == b for a, b in zip(answered, ["joy", "fear", "love", "joy"], strict=True)]
    assert metrics["n"] == 4
    assert metrics["accuracy"] == pytest.approx(np.mean(right))


def test_evaluation_refuses_rows_without_a_known_label(
    classifier: EmotionClassifier, tmp_path: Path
):
    data = write(tmp_path / "some.csv", ["text", "label"], ["hello", "bliss"])
    with pytest.raises(UserError, match="bliss"):
        bulk.evaluate_csv(classifier, data)
