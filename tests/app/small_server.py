"""A server small enough to be told how to fail: states that the real one reaches too rarely."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from emotion_tfx.labels import LABELS


def answer(text: str) -> dict[str, object]:
    """Joy for most texts, by their length sadness; not sure of short ones."""
    place = 1 if len(text) % 2 else 0
    shares = {label: 0.75 if index == place else 0.05 for index, label in enumerate(LABELS)}
    return {
        "label": LABELS[place],
        "confidence": 0.75,
        "uncertain": len(text) < 5,
        "probabilities": shares,
    }


@dataclass
class SmallServer:
    """What it does, and what it has seen.

    Attributes:
        port: Where it listens.
        reply: Status and body for a path instead of the usual, or None for the usual.
        delay: Seconds that each answer takes.
        batches: The texts of each request.
        most_at_once: Most requests that were under way together.
    """

    port: int = 0
    reply: Callable[[str], tuple[int, object] | None] = lambda path: None
    delay: float = 0.0
    batches: list[list[str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    most_at_once: int = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def small_server(port: int = 0) -> Iterator[SmallServer]:
    served = SmallServer()
    lock, under_way = threading.Lock(), [0]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(*(served.reply(self.path) or (200, {"ready": True})))

        def do_POST(self) -> None:
            with lock:
                under_way[0] += 1
                served.most_at_once = max(served.most_at_once, under_way[0])
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            served.headers.append(dict(self.headers))
            time.sleep(served.delay)
            special = served.reply(self.path)
            if special is None:
                served.batches.append(body["texts"])
                answers = [answer(text) for text in body["texts"]]
                special = (200, {"answers": answers, "model": {"name": "small", "version": "3"}})
            with lock:
                under_way[0] -= 1
            self._send(*special)

        def _send(self, status: int, body: object) -> None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None: ...

    http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    served.port = http.server_address[1]
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield served
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
