"""Texts in files that spreadsheets open: none of them may run as a formula there."""

from __future__ import annotations

import re

#: What spreadsheets take for the beginning of a formula (OWASP, "CSV Injection").
_FORMULA = re.compile(r"\s*[=+\-@\t\r＝＋－＠]")
_NUMBER = re.compile(r"\s*[+-]?\d+([.,]\d+)*(e[+-]?\d+)?%?\s*", re.IGNORECASE)


def neutral(value: str) -> str:
    """A text as a cell of a CSV that no spreadsheet takes for a formula."""
    return f"'{value}" if is_formula(value) else value


def is_formula(value: str) -> bool:
    """Whether a spreadsheet would take a text for a formula; a number is none."""
    return bool(_FORMULA.match(value)) and not _NUMBER.fullmatch(value)
