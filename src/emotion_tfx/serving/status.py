"""The canonical error codes of TensorFlow Serving and what they become over HTTP."""

from __future__ import annotations

from enum import IntEnum


class Code(IntEnum):
    """Canonical status codes, numbered as in ``google.rpc.Code`` and ``tf.errors``."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    @property
    def http_status(self) -> int:
        """The HTTP status that TensorFlow Serving answers with (``http_server.cc``)."""
        return _HTTP_STATUS[self]


_HTTP_STATUS: dict[Code, int] = {
    Code.OK: 200,
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}


class ServingError(Exception):
    """A request or a model that failed, in the terms of TensorFlow Serving.

    Attributes:
        code: The canonical code.
        message: What the client is told; free of paths and traces.
        http_status: What it becomes over HTTP; the code's own unless another says more.
    """

    def __init__(self, code: Code, message: str, http_status: int | None = None) -> None:
        self.code = code
        self.message = message
        self.http_status = http_status or code.http_status
        super().__init__(f"{code.name}: {message}")


def invalid_argument(message: str) -> ServingError:
    """The error for what the client sent wrong."""
    return ServingError(Code.INVALID_ARGUMENT, message)
