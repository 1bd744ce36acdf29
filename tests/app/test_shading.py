from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion_tfx.app.client import Word
from emotion_tfx.app.shading import shade


def words(spec: str) -> list[Word]:
    """``happy:3 so`` -> happy with 0.3, so with 0.0."""
    pairs = (each.partition(":") for each in spec.split())
    return [Word(word, float(value or 0) / 10) for word, _, value in pairs]


@pytest.mark.parametrize(
    ("text", "read", "shaded"),
    [
        ("I am happy.", "i am happy:3", {"happy": 0.3}),
        ("I'm SOOOO happy!!", "i am so:2 happy:3 ! !:1", {"SOOOO": 0.2, "happy": 0.3}),
        ("I don't know", "i do:1 not:2 know", {"don't": 0.3}),
        ("can’t wait :)", "can not:1 wait 🙂:4", {"can’t": 0.1, ":)": 0.4}),
        ("such a café, so good", "such cafe:5 good:1", {"café": 0.5, "good": 0.1}),
        ("love, love, love", "love:1 love:2 love:3", {"love": 0.3}),
        ("my 2 cats 😄", "my number:1 cats 😄:2", {"2": 0.1, "😄": 0.2}),
        ("<b>bad</b> & worse", "bad:4 worse:5", {"bad": 0.4, "worse": 0.5}),
    ],
)
def test_each_token_shades_the_word_it_came_from(text: str, read: str, shaded: dict[str, float]):
    parts = shade(text, words(read))
    found = {part.text: part.contribution for part in parts if part.contribution}
    assert {word: pytest.approx(value) for word, value in shaded.items()}.items() <= found.items()


def test_the_model_can_be_against():
    (part,) = [each for each in shade("not good", words("not:-4 good:1")) if each.text == "not"]
    assert part.contribution == pytest.approx(-0.4)


@given(
    text=st.text(max_size=60),
    read=st.lists(st.builds(Word, st.text(min_size=1, max_size=6), st.floats(-1, 1)), max_size=20),
)
def test_the_parts_are_the_text_whatever_the_model_read(text: str, read: list[Word]):
    assert "".join(part.text for part in shade(text, read)) == text


@given(st.lists(st.sampled_from(["happy", "sad", "cake", "so"]), min_size=1, max_size=30))
def test_words_that_the_model_read_as_they_are_get_their_own_contribution(text: list[str]):
    read = [Word(word, number + 1.0) for number, word in enumerate(text)]
    parts = [part for part in shade(" ".join(text), read) if part.text.strip()]
    assert [part.contribution for part in parts] == [word.contribution for word in read]
