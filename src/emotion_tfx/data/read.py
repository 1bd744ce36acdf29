"""Reads a labelled CSV and says exactly where it is wrong.

A file is UTF-8, with or without a byte order mark, and names its columns in the first line.
``text`` and ``label`` are needed, ``source`` is optional, all others are ignored. A label is a name
or its integer, see :mod:`emotion_tfx.labels`.
"""

from __future__ import annotations

import csv
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from emotion_tfx.errors import UserError
from emotion_tfx.labels import LABEL_IDS, LABELS

#: The longest text that is believed, in characters. Beyond it a quote was left open.
MAX_TEXT = 100_000


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text.

    Attributes:
        text: The text as it stands in the file, never blank.
        label: Its position in :data:`emotion_tfx.labels.LABELS`.
        source: Where it is from: the column ``source``, otherwise the file's name without suffix.
    """

    text: str
    label: int
    source: str


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a file keeps what, as positions in a record of ``count`` fields."""

    text: int
    label: int
    source: int | None
    count: int
    default_source: str


def read_csv(path: Path) -> list[Row]:
    """Reads every row that has a text.

    Args:
        path: A CSV with at least the columns ``text`` and ``label``.

    Returns:
        The rows in the file's order, without those whose text is blank. Never empty.

    Raises:
        UserError: The file is missing, empty, not UTF-8, or malformed; names the line.
    """
    return read_counted(path)[0]


def read_counted(path: Path, text_column: str = "text") -> tuple[list[Row], int]:
    """Reads as :func:`read_csv` does and also counts the rows dropped because they have no text."""
    records = _records(path)
    line, header = next(records, (0, []))
    columns = _find_columns(header, path, line, text_column)
    rows: list[Row] = []
    dropped = 0
    for line, fields in records:
        _check_fields(fields, max(columns.text, columns.label), columns.count, path, line)
        if fields[columns.text].strip():
            rows.append(_make_row(fields, columns, path, line))
        else:
            dropped += 1
    if not rows:
        raise _no_rows(path)
    return rows, dropped


def read_texts(path: Path, column: str = "text") -> tuple[list[str], list[int] | None]:
    """Reads the texts of a file that may have labels or not.

    Args:
        path: A CSV.
        column: The column that holds the texts.

    Returns:
        The texts that are not blank, at least one, and the positions of their labels, if there is
        a column ``label``; that of a file of answers (``emotion predict``) does not count.

    Raises:
        UserError: As for :func:`read_csv`, or there is no such column.
    """
    records = _records(path)
    line, header = next(records, (0, []))
    names = _names(header, path)
    if "label" in names and f"p_{LABELS[0]}" not in names:
        rows, _ = read_counted(path, column)
        return [row.text for row in rows], [row.label for row in rows]
    place = _place(column, header, path, line)
    texts = []
    for line, fields in records:
        _check_fields(fields, place, len(header), path, line)
        if fields[place].strip():
            texts.append(_believed(fields[place], path, line))
    if not texts:
        raise _no_rows(path)
    return texts, None


def check_classes(rows: Iterable[Row], *, path: Path | None = None) -> None:
    """Makes sure that every one of the six labels occurs.

    Args:
        rows: The rows to look through.
        path: Where they are from, for the message.

    Raises:
        UserError: Names the labels that are missing.
    """
    found = {row.label for row in rows}
    missing = [name for index, name in enumerate(LABELS) if index not in found]
    if missing:
        raise UserError(
            f"no row is labelled {', '.join(missing)}",
            f"The training data needs all six labels: {', '.join(LABELS)}.",
            path=path,
        )


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yields each record that is not blank, with the line it starts in."""
    start = 1
    try:
        if not path.exists():
            raise UserError("there is no such file", "Check the path.", path=path)
        if not path.is_file():
            raise UserError("this is not a file", "Give the path of a CSV file.", path=path)
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(_lines(file, path), strict=True)
            for fields in reader:
                if len(fields) > 1 or "".join(fields).strip():
                    yield start, fields
                start = reader.line_num + 1
    except UnicodeDecodeError:
        raise _encoding_error(path) from None
    except csv.Error as error:
        raise _syntax_error(error, path, start) from None
    except OSError as error:
        raise UserError(
            f"the file cannot be read ({error.strerror})",
            "Check the path and your permission to read it.",
            path=path,
        ) from error


def _lines(file: Iterable[str], path: Path) -> Iterator[str]:
    """Passes lines on and stops at a NUL byte, which only some versions of csv refuse."""
    for number, line in enumerate(file, start=1):
        if "\0" in line:
            raise UserError(
                "the line holds a NUL byte, so this is not plain text",
                f"Save the file as UTF-8; if it is UTF-16, {_iconv(path, 'utf-16')} does it.",
                path=path,
                line=number,
            )
        yield line


def _names(header: list[str], path: Path) -> list[str]:
    if not header:
        raise UserError(
            "the file is empty", "Give a CSV with the columns text and label.", path=path
        )
    return [name.strip().casefold() for name in header]


def _find_columns(header: list[str], path: Path, line: int, text_column: str) -> _Columns:
    names = _names(header, path)
    text, label = (_place(wanted, header, path, line) for wanted in (text_column, "label"))
    source = names.index("source") if "source" in names else None
    return _Columns(text, label, source, len(header), path.stem)


def _place(wanted: str, header: list[str], path: Path, line: int) -> int:
    """Where a column stands, whatever its capitals."""
    names = _names(header, path)
    if wanted.casefold() in names:
        return names.index(wanted.casefold())
    near = get_close_matches(wanted, names, n=1)
    shown = ", ".join(_shown(name) for name in header)
    raise UserError(
        f"there is no column {wanted!r}; the columns are {shown}",
        f"Rename the column {near[0]!r} to {wanted!r}."
        if near
        else "The first line must name the columns text and label, separated by commas.",
        path=path,
        line=line,
    )


def _check_fields(fields: list[str], last: int, count: int, path: Path, line: int) -> None:
    """A row must reach to its text and label, and have nothing beyond the header's columns."""
    if len(fields) <= last or any(field.strip() for field in fields[count:]):
        raise UserError(
            f"the row has {len(fields)} fields, the header {count}",
            "Give every row a text and a label, and put a text that holds commas or line breaks "
            "between double quotes.",
            path=path,
            line=line,
        )


def _make_row(fields: list[str], columns: _Columns, path: Path, line: int) -> Row:
    text = _believed(fields[columns.text], path, line)
    label = LABEL_IDS.get(fields[columns.label].strip().casefold())
    if label is None:
        raise UserError(
            f"the label {_shown(fields[columns.label])} is unknown",
            f"Allowed are {', '.join(LABELS)}, or 0 to {len(LABELS) - 1} in this order.",
            path=path,
            line=line,
        )
    source = ""
    if columns.source is not None and columns.source < len(fields):
        source = " ".join(fields[columns.source].split())
    return Row(text, label, source or columns.default_source)


def _believed(text: str, path: Path, line: int) -> str:
    if len(text) > MAX_TEXT:
        raise _length_error(path, line)
    return text


def _no_rows(path: Path) -> UserError:
    return UserError(
        "the file has a header but no row with a text",
        "Add rows below the header, each with a text and a label.",
        path=path,
    )


def _shown(value: str) -> str:
    """A value as a message can quote it: on one line and short."""
    return repr(value if len(value) <= 40 else value[:39] + "…")


def _encoding_error(path: Path) -> UserError:
    """Finds the first byte that is not UTF-8. Only then is the file read a second time."""
    data = path.read_bytes()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return UserError(
            "the file is UTF-16, as its first bytes say, not UTF-8",
            f"Save the file as UTF-8: {_iconv(path, 'utf-16')} does it.",
            path=path,
            line=1,
        )
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        offset = error.start
    return UserError(
        f"byte 0x{data[offset]:02x} at offset {offset} is not UTF-8",
        f"Save the file as UTF-8; if it is Latin-1, {_iconv(path, 'latin1')} does it.",
        path=path,
        line=len((data[:offset] + b".").splitlines()),
    )


def _iconv(path: Path, encoding: str) -> str:
    """The command that converts the file, ready to be copied."""
    return f"`iconv -f {encoding} -t utf-8 {shlex.quote(str(path))} > utf8.csv`"


def _syntax_error(error: csv.Error, path: Path, line: int) -> UserError:
    if "field limit" in str(error):
        return _length_error(path, line)
    return UserError(
        f"the double quotes of the row that starts here do not match ({error})",
        "Close the quoted field right before the comma, and write a double quote inside it as two.",
        path=path,
        line=line,
    )


def _length_error(path: Path, line: int) -> UserError:
    return UserError(
        f"a field of the row that starts here is longer than {MAX_TEXT:,} characters",
        "Most likely a double quote is opened in this line and never closed: close it. "
        "Otherwise shorten the text.",
        path=path,
        line=line,
    )
