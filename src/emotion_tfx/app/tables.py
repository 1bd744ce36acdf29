"""Reads what people drop: CSV, TSV, TXT and XLSX, row by row, and says what is wrong with it.

A text file is read as a stream, whatever its size. Its encoding (UTF-8, UTF-16 with a mark, or an
older one), what separates its columns, and its line breaks are found out.
"""

from __future__ import annotations

import codecs
import csv
import datetime
import io
import itertools
import zipfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import BinaryIO, Literal

from charset_normalizer import from_bytes
from python_calamine import CalamineError, CalamineWorkbook

MAX_ROWS = 500_000

#: A longer field is believed to be an open quote, in characters.
MAX_FIELD = 131_072

#: An XLSX that unpacks to more is no honest one, in bytes.
_MAX_UNPACKED = 4 * 1024**3

#: What separates columns, first the likeliest.
_DELIMITERS = (",", ";", "\t", "|")

_PREVIEW_ROWS = 200
_SAMPLE_BYTES = 256 * 1024

#: Encodings of files that are not Unicode; only these are thought of.
_OLDER_ENCODINGS = ["cp1252", "cp1251", "cp1253", "gb18030", "shift_jis"]

_TEXT_NAMES = (
    "text",
    "teks",
    "sentence",
    "kalimat",
    "review",
    "ulasan",
    "comment",
    "komentar",
    "tweet",
    "message",
    "pesan",
    "content",
    "body",
)
_DATE_NAMES = ("date", "tanggal", "time", "waktu", "timestamp", "created", "day", "hari")

Kind = Literal["csv", "txt", "xlsx"]


class TableError(Exception):
    """A file that cannot be used, told so that a person understands.

    Attributes:
        phrase: The key of the phrase that tells it.
        values: What the phrase speaks of.
    """

    def __init__(self, phrase: str, **values: object) -> None:
        super().__init__(phrase)
        self.phrase = phrase
        self.values = values


@dataclass(frozen=True)
class Table:
    """A file, and how it is to be read.

    Attributes:
        name: Its name, as the person calls it.
        kind: What it is.
        file: Its bytes, seekable; read by one thread at a time.
        encoding: Of a text file.
        delimiter: Between the columns of a CSV.
        sheets: The names of an XLSX's sheets.
        sheet: The one that is read.
        has_header: Whether the first row holds the names of the columns.
        first_rows: The first rows, the header included.
    """

    name: str
    kind: Kind
    file: BinaryIO
    encoding: str = "utf-8"
    delimiter: str = ","
    sheets: tuple[str, ...] = ()
    sheet: str = ""
    has_header: bool = False
    first_rows: list[list[str]] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        """The names of the columns, each unlike the others; numbers where there are none."""
        width = max(map(len, self.first_rows), default=1)
        given = self.first_rows[0] if self.has_header and self.first_rows else []
        width = len(given) or width
        names: list[str] = []
        for position in range(width):
            name = (given[position].strip() if position < len(given) else "") or f"#{position + 1}"
            while name in names:
                name += "'"
            names.append(name)
        return names

    @property
    def body(self) -> list[list[str]]:
        """The first rows without the header."""
        return self.first_rows[1:] if self.has_header else self.first_rows


def open_table(name: str, file: BinaryIO, sheet: str | None = None) -> Table:
    """Looks at a file: what it is, how to read it, and what its first rows are.

    Args:
        name: Its name; the ending tells the kind.
        file: Its bytes, seekable.
        sheet: Which sheet of an XLSX; the first without it.

    Raises:
        TableError: It is empty, broken, or of a kind that is not read.
    """
    file.seek(0)
    start = file.read(4)
    if not start:
        raise TableError("file.empty")
    ending = PurePath(name).suffix.lower()
    if ending in (".xlsx", ".xlsm"):
        return _open_workbook(name, file, sheet)
    if start == b"PK\x03\x04":
        raise TableError("file.zip")
    if ending not in (".csv", ".tsv", ".txt", ".tab"):
        raise TableError("file.kind", ending=ending or "?")
    encoding = _find_encoding(file)
    if ending == ".txt":
        table = Table(name, "txt", file, encoding)
        return _with_rows(table, has_header=False)
    table = Table(name, "csv", file, encoding, _find_delimiter(file, encoding, ending))
    return _with_rows(table, has_header=True)


def with_header(table: Table, has_header: bool) -> Table:
    """The same table with its first row taken for a header, or not."""
    return replace(table, has_header=has_header)


def rows(table: Table) -> Iterator[list[str]]:
    """All rows but the header, each filled up to the number of columns; blank lines left out.

    Raises:
        TableError: A row is broken; says which line.
    """
    width = len(table.columns)
    with closing(_records(table)) as records:
        if table.has_header:
            next(records, None)
        for line, record in records:
            if len(record) > width and any(record[width:]):
                raise TableError("file.too_wide", line=line, found=len(record), expected=width)
            yield (record + [""] * (width - len(record)))[:width]


def count_rows(table: Table) -> int:
    """How many rows there are; reads the whole file once, so that nothing breaks halfway.

    Raises:
        TableError: A row is broken, there is none, or there are more than :data:`MAX_ROWS`.
    """
    count = 0
    for _ in rows(table):
        count += 1
        if count > MAX_ROWS:
            raise TableError("file.too_many", limit=MAX_ROWS)
    if not count:
        raise TableError("file.no_rows")
    return count


def guess_text_column(table: Table) -> int:
    """Which column holds the texts: by its name, or else the one with the longest content."""
    by_name = _by_name(table.columns, _TEXT_NAMES)
    if by_name is not None:
        return by_name
    lengths = [0] * len(table.columns)
    for row in table.body:
        for position, value in enumerate(row[: len(lengths)]):
            lengths[position] += len(value)
    return max(range(len(lengths)), key=lengths.__getitem__)


def guess_date_column(table: Table) -> int | None:
    """Which column holds dates, if one of them is called so."""
    return _by_name(table.columns, _DATE_NAMES)


def _by_name(columns: Sequence[str], names: Sequence[str]) -> int | None:
    words = [set(column.lower().replace("_", " ").replace("-", " ").split()) for column in columns]
    for name in names:
        for position, said in enumerate(words):
            if name in said:
                return position
    return None


def _with_rows(table: Table, *, has_header: bool) -> Table:
    first: list[list[str]] = []
    with closing(_records(table)) as records:
        first.extend(record for _, record in itertools.islice(records, _PREVIEW_ROWS + 1))
    if not first:
        raise TableError("file.no_rows")
    return replace(table, has_header=has_header, first_rows=first)


def _records(table: Table) -> Generator[tuple[int, list[str]], None, None]:
    """Each row that is not blank, with its line."""
    if table.kind == "xlsx":
        yield from _sheet_records(table)
        return
    with _decoded(table.file, table.encoding) as lines:
        if table.kind == "txt":
            for number, line in enumerate(_checked(lines), start=1):
                if line.strip():
                    yield number, [line.rstrip("\r\n")]
            return
        yield from _csv_records(lines, table.delimiter)


def _csv_records(lines: io.TextIOWrapper, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(MAX_FIELD)
    reader = csv.reader(_checked(lines), delimiter=delimiter, strict=True)
    start = 1
    try:
        for record in reader:
            if len(record) > 1 or "".join(record).strip():
                yield start, record
            start = reader.line_num + 1
    except csv.Error as error:
        phrase = "file.long_field" if "field limit" in str(error) else "file.quotes"
        raise TableError(phrase, line=start) from error


@contextmanager
def _decoded(file: BinaryIO, encoding: str) -> Iterator[io.TextIOWrapper]:
    file.seek(0)
    lines = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        yield lines
    except UnicodeDecodeError as error:
        raise TableError("file.encoding", encoding=encoding) from error
    finally:
        lines.detach()  # The wrapper must not close what is not its own.


def _checked(lines: io.TextIOWrapper) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if "\0" in line:
            raise TableError("file.binary", line=number)
        yield line


def _find_encoding(file: BinaryIO) -> str:
    file.seek(0)
    start = file.read(4)
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    odd = _first_not_utf8(file)
    if odd is None:
        return "utf-8"
    file.seek(max(0, odd - _SAMPLE_BYTES // 2))
    best = from_bytes(file.read(_SAMPLE_BYTES), cp_isolation=_OLDER_ENCODINGS).best()
    return best.encoding if best else "cp1252"


def _first_not_utf8(file: BinaryIO) -> int | None:
    """About where the file stops being UTF-8, if it does."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    position = 0
    while block := file.read(1 << 20):
        try:
            decoder.decode(block)
        except UnicodeDecodeError as error:
            return position + error.start
        position += len(block)
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return position
    return None


def _find_delimiter(file: BinaryIO, encoding: str, ending: str) -> str:
    """The delimiter that makes the most columns in which the first rows agree."""
    if ending in (".tsv", ".tab"):
        return "\t"
    with _decoded(file, encoding) as lines:
        sample = [line for line, _ in zip(lines, range(50), strict=False)]
    best, best_columns = ",", 1
    for delimiter in _DELIMITERS:
        try:
            records = list(csv.reader(sample, delimiter=delimiter))
        except csv.Error:
            continue  # Reading it in earnest tells where.
        widths = [len(record) for record in records if record]
        # The last record may be cut off; its width tells nothing.
        if widths and min(widths[:-1] or widths) == max(widths[:-1] or widths) > best_columns:
            best, best_columns = delimiter, widths[0]
    return best


def _open_workbook(name: str, file: BinaryIO, sheet: str | None) -> Table:
    workbook = _workbook(file)
    sheets = tuple(workbook.sheet_names)
    if not sheets:
        raise TableError("file.no_rows")
    table = Table(name, "xlsx", file, sheets=sheets, sheet=sheet if sheet in sheets else sheets[0])
    return _with_rows(table, has_header=True)


def _workbook(file: BinaryIO) -> CalamineWorkbook:
    try:
        file.seek(0)
        with zipfile.ZipFile(file) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MAX_UNPACKED:
                raise TableError("file.xlsx_bomb")
        file.seek(0)
        return CalamineWorkbook.from_filelike(file)
    except (zipfile.BadZipFile, CalamineError, ValueError, OSError) as error:
        raise TableError("file.xlsx") from error


def _sheet_records(table: Table) -> Iterator[tuple[int, list[str]]]:
    try:
        sheet = _workbook(table.file).get_sheet_by_name(table.sheet)
    except CalamineError as error:
        raise TableError("file.xlsx") from error
    first = (sheet.start or (0, 0))[0] + 1
    for number, row in enumerate(sheet.iter_rows(), start=first):
        record = [_cell(value) for value in row]
        if "".join(record).strip():
            yield number, record


def _cell(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, (datetime.datetime, datetime.date)):
        return value.isoformat(" ") if isinstance(value, datetime.datetime) else value.isoformat()
    return str(value)
