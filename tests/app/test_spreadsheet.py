from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion_tfx.app.spreadsheet import neutral


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "＝1+1", "-", "+"],
)
def test_what_a_spreadsheet_takes_for_a_formula_is_marked(text: str):
    assert neutral(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "hello", "-5", "+1.5", "-1,000", "1e-5", "a=b", ":-)"])
def test_other_texts_stay_as_they_are(text: str):
    assert neutral(text) == text


@given(st.text())
def test_nothing_that_is_written_begins_like_a_formula(text: str):
    written = neutral(text).lstrip()
    assert not written.startswith(("=", "@", "＝", "＋", "－", "＠"))
