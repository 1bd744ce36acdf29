"""One connection over HTTP: uvicorn's, with bounds on what a client may keep the server waiting.

uvicorn bounds how long a connection may lie idle between two requests, but not how long a request
may take to arrive, how long its header may be, or how long a reply may wait to be taken. Here a
sweep every few seconds ends the connections that have gone beyond, at no cost for the others.

uvicorn writes the head of a reply and its body apart, and uvloop sends at once whatever is written.
Here both go out as one: half the system calls and packets, for the client too.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .metrics import ServingMetrics
from .settings import Limits

_MAX_HEADER_BYTES = 64 * 1024
_SWEEPS_PER_LIMIT = 4

_BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n"
    b"connection: close\r\nretry-after: 1\r\ncontent-length: 33\r\n\r\n"
    b'{"error": "Too many connections"}'
)
_HEADER_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
    b"connection: close\r\ncontent-length: 36\r\n\r\n"
    b'{"error": "The header is too large"}'
)


class _Gathering:
    """A transport that sends what is written in one turn of the event loop as one.

    Args:
        transport: Sends it, and does all else.
        loop: Its loop.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the transport has
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Takes what is to be sent."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def flush(self) -> None:
        """Sends what was taken, rather than in the loop's next turn."""
        held, self._held = self._held, []
        if held and not self._transport.is_closing():
            self._transport.writelines(held)

    def close(self) -> None:
        """Sends what was taken, then closes the connection."""
        self.flush()
        self._transport.close()


def bounded_protocol(limits: Limits, metrics: ServingMetrics) -> type[HttpToolsProtocol]:
    """The protocol with these limits, as uvicorn wants it: a class.

    Args:
        limits: Most connections, and how long a client may keep the server waiting.
        metrics: Where connections are counted that are one too many.
    """

    class BoundedProtocol(HttpToolsProtocol):
        """See the module."""

        _awaited_since: float | None = None
        _untaken_since: float | None = None
        _header_bytes = 0
        _sweep: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            self._gathering = _Gathering(transport, self.loop)
            # No Transport by class: that would hide from it what it passes on.
            super().connection_made(self._gathering)  # type: ignore[arg-type]
            if len(self.connections) > limits.max_connections:
                metrics.refused.add("503")
                transport.write(_BUSY)
                transport.close()
                return
            self._awaited_since = self.loop.time()
            self._schedule()

        def connection_lost(self, exc: Exception | None) -> None:
            if self._sweep is not None:
                self._sweep.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            if self._header_bytes >= 0:
                self._header_bytes += len(data)
            super().data_received(data)
            if self._header_bytes > _MAX_HEADER_BYTES and not self.transport.is_closing():
                self.transport.write(_HEADER_TOO_LARGE)
                self.transport.close()

        def on_message_begin(self) -> None:
            self._awaited_since = self.loop.time()
            self._header_bytes = 0
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._header_bytes = -1
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._awaited_since = None
            super().on_message_complete()

        def on_response_complete(self) -> None:
            self._gathering.flush()
            super().on_response_complete()

        def _schedule(self) -> None:
            pause = limits.receive_seconds / _SWEEPS_PER_LIMIT
            self._sweep = self.loop.call_later(pause, self._end_if_stuck)

        def _end_if_stuck(self) -> None:
            now = self.loop.time()
            transport: Any = self.transport
            if not transport.get_write_buffer_size():
                self._untaken_since = None
            elif self._untaken_since is None:
                self._untaken_since = now
            since = [one for one in (self._awaited_since, self._untaken_since) if one is not None]
            if since and now - min(since) >= limits.receive_seconds:
                transport.abort()
            else:
                self._schedule()

    return BoundedProtocol
