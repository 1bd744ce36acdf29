"""The progress bar of a training."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from emotion_tfx.model.training import Progress


@contextmanager
def progress_bar(title: str) -> Iterator[Progress]:
    """Shows a bar on a terminal's standard error while it lasts; nothing elsewhere."""
    columns = (
        TextColumn("    {task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} / {task.total:,.0f} texts"),
        TimeRemainingColumn(),
    )
    console = Console(file=sys.stderr)
    with Bar(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=0)
        yield lambda seen, total: bar.update(task, completed=seen, total=total)
