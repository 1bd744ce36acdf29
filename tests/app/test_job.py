from __future__ import annotations

import io
import time
from collections.abc import Callable

import pytest

from emotion_tfx.app import job as jobs
from emotion_tfx.app.client import EmotionServer, ServerError
from emotion_tfx.app.job import Job
from emotion_tfx.app.results import Filter
from emotion_tfx.app.tables import TableError, open_table

from .small_server import SmallServer, answer


def job_for(small: SmallServer, content: str, **options: object) -> Job:
    table = open_table("a.txt", io.BytesIO(content.encode()))
    return Job(table, 0, EmotionServer(small.address), **options)  # type: ignore[arg-type]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_every_row_gets_its_own_answer_in_the_files_order(small: SmallServer):
    texts = [f"text {number} {'x' * (number % 7)}" for number in range(5000)]
    job = job_for(small, "\n".join(texts))
    job.start()
    job.join()
    assert job.progress.state == "done"
    assert (job.progress.done, job.progress.total) == (5000, 5000)
    assert job.results is not None
    frame, _ = job.results.select(0, Filter(), 5000)
    assert frame.iloc[:, 1].tolist() == texts
    assert frame["label"].tolist() == [answer(text)["label"] for text in texts]


def test_two_requests_are_under_way_and_no_more(small: SmallServer):
    small.delay = 0.1
    job = job_for(small, "hello\n" * 5 * 2048)
    job.start()
    job.join()
    assert small.most_at_once == 2
    assert [len(batch) for batch in small.batches] == [2048] * 5


def test_blank_rows_are_not_asked_about_and_long_texts_are_shortened(small: SmallServer):
    table = open_table("a.csv", io.BytesIO(f"text,n\n  ,1\n{'y' * 12_000},2\nhi,3\n".encode()))
    job = Job(table, 0, EmotionServer(small.address))
    job.start()
    job.join()
    assert [list(map(len, batch)) for batch in small.batches] == [[10_000, 2]]
    assert job.progress.shortened == 1
    assert job.results is not None
    assert job.results.blank == 1


def test_requests_are_bounded_in_characters(small: SmallServer):
    job = job_for(small, f"{'z' * 9_999}\n" * 250)
    job.start()
    job.join()
    assert sum(map(len, small.batches)) == 250
    assert max(sum(map(len, batch)) for batch in small.batches) <= 1_000_000


def test_a_stopped_job_keeps_what_it_has(small: SmallServer):
    small.delay = 0.1
    job = job_for(small, "hello\n" * 50 * 2048)
    job.start()
    wait_until(lambda: job.progress.done > 0)
    assert job.progress.rate > 0
    assert job.progress.seconds_left is not None
    job.stop()
    job.join()
    assert job.progress.state == "stopped"
    assert 0 < job.progress.done < job.progress.total
    assert job.results is not None
    assert len(job.results) == job.progress.done


def test_a_job_that_nobody_waits_for_ends(small: SmallServer):
    job = job_for(small, "hello\n" * 20 * 2048, wanted=lambda: False)
    job.start()
    job.join()
    assert job.progress.state == "stopped"
    assert len(small.batches) <= 4


def test_a_server_that_fails_halfway_leaves_what_was_answered(small: SmallServer):
    small.reply = lambda path: (500, {"error": "broken"}) if len(small.batches) > 1 else None
    job = job_for(small, "hello\n" * 10 * 2048)
    job.start()
    job.join()
    assert job.progress.state == "failed"
    assert isinstance(job.error, ServerError)
    assert job.results is not None
    assert len(job.results) == job.progress.done > 0


def test_a_file_that_breaks_at_its_end_is_refused_before_the_first_question(small: SmallServer):
    table = open_table("a.csv", io.BytesIO(b"text,n\n" + b"fine,1\n" * 1000 + b"a,b,c\n"))
    job = Job(table, 0, EmotionServer(small.address))
    job.start()
    job.join()
    assert isinstance(job.error, TableError)
    assert job.error.values["line"] == 1002
    assert small.batches == []
    assert job.results is None


def test_the_files_of_a_job_go_with_it(small: SmallServer):
    job = job_for(small, "hello\n")
    job.start()
    job.join()
    folder = job.folder
    assert folder.exists()
    del job
    assert not folder.exists()


def test_a_full_disk_is_told(small: SmallServer, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(jobs.ResultWriter, "write", full)
    job = job_for(small, "hello\n")
    job.start()
    job.join()
    assert isinstance(job.error, TableError)
    assert job.error.values == {"detail": "No space left on device"}
