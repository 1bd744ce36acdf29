"""The model page: what the serving model's own files tell."""

from __future__ import annotations

import re
from typing import Any

import pandas as pd
import streamlit as st

from emotion_tfx.app import parts
from emotion_tfx.app.client import About, ServerError
from emotion_tfx.app.feedback import FeedbackError
from emotion_tfx.app.speech import Speech
from emotion_tfx.app.views import charts, frame

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
_TITLE = re.compile(r"\A\s*# .*\n")


def show() -> None:
    """Draws the page."""
    say = frame.speech()
    if not frame.server_is_ready():
        return
    try:
        about = frame.server().about()
    except ServerError as error:
        st.title(say("model.title"), anchor=False)
        frame.tell(error)
        return
    lead = say("model.version", name=about.name, version=about.version)
    frame.heading(say("model.title"), lead)
    if about.metrics is None:
        st.info(say("model.no_metrics"), icon="📏")
    else:
        _show_metrics(about.metrics, say)
    _show_agreement(say)
    _show_card(about, say)


def _show_metrics(metrics: dict[str, Any], say: Speech) -> None:
    calibration = metrics.get("calibration") or {}
    items = [
        (say("model.accuracy"), say.percent(metrics["accuracy"], 1)),
        (say("model.macro_f1"), say.number(metrics["macro"]["f1"], 3)),
        (say("model.texts"), say("model.texts_value", count=say.number(metrics["n"]))),
    ]
    if "ece" in calibration:
        items.append((say("model.ece"), say.percent(calibration["ece"], 1)))
    st.html(parts.tiles(items))
    st.caption(say("model.measured"))
    _show_classes(metrics, say)
    _show_calibration(metrics, say)


def _show_classes(metrics: dict[str, Any], say: Speech) -> None:
    classes = metrics["classes"]
    st.header(say("model.per_class"), anchor=False)
    names = ("precision", "recall", "f1", "support")
    heads = [say("history.emotion"), *(say(f"model.{name}") for name in names)]
    rows = [
        [
            say.faced(each["label"]),
            *(say.percent(each[name], 1) for name in names[:3]),
            say.number(each["support"]),
        ]
        for each in classes
    ]
    st.html(parts.table(heads, rows, say("model.per_class")))
    st.caption(say("model.per_class_note"))
    st.header(say("model.confusion"), anchor=False)
    labels = [each["label"] for each in classes]
    st.html(parts.confusion(metrics["confusion"], labels, say))
    st.caption(say("model.confusion_note"))


def _show_calibration(metrics: dict[str, Any], say: Speech) -> None:
    bins = (metrics.get("calibration") or {}).get("bins") or []
    filled = pd.DataFrame([each for each in bins if each["count"]])
    if len(filled) > 1:
        st.header(say("model.calibration"), anchor=False)
        charts.show(charts.reliability(filled, say), say("model.calibration_note"))
        st.caption(say("model.calibration_note"))
    selective = metrics.get("selective") or {}
    certain, uncertain = selective.get("certain") or {}, selective.get("uncertain") or {}
    if certain.get("accuracy") is not None and uncertain.get("accuracy") is not None:
        st.header(say("model.doubt"), anchor=False)
        st.html(
            parts.paragraph(
                say(
                    "model.doubt_note",
                    share=say.percent(uncertain["share"]),
                    certain=say.percent(certain["accuracy"], 1),
                    uncertain=say.percent(uncertain["accuracy"], 1),
                ),
                "lead",
            )
        )


def _show_agreement(say: Speech) -> None:
    try:
        agreed, total = frame.feedback_store().agreement()
    except FeedbackError:
        return  # A figure less; the page is about the model.
    if total:
        share, count = say.percent(agreed / total), say.number(total)
        st.caption(say("model.agreement", share=share, count=count))


def _show_card(about: About, say: Speech) -> None:
    st.header(say("model.card"), anchor=False)
    if about.card is None:
        st.caption(say("model.no_card"))
        return
    st.caption(say("model.card_note"))
    with st.expander(say("model.card"), expanded=False):
        st.markdown(_body(about.card))
    if about.training is not None:
        with st.expander(say("model.training"), expanded=False):
            st.json(about.training, expanded=1)


def _body(card: str) -> str:
    """The card without the block of YAML for the hubs at its beginning, and without its title."""
    return _TITLE.sub("", _FRONT_MATTER.sub("", card))
