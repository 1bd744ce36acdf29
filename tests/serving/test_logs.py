from __future__ import annotations

import io

from emotion_tfx.serving.logs import AccessLog


def test_every_line_is_written_at_the_end_of_the_log():
    stream = io.StringIO()
    with AccessLog(stream) as log:
        for number in range(1000):
            log(f"line {number}")
    assert stream.getvalue() == "".join(f"line {number}\n" for number in range(1000))


def test_a_log_that_nobody_reads_any_more_stops_nothing():
    stream = io.StringIO()
    stream.close()
    with AccessLog(stream) as log:
        log("line")
