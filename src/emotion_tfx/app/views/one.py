"""One text: its emotion, why, what the person thinks of it, and what was asked before."""

from __future__ import annotations

import csv
import datetime
import io
import uuid
from dataclasses import dataclass, field

import streamlit as st

from emotion_tfx.app import parts
from emotion_tfx.app.client import LONGEST_TEXT, Answer, ServerError
from emotion_tfx.app.english import looks_english
from emotion_tfx.app.feedback import FeedbackError
from emotion_tfx.app.speech import Speech
from emotion_tfx.app.spreadsheet import neutral
from emotion_tfx.app.views import frame
from emotion_tfx.labels import LABELS

_SHOWN = 20


@dataclass(frozen=True)
class Entry:
    """One text and its answer.

    Attributes:
        text: What was asked about.
        answer: What was answered.
        english: Whether it looks English.
        time: When, in the person's own time.
        key: Unlike all others'.
    """

    text: str
    answer: Answer
    english: bool
    time: datetime.datetime
    key: str = field(default_factory=lambda: uuid.uuid4().hex)


def show() -> None:
    """Draws the page."""
    say = frame.speech()
    frame.heading(say("one.title"), say("one.lead"))
    if frame.server_is_ready():
        _ask_and_answer()


@st.fragment
def _ask_and_answer() -> None:
    """All that changes with an answer, and nothing else is drawn anew."""
    say = frame.speech()
    # Streamlit forgets what stands in a widget when another page is shown.
    st.session_state.setdefault("one_text", st.session_state.get("one_kept", ""))
    with st.form("one", border=False):
        st.text_area(
            say("one.text"),
            key="one_text",
            height=110,
            max_chars=LONGEST_TEXT,
            placeholder=say("one.placeholder"),
        )
        with st.container(horizontal=True, vertical_alignment="center"):
            asked = st.form_submit_button(say("one.ask"), type="primary")
            st.caption(say("one.keys"))
    example = st.session_state.pop("one_example", None)
    history: list[Entry] = st.session_state.setdefault("history", [])
    with st.container():
        if asked or example:
            _ask(example or st.session_state.one_text, say)
        if error := st.session_state.get("one_error"):
            frame.tell(error)
        elif history and st.session_state.get("one_current"):
            _show_answer(history[-1], say)
    _examples(say)
    if history:
        _show_history(history, say)


def _examples(say: Speech) -> None:
    st.caption(say("one.examples"))
    with st.container(horizontal=True, gap="small"):
        for label in LABELS:
            text = say(f"example.{label}")
            st.button(text, key=f"example_{label}", on_click=_take_example, args=(text,))


def _take_example(text: str) -> None:
    st.session_state.one_text = text
    st.session_state.one_example = text


def _ask(text: str, say: Speech) -> None:
    st.session_state.one_kept = text
    st.session_state.one_error = None
    st.session_state.one_current = False
    if not text.strip():
        st.warning(say("one.nothing"), icon="✏️")
        return
    try:
        answer = frame.server().answer(text)
    except ServerError as error:
        st.session_state.one_error = error
        return
    now = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(
        minutes=st.context.timezone_offset or 0
    )
    entry = Entry(text, answer, looks_english(text), now)
    st.session_state.history.append(entry)
    st.session_state.one_current = True


def _show_answer(entry: Entry, say: Speech) -> None:
    # Always there, so that the next answer takes this one's place and nothing shows twice.
    with st.container():
        if not entry.english:
            st.info(say("one.not_english"), icon="🌍")
    st.html(parts.answer_card(entry.text, entry.answer, say))
    _feedback(entry, say)


def _feedback(entry: Entry, say: Speech) -> None:
    choice, consent = f"chosen_{entry.key}", "consent"
    with st.container(border=True):
        st.pills(
            say("feedback.title"),
            LABELS,
            format_func=say.faced,
            key=choice,
            on_change=_keep_feedback,
            args=(entry, choice, consent),
        )
        st.checkbox(
            say("feedback.consent"),
            key=consent,
            on_change=_keep_feedback,
            args=(entry, choice, consent),
        )
        st.caption(_thanks(entry, st.session_state.get(choice), say))


def _keep_feedback(entry: Entry, choice: str, consent: str) -> None:
    chosen = st.session_state.get(choice)
    text = entry.text if st.session_state.get(consent) else None
    st.session_state.feedback_error = ""
    try:
        if chosen is None:
            frame.feedback_store().forget(entry.key)
        else:
            frame.feedback_store().keep(entry.key, entry.answer, chosen, text)
    except FeedbackError as error:
        st.session_state.feedback_error = str(error)


def _thanks(entry: Entry, chosen: str | None, say: Speech) -> str:
    if error := st.session_state.get("feedback_error"):
        return say.markdown("feedback.failed", detail=error)
    if chosen is None:
        return say("feedback.consent_help")
    agreed = chosen == entry.answer.label
    thanks = (
        say("feedback.agreed") if agreed else say("feedback.corrected", emotion=say.emotion(chosen))
    )
    kept = "feedback.with_text" if st.session_state.get("consent") else "feedback.without_text"
    return f"{thanks} {say(kept)}"


def _show_history(history: list[Entry], say: Speech) -> None:
    title = say("history.title", count=say.number(len(history)))
    with st.expander(title, key="history_open"):
        rows = [
            {
                "time": f"{entry.time:%H:%M}",
                "text": entry.text,
                "label": entry.answer.label,
                "emotion": say.emotion(entry.answer.label)
                + (f" ({say('one.unsure').lower()})" if entry.answer.uncertain else ""),
                "confidence": say.percent(entry.answer.confidence),
            }
            for entry in reversed(history[-_SHOWN:])
        ]
        st.html(parts.history(rows, title, say))
        with st.container(horizontal=True, vertical_alignment="center"):
            st.download_button(
                say("history.download"),
                lambda: _as_csv(history),
                file_name="emotions.csv",
                mime="text/csv",
                on_click="ignore",
            )
            st.button(say("history.clear"), on_click=_clear)
            st.caption(say("history.note"))


def _clear() -> None:
    st.session_state.history = []
    st.session_state.one_current = False


def _as_csv(history: list[Entry]) -> bytes:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(["time", "text", "label", "confidence", "uncertain", *LABELS, "model"])
    for entry in history:
        answer = entry.answer
        writer.writerow(
            [
                f"{entry.time:%Y-%m-%d %H:%M:%S}",
                neutral(entry.text),
                answer.label,
                answer.confidence,
                answer.uncertain,
                *answer.probabilities.values(),
                f"{answer.model_name} {answer.model_version}",
            ]
        )
    return file.getvalue().encode("utf-8-sig")
