from __future__ import annotations

import csv
import datetime
import io
from contextlib import suppress
from pathlib import Path

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from emotion_tfx.app import tables
from emotion_tfx.app.tables import (
    Table,
    TableError,
    count_rows,
    guess_date_column,
    guess_text_column,
    open_table,
    rows,
    with_header,
)


def opened(name: str, content: bytes | str) -> Table:
    data = content.encode() if isinstance(content, str) else content
    return open_table(name, io.BytesIO(data))


def workbook(*sheets: list[list[object]]) -> bytes:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file, {"default_date_format": "yyyy-mm-dd"}) as book:
        for content in sheets:
            sheet = book.add_worksheet()
            for number, row in enumerate(content):
                sheet.write_row(number, 0, row)
    return file.getvalue()


def test_a_csv_is_read_with_its_header_quotes_and_line_breaks():
    table = opened("a.csv", 'id,text\n1,"she said ""no"",\nand left"\n\n2,ça va\n3\n')
    assert table.columns == ["id", "text"]
    assert list(rows(table)) == [["1", 'she said "no",\nand left'], ["2", "ça va"], ["3", ""]]
    assert count_rows(table) == 3


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_what_separates_columns_is_found(delimiter: str):
    lines = [delimiter.join(["no", "text", "x"]), delimiter.join(["1", "so, so; well", "3"])]
    quoted = "\n".join(lines).replace("so, so; well", '"so, so; well"')
    assert opened("a.csv", quoted).columns == ["no", "text", "x"]


def test_a_text_full_of_commas_in_one_column_is_one_column():
    table = opened("a.csv", "text\nwell\nyes\nno\n")
    assert list(rows(table)) == [["well"], ["yes"], ["no"]]


def test_a_tsv_and_a_txt():
    assert list(rows(opened("a.tsv", "a\ttext\n1\thi, you\n"))) == [["1", "hi, you"]]
    table = opened("a.txt", 'first, with comma\r\n\r\n  second\n"third\n')
    assert list(rows(table)) == [["first, with comma"], ["  second"], ['"third']]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_the_encoding_is_found(encoding: str):
    text = "Ich bin müde und traurig, das Café schließt früh. Qué alegría más grande, señor! "
    table = opened("a.csv", f'text\n"{text * 5}"\n'.encode(encoding))
    assert list(rows(table)) == [[text * 5]]


def test_utf_8_is_recognised_though_a_letter_lies_across_two_blocks():
    content = b"text\n" + b"x" * (2**20 - 6) + "é\n".encode()
    assert opened("a.txt", content).encoding == "utf-8"


def test_without_a_header_the_columns_have_numbers():
    table = with_header(opened("a.csv", "1,hello\n2,you\n"), False)
    assert table.columns == ["#1", "#2"]
    assert list(rows(table)) == [["1", "hello"], ["2", "you"]]


def test_columns_of_one_name_or_none_are_told_apart():
    assert opened("a.csv", "text,text,,x\n1,2,3,4\n").columns == ["text", "text'", "#3", "x"]


def test_a_workbook_is_read_as_it_looks():
    day = datetime.date(2025, 3, 9)
    content = workbook(
        [["day", "text", "n"], [day, "hello", 2], [None, "=1+1 said he", 2.5]], [["other"], ["x"]]
    )
    table = open_table("a.xlsx", io.BytesIO(content))
    assert table.sheets == ("Sheet1", "Sheet2")
    read = list(rows(table))
    assert read[0] == ["2025-03-09", "hello", "2"]
    assert read[1][2] == "2.5"
    assert list(rows(open_table("a.xlsx", io.BytesIO(content), "Sheet2"))) == [["x"]]


@pytest.mark.parametrize(
    ("header", "text", "date"),
    [
        (["id", "text", "label"], 1, None),
        (["Tanggal", "Ulasan"], 1, 0),
        (["created_at", "user", "Tweet Text"], 2, 0),
        (["a", "b", "c"], 2, None),
    ],
)
def test_the_column_of_the_texts_is_guessed(header: list[str], text: int, date: int | None):
    row = ["1", "you", "a much longer text than the others"][: len(header)]
    table = opened("a.csv", ",".join(header) + "\n" + ",".join(row) + "\n")
    assert (guess_text_column(table), guess_date_column(table)) == (text, date)


BROKEN = {
    "empty": ("a.csv", b"", "file.empty", {}),
    "blank": ("a.csv", b"\n\n", "file.no_rows", {}),
    "only a header": ("a.csv", b"text,label\n", "file.no_rows", {}),
    "another kind": ("a.pdf", b"%PDF-1.7", "file.kind", {"ending": ".pdf"}),
    "no ending": ("notes", b"hello", "file.kind", {"ending": "?"}),
    "zip": ("a.csv", b"PK\x03\x04rest", "file.zip", {}),
    "no workbook": ("a.xlsx", b"hello", "file.xlsx", {}),
    "cut workbook": ("a.xlsx", workbook([["text"], ["x"]])[:900], "file.xlsx", {}),
    "archive without a workbook": ("a.xlsx", b"PK\x05\x06" + bytes(18), "file.xlsx", {}),
    "open quote": ("a.csv", b'text,n\nfine,1\n"open,2\n', "file.quotes", {"line": 3}),
    "stray quote": ("a.csv", b'text,n\n"a" b,1\n', "file.quotes", {"line": 2}),
    "never closed": ("a.csv", b'text\n"' + b"x" * 140_000, "file.long_field", {"line": 2}),
    "too wide": (
        "a.csv",
        b"text,n\nok,1\nwell, well,2\n",
        "file.too_wide",
        {"line": 3, "found": 3, "expected": 2},
    ),
    "binary": ("a.txt", b"hello\nyou\0\n", "file.binary", {"line": 2}),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_is_said_with_its_line(case: str):
    name, content, phrase, values = BROKEN[case]
    with pytest.raises(TableError) as caught:
        count_rows(opened(name, content))
    assert (caught.value.phrase, caught.value.values) == (phrase, values)


def test_too_many_rows_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tables, "MAX_ROWS", 10)
    assert count_rows(opened("a.txt", "x\n" * 10)) == 10
    with pytest.raises(TableError) as caught:
        count_rows(opened("a.txt", "x\n" * 11))
    assert caught.value.phrase == "file.too_many"


def test_a_workbook_that_unpacks_to_too_much_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tables, "_MAX_UNPACKED", 1000)
    with pytest.raises(TableError) as caught:
        opened("a.xlsx", workbook([["text"], ["x"]]))
    assert caught.value.phrase == "file.xlsx_bomb"


def test_the_file_stays_open_for_who_gave_it(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("text\nhello\n")
    with path.open("rb") as file:
        table = open_table("a.csv", file)
        assert list(rows(table)) == list(rows(table)) == [["hello"]]
        assert not file.closed


_FIELD = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=20
)


@given(st.lists(st.tuples(_FIELD, _FIELD), min_size=1, max_size=20))
def test_whatever_a_csv_holds_comes_back(pairs: list[tuple[str, str]]):
    file = io.StringIO(newline="")
    csv.writer(file).writerows([("key", "text"), *pairs])
    table = Table("a.csv", "csv", io.BytesIO(file.getvalue().encode()), has_header=True)
    table = with_header(open_table("a.csv", table.file), True)
    if table.delimiter == ",":
        assert list(rows(table)) == [list(pair) for pair in pairs]


@given(st.binary(max_size=400), st.sampled_from(["a.csv", "a.tsv", "a.txt", "a.xlsx"]))
def test_any_bytes_are_read_or_refused_in_our_words(content: bytes, name: str):
    with suppress(TableError):
        assert count_rows(opened(name, content)) > 0
