"""What the server can be told: where the models are, where to listen, how much to take on."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UserError


@dataclass(frozen=True)
class Limits:
    """Bounds that keep the server standing under load.

    Attributes:
        max_body_bytes: Largest request body, packed or not; a larger one is answered with 413.
        max_buffered_bytes: Most bytes of bodies held at a time, over all requests; beyond, a
            request is answered with 503.
        max_requests: Most requests over HTTP at a time; beyond, the answer is 503 at once, so that
            those accepted are not kept waiting.
        max_connections: Most open connections; beyond, a new one is closed at once.
        max_instances: Most rows (first dimension) in one request; more are answered with 400.
        max_text_characters: Longest text that ``/v1/emotions`` takes; a longer one is answered
            with 400.
        max_batch_rows: Most rows in one run of the model: merged from several requests, or cut
            from a large one.
        max_batch_bytes: Most bytes of strings in one run of the model, unless one row is larger.
        max_queued_rows: Most rows waiting for the model; beyond, requests are answered with 503.
        max_queued_requests: Most requests waiting for the model; likewise.
        model_threads: How many runs of one model version may go on side by side.
        receive_seconds: How long a request may take to arrive, and a reply to be taken.
        drain_seconds: How long a stopping server waits for the requests it has accepted.
        drift_window: How many of the last answers are compared with those that a model was judged
            on.
    """

    max_body_bytes: int = 16 * 1024 * 1024
    max_buffered_bytes: int = 256 * 1024 * 1024
    max_requests: int = 512
    max_connections: int = 4096
    max_instances: int = 4096
    max_text_characters: int = 10_000
    max_batch_rows: int = 256
    max_batch_bytes: int = 64 * 1024
    max_queued_rows: int = 16_384
    max_queued_requests: int = 1024
    model_threads: int = 1
    receive_seconds: float = 60.0
    drain_seconds: int = 30
    drift_window: int = 5000


@dataclass(frozen=True)
class ServerSettings:
    """Where the server finds its model and where it listens.

    Attributes:
        model_base: Folder with one numbered folder per version, as the Pusher writes it.
        model_name: The name in the address, ``/v1/models/{model_name}``.
        model_config: A file of TensorFlow Serving's ``ModelServerConfig`` in text form, looked at
            again whenever it changes; it takes the place of ``model_base``.
        host: Address to listen on; loopback unless the user opens it up.
        rest_port: Port of the REST interface; 0 takes any free one, which the log tells.
        grpc_port: Port of the gRPC interface; None leaves it out.
        api_key: What a client must show, if anything.
        workers: Processes that answer.
        open_when_ready: Whether the ports open only once every model serves, as TensorFlow
            Serving's do. A balancer that does not ask for health, such as nginx, then never
            finds a server that cannot answer yet.
        poll_seconds: Time between two looks at ``model_base``.
        limits: Bounds on load.

    Raises:
        UserError: The model name cannot stand in an address, the port is none, the key cannot
            stand in a header, or there is no worker.
    """

    model_base: Path
    model_name: str = "emotion"
    model_config: Path | None = None
    host: str = "127.0.0.1"
    rest_port: int = 8501
    grpc_port: int | None = None
    api_key: str | None = field(default=None, repr=False)
    workers: int = 1
    open_when_ready: bool = False
    poll_seconds: float = 1.0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        check_model_name(self.model_name)
        for port in (self.rest_port, self.grpc_port):
            # The system would quietly take the port modulo 65536.
            if port is not None and not 0 <= port <= 65535:
                raise UserError(f"{port} is not a port", "Choose a port between 1 and 65535.")
        if self.api_key is not None and not re.fullmatch(r"[!-~]+", self.api_key):
            raise UserError(
                "The API key cannot stand in a header",
                "Choose one or more characters of ASCII without blanks.",
            )
        if self.workers < 1:
            raise UserError(f"{self.workers} workers cannot serve", "Choose 1 or more.")


def read_api_key(file: Path | None) -> str | None:
    """The key that clients must show: from a file, or else from ``EMOTION_API_KEY``.

    Not from the command line, which every user of the machine can read.

    Raises:
        UserError: The file cannot be read, or is empty.
    """
    if file is None:
        return os.environ.get("EMOTION_API_KEY") or None
    try:
        key = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise UserError("The API key cannot be read", "Give a text file.", path=file) from None
    if not key:
        raise UserError("The file holds no API key", "Write the key into it.", path=file)
    return key


def check_model_name(name: str) -> None:
    """Refuses a name that cannot stand in an address.

    Raises:
        UserError: It cannot.
    """
    if not re.fullmatch(r"[^/:\s]+", name):
        raise UserError(
            f"{name!r} cannot be a model's name",
            "Choose a name without slashes, colons and spaces.",
        )
