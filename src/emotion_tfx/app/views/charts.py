"""Charts, in the app's colours, each with words for who cannot see it."""

from __future__ import annotations

import altair as alt
import pandas as pd
import streamlit as st

from emotion_tfx.app.parts import colour_of
from emotion_tfx.app.speech import Speech
from emotion_tfx.labels import LABELS

ACCENT = "#6E5DD0"
_HEIGHT = 240


def show(chart: alt.Chart | alt.LayerChart, label: str) -> None:
    """Draws a chart.

    Args:
        chart: The chart.
        label: What it shows, for screen readers.
    """
    st.altair_chart(chart.properties(description=label), width="stretch")


def areas(counts: pd.DataFrame, say: Speech) -> alt.Chart:
    """Counts of each emotion over time, one upon the other; columns ``time, label, count``."""
    named = counts.assign(emotion=counts["label"].map(say.emotion))
    names = [say.emotion(label) for label in LABELS]
    return (
        alt.Chart(named)
        .mark_area(opacity=0.85)
        .encode(
            x=alt.X("time:T", title=None),
            y=alt.Y("count:Q", title=say("many.number_of_texts"), stack="zero"),
            color=alt.Color(
                "emotion:N",
                title=None,
                scale=alt.Scale(domain=names, range=[colour_of(label) for label in LABELS]),
                legend=alt.Legend(orient="bottom", columns=3),
            ),
            tooltip=["time:T", "emotion:N", "count:Q"],
        )
        .properties(height=_HEIGHT)
    )


def lines(values: pd.DataFrame, say: Speech) -> alt.Chart:
    """Lines over time; columns ``time, line, value``; emotions in their own colours."""
    found = list(dict.fromkeys(values["line"]))
    named = values.assign(line=values["line"].map(say.emotion))
    names = [say.emotion(line) for line in found]
    emotions = set(found) <= set(LABELS)
    span = values["time"].max() - values["time"].min()
    # Left to itself, the axis of a minute shows bare fractions of seconds.
    axis = alt.Axis(format="%H:%M:%S", tickCount=5) if span < pd.Timedelta("1h") else alt.Axis()
    colour = alt.Color(
        "line:N",
        title=None,
        scale=alt.Scale(domain=names, range=[colour_of(line) for line in found])
        if emotions
        else alt.Scale(domain=names),
        legend=alt.Legend(orient="bottom", columns=3) if len(found) > 1 else None,
    )
    return (
        alt.Chart(named)
        .mark_line(interpolate="monotone", strokeWidth=2)
        .encode(
            x=alt.X("time:T", title=None, axis=axis),
            y=alt.Y("value:Q", title=None),
            color=colour if len(found) > 1 else alt.value(ACCENT),
            tooltip=["time:T", "line:N", alt.Tooltip("value:Q", format=".3f")],
        )
        .properties(height=180)
    )


def reliability(bins: pd.DataFrame, say: Speech) -> alt.LayerChart:
    """How often the model is right at each confidence; columns ``confidence, accuracy, count``."""
    percent = alt.Axis(format="%")
    diagonal = (
        alt.Chart(pd.DataFrame({"confidence": [0, 1], "accuracy": [0, 1]}))
        .mark_line(strokeDash=[4, 4], color="#8A8498")
        .encode(x="confidence:Q", y="accuracy:Q")
    )
    dots = (
        alt.Chart(bins)
        .mark_line(point=False, color=ACCENT, opacity=0.35)
        .encode(
            x=alt.X("confidence:Q", title=say("model.confidence"), axis=percent),
            y=alt.Y("accuracy:Q", title=say("model.right"), axis=percent),
        )
    )
    sizes = (
        alt.Chart(bins)
        .mark_circle(color=ACCENT, opacity=1)
        .encode(
            x="confidence:Q",
            y="accuracy:Q",
            size=alt.Size("count:Q", legend=None, scale=alt.Scale(range=[40, 400])),
            tooltip=[
                alt.Tooltip("confidence:Q", format=".0%"),
                alt.Tooltip("accuracy:Q", format=".0%"),
                "count:Q",
            ],
        )
    )
    return (diagonal + dots + sizes).properties(height=300)
