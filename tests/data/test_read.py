from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion_tfx.data import Row, check_classes, read_csv, read_texts
from emotion_tfx.data.read import MAX_TEXT, read_counted
from emotion_tfx.errors import UserError
from emotion_tfx.labels import LABELS


@pytest.fixture
def write(tmp_path: Path):
    """Writes a file as it is given, byte for byte, and returns its path."""

    def write_file(content: str | bytes, name: str = "mine.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        return path

    return write_file


def refused(path: Path) -> UserError:
    """The error that reading the file ends with."""
    with pytest.raises(UserError) as caught:
        read_csv(path)
    assert caught.value.path == path
    assert caught.value.remedy
    return caught.value


def test_reads_labels_by_name_and_by_number(write: Callable[..., Path]):
    path = write("text,label\nso sad,sadness\nso happy, Joy \nboo,4\nwow,SURPRISE\n")
    assert read_csv(path) == [
        Row("so sad", 0, "mine"),
        Row("so happy", 1, "mine"),
        Row("boo", 4, "mine"),
        Row("wow", 5, "mine"),
    ]


def test_finds_columns_by_name_in_any_order_and_ignores_the_others(write: Callable[..., Path]):
    path = write("\ufeff,Label, TEXT ,when\n0,joy,so happy,today\n1,fear,boo,now\n")
    assert [(row.text, row.label) for row in read_csv(path)] == [("so happy", 1), ("boo", 4)]


def test_a_source_column_names_where_a_row_is_from(write: Callable[..., Path]):
    path = write('text,label,source\na,joy,tweets\nb,joy,  \nc,joy,"two\nlines"\n')
    assert [row.source for row in read_csv(path)] == ["tweets", "mine", "two lines"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_and_quoted_field_is_read(write: Callable[..., Path], end: str):
    path = write(f'text,label{end}"well, well",joy{end}"one{end}two ""three""",fear{end}{end}x,joy')
    assert [row.text for row in read_csv(path)] == ["well, well", f'one{end}two "three"', "x"]


def test_rows_without_text_are_dropped_and_counted(write: Callable[..., Path]):
    path = write('text,label\n,joy\n"  \n ",joy\nx,joy\n,\n')
    rows, dropped = read_counted(path)
    assert [row.text for row in rows] == ["x"]
    assert dropped == 3


@given(
    st.lists(
        st.tuples(
            # An unpaired surrogate cannot be encoded; NUL bytes are refused.
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(
                str.strip
            ),
            st.sampled_from(range(6)),
        ),
        min_size=1,
    ),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_whatever_the_csv_module_writes_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int]], quoting: int
):
    path = tmp_path_factory.mktemp("read") / "mine.csv"
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=quoting).writerows([("text", "label"), *rows])
    path.write_bytes(buffer.getvalue().encode("utf-8"))
    assert [(row.text, row.label) for row in read_csv(path)] == rows


@given(
    before=st.lists(st.sampled_from(["plain,joy", '"two\nlines",joy', "", '"a, ""b""",2'])),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_an_error_names_the_line_in_which_the_row_starts(
    tmp_path_factory: pytest.TempPathFactory, before: list[str], end: str
):
    path = tmp_path_factory.mktemp("read") / "mine.csv"
    lines = "\n".join(["text,label", *before, '"also\nbad",happy', "plain,joy"]).split("\n")
    path.write_bytes(end.join(lines).encode("utf-8"))
    assert refused(path).line == lines.index('"also') + 1


def test_a_missing_file_is_told(tmp_path: Path):
    assert "no such file" in refused(tmp_path / "none.csv").problem


def test_a_folder_is_not_a_file(tmp_path: Path):
    assert "not a file" in refused(tmp_path).problem


@pytest.mark.parametrize("content", ["", "\n\n \n", "\ufeff"])
def test_an_empty_file_is_told(write: Callable[..., Path], content: str):
    assert "the file is empty" in refused(write(content)).problem


@pytest.mark.parametrize("content", ["text,label\n", "text,label\n ,joy\n"])
def test_a_file_without_rows_is_told(write: Callable[..., Path], content: str):
    assert "no row with a text" in refused(write(content)).problem


def test_a_missing_column_is_told_with_the_columns_and_the_near_one(write: Callable[..., Path]):
    error = refused(write("\nTexts,label\nx,joy\n"))
    assert error.line == 2
    assert "'text'" in error.problem
    assert "'Texts', 'label'" in error.problem
    assert "Rename the column 'texts'" in error.remedy


def test_a_file_separated_otherwise_is_told_how_to_be(write: Callable[..., Path]):
    error = refused(write("text;label\nx;joy\n"))
    assert "'text;label'" in error.problem
    assert "separated by commas" in error.remedy


@pytest.mark.parametrize("label", ["happy", "6", "-1", "1.0", "", "joyjoy" * 1000])
def test_an_unknown_label_is_told_with_those_allowed(write: Callable[..., Path], label: str):
    error = refused(write(f'text,label\nx,joy\n"two\nlines",joy\ny,{label}\n'))
    assert error.line == 5
    assert label[:30] in error.problem
    assert len(error.problem) < 100
    assert all(name in error.remedy for name in LABELS)


def test_latin_1_is_told_with_line_offset_and_remedy(write: Callable[..., Path]):
    start = b"text,label\r\nfine,joy\r\n"
    error = refused(write(start + b"caf\xe9,joy\r\n"))
    assert error.line == 3
    assert f"offset {len(start) + 3}" in error.problem
    assert "0xe9" in error.problem
    assert "iconv -f latin1 -t utf-8" in error.remedy


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_recognised(write: Callable[..., Path], encoding: str):
    content = "text,label\nx,joy\n".encode(encoding)
    error = refused(write(content if encoding == "utf-16" else b"\xfe\xff" + content))
    assert error.line == 1
    assert "UTF-16" in error.problem
    assert "iconv -f utf-16" in error.remedy


def test_nul_bytes_are_told_with_the_line(write: Callable[..., Path]):
    error = refused(write(b"text,label\nfine,joy\nx\0y,joy\n"))
    assert error.line == 3
    assert "NUL" in error.problem


def test_a_text_may_be_long_but_not_endless(write: Callable[..., Path]):
    assert len(read_csv(write(f"text,label\n{'x' * MAX_TEXT},joy\n"))[0].text) == MAX_TEXT
    assert refused(write(f"text,label\na,joy\n{'x' * (MAX_TEXT + 1)},joy\n")).line == 3


def test_a_line_of_5_mb_is_told_with_its_number(write: Callable[..., Path]):
    error = refused(write(f"text,label\nfine,joy\n{'x' * 5_000_000},joy\nfine,joy\n"))
    assert error.line == 3
    assert "longer than 100,000" in error.problem


def test_an_unclosed_quote_is_told_with_the_line_that_opens_it(write: Callable[..., Path]):
    rest = "a line of text,joy\n"
    for lines in (3, 20_000):
        error = refused(write('text,label\nfine,joy\n"open,joy\n' + rest * lines))
        assert error.line == 3
        assert "quote" in error.problem + error.remedy


def test_a_quote_within_a_quoted_field_must_be_doubled(write: Callable[..., Path]):
    error = refused(write('text,label\n"she said "no" to me",anger\n'))
    assert error.line == 2
    assert "as two" in error.remedy


@pytest.mark.parametrize("row", ["only a text", "joy"])
def test_a_row_with_too_few_fields_is_told(write: Callable[..., Path], row: str):
    error = refused(write(f"id,text,label\n1,x,joy\n{row}\n"))
    assert error.line == 3
    assert "1 fields, the header 3" in error.problem


def test_a_comma_in_an_unquoted_text_never_cuts_it_off(write: Callable[..., Path]):
    error = refused(write("label,text\njoy,fine\njoy,well, well\n"))
    assert error.line == 3
    assert "between double quotes" in error.remedy


def test_trailing_commas_are_harmless(write: Callable[..., Path]):
    assert [row.text for row in read_csv(write("text,label\nx,joy,,\n"))] == ["x"]


def test_all_six_labels_must_occur(tmp_path: Path):
    rows = [Row("x", label, "mine") for label in range(6)]
    check_classes(rows)
    with pytest.raises(UserError) as caught:
        check_classes(rows[:2] + rows[3:5], path=tmp_path)
    assert "love, surprise" in caught.value.problem
    assert caught.value.path == tmp_path


def test_texts_may_have_labels_or_not(write: Callable[..., Path]):
    assert read_texts(write("text,label\nso sad,0\n,1\nboo,fear\n")) == (["so sad", "boo"], [0, 4])
    assert read_texts(write("id,Review\n1,so sad\n2, \n"), "review") == (["so sad"], None)


def test_the_answers_of_a_model_are_no_labels(write: Callable[..., Path]):
    content = "text,label,confidence,p_sadness\nso sad,joy,0.6,0.4\n"
    assert read_texts(write(content)) == (["so sad"], None)


@pytest.mark.parametrize("content", ["", "text\n", "text\n \n", "other\nso sad\n", "text\na,b\n"])
def test_a_file_without_texts_is_refused(write: Callable[..., Path], content: str):
    path = write(content)
    with pytest.raises(UserError) as caught:
        read_texts(path)
    assert caught.value.path == path
