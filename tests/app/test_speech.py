from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion_tfx.app.english import looks_english, share_of_english
from emotion_tfx.app.speech import Speech, escaped
from emotion_tfx.labels import LABELS


def test_numbers_and_times_are_written_as_the_language_does():
    english, indonesian = Speech("en"), Speech("id")
    assert (english.number(12345.6, 1), indonesian.number(12345.6, 1)) == ("12,345.6", "12.345,6")
    assert (english.percent(0.976, 1), indonesian.percent(0.976, 1)) == ("97.6%", "97,6%")
    assert (english.time(130), indonesian.time(130)) == ("2 minutes", "2 menit")
    assert english.points(-0.123) == "-12"


@pytest.mark.parametrize(
    ("share", "told"), [(0.0, "0%"), (0.001, "<1%"), (0.5, "50%"), (0.9999, ">99%"), (1.0, "100%")]
)
def test_almost_all_is_not_all_and_almost_nothing_not_nothing(share: float, told: str):
    assert Speech("en").percent(share) == told


def test_every_emotion_has_a_name_and_a_face():
    for language in ("en", "id"):
        told = {Speech(language).faced(label) for label in LABELS}
        assert len(told) == len(LABELS)
        assert all(re.fullmatch(r"\S+ \w+", each) for each in told)


def test_values_cannot_be_markdown():
    said = Speech("en").markdown("server.refused", detail="![x](http://evil/) <b> :smile: $x$")
    assert r"\!\[x\]\(http\:​//evil/\) \<b\> \:smile\: \$x\$" in said


@given(st.text())
def test_escaping_only_adds_backslashes_and_what_is_not_seen(text: str):
    shown = re.sub(r"\\(.)", r"\1", escaped(text), flags=re.DOTALL)
    assert shown.replace("\u200b", "") == text.replace("\u200b", "")


@pytest.mark.parametrize(
    "text",
    [
        "saya sangat sedih karena kucing saya hilang",
        "terima kasih banyak atas bantuannya",
        "je suis tellement heureux aujourd'hui",
        "Ich bin heute sehr traurig",
        "今日はとても嬉しいです",
        "сегодня я очень рад",
    ],
)
def test_other_languages_are_noticed(text: str):
    assert not looks_english(text)


@pytest.mark.parametrize(
    "text",
    ["i feel so happy today", "omg soooo good!!", "ok", "", "😄😄", "https://x.example/ja/ @kawan"],
)
def test_english_and_what_cannot_be_told_pass(text: str):
    assert looks_english(text)


def test_the_share_of_english_leaves_blank_texts_out():
    assert share_of_english(["this is certainly English", "  ", "ini bukan bahasa Inggris"]) == 0.5
    assert share_of_english([]) == 1.0
