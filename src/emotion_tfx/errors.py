"""The one exception that means: the user can mend this, and here is how."""

from __future__ import annotations

from pathlib import Path


class UserError(Exception):
    """A problem with what the user gave, told so that he can mend it.

    The command line prints it as one message without a traceback and ends with a code other than 0.

    Attributes:
        problem: What is wrong, one sentence without the final full stop.
        remedy: What to do about it, one sentence or more.
        path: The file or folder concerned, if any.
        line: The line in ``path``, counted from 1, if one is to blame.
    """

    def __init__(
        self, problem: str, remedy: str, *, path: Path | None = None, line: int | None = None
    ) -> None:
        self.problem = problem
        self.remedy = remedy
        self.path = path
        self.line = line
        super().__init__(str(self))

    def __str__(self) -> str:
        where = "" if self.path is None else f"{self.path}: "
        if self.path is not None and self.line is not None:
            where = f"{self.path}, line {self.line}: "
        return f"{where}{self.problem}. {self.remedy}"
