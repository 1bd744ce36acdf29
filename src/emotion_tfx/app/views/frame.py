"""The frame around all pages: language, navigation, and what to do when the server is away."""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path

import streamlit as st

from emotion_tfx.app import parts
from emotion_tfx.app.client import EmotionServer, ServerError
from emotion_tfx.app.feedback import FeedbackStore
from emotion_tfx.app.identity import GoogleIdentity
from emotion_tfx.app.speech import LANGUAGES, Language, Speech
from emotion_tfx.app.tensorflow_serving import server_at
from emotion_tfx.config import Settings

_PAGES = {"one": "💬", "many": "🗂️", "model": "🧠", "monitoring": "📈"}

_STYLE = Path(__file__).parents[1] / "style.css"
_SCRIPT = Path(__file__).parents[1] / "mend.js"


@st.cache_resource
def settings() -> Settings:
    """The settings that the app was started with."""
    return Settings.load()


@st.cache_resource
def server() -> EmotionServer:
    """The server that is asked."""
    key = settings().api_key
    identity = GoogleIdentity(settings().server) if settings().google_identity else None
    return server_at(settings().server, key.get_secret_value() if key else None, identity)


@st.cache_resource
def feedback_store() -> FeedbackStore:
    """Where feedback is kept."""
    return FeedbackStore(settings().feedback_address)


def speech() -> Speech:
    """Speaks the language that this person chose."""
    return Speech(st.session_state.get("lang") or _first_language())


def show() -> None:
    """Draws the frame, and in it the page that is asked for."""
    st.session_state.setdefault("lang", _first_language())
    say = speech()
    st.set_page_config(page_title=say("frame.name"), page_icon="💬", layout="centered")
    st.html(_STYLE)
    st.html(
        f"<script>{_SCRIPT.read_text(encoding='utf-8')}('{say.language}')</script>",
        unsafe_allow_javascript=True,
    )
    pages = [
        st.Page(
            partial(_draw, name),
            title=say(f"frame.{name}"),
            icon=icon,
            url_path=name,
            default=name == "one",
        )
        for name, icon in _PAGES.items()
    ]
    chosen = st.navigation(pages, position="hidden")
    with st.container(horizontal=True, vertical_alignment="center", key="e_top"):
        st.html(parts.brand(say))
        st.segmented_control(
            say("frame.language"),
            list(LANGUAGES),
            format_func=LANGUAGES.__getitem__,
            required=True,
            key="lang",
            label_visibility="collapsed",
        )
    with st.container(horizontal=True, gap="small", key="e_nav"):
        for page in pages:
            st.page_link(page, width="content")
    chosen.run()
    st.html(parts.paragraph(say("frame.footer", server=server().address), "end"))


def heading(title: str, lead: str) -> None:
    """The beginning of a page."""
    st.title(title, anchor=False)
    st.html(parts.paragraph(lead, "lead"))


def server_is_ready() -> bool:
    """Whether the server answers; if not, this says so, and looks until it does."""
    try:
        server().check_ready()
    except ServerError as error:
        _wait_for_server(error)
        return False
    return True


def tell(error: ServerError) -> None:
    """Says what is wrong with the server, and the command that starts it if it is away."""
    say, address = speech(), server().address
    st.error(say.markdown(f"server.{error.reason}", server=address, detail=error.detail), icon="🔌")
    if error.reason == "away":
        st.code("emotion serve", language="bash")
        st.caption(say("server.away_remote"))


@st.fragment(run_every=2)
def _wait_for_server(error: ServerError) -> None:
    try:
        server().check_ready()
    except ServerError as latest:
        if latest.reason == "starting":
            st.info(speech()("server.starting"), icon="⏳")
        else:
            tell(latest)
        st.caption(speech()("server.looks_again"))
        return
    st.rerun()


def _draw(name: str) -> None:
    # The first page must not wait for what only the others need.
    importlib.import_module(f"emotion_tfx.app.views.{name}").show()


def _first_language() -> Language:
    """As the address says (``?lang=id``), or else as the browser asks."""
    asked = st.query_params.get("lang") or (st.context.locale or "")[:2]
    return "id" if asked == "id" else "en"
