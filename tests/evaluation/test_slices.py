from __future__ import annotations

import numpy as np
import pytest

from emotion_tfx.evaluation import slice_metrics
from emotion_tfx.evaluation.slices import slice_masks

from .examples import answers, many_answers


def slices_of(text: str) -> set[str]:
    masks = slice_masks(answers([0], [0], texts=[text]))
    return {name for name, mask in masks.items() if mask[0]}


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (1, "1-5 words"),
        (5, "1-5 words"),
        (6, "6-10 words"),
        (20, "11-20 words"),
        (21, "21-40 words"),
        (40, "21-40 words"),
        (41, "over 40 words"),
    ],
)
def test_each_length_has_one_slice(words: int, name: str):
    assert {each for each in slices_of("word " * words) if "words" in each} == {name}


@pytest.mark.parametrize(
    "text",
    [
        "i am not sad",
        "No way",
        "she never smiles",
        "neither here nor there",
        "I don't mind",
        "I don’t mind",
        "i dont mind",
        "i don t mind",
        "you cant go",
        "i cannot go",
        "it wasn't fun",
        "THEY WON'T COME",
    ],
)
def test_negation_is_found(text: str):
    assert "with negation" in slices_of(text)


@pytest.mark.parametrize("text", ["i know", "a knot", "nothingness", "i want to", "a note", "went"])
def test_words_that_only_look_like_negation(text: str):
    assert "without negation" in slices_of(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("i feel fine", "with a form of feel"),
        ("Feeling fine", "with a form of feel"),
        ("it felt fine", "with a form of feel"),
        ("my feelings", "with a form of feel"),
        ("a felted hat", "without a form of feel"),
        ("i fell", "without a form of feel"),
    ],
)
def test_forms_of_feel(text: str, name: str):
    assert name in slices_of(text)


@pytest.mark.parametrize(
    "text", ["so glad 😂", "I ❤ it", "nice :)", "happy:)", "sad :-(", "i <3 you", "lol XD", ":'("]
)
def test_emoji_and_emoticons_are_found(text: str):
    assert "with emoji or emoticon" in slices_of(text)


@pytest.mark.parametrize(
    "text", ["http://example.org", "at 5:30", "(note): this", "a; b", "5 < 30", "note: (a) or (b)"]
)
def test_punctuation_that_is_no_face(text: str):
    assert "without emoji or emoticon" in slices_of(text)


def test_each_source_is_a_slice():
    masks = slice_masks(answers([0, 0, 0], [0, 0, 0], sources=["diary", "chat", "diary"]))
    assert masks["source diary"].tolist() == [True, False, True]
    assert masks["source chat"].tolist() == [False, True, False]


def test_opposites_share_out_all_rows():
    masks = slice_masks(many_answers())
    assert not (masks["with negation"] & masks["without negation"]).any()
    lengths = [mask for name, mask in masks.items() if name.endswith("words")]
    assert np.sum(lengths, axis=0).tolist() == [1] * 600


def test_figures_of_a_slice_by_hand():
    # 10 diaries, all joy and right; 20 chats, of 10 joys none is found and all 10 fears are.
    rows = answers(
        [1] * 10 + [1] * 10 + [4] * 10,
        [1] * 10 + [4] * 20,
        sources=["diary"] * 10 + ["chat"] * 20,
    )
    by_name = {each.name: each for each in slice_metrics(rows)}
    chat = by_name["source chat"]
    assert (chat.n, chat.accuracy) == (20, 0.5)
    # Joy has F1 0; fear precision 1/2 and recall 1, thus 2/3. The other classes are not there.
    assert chat.macro_f1 == pytest.approx(2 / 3 / 2)


def test_a_slice_of_few_rows_has_a_number_only():
    rows = answers([1] * 39, [1] * 39, sources=["diary"] * 20 + ["chat"] * 19)
    by_name = {each.name: each for each in slice_metrics(rows)}
    assert by_name["source diary"].accuracy == 1
    assert by_name["source chat"].n == 19
    assert by_name["source chat"].accuracy is None
    assert by_name["source chat"].macro_f1 is None
