from __future__ import annotations

import pytest

from emotion_tfx.serving.status import Code, ServingError


@pytest.mark.parametrize(
    ("code", "http_status"),
    [
        (Code.OK, 200),
        (Code.INVALID_ARGUMENT, 400),
        (Code.FAILED_PRECONDITION, 400),
        (Code.OUT_OF_RANGE, 400),
        (Code.UNAUTHENTICATED, 401),
        (Code.PERMISSION_DENIED, 403),
        (Code.NOT_FOUND, 404),
        (Code.ALREADY_EXISTS, 409),
        (Code.ABORTED, 409),
        (Code.RESOURCE_EXHAUSTED, 429),
        (Code.CANCELLED, 499),
        (Code.UNKNOWN, 500),
        (Code.INTERNAL, 500),
        (Code.DATA_LOSS, 500),
        (Code.UNIMPLEMENTED, 501),
        (Code.UNAVAILABLE, 503),
        (Code.DEADLINE_EXCEEDED, 504),
    ],
)
def test_each_code_has_tensorflow_servings_http_status(code: Code, http_status: int):
    assert code.http_status == http_status


def test_an_error_reads_as_tensorflow_prints_it():
    assert str(ServingError(Code.NOT_FOUND, "no such thing")) == "NOT_FOUND: no such thing"
