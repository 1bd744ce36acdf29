"""Many texts: a file or pasted lines, watched while it is answered, then looked at and taken."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st
from streamlit.runtime import get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

from emotion_tfx.app import parts
from emotion_tfx.app.client import LONGEST_TEXT, ServerError
from emotion_tfx.app.english import share_of_english
from emotion_tfx.app.job import Job
from emotion_tfx.app.results import Filter, Results
from emotion_tfx.app.speech import Speech, escaped
from emotion_tfx.app.tables import (
    Table,
    TableError,
    guess_date_column,
    guess_text_column,
    open_table,
    with_header,
)
from emotion_tfx.app.views import charts, frame
from emotion_tfx.labels import LABELS

#: Rows sent to the browser at a time.
_SHOWN = 2_000
_PREVIEWED = 5
#: Below this share of English among the first texts, the page says so.
_ENOUGH_ENGLISH = 0.7
#: How long a browser may be away (a phone asleep, a reload) before its job is given up.
_PATIENCE_SECONDS = 120.0


def show() -> None:
    """Draws the page."""
    say = frame.speech()
    frame.heading(say("many.title"), say("many.lead"))
    if "job" in st.session_state:
        _show_job(st.session_state.job, say)
    elif frame.server_is_ready():
        _choose(say)


def _choose(say: Speech) -> None:
    source = st.segmented_control(
        say("many.source"),
        ["file", "paste"],
        default="file",
        required=True,
        format_func=lambda kind: say(f"many.{kind}"),
    )
    try:
        table = _pasted(say) if source == "paste" else _uploaded(say)
        if table is not None:
            _prepare(table, say)
    except TableError as error:
        _tell(error, say)


def _pasted(say: Speech) -> Table | None:
    with st.form("paste", border=False):
        lines = st.text_area(say("many.lines"), height=220)
        if not st.form_submit_button(say("many.start"), type="primary"):
            return None
    table = open_table("lines.txt", io.BytesIO(lines.encode()))
    _start(table, 0, None)
    return None


def _uploaded(say: Speech) -> Table | None:
    st.html(f"<style>.stApp {{ --e-choose: '{say('many.choose')}' }}</style>")
    file = st.file_uploader(say("many.upload"), type=["csv", "tsv", "txt", "xlsx"])
    if file is None:
        return None
    table = open_table(file.name, file)
    if len(table.sheets) > 1:
        sheet = st.selectbox(say("many.sheet"), table.sheets)
        table = open_table(file.name, file, sheet)
    return table


def _prepare(table: Table, say: Speech) -> None:
    """Lets the person say what is what, and start."""
    if table.kind != "txt":
        has_header = st.checkbox(say("many.has_header"), value=True)
        table = with_header(table, has_header)
    text_column, date_column = 0, None
    if len(table.columns) > 1:
        text_column, date_column = _pick_columns(table, say)
    if table.encoding not in ("utf-8", "utf-8-sig", "utf-16"):
        st.info(say("many.read_as", encoding=table.encoding), icon="🔤")
    _preview(table, say)
    if share_of_english(row[text_column] for row in table.body if len(row) > text_column) < (
        _ENOUGH_ENGLISH
    ):
        st.info(say("many.not_english"), icon="🌍")
    st.button(
        say("many.start"),
        type="primary",
        on_click=_start,
        args=(table, text_column, date_column),
    )


def _pick_columns(table: Table, say: Speech) -> tuple[int, int | None]:
    positions = list(range(len(table.columns)))
    left, right = st.columns(2)
    text_column = left.selectbox(
        say("many.column_text"),
        positions,
        index=guess_text_column(table),
        format_func=table.columns.__getitem__,
    )
    guess = guess_date_column(table)
    date_column = right.selectbox(
        say("many.column_date"),
        [None, *positions],
        index=0 if guess is None else guess + 1,
        format_func=lambda at: say("many.no_date") if at is None else table.columns[at],
    )
    return text_column, date_column


def _preview(table: Table, say: Speech) -> None:
    rows = [(row + [""] * len(table.columns))[: len(table.columns)] for row in table.body]
    st.caption(say("many.preview"))
    st.html(parts.preview(table.columns, rows[:_PREVIEWED], say("many.preview")))


def _start(table: Table, text_column: int, date_column: int | None) -> None:
    job = Job(table, text_column, frame.server(), _still_wanted())
    job.start()
    st.session_state.job = job
    st.session_state.date_column = date_column
    for key in ("filter_labels", "filter_contains", "filter_unsure", "filter_sort"):
        st.session_state.pop(key, None)
    if table.name == "lines.txt" and table.kind == "txt" and not table.has_header:
        st.rerun()


def _still_wanted() -> Callable[[], bool]:
    """Tells whether the browser that asked is still there, or was until a moment ago."""
    context = get_script_run_ctx()
    session = context.session_id if context else ""
    last_seen = time.monotonic()

    def wanted() -> bool:
        nonlocal last_seen
        if get_instance().is_active_session(session):
            last_seen = time.monotonic()
        return time.monotonic() - last_seen < _PATIENCE_SECONDS

    return wanted


def _show_job(job: Job, say: Speech) -> None:
    if job.progress.running:
        _watch(job)
        return
    _show_end(job, say)
    if job.results is not None:
        _show_results(job, job.results, say)


@st.fragment(run_every=0.4)
def _watch(job: Job) -> None:
    say, progress = frame.speech(), job.progress
    if not progress.running:
        st.rerun()
    if progress.state == "checking":
        st.progress(0.0, say.markdown("many.checking", name=job.table.name))
    else:
        told = [
            say(
                "many.progress",
                done=say.number(progress.done),
                total=say.number(progress.total),
            )
        ]
        if progress.seconds_left is not None:
            told.append(say("many.rate", rate=say.number(progress.rate)))
            told.append(say("many.left", time=say.time(progress.seconds_left)))
        st.progress(progress.done / max(1, progress.total), " · ".join(told))
    st.button(say("many.cancel"), on_click=job.stop)


def _show_end(job: Job, say: Speech) -> None:
    progress = job.progress
    done, total = say.number(progress.done), say.number(progress.total)
    if progress.state == "done":
        rate = say.number(progress.rate)
        spent = say.time(progress.seconds)
        st.success(say("many.done", count=done, time=spent, rate=rate), icon="✅")
    elif progress.state == "stopped":
        st.warning(say("many.stopped", done=done, total=total), icon="✋")
    else:
        if isinstance(job.error, ServerError):
            frame.tell(job.error)
        elif job.error is not None:
            _tell(job.error, say)
        if progress.done:
            st.warning(say("many.failed", done=done, total=total), icon="✋")
    if progress.shortened:
        limit, count = say.number(LONGEST_TEXT), say.number(progress.shortened)
        st.info(say("many.shortened", count=count, limit=limit), icon="✂️")
    st.button(say("many.again"), on_click=_forget)


def _forget() -> None:
    del st.session_state.job


def _show_results(job: Job, results: Results, say: Speech) -> None:
    counts = results.counts()
    most = max(counts, key=counts.__getitem__)
    mean = results.mean_confidence
    answered = max(1, len(results) - results.blank)
    st.html(
        parts.tiles(
            [
                (say("many.texts"), say.compact(len(results))),
                (say("many.most"), say.emotion(most) if counts[most] else "–"),
                (say("many.confidence"), "–" if mean is None else say.percent(mean)),
                (say("many.unsure"), say.percent(results.unsure / answered)),
            ]
        )
    )
    if results.blank:
        st.caption(say("many.blank", count=say.number(results.blank)))
    st.html(parts.distribution(say("many.distribution"), dict(counts), say))
    if st.session_state.get("date_column") is not None:
        _show_over_time(results, st.session_state.date_column, say)
    _show_table(job, results, say)
    _show_downloads(job, results, say)


def _show_over_time(results: Results, date_column: int, say: Speech) -> None:
    st.header(say("many.over_time"), anchor=False)
    frame_ = results.over_time(date_column, day_first=say.language == "id")
    if frame_ is None:
        st.caption(say.markdown("many.over_time_none", column=results.columns.given[date_column]))
        return
    times = frame_["time"]
    label = say(
        "many.over_time_label",
        first=say.date(times.min().date()),
        last=say.date(times.max().date()),
    )
    charts.show(charts.areas(frame_, say), label)


# A fragment, so that a filter redraws the table alone. A redrawn page has new download buttons,
# and a click on one of the old, which stay in sight meanwhile, would be for nothing.
@st.fragment
def _show_table(job: Job, results: Results, say: Speech) -> None:
    st.header(say("many.table"), anchor=False)
    wanted = _ask_filter(say)
    rows, total = results.select(job.text_column, wanted, _SHOWN)
    if not total:
        st.caption(say("many.shown_none"))
        return
    st.dataframe(_for_people(rows, results, say), hide_index=True, column_config=_config(say, rows))
    st.caption(say("many.shown", shown=say.number(len(rows)), total=say.number(total)))


def _ask_filter(say: Speech) -> Filter:
    sorts: dict[str, Filter] = {
        "row": Filter(),
        "sure": Filter(sort="confidence", descending=True),
        "unsure": Filter(sort="confidence"),
        "emotion": Filter(sort="label"),
    }
    labels = st.pills(
        say("many.filter_emotions"),
        LABELS,
        selection_mode="multi",
        format_func=say.faced,
        key="filter_labels",
    )
    left, right = st.columns(2)
    contains = left.text_input(say("many.filter_contains"), key="filter_contains")
    sort = right.selectbox(
        say("many.sort"),
        list(sorts),
        format_func=lambda name: say(f"many.sort_{name}"),
        key="filter_sort",
    )
    only_unsure = st.toggle(say("many.filter_unsure"), key="filter_unsure")
    return Filter(
        labels=tuple(labels or ()),
        contains=contains,
        only_unsure=only_unsure,
        sort=sorts[sort].sort,
        descending=sorts[sort].descending,
    )


def _for_people(rows: pd.DataFrame, results: Results, say: Speech) -> pd.DataFrame:
    names = {label: say.faced(label) for label in LABELS}
    label = results.columns.label
    return rows.assign(**{label: rows[label].astype(object).map(names)})


def _config(say: Speech, rows: pd.DataFrame) -> dict[str, Any]:
    number, text, label, confidence, uncertain, *_ = rows.columns
    return {
        number: st.column_config.NumberColumn(width=60),
        text: st.column_config.TextColumn(escaped(text), width="large"),
        label: st.column_config.TextColumn(say("many.column_emotion"), width=130),
        confidence: st.column_config.ProgressColumn(
            say("many.column_sure"), min_value=0.0, max_value=1.0, format="percent", width=110
        ),
        uncertain: st.column_config.CheckboxColumn(say("many.column_unsure"), width=80),
    }


def _show_downloads(job: Job, results: Results, say: Speech) -> None:
    stem = f"{Path(job.table.name).stem}-emotions"

    def csv_file() -> io.BufferedReader:
        results.write_csv(job.folder / "answers.csv")
        return (job.folder / "answers.csv").open("rb")

    def xlsx_file() -> io.BufferedReader:
        results.write_xlsx(job.folder / "answers.xlsx")
        return (job.folder / "answers.xlsx").open("rb")

    with st.container(horizontal=True):
        st.download_button(
            say("many.download_csv"), csv_file, f"{stem}.csv", "text/csv", on_click="ignore"
        )
        st.download_button(
            say("many.download_xlsx"),
            xlsx_file,
            f"{stem}.xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            on_click="ignore",
        )
    st.caption(say("many.download_note"))


def _tell(error: TableError, say: Speech) -> None:
    values = {
        name: say.number(value) if name in ("line", "limit") and isinstance(value, int) else value
        for name, value in error.values.items()
    }
    st.error(say.markdown(error.phrase, **values), icon="📄")
