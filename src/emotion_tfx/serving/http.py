"""The ASGI application around the interfaces: bodies, limits, the key, packing, the access log."""

from __future__ import annotations

import asyncio
import gzip
import hmac
import time
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol

import orjson

from . import openapi
from .calls import Calls
from .drift import drift_lines
from .emotions import EmotionsApi
from .inference import InferenceApi
from .messages import LARGE, Request, Response, json_response, not_allowed
from .metrics import ServingMetrics
from .models import Models
from .observer import standing_lines, version_lines
from .rest import RestApi
from .settings import Limits

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
AsgiApp = Callable[[_Message, _Receive, _Send], Awaitable[None]]

_METRICS_PATH = "/monitoring/prometheus/metrics"

#: What a probe or a browser may see without the key: nothing of it is secret.
_HEALTH = "/v2/health/"
_OPEN = (_HEALTH, "/docs", "/openapi.json")

_RETRY = (b"retry-after", b"1")

#: Smaller replies are not worth packing.
_PACKED_FROM = 1024
_PACKING_LEVEL = 1


class _Api(Protocol):
    async def answer(self, request: Request) -> Response:
        """Answers one request."""
        ...


class HttpApi:
    """Everything that is answered over HTTP.

    Args:
        models: The models that are served.
        emotion_model: The name of the one behind ``/v1/emotions``.
        limits: Most texts in a request, and the longest text.
        metrics: Where calls are counted; also what the metrics page shows.
        secured: Whether clients must show a key.
    """

    def __init__(
        self,
        models: Models,
        emotion_model: str,
        limits: Limits,
        metrics: ServingMetrics,
        *,
        secured: bool = False,
    ) -> None:
        calls = Calls(models, metrics)
        self._models = models
        self._limits = limits
        self._metrics = metrics
        self._secured = secured
        self._rest: _Api = RestApi(models, calls)
        self._emotions: _Api = EmotionsApi(models, emotion_model, limits, calls)
        self._inference: _Api = InferenceApi(models, calls)

    async def answer(self, request: Request) -> Response:
        """Answers one request; errors become replies as well."""
        path = request.path
        if path in ("/v1/emotions", "/v1/emotions/model"):
            return await self._emotions.answer(request)
        if path[:4].lower() == "/v1/":
            return await self._rest.answer(request)
        page = self._page(path)
        if page is None and path.startswith("/v2"):
            return await self._inference.answer(request)
        if page is None:
            return json_response(404, {"error": "Not Found"})
        return page if request.method in ("GET", "HEAD") else not_allowed("GET", "HEAD")

    def _page(self, path: str) -> Response | None:
        if path == "/v2/health/live":
            return json_response(200, {"live": True})
        if path == "/v2/health/ready":
            ready = self._models.ready
            return json_response(200 if ready else 503, {"ready": ready})
        if path == _METRICS_PATH:
            return self._metrics_page()
        return openapi.page(path, self._limits, secured=self._secured)

    def _metrics_page(self) -> Response:
        content_type = (b"content-type", b"text/plain; version=0.0.4; charset=utf-8")
        served = self._models.served
        versions = [(name, one.model.version, one.saved_at) for name, one in served]
        newest = {name: one.drift for name, one in reversed(served)}
        lines = [
            *version_lines(versions),
            *standing_lines(self._models.standings),
            *drift_lines(newest.values(), self._metrics.windows),
        ]
        page = self._metrics.text() + "".join(f"{line}\n" for line in lines)
        return Response(200, [content_type], page.encode())


def asgi_app(
    api: _Api,
    limits: Limits,
    api_key: str | None = None,
    log_access: Callable[[str], None] | None = None,
    metrics: ServingMetrics | None = None,
) -> AsgiApp:
    """The ASGI application.

    Args:
        api: Answers the requests.
        limits: Largest body, and most bytes of bodies at a time.
        api_key: What clients must show, as ``Authorization: Bearer KEY`` or ``X-API-Key: KEY``.
        log_access: Takes a line of JSON for each request: without the query, the body, and any
            path that is not one of ours.
        metrics: Where requests are counted that no interface gets to see.

    Returns:
        An application for HTTP only.
    """
    bodies = _Bodies(limits)
    running = 0
    key = None if api_key is None else api_key.encode()

    async def app(scope: _Message, receive: _Receive, send: _Send) -> None:
        nonlocal running
        start = time.perf_counter()
        method, path = scope["method"], scope["raw_path"].decode("latin-1")
        headers = dict(scope["headers"])
        body = b""
        running += 1
        try:
            if running > limits.max_requests and not path.startswith(_HEALTH):
                raise _RefusedError(503, "Too many requests at a time", _RETRY, close=False)
            if key is not None and not path.startswith(_OPEN):
                _check_key(headers, key)
            body = await bodies.read(headers, receive)
            response = await api.answer(Request(method, path, headers, body))
        except _RefusedError as refused:
            response = refused.response
            if metrics is not None:
                metrics.refused.add(str(response.status))
        except _ClientGoneError:
            return
        finally:
            running -= 1
            bodies.forget(body)
        response = await _packed(response, headers)
        await _send_response(response, send)
        if log_access is not None:
            log_access(_access_line(scope, method, path, response, start))

    return app


class _RefusedError(Exception):
    """A request is not even read; carries the reply."""

    def __init__(
        self, status: int, problem: str, *headers: tuple[bytes, bytes], close: bool = True
    ) -> None:
        super().__init__(problem)
        # Where much of a body may still be on its way, the connection cannot be used again.
        closing = [(b"connection", b"close")] if close else []
        self.response = json_response(status, {"error": problem}, *closing, *headers)


class _ClientGoneError(Exception):
    """The client went away before its request was complete."""


def _check_key(headers: Mapping[bytes, bytes], key: bytes) -> None:
    shown = headers.get(b"x-api-key")
    if shown is None:
        scheme, _, shown = headers.get(b"authorization", b"").partition(b" ")
        shown = shown if scheme.lower() == b"bearer" else b""
    if not hmac.compare_digest(shown.strip(), key):
        challenge = (b"www-authenticate", b"Bearer")
        raise _RefusedError(401, "The API key is missing or wrong", challenge)


class _Bodies:
    """Reads bodies within their limits, each alone and all together."""

    def __init__(self, limits: Limits) -> None:
        self._limit = limits.max_body_bytes
        self._limit_of_all = limits.max_buffered_bytes
        self._held = 0

    async def read(self, headers: Mapping[bytes, bytes], receive: _Receive) -> bytes:
        """The whole body, unpacked, which counts as held until it is forgotten."""
        if int(headers.get(b"content-length", b"0")) > self._limit:
            raise self._too_large()
        chunks: list[bytes] = []
        size = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise _ClientGoneError
                chunk = message.get("body", b"")
                size += len(chunk)
                self._held += len(chunk)
                if size > self._limit:
                    raise self._too_large()
                if self._held > self._limit_of_all:
                    raise _RefusedError(503, "Too many large requests at a time", _RETRY)
                chunks.append(chunk)
                if not message.get("more_body", False):
                    break
            body = await self._unpacked(headers, b"".join(chunks))
        except BaseException:
            self._held -= size
            raise
        self._held += len(body) - size
        return body

    def forget(self, body: bytes) -> None:
        """Counts a body as held no more."""
        self._held -= len(body)

    async def _unpacked(self, headers: Mapping[bytes, bytes], body: bytes) -> bytes:
        encoding = headers.get(b"content-encoding", b"identity").lower()
        if encoding == b"identity" or not body:
            return body
        if encoding not in (b"gzip", b"x-gzip"):
            known = (b"accept-encoding", b"gzip")
            raise _RefusedError(415, "Bodies may be packed with gzip and nothing else", known)
        if len(body) < LARGE // 16:
            return self._gunzip(body)
        return await asyncio.to_thread(self._gunzip, body)

    def _gunzip(self, body: bytes) -> bytes:
        unpacker = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            unpacked = unpacker.decompress(body, self._limit + 1)
        except zlib.error:
            raise _RefusedError(400, "The body is not packed as its header says") from None
        if len(unpacked) > self._limit:
            raise self._too_large()
        if not unpacker.eof:
            raise _RefusedError(400, "The packed body ends too early")
        return unpacked

    def _too_large(self) -> _RefusedError:
        return _RefusedError(413, f"Request body is larger than {self._limit} bytes")


async def _packed(response: Response, headers: Mapping[bytes, bytes]) -> Response:
    """The reply, packed with gzip if it is worth it and the client takes it."""
    if len(response.body) < _PACKED_FROM or b"gzip" not in headers.get(b"accept-encoding", b""):
        return response
    if len(response.body) < LARGE // 4:
        body = gzip.compress(response.body, _PACKING_LEVEL)
    else:
        body = await asyncio.to_thread(gzip.compress, response.body, _PACKING_LEVEL)
    packed = [(b"content-encoding", b"gzip"), (b"vary", b"accept-encoding")]
    return Response(response.status, [*response.headers, *packed], body)


async def _send_response(response: Response, send: _Send) -> None:
    length = (b"content-length", str(len(response.body)).encode())
    headers = [*response.headers, length]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


def _access_line(scope: _Message, method: str, path: str, response: Response, start: float) -> str:
    entry = {
        "time": round(time.time(), 3),
        "client": scope["client"][0] if scope["client"] else None,
        "method": method,
        # What leads nowhere may be anything, also what somebody wrote.
        "path": path if response.status not in (400, 404) else _known_part(path),
        "status": response.status,
        "bytes": len(response.body),
        "milliseconds": round((time.perf_counter() - start) * 1e3, 3),
    }
    return orjson.dumps(entry).decode()


def _known_part(path: str) -> str:
    for known in ("/v1/emotions", "/v1/models", "/v2/models"):
        if path.startswith(known):
            return known
    return "-"
