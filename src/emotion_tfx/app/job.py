"""Asks the server about a whole table, in the background, so that one can watch and stop it.

Rows are read as a stream; two requests are under way at a time, while the next is being read and
the last being written.
"""

from __future__ import annotations

import itertools
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from emotion_tfx.app.client import LONGEST_TEXT, Answers, EmotionServer, ServerError
from emotion_tfx.app.results import Columns, Results, ResultWriter
from emotion_tfx.app.tables import Table, TableError, count_rows, rows
from emotion_tfx.labels import LABELS

#: Texts in a request; the server takes 4,096, half of which shows progress twice as often.
_BATCH_ROWS = 2048
#: Characters in a request: beyond, its body could be larger than the server takes.
_BATCH_CHARACTERS = 1_000_000
_IN_FLIGHT = 2

State = Literal["checking", "answering", "done", "stopped", "failed"]


@dataclass(frozen=True)
class Progress:
    """How far a job is.

    Attributes:
        state: What it is doing, or how it ended.
        done: Rows answered.
        total: Rows in all; 0 until they are counted.
        seconds: Time spent on answering so far.
        shortened: Texts of which only the beginning was asked about.
    """

    state: State
    done: int = 0
    total: int = 0
    seconds: float = 0.0
    shortened: int = 0

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self.state in ("checking", "answering")

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self.done / self.seconds if self.seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Until the end at this rate; None while that is unknown."""
        return (self.total - self.done) / self.rate if self.rate else None


class Job:
    """One table being answered.

    Args:
        table: The table.
        text_column: Which column holds the texts.
        server: Whom to ask.
        wanted: Asked now and then; once it says no, the job stops.
    """

    def __init__(
        self,
        table: Table,
        text_column: int,
        server: EmotionServer,
        wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        self.table = table
        self.text_column = text_column
        self.error: ServerError | TableError | None = None
        self.results: Results | None = None
        # Goes with the job.
        self._folder = tempfile.TemporaryDirectory(prefix="emotion-app-")
        self._server = server
        self._wanted = wanted
        self._stop = threading.Event()
        self._progress = Progress("checking")
        self._thread = threading.Thread(target=self._run, name="emotion-job", daemon=True)

    @property
    def folder(self) -> Path:
        """For files that go when the job does."""
        return Path(self._folder.name)

    @property
    def progress(self) -> Progress:
        """How far it is."""
        return self._progress

    def start(self) -> None:
        """Begins, in a thread of its own."""
        self._thread.start()

    def stop(self) -> None:
        """Asks it to stop; what is answered by then stays."""
        self._stop.set()

    def join(self) -> None:
        """Waits until it has ended."""
        self._thread.join()

    def _run(self) -> None:
        ended: State = "failed"
        columns = Columns.beside(self.table.columns)
        writer = ResultWriter(self.folder / "results.arrow", columns)
        try:
            total = count_rows(self.table)
            self._progress = Progress("answering", total=total)
            self._answer_all(writer)
            ended = "stopped" if self._stop.is_set() else "done"
        except (ServerError, TableError) as error:
            self.error = error
        except OSError as error:
            self.error = TableError("file.disk", detail=error.strerror or str(error))
        finally:
            if self._progress.done:
                self.results = writer.finish()
            now = self._progress
            self._progress = Progress(ended, now.done, now.total, now.seconds, now.shortened)

    def _answer_all(self, writer: ResultWriter) -> None:
        began = time.monotonic()
        done = shortened = 0
        waiting: deque[tuple[_Batch, Future[Answers]]] = deque()
        batches = self._batches()
        with ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="emotion-ask") as pool:
            try:
                while not self._stop.is_set():
                    for batch in itertools.islice(batches, _IN_FLIGHT - len(waiting)):
                        waiting.append((batch, pool.submit(self._ask, batch)))
                    if not waiting:
                        return
                    batch, future = waiting.popleft()
                    # Read on and ask on while the oldest is waited for.
                    for following in itertools.islice(batches, 1):
                        waiting.append((following, pool.submit(self._ask, following)))
                    batch.write(writer, future.result())
                    done += len(batch.rows)
                    shortened += batch.shortened
                    seconds = time.monotonic() - began
                    total = self._progress.total
                    self._progress = Progress("answering", done, total, seconds, shortened)
                    if not self._wanted():
                        self._stop.set()
            except ServerError:
                self._stop.set()  # Nobody needs to wait for a busy server now.
                raise
            finally:
                for _, future in waiting:
                    future.cancel()

    def _ask(self, batch: _Batch) -> Answers:
        return self._server.answers(batch.texts, self._stop)

    def _batches(self) -> Iterator[_Batch]:
        batch = _Batch(self.text_column)
        for row in rows(self.table):
            if batch.is_full(row):
                yield batch
                batch = _Batch(self.text_column)
            batch.add(row)
        if batch.rows:
            yield batch


class _Batch:
    """Rows that are asked about in one request; those without a text are not."""

    def __init__(self, text_column: int) -> None:
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self.shortened = 0
        self._asked: list[int] = []
        self._characters = 0
        self._column = text_column

    def is_full(self, row: list[str]) -> bool:
        """Whether another row is too much."""
        longer = self._characters + min(len(row[self._column]), LONGEST_TEXT)
        return len(self.rows) >= _BATCH_ROWS or longer > _BATCH_CHARACTERS

    def add(self, row: list[str]) -> None:
        """Takes a row."""
        text = row[self._column]
        if text.strip():
            self.shortened += len(text) > LONGEST_TEXT
            text = text[:LONGEST_TEXT]
            self._asked.append(len(self.rows))
            self._characters += len(text)
            self.texts.append(text)
        self.rows.append(row)

    def write(self, writer: ResultWriter, answers: Answers) -> None:
        """Puts the answers beside their rows."""
        probabilities = np.full((len(self.rows), len(LABELS)), np.nan, np.float32)
        uncertain = np.zeros(len(self.rows), bool)
        probabilities[self._asked] = answers.probabilities
        uncertain[self._asked] = answers.uncertain
        writer.write(self.rows, probabilities, uncertain)
