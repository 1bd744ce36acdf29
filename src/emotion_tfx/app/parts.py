"""Pieces of pages as HTML, in which nothing a person wrote can be anything but text."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import escape

from emotion_tfx.app.client import Answer
from emotion_tfx.app.shading import Shade, shade
from emotion_tfx.app.speech import Speech
from emotion_tfx.labels import EMOTIONS

_COLOURS = {emotion.name: emotion.colour for emotion in EMOTIONS}
_FACES = {emotion.name: emotion.face for emotion in EMOTIONS}

_UNSURE_COLOUR, _UNSURE_FACE = "#8A8498", "🤔"

#: A word that moved the probability by less did not matter.
_LEAST_CONTRIBUTION = 0.02
_STRONGEST_SHADE = 42
_TOP_WORDS = 4


@lru_cache(maxsize=1)
def _macros() -> Any:  # noqa: ANN401
    environment = Environment(
        loader=PackageLoader("emotion_tfx.app"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["colours"] = list(_COLOURS.values())
    return environment.get_template("parts.html.j2").module


def colour_of(label: str) -> str:
    """The colour of an emotion; grey for what is none."""
    return _COLOURS.get(label, _UNSURE_COLOUR)


def answer_card(text: str, answer: Answer, say: Speech) -> str:
    """An answer with its words and all probabilities.

    Args:
        text: What was asked about.
        answer: What was answered.
        say: The language.
    """
    parts = shade(text, answer.words)
    strongest = max((abs(part.contribution or 0.0) for part in parts), default=0.0)
    emotion, share = say.emotion(answer.label), say.percent(answer.confidence)
    sure = {
        "face": _FACES.get(answer.label, ""),
        "colour": colour_of(answer.label),
        "title": emotion,
        "subtitle": say("one.confidence", share=share),
        "why": "",
    }
    unsure = {
        "face": _UNSURE_FACE,
        "colour": colour_of(answer.label),
        "title": say("one.unsure"),
        "subtitle": say("one.unsure_guess", emotion=emotion, share=share),
        "why": say("one.unsure_why"),
    }
    card = {
        **(unsure if answer.uncertain else sure),
        "uncertain": answer.uncertain,
        "language": say.language,
        "words_title": say("one.words"),
        "words_none": say("one.words_none"),
        "for_it": say("one.words_for", emotion=emotion),
        "against_it": say("one.words_against"),
        "parts": [_shaded(part, strongest, say) for part in parts],
        "top": _top(parts, say),
        "bars_title": say("one.all"),
        "bars": _bars(answer.probabilities, say, answer.label),
        "model": say("one.model", model=f"{answer.model_name} {answer.model_version}"),
    }
    return str(_macros().answer(card))


def _shaded(part: Shade, strongest: float, say: Speech) -> dict[str, Any]:
    contribution = part.contribution or 0.0
    matters = abs(contribution) >= _LEAST_CONTRIBUTION
    return {
        "text": part.text,
        "contribution": contribution,
        "strength": round(_STRONGEST_SHADE * abs(contribution) / strongest) if matters else 0,
        "said": say("one.word_share", points=say.points(contribution)),
    }


def _top(parts: Sequence[Shade], say: Speech) -> list[dict[str, Any]]:
    found = [part for part in parts if abs(part.contribution or 0.0) >= _LEAST_CONTRIBUTION]
    found.sort(key=lambda part: -abs(part.contribution or 0.0))
    return [
        {
            "text": part.text,
            "said": say.points(part.contribution or 0.0),
            "against": (part.contribution or 0.0) < 0,
        }
        for part in found[:_TOP_WORDS]
    ]


def _bars(shares: dict[str, float], say: Speech, strong: str | None = None) -> list[dict[str, Any]]:
    return [
        {
            "name": say.emotion(label),
            "face": _FACES.get(label, ""),
            "colour": colour_of(label),
            "share": share,
            "value": say.percent(share, 1),
            "strong": label == strong,
        }
        for label, share in shares.items()
    ]


def distribution(title: str, counts: dict[str, float], say: Speech) -> str:
    """How often each emotion occurs."""
    total, most = sum(counts.values()) or 1, max(counts.values(), default=0) or 1
    rows = _bars({label: count / most for label, count in counts.items()}, say)
    for row, count in zip(rows, counts.values(), strict=True):
        row["value"] = f"{say.number(count)} · {say.percent(count / total)}"
    return str(_macros().distribution(title, rows))


def shares(title: str, rows: Sequence[tuple[str, float]], colour: str, say: Speech) -> str:
    """Bars of one colour: the name of each, and its share of 1."""
    most = max((share for _, share in rows), default=0) or 1
    bars = [
        {
            "name": name,
            "face": "",
            "colour": colour,
            "share": share / most,
            "value": say.percent(share, 1),
            "strong": False,
        }
        for name, share in rows
    ]
    return str(_macros().distribution(title, bars))


def history(rows: Sequence[dict[str, str]], label: str, say: Speech) -> str:
    """The texts of a session; each row has time, text, label, emotion and confidence."""
    heads = [say(f"history.{name}") for name in ("time", "text", "emotion", "confidence")]
    coloured = [{**row, "colour": colour_of(row["label"])} for row in rows]
    return str(_macros().history(heads, coloured, label))


def tiles(items: Sequence[tuple[str, str]]) -> str:
    """Figures with their names."""
    return str(_macros().tiles(items))


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], label: str) -> str:
    """A table whose first column names its rows."""
    return str(_macros().table(heads, rows, label))


def preview(heads: Sequence[str], rows: Sequence[Sequence[str]], label: str) -> str:
    """The first rows of a file, long texts cut."""
    return str(_macros().preview(heads, rows, label))


def confusion(counts: Sequence[Sequence[int]], labels: Sequence[str], say: Speech) -> str:
    """The confusion matrix, each row shaded by its shares.

    Args:
        counts: [true][answered].
        labels: Of both.
        say: The language.
    """
    rows = []
    for label, row in zip(labels, counts, strict=True):
        total = sum(row) or 1
        # By the root, so that the small shares, the mistakes, can be told from none.
        cells = [
            {
                "count": say.number(count),
                "share": say.percent(count / total) if count else "",
                "strength": round(_STRONGEST_SHADE * (count / total) ** 0.5),
            }
            for count in row
        ]
        rows.append({"name": say.faced(label), "colour": colour_of(label), "cells": cells})
    heads = [say.emotion(label) for label in labels]
    corner, name = say("model.confusion_corner"), say("model.confusion")
    return str(_macros().confusion(corner, heads, rows, name))


def brand(say: Speech) -> str:
    """The app's name."""
    return str(_macros().brand(say("frame.name")))


def paragraph(text: str, kind: str) -> str:
    """A paragraph of the class ``e-…``."""
    return f'<p class="e-{kind}">{escape(text)}</p>'
