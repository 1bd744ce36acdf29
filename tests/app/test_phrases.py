from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

from emotion_tfx.app import views
from emotion_tfx.app.phrases import PHRASES, Phrase
from emotion_tfx.app.telemetry import PANELS
from emotion_tfx.labels import LABELS
from emotion_tfx.monitoring.reference import FEATURES

APP = Path(views.__file__).parents[1]
SOURCES = [path for path in APP.rglob("*.py") if path.name != "phrases.py"]

#: Phrases whose keys are put together; what stands for the part in braces.
PARTS = {
    "emotion.{}": LABELS,
    "example.{}": LABELS,
    "frame.{}": ("one", "many", "model", "monitoring"),
    "history.{}": ("time", "text", "emotion", "confidence"),
    "many.{}": ("file", "paste"),
    "many.sort_{}": ("row", "sure", "unsure", "emotion"),
    "model.{}": ("precision", "recall", "f1", "support"),
    "monitoring.drift_{}": FEATURES,
    "monitoring.span_{}": ("quarter", "hour", "day", "week"),
    "server.{}": ("away", "starting", "key", "too_large", "busy", "refused", "strange"),
}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def strings_in(tree: ast.AST) -> set[str]:
    """All literal strings, with ``{}`` for what f-strings fill in."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        if isinstance(node, ast.JoinedStr):
            parts = [p.value if isinstance(p, ast.Constant) else "{}" for p in node.values]
            found.add("".join(map(str, parts)))
    return found


def used_keys() -> set[str]:
    written = set().union(*(strings_in(ast.parse(path.read_text())) for path in SOURCES))
    together = {
        pattern.replace("{}", part)
        for pattern, parts in PARTS.items()
        if pattern in written
        for part in parts
    }
    return {
        text for text in written if re.fullmatch(r"[a-z]+\.[a-z0-9_]*[a-z0-9]", text)
    } | together


@pytest.mark.parametrize("key", PHRASES)
def test_every_phrase_is_said_in_both_languages_with_the_same_values(key: str):
    phrase = PHRASES[key]
    assert isinstance(phrase, Phrase)
    assert all(text.strip() == text != "" for text in phrase)
    assert fields(phrase.en) == fields(phrase.id)


def test_only_what_is_the_same_in_both_languages_is_left_untranslated():
    same = {key for key, phrase in PHRASES.items() if phrase.en == phrase.id}
    # Examples are English, as that is what the model reads; the others are terms.
    terms = {"model.macro_f1", "model.recall", "model.f1"}
    assert {key for key in same if not key.startswith("example.")} == terms


def test_every_phrase_that_is_used_is_there_and_no_other():
    keys = {key for key in used_keys() if key.split(".")[0] in {k.split(".")[0] for k in PHRASES}}
    assert keys - set(PHRASES) == set()
    assert set(PHRASES) - keys == set()


def test_the_panels_have_titles():
    assert all(panel.name in PHRASES for panel in PANELS)


SHOWING = {
    "title", "header", "subheader", "caption", "error", "warning", "info", "success", "button",
    "text_area", "text_input", "selectbox", "checkbox", "toggle", "pills",
    "segmented_control", "file_uploader", "expander", "download_button", "form_submit_button",
    "write", "progress",
}  # fmt: skip


@pytest.mark.parametrize("path", sorted((APP / "views").glob("*.py")), ids=lambda path: path.stem)
def test_no_page_says_a_word_that_is_not_in_the_catalogue(path: Path):
    """The first argument of what shows words is never a string of the code's own."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        shown = node.args[0]
        own = isinstance(shown, ast.JoinedStr) or (
            isinstance(shown, ast.Constant) and isinstance(shown.value, str)
        )
        assert not (own and node.func.attr in SHOWING), f"line {node.lineno}: {ast.unparse(shown)}"
