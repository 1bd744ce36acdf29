"""A request and a reply, as far as the interfaces over HTTP need to know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson

from .status import Code, ServingError

JSON = (b"content-type", b"application/json")

#: A body beyond this is read and written beside the event loop, which others wait for.
LARGE = 256 * 1024


class Request(NamedTuple):
    """What a client asks.

    Attributes:
        method: The verb, in capitals.
        path: The path as it came, percent-encoded, without the query.
        headers: Values by name, in lower case; of repeated ones the last.
        body: The whole body, unpacked.
    """

    method: str
    path: str
    headers: Mapping[bytes, bytes] = {}
    body: bytes = b""


class Response(NamedTuple):
    """A reply.

    Attributes:
        status: The HTTP status.
        headers: Names in lower case, and values.
        body: The body.
    """

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def json_response(status: int, document: Any, *headers: tuple[bytes, bytes]) -> Response:  # noqa: ANN401
    """A reply of JSON."""
    try:
        body = orjson.dumps(document)
    except orjson.JSONEncodeError:
        # A piece of the request in an error need not be valid text.
        body = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    return Response(status, [JSON, *headers], body)


def error_response(error: ServingError) -> Response:
    """The reply that tells an error; where the server is busy, also when to come back."""
    retry = [(b"retry-after", b"1")] if error.code is Code.UNAVAILABLE else []
    return json_response(error.http_status, {"error": error.message}, *retry)


def not_allowed(*methods: str) -> Response:
    """The reply to a verb that an address does not know."""
    allowed = (b"allow", ", ".join(methods).encode())
    return json_response(405, {"error": "Method Not Allowed"}, allowed)
