"""The monitoring page: what the server does, from Prometheus if there is one, else from itself."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from emotion_tfx.app import parts
from emotion_tfx.app.client import ServerError
from emotion_tfx.app.speech import Speech
from emotion_tfx.app.telemetry import (
    PANELS,
    Histogram,
    Prometheus,
    Snapshot,
    Summary,
    TelemetryError,
    changes,
    summarise,
)
from emotion_tfx.app.views import charts, frame
from emotion_tfx.monitoring.drift import DRIFT_FROM, MIN_TEXTS
from emotion_tfx.monitoring.reference import FEATURES

_LOOK_SECONDS = 5
#: An hour of looks.
_REMEMBERED = 720
_SPANS = {"quarter": 900.0, "hour": 3600.0, "day": 86_400.0, "week": 604_800.0}


@st.cache_resource
def _prometheus(address: str) -> Prometheus:
    return Prometheus(address)


def show() -> None:
    """Draws the page."""
    say = frame.speech()
    address = frame.settings().prometheus
    lead = (
        say("monitoring.source_prometheus", prometheus=address)
        if address
        else say("monitoring.source_server")
    )
    frame.heading(say("monitoring.title"), lead)
    if not frame.server_is_ready():
        return
    span = "quarter"
    if address:
        span = st.segmented_control(
            say("monitoring.span"),
            list(_SPANS),
            default="quarter",
            required=True,
            format_func=lambda name: say(f"monitoring.span_{name}"),
        )
    _look(address, _SPANS[span])


@st.fragment(run_every=_LOOK_SECONDS)
def _look(address: str | None, seconds: float) -> None:
    say = frame.speech()
    try:
        snapshot = Snapshot.parse(frame.server().metrics())
    except ServerError as error:
        frame.tell(error)
        return
    except TelemetryError as error:
        st.error(say.markdown("monitoring.strange", detail=error))
        return
    history: list[Snapshot] = st.session_state.setdefault("snapshots", [])
    history.append(snapshot)
    del history[:-_REMEMBERED]
    summary = summarise(snapshot)
    # Each in a container of its own: what appears in one must not move the next.
    with st.container():
        _show_totals(summary, say)
        _show_mix(summary, say)
    with st.container():
        _show_charts(_over_time(address, seconds, history, say), address, say)
    with st.container():
        _show_drift(summary, say)


def _show_totals(summary: Summary, say: Speech) -> None:
    failed = sum(count for status, count in summary.requests.items() if status != "OK")
    latency, texts = summary.latency, sum(summary.classes.values())
    age, length = summary.model_age, summary.text_characters.mean
    items = [
        (say("monitoring.requests"), say.compact(sum(summary.requests.values()))),
        (say("monitoring.failed"), say.compact(failed)),
        (say("monitoring.texts"), say.compact(texts)),
        (say("monitoring.median"), _milliseconds(latency.quantile(0.5), say)),
        (say("monitoring.p99"), _milliseconds(latency.quantile(0.99), say)),
        (say("monitoring.runs"), say.compact(summary.graph_runs)),
        (say("monitoring.run_mean"), _milliseconds(summary.graph_run_mean, say)),
        (say("monitoring.mean_confidence"), _percent(summary.confidence.mean, say)),
        (say("monitoring.unsure"), _percent(summary.unsure_share, say)),
        (say("monitoring.unknown"), _percent(summary.unknown_share, say)),
        (
            say("monitoring.mean_length"),
            "–" if length is None else say.number(length),
        ),
        (say("monitoring.model_age"), "–" if age is None else say.time(age)),
    ]
    st.html(parts.tiles(items))


def _show_mix(summary: Summary, say: Speech) -> None:
    if not sum(summary.classes.values()):
        st.caption(say("monitoring.no_requests"))
        return
    st.html(parts.distribution(say("monitoring.class_mix"), summary.classes, say))
    rows = _confidence_rows(summary.confidence, say)
    st.html(parts.shares(say("monitoring.confidence"), rows, charts.ACCENT, say))


def _confidence_rows(confidence: Histogram, say: Speech) -> list[tuple[str, float]]:
    """The share of answers in each tenth of confidence that has any."""
    total = confidence.count or 1
    return [
        (f"{say.percent(lower)} – {say.percent(min(upper, 1.0))}", count / total)
        for lower, upper, count in confidence.buckets()
        if count
    ]


def _over_time(
    address: str | None, seconds: float, history: list[Snapshot], say: Speech
) -> dict[str, pd.DataFrame]:
    if address:
        try:
            prometheus = _prometheus(address)
            return {panel.name: prometheus.panel(panel, seconds) for panel in PANELS}
        except TelemetryError as error:
            text = say.markdown("monitoring.prometheus_away", prometheus=address, detail=error)
            st.warning(text, icon="📡")
    return changes(history)


def _show_charts(panels: dict[str, pd.DataFrame], address: str | None, say: Speech) -> None:
    if not address and all(values["time"].nunique() < 2 for values in panels.values()):
        st.caption(say("monitoring.waiting"))
    for name, values in panels.items():
        if values["time"].nunique() < 2:
            continue
        st.header(say(name), anchor=False)
        latest = values.groupby("line", sort=False)["value"].last()
        told = ", ".join(
            f"{say.emotion(line)} {say.number(value, 3)}".strip() for line, value in latest.items()
        )
        label = say("monitoring.chart_label", title=say(name), values=told)
        charts.show(charts.lines(values, say), label)


def _show_drift(summary: Summary, say: Speech) -> None:
    st.header(say("monitoring.drift"), anchor=False)
    drift = summary.drift
    if drift is None:
        st.caption(say("monitoring.drift_none"))
        return
    texts = say.number(drift.texts)
    if not drift.distances:
        st.caption(say("monitoring.drift_few", count=texts, least=say.number(MIN_TEXTS)))
        return
    st.caption(say("monitoring.drift_lead", count=texts, least=say.number(DRIFT_FROM, 1)))
    items = [
        (say("monitoring.estimated"), _percent(drift.estimated, say)),
        (say("monitoring.when_judged"), _percent(drift.reference, say)),
    ]
    st.html(parts.tiles(items))
    heads = [say("monitoring.measure"), say("monitoring.distance"), say("monitoring.verdict")]
    rows = [
        [
            say(f"monitoring.drift_{name}"),
            say.number(value, 3),
            say("monitoring.changed" if value >= DRIFT_FROM else "monitoring.unchanged"),
        ]
        for name in FEATURES
        if (value := drift.distances.get(name)) is not None
    ]
    st.html(parts.table(heads, rows, say("monitoring.drift")))


def _milliseconds(microseconds: float | None, say: Speech) -> str:
    if microseconds is None:
        return "–"
    value = microseconds / 1000
    return say("monitoring.milliseconds", count=say.number(value, 1 if value < 10 else 0))


def _percent(share: float | None, say: Speech) -> str:
    return "–" if share is None else say.percent(share)
