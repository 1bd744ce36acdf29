from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from emotion_tfx import EmotionClassifier
from emotion_tfx.errors import UserError
from emotion_tfx.labels import LABELS

from .conftest import SmallModel

TEXTS = ("i feel so happy", "i am scared of the dark", "", "leave me alone, i hate you", "😡 fnord")


@pytest.fixture(scope="module")
def classifier(small_model: SmallModel) -> EmotionClassifier:
    return EmotionClassifier(small_model.saved_model)


def test_an_answer_names_the_most_probable_emotion(classifier: EmotionClassifier):
    answer = classifier.predict("i feel so happy")
    assert tuple(answer.probabilities) == LABELS
    assert answer.confidence == max(answer.probabilities.values())
    assert answer.probabilities[answer.label] == answer.confidence
    assert sum(answer.probabilities.values()) == pytest.approx(1.0, abs=1e-5)


def test_answers_come_in_the_order_of_the_texts(classifier: EmotionClassifier):
    together = classifier.predict_many(TEXTS * 120)
    alone = [classifier.predict(text) for text in TEXTS] * 120
    assert [answer.label for answer in together] == [answer.label for answer in alone]
    np.testing.assert_allclose(
        [list(answer.probabilities.values()) for answer in together],
        [list(answer.probabilities.values()) for answer in alone],
        rtol=0,
        atol=1e-6,
    )


def test_no_texts_give_no_answers(classifier: EmotionClassifier):
    assert classifier.predict_many([]) == []


def test_an_empty_text_is_answered_but_uncertain(classifier: EmotionClassifier):
    assert classifier.predict("").uncertain


@pytest.mark.parametrize("text", ["half an emoji \ud83d", "nul \0 byte", "x " * 20_000, "\ufeff"])
def test_odd_texts_are_answered(classifier: EmotionClassifier, text: str):
    assert classifier.predict(text).label in LABELS


def test_a_stream_is_answered_before_it_ends(classifier: EmotionClassifier):
    def endless() -> Iterator[str]:
        while True:
            yield "happy"

    first = next(iter(classifier.stream(endless())))
    assert first.probabilities.dtype == np.float32
    assert len(first.answers()) == len(first.probabilities) == len(first.uncertain)


def test_an_explanation_names_the_tokens_in_their_order(classifier: EmotionClassifier):
    pairs = classifier.explain("I'm SO scared of the storm!")
    tokens = [token for token, _ in pairs]
    assert tokens.index("scared") < tokens.index("storm")
    assert all(-1 <= value <= 1 for _, value in pairs)


def test_many_explanations_are_those_of_each_text(classifier: EmotionClassifier):
    texts = ["so scared", "", "happy to be here with all of you"]
    for text, pairs in zip(texts, classifier.explain_many(texts), strict=True):
        alone = classifier.explain(text)
        assert [token for token, _ in pairs] == [token for token, _ in alone]
        assert [value for _, value in pairs] == pytest.approx([v for _, v in alone], abs=1e-6)
    assert classifier.explain_many([]) == []


def test_a_text_without_tokens_has_an_empty_explanation(classifier: EmotionClassifier):
    assert classifier.explain("") == []


def test_a_folder_of_versions_gives_its_newest(small_model: SmallModel, tmp_path: Path):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").touch()
    newest = shutil.copytree(small_model.saved_model, tmp_path / "2")
    assert EmotionClassifier(tmp_path).path == newest


def test_a_folder_without_a_model_is_told(tmp_path: Path):
    with pytest.raises(UserError, match=r"saved_model\.pb") as error:
        EmotionClassifier(tmp_path)
    assert error.value.path == tmp_path


@pytest.mark.parametrize("broken", ["saved_model.pb", "variables/variables.index"])
def test_a_broken_model_is_told(small_model: SmallModel, tmp_path: Path, broken: str):
    folder = shutil.copytree(small_model.saved_model, tmp_path / "1")
    (folder / broken).write_bytes(b"\xff" * 20)
    with pytest.raises(UserError, match="cannot be loaded") as error:
        EmotionClassifier(folder)
    assert error.value.path == folder


def test_a_model_of_another_kind_is_told(tmp_path: Path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "1"))
    with pytest.raises(UserError, match="lacks the signature classify_text"):
        EmotionClassifier(tmp_path)
