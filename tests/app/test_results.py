from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from python_calamine import CalamineWorkbook

from emotion_tfx.app.results import Columns, Filter, Results, ResultWriter
from emotion_tfx.labels import LABELS

ROWS = [
    ["2025-01-01", "so happy"],
    ["2025-01-02", "so sad"],
    ["2025-02-01", ""],
    ["2025-02-03", "Happy again"],
    ["not a date", "=HYPERLINK(1)"],
]
SHARES = {
    "so happy": (1, 0.9),
    "so sad": (0, 0.5),
    "Happy again": (1, 0.6),
    "=HYPERLINK(1)": (3, 0.7),
}


def shares(text: str) -> list[float]:
    if text not in SHARES:
        return [float("nan")] * 6
    label, best = SHARES[text]
    return [best if place == label else (1 - best) / 5 for place in range(6)]


@pytest.fixture
def results(tmp_path: Path) -> Results:
    writer = ResultWriter(tmp_path / "results.arrow", Columns.beside(["date", "text"]))
    for part in (ROWS[:2], ROWS[2:]):
        probabilities = np.array([shares(text) for _, text in part], np.float32)
        writer.write(part, probabilities, np.array([text == "so sad" for _, text in part]))
    return writer.finish()


def texts(results: Results, wanted: Filter) -> list[str]:
    return results.select(1, wanted, 100)[0]["text"].tolist()


def test_the_answers_are_counted(results: Results):
    assert len(results) == 5
    counts = results.counts()
    assert list(counts) == list(LABELS)
    assert {label: count for label, count in counts.items() if count} == {
        "joy": 2, "sadness": 1, "anger": 1,
    }  # fmt: skip
    assert (results.unsure, results.blank) == (1, 1)
    assert results.mean_confidence == pytest.approx((0.9 + 0.5 + 0.6 + 0.7) / 4)


def test_rows_are_shown_in_the_files_order_with_their_numbers(results: Results):
    frame, total = results.select(1, Filter(), 3)
    assert total == 5
    assert frame["#"].tolist() == [1, 2, 3]
    assert frame.columns.tolist() == ["#", "text", "label", "confidence", "uncertain", "date"]
    assert frame["label"].tolist()[:2] == ["joy", "sadness"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Filter(labels=("joy",)), ["so happy", "Happy again"]),
        (Filter(contains="HAPPY"), ["so happy", "Happy again"]),
        (Filter(contains=".*"), []),
        (Filter(only_unsure=True), ["so sad"]),
        (Filter(labels=("joy", "anger"), contains="again"), ["Happy again"]),
        (Filter(descending=True), ["=HYPERLINK(1)", "Happy again", "", "so sad", "so happy"]),
        (
            Filter(sort="confidence", descending=True),
            ["so happy", "=HYPERLINK(1)", "Happy again", "so sad", ""],
        ),
        (
            Filter(sort="confidence"),
            ["so sad", "Happy again", "=HYPERLINK(1)", "so happy", ""],
        ),
        (
            Filter(sort="label"),
            ["=HYPERLINK(1)", "so happy", "Happy again", "so sad", ""],
        ),
    ],
)
def test_rows_are_filtered_and_sorted(results: Results, wanted: Filter, found: list[str]):
    assert texts(results, wanted) == found


def test_emotions_over_time_leave_out_what_is_no_date(results: Results):
    frame = results.over_time(0, day_first=False)
    assert frame is not None
    assert frame["count"].sum() == 3
    assert set(frame["label"]) == set(LABELS)
    assert frame["time"].nunique() == 3
    assert results.over_time(1, day_first=False) is None


def over_time(tmp_path: Path, dates: list[str], *, day_first: bool) -> list[str]:
    writer = ResultWriter(tmp_path / "dates.arrow", Columns.beside(["when", "text"]))
    rows = [[date, "so happy"] for date in dates]
    writer.write(
        rows, np.array([shares("so happy")] * len(rows), np.float32), np.zeros(len(rows)) > 0
    )
    frame = writer.finish().over_time(0, day_first=day_first)
    assert frame is not None
    shown = frame[frame["count"] > 0]
    return [f"{time:%Y-%m-%d %H}" for time in shown["time"]]


def test_a_date_that_can_only_be_one_tells_how_all_are_written(tmp_path: Path):
    for first in (True, False):
        days = over_time(tmp_path, ["03/04/2025", "25/04/2025"], day_first=first)
        assert days == ["2025-04-03 00", "2025-04-25 00"]
    assert over_time(tmp_path, ["03/04/2025", "04/25/2025"], day_first=True)[0] == "2025-03-04 00"
    assert over_time(tmp_path, ["03/04/2025", "05/04/2025"], day_first=True)[0] == "2025-04-03 00"


def test_the_spans_follow_from_the_time_there_is(tmp_path: Path):
    hours = ["2025-01-01 10:05", "2025-01-01T10:40:00Z", "2025-01-01 12:00"]
    assert over_time(tmp_path, hours, day_first=False) == ["2025-01-01 10", "2025-01-01 12"]
    years = ["2015-01-20", "2015-01-28", "2024-06-01"]
    assert over_time(tmp_path, years, day_first=False) == ["2015-01-01 00", "2024-06-01 00"]


def test_the_csv_holds_everything_and_no_formula(results: Results, tmp_path: Path):
    results.write_csv(tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        header, *found = csv.reader(file)
    assert header == [
        "date",
        "text",
        "label",
        "confidence",
        "uncertain",
        *(f"p_{x}" for x in LABELS),
    ]
    assert [row[:2] for row in found[:4]] == ROWS[:4]
    assert found[4][1] == "'=HYPERLINK(1)"
    assert found[0][2:5] == ["joy", "0.9", "False"]
    assert found[2][2:] == [""] * 9


def test_the_xlsx_holds_everything_as_text_and_numbers(results: Results, tmp_path: Path):
    results.write_xlsx(tmp_path / "out.xlsx")
    sheet = CalamineWorkbook.from_path(tmp_path / "out.xlsx").get_sheet_by_index(0)
    header, *found = sheet.to_python()
    assert header[:4] == ["date", "text", "label", "confidence"]
    assert [row[:2] for row in found] == ROWS
    assert found[0][3:5] == [0.9, False]
    import zipfile

    with zipfile.ZipFile(tmp_path / "out.xlsx") as archive:
        assert b"<f>" not in archive.read("xl/worksheets/sheet1.xml")


def test_columns_that_the_file_has_itself_are_kept():
    columns = Columns.beside(["text", "label", "p_joy"])
    assert columns.label == "predicted_label"
    assert columns.probabilities[1] == "predicted_p_joy"
