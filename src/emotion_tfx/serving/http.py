"""The REST interface: paths, replies and errors, and the ASGI application around them.

:class:`RestApi` turns a method, a path and a body into a reply and knows nothing of sockets.
:func:`asgi_app` reads bodies within their limit, counts and logs. Paths, verbs and words are those
of TensorFlow Serving's ``http_rest_api_util.cc`` and ``http_server.cc``.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from .json_tensor import parse_document, read_inputs, signature_name, write_outputs
from .metrics import ServingMetrics
from .settings import Limits
from .status import Code, ServingError, invalid_argument
from .versions import VersionManager, VersionStatus, not_found

logger = logging.getLogger(__name__)
access_logger = logging.getLogger(f"{__name__}.access")

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_AsgiApp = Callable[[_Message, _Receive, _Send], Awaitable[None]]

_JSON = (b"content-type", b"application/json")
_METRICS_PATH = "/monitoring/prometheus/metrics"

_PREDICT_PATH = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/([0-9]+))?:predict", flags=re.IGNORECASE
)
_MODEL_PATH = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:/versions/([0-9]+))?(?:/(metadata))?", flags=re.IGNORECASE
)


class Response(NamedTuple):
    """A reply: HTTP status, headers in lower case, body."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


class RestApi:
    """Answers requests for one model.

    Args:
        models: The model's versions.
        limits: Most instances in a request.
        metrics: Where requests are counted; also what the metrics page shows.
    """

    def __init__(self, models: VersionManager, limits: Limits, metrics: ServingMetrics) -> None:
        self._models = models
        self._limits = limits
        self._metrics = metrics

    async def answer(self, method: str, path: str, body: bytes) -> Response:
        """Answers one request.

        Args:
            method: The verb, in capitals.
            path: The path as it came, percent-encoded, without the query.
            body: The whole body.

        Returns:
            The reply; errors become replies as well.
        """
        if path[:4].lower() == "/v1/":
            return await self._answer_v1(method, path, body)
        page = self._page(path)
        if page is None:
            return _json_response(404, {"error": "Not Found"})
        if method not in ("GET", "HEAD"):
            return _json_response(405, {"error": "Method Not Allowed"}, (b"allow", b"GET, HEAD"))
        return page

    def _page(self, path: str) -> Response | None:
        if path == "/v2/health/live":
            return _json_response(200, {"live": True})
        if path == "/v2/health/ready":
            ready = self._models.ready
            return _json_response(200 if ready else 503, {"ready": ready})
        if path == _METRICS_PATH:
            content_type = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
            return Response(200, [content_type], self._metrics.text().encode())
        return None

    async def _answer_v1(self, method: str, path: str, body: bytes) -> Response:
        start = time.perf_counter()
        match = (_PREDICT_PATH if method == "POST" else _MODEL_PATH).fullmatch(path)
        name = unquote(match[1] or "") if match else ""
        # Only the served model's name becomes a label: a client must not fill the metrics.
        label = name if name == self._models.name else ""
        try:
            if match is None or method not in ("POST", "GET"):
                raise invalid_argument(f"Malformed request: {method} {path}")
            version = _version_number(match[2])
            if method == "POST":
                reply = await self._predict(name, version, body)
            elif match[3]:
                reply = self._metadata(name, version)
            else:
                reply = self._status(name, version)
        except ServingError as error:
            self._metrics.request_count.add(label, error.code.name)
            return _json_response(error.code.http_status, {"error": error.message})
        except Exception as error:
            self._metrics.request_count.add(label, Code.INTERNAL.name)
            logger.error("Unexpected %s %s", type(error).__name__, _place(error))
            return _json_response(500, {"error": "Internal error"})
        self._metrics.request_count.add(label, Code.OK.name)
        if method == "POST":
            microseconds = int((time.perf_counter() - start) * 1e6)
            self._metrics.request_latency.observe(microseconds, label, "predict", "REST")
        return Response(200, [_JSON], reply)

    async def _predict(self, name: str, version: int | None, body: bytes) -> bytes:
        document = parse_document(body)
        wanted = signature_name(document)
        self._check_name(name, version)
        with self._models.serving(version) as servable:
            signature = servable.model.signature(wanted)
            layout, inputs = read_inputs(document, signature.inputs)
            rows = max((len(array) for array in inputs.values() if array.ndim), default=1)
            if rows > self._limits.max_instances:
                raise invalid_argument(
                    f"Task size {rows} is larger than maximum input batch size "
                    f"{self._limits.max_instances}"
                )
            outputs = await asyncio.wrap_future(servable.batcher.submit(signature, inputs))
        return write_outputs(outputs, layout)

    def _status(self, name: str, version: int | None) -> bytes:
        if not name:
            raise invalid_argument("Missing model name in request.")
        if name != self._models.name:
            what = "any versions" if version is None else f"version {version}"
            raise ServingError(Code.NOT_FOUND, f"Could not find {what} of model {name}")
        statuses = self._models.statuses(version)
        return _pretty({"model_version_status": [_status_json(one) for one in statuses]})

    def _metadata(self, name: str, version: int | None) -> bytes:
        if not name:
            raise invalid_argument("Missing model name in request.")
        self._check_name(name, version)
        with self._models.serving(version) as servable:
            model = servable.model
            spec = {"name": name, "signature_name": "", "version": str(model.version)}
            # TensorFlow Serving nests the map in a message of the same name.
            signatures = {"signature_def": {"signature_def": model.metadata}}
        return _pretty({"model_spec": spec, "metadata": signatures})

    def _check_name(self, name: str, version: int | None) -> None:
        if name != self._models.name:
            raise not_found(name, version)


def asgi_app(api: RestApi, limits: Limits) -> _AsgiApp:
    """The ASGI application: bodies, limits and the access log.

    Args:
        api: Answers the requests.
        limits: Largest body.

    Returns:
        An application for HTTP only.
    """

    async def app(scope: _Message, receive: _Receive, send: _Send) -> None:
        start = time.perf_counter()
        method = scope["method"]
        path = scope["raw_path"].decode("latin-1")
        try:
            body = await _read_body(scope, receive, limits.max_body_bytes)
        except _BodyTooLargeError:
            # The rest of the body is still on its way: the connection cannot be used again.
            problem = f"Request body is larger than {limits.max_body_bytes} bytes"
            response = _json_response(413, {"error": problem}, (b"connection", b"close"))
        else:
            if body is None:
                return
            response = await api.answer(method, path, body)
        await _send_response(response, send)
        access_logger.info(
            '%s "%s %s" %d %d %.3fms',
            scope["client"][0] if scope["client"] else "-",
            method,
            path,
            response.status,
            len(response.body),
            (time.perf_counter() - start) * 1e3,
        )

    return app


class _BodyTooLargeError(Exception):
    pass


async def _read_body(scope: _Message, receive: _Receive, limit: int) -> bytes | None:
    """The whole body; None if the client went away before it was complete."""
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"0")
    if int(declared) > limit:
        raise _BodyTooLargeError
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _BodyTooLargeError
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _send_response(response: Response, send: _Send) -> None:
    length = (b"content-length", str(len(response.body)).encode())
    headers = [*response.headers, length]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def _version_number(digits: str | None) -> int | None:
    if digits is None:
        return None
    version = int(digits) if len(digits) < 20 else 2**63
    if version >= 2**63:
        raise invalid_argument(f"Failed to convert version: {digits} to numeric.")
    return version


def _status_json(status: VersionStatus) -> dict[str, Any]:
    return {
        "version": str(status.version),
        "state": status.state.value,
        "status": {"error_code": status.code.name, "error_message": status.message},
    }


def _pretty(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def _json_response(
    status: int, document: dict[str, Any], *headers: tuple[bytes, bytes]
) -> Response:
    # A piece of the request in an error need not be valid text.
    body = json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")
    return Response(status, [_JSON, *headers], body)


def _place(error: Exception) -> str:
    """Where in the code an error arose: enough to find it, and nothing of the request."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "somewhere"
    return f"in {trace.tb_frame.f_code.co_name}, line {trace.tb_lineno}"
