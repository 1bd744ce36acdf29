"""The answers for a table: written to disk as they come, then filtered, sorted, counted, exported.

Rows lie in an Arrow file that is mapped into memory, so half a million of them cost next to none.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import xlsxwriter

from emotion_tfx.app.spreadsheet import is_formula, neutral
from emotion_tfx.labels import LABELS

#: A cell of Excel holds no more, in characters.
_LONGEST_CELL = 32_767

_DAY_FIRST = re.compile(r"^\s*(\d{1,2})[./-](\d{1,2})[./-]\d{2,4}")

Sort = Literal["row", "label", "confidence"]


@dataclass(frozen=True)
class Columns:
    """The names of the columns in a result.

    Attributes:
        given: Those of the file.
        label: The emotion; null where there is no text.
        confidence: Its probability.
        uncertain: Whether the model is not sure.
        probabilities: Those of each emotion, in label order.
    """

    given: tuple[str, ...]
    label: str
    confidence: str
    uncertain: str
    probabilities: tuple[str, ...]

    @classmethod
    def beside(cls, given: Sequence[str]) -> Columns:
        """Names for the answers that the file has not used itself."""
        taken = list(given)

        def free(name: str) -> str:
            while name in taken:
                name = f"predicted_{name}"
            return name

        return cls(
            tuple(given),
            free("label"),
            free("confidence"),
            free("uncertain"),
            tuple(free(f"p_{name}") for name in LABELS),
        )

    @property
    def schema(self) -> pa.Schema:
        """Of the Arrow file."""
        return pa.schema(
            [
                *((name, pa.string()) for name in self.given),
                (self.label, pa.dictionary(pa.int8(), pa.string())),
                (self.confidence, pa.float32()),
                (self.uncertain, pa.bool_()),
                *((name, pa.float32()) for name in self.probabilities),
            ]
        )


class ResultWriter:
    """Writes answers as they come.

    Args:
        path: The Arrow file to write.
        columns: Its columns.
    """

    def __init__(self, path: Path, columns: Columns) -> None:
        self._columns = columns
        self._path = path
        self._writer = pa.ipc.new_file(str(path), columns.schema)

    def write(
        self, rows: Sequence[Sequence[str]], probabilities: np.ndarray, uncertain: np.ndarray
    ) -> None:
        """Adds some rows.

        Args:
            rows: The file's own columns.
            probabilities: float32 [N, 6]; NaN for a row without a text.
            uncertain: bool [N].
        """
        blank = np.isnan(probabilities[:, 0])
        best = np.where(blank, 0, np.nan_to_num(probabilities).argmax(axis=1)).astype(np.int8)
        labels = pa.DictionaryArray.from_arrays(pa.array(best, mask=blank), pa.array(LABELS))
        numbers = [
            pa.array(column, mask=blank, type=pa.float32())
            for column in (probabilities.max(axis=1), *probabilities.T)
        ]
        given = [pa.array(values, pa.string()) for values in zip(*rows, strict=True)]
        arrays = [*given, labels, numbers[0], pa.array(uncertain, mask=blank), *numbers[1:]]
        self._writer.write_batch(pa.record_batch(arrays, schema=self._columns.schema))

    def finish(self) -> Results:
        """What was written, to be read."""
        self._writer.close()
        with pa.memory_map(str(self._path)) as file:
            return Results(pa.ipc.open_file(file).read_all(), self._columns)


@dataclass(frozen=True)
class Filter:
    """Which rows to show.

    Attributes:
        labels: Of these emotions; of all if empty.
        contains: With these letters in the text.
        only_unsure: Only those of which the model is not sure.
        sort: By what.
        descending: From the highest down.
    """

    labels: tuple[str, ...] = ()
    contains: str = ""
    only_unsure: bool = False
    sort: Sort = "row"
    descending: bool = False


class Results:
    """Answers for a table.

    Args:
        table: The rows, as :attr:`Columns.schema` has them.
        columns: What is what.
    """

    def __init__(self, table: pa.Table, columns: Columns) -> None:
        self.table = table
        self.columns = columns

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def counts(self) -> dict[str, int]:
        """How many rows express each emotion, in label order."""
        found = dict.fromkeys(LABELS, 0)
        for each in pc.value_counts(self._label()).to_pylist():
            if each["values"] is not None:
                found[each["values"]] = each["counts"]
        return found

    @property
    def unsure(self) -> int:
        """In how many rows the model is not sure."""
        return int(pc.sum(self.table[self.columns.uncertain]).as_py() or 0)

    @property
    def blank(self) -> int:
        """How many rows have no text."""
        return int(self.table[self.columns.label].null_count)

    @property
    def mean_confidence(self) -> float | None:
        """Over the rows with a text; None if there is none."""
        mean = pc.mean(self.table[self.columns.confidence]).as_py()
        return None if mean is None else float(mean)

    def select(self, text_column: int, wanted: Filter, limit: int) -> tuple[pd.DataFrame, int]:
        """The first rows that are wanted, and how many there are in all.

        Returns:
            A frame with the row's number (from 1), its text, label, confidence, uncertain, and the
            file's other columns; and the number of all wanted rows.
        """
        rows = self._wanted(text_column, wanted)
        total = len(rows)
        rows = rows[:limit]
        given = self.columns.given
        order = [given[text_column], self.columns.label, self.columns.confidence]
        order += [self.columns.uncertain, *(name for name in given if name != order[0])]
        part = self.table.select(order).take(pa.array(rows))
        frame = part.to_pandas()
        frame.insert(0, "#", rows + 1)
        return frame, total

    def over_time(self, date_column: int, *, day_first: bool) -> pd.DataFrame | None:
        """How many rows of each emotion fall into each span of time.

        Args:
            date_column: Which of the file's columns holds the dates.
            day_first: How to read 03/04/2025 if the column does not tell.

        Returns:
            A frame of ``time``, ``label`` and ``count``, by hours, days, weeks or months, as many
            as can be told apart; None if fewer than two dates can be read.
        """
        values = self.table[self.columns.given[date_column]].to_pandas()
        times = _read_dates(values, day_first)
        labels = self._label().to_pandas()
        known = times.notna() & labels.notna()
        times, labels = times[known], labels[known]
        if len(times) < 2 or times.min() == times.max():
            return None
        span = times.max() - times.min()
        starts = _floor(times, span)
        counted = pd.crosstab(starts, labels).reindex(columns=list(LABELS), fill_value=0)
        counted.index.name, counted.columns.name = "time", "label"
        return counted.stack().rename("count").reset_index()

    def write_csv(self, path: Path) -> None:
        """Writes all as CSV, UTF-8 with a mark so that Excel sees it, formulas neutralised."""
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([neutral(name) for name in self.table.column_names])
            given = len(self.columns.given)
            for row in self._rows():
                writer.writerow([*map(neutral, row[:given]), *row[given:]])

    def write_xlsx(self, path: Path) -> None:
        """Writes all as XLSX: texts as texts, never as formulas or links."""
        options = {
            "constant_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
            "tmpdir": str(path.parent),
        }
        with xlsxwriter.Workbook(str(path), options) as workbook:
            sheet = workbook.add_worksheet()
            bold = workbook.add_format({"bold": True})
            # Excel keeps such a cell a text even when it is edited.
            quoted = workbook.add_format({"quote_prefix": True})
            for column, name in enumerate(self.table.column_names):
                sheet.write_string(0, column, name[:_LONGEST_CELL], bold)
            sheet.freeze_panes(1, 0)
            for number, row in enumerate(self._rows(), start=1):
                for column, value in enumerate(row):
                    if value is None or value == "":
                        continue
                    if isinstance(value, bool):
                        sheet.write_boolean(number, column, value)
                    elif isinstance(value, str):
                        form = quoted if is_formula(value) else None
                        sheet.write_string(number, column, value[:_LONGEST_CELL], form)
                    else:
                        sheet.write_number(number, column, value)

    def _label(self) -> pa.ChunkedArray:
        return self.table[self.columns.label].cast(pa.string())

    def _wanted(self, text_column: int, wanted: Filter) -> np.ndarray:
        """The numbers of the wanted rows, from 0, in the wanted order."""
        table, columns = self.table, self.columns
        mask = np.ones(len(self), bool)
        if wanted.labels:
            found = pc.is_in(self._label(), value_set=pa.array(wanted.labels, pa.string()))
            mask &= found.to_numpy()
        if wanted.contains:
            text = table[columns.given[text_column]]
            mask &= pc.match_substring(text, wanted.contains, ignore_case=True).to_numpy()
        if wanted.only_unsure:
            mask &= table[columns.uncertain].fill_null(False).to_numpy()
        rows = np.flatnonzero(mask)
        if wanted.sort != "row":
            name = columns.label if wanted.sort == "label" else columns.confidence
            key = self._label() if wanted.sort == "label" else table[name]
            direction = "descending" if wanted.descending else "ascending"
            by_key = pa.table({"key": key.take(pa.array(rows)), "row": rows})
            order = pc.sort_indices(by_key, sort_keys=[("key", direction), ("row", "ascending")])
            return rows[order.to_numpy()]
        return rows[::-1] if wanted.descending else rows

    def _rows(self) -> Iterator[Sequence[Any]]:
        given = len(self.columns.given)
        for batch in self.table.to_batches(max_chunksize=4096):
            columns = [column.to_pylist() for column in batch.columns]
            # A float32 as Python's float has digits that mean nothing.
            for position in (given + 1, *range(given + 3, len(columns))):
                values = columns[position]
                columns[position] = [None if x is None else round(x, 6) for x in values]
            yield from zip(*columns, strict=True)


def _floor(times: pd.Series, span: pd.Timedelta) -> pd.Series:
    """The beginnings of the hours, days, weeks or months, so that there are at most about 100."""
    if span.days < 3:
        return times.dt.floor("h")
    period = "D" if span.days <= 92 else "W" if span.days <= 731 else "M"
    return times.dt.to_period(period).dt.start_time


def _read_dates(values: pd.Series, day_first: bool) -> pd.Series:
    """Times without a zone; NaT where there is none to be read."""
    distinct = values.dropna().unique()
    told = _tells_day_first(distinct)
    read = pd.to_datetime(
        pd.Series(distinct, index=distinct),
        errors="coerce",
        utc=True,
        dayfirst=day_first if told is None else told,
        **_MIXED,
    )
    return values.map(read.dt.tz_localize(None))


#: From pandas 2 on, each value may only be written like the first, unless one says so.
_MIXED: dict[str, Any] = {} if pd.__version__.startswith("1.") else {"format": "mixed"}


def _tells_day_first(values: Sequence[str]) -> bool | None:
    """Whether 13/04/2025 stands among them, or 04/13/2025; None if neither does."""
    matches = filter(None, map(_DAY_FIRST.match, itertools.islice(values, 100_000)))
    for match in matches:
        if int(match[1]) > 12:
            return True
        if int(match[2]) > 12:
            return False
    return None
