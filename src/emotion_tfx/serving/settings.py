"""What the server can be told: where the models are, where to listen, how much to take on."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import UserError


@dataclass(frozen=True)
class Limits:
    """Bounds that keep the server standing under load.

    Attributes:
        max_body_bytes: Largest request body; a larger one is answered with 413.
        max_instances: Most rows (first dimension) in one request; more are answered with 400.
        max_batch_rows: Most rows merged from several requests into one run of the model.
        max_queued_rows: Most rows waiting for the model; beyond, requests are answered with 503.
        model_threads: How many runs of one model version may go on side by side.
        drain_seconds: How long a stopping server waits for the requests it has accepted.
    """

    max_body_bytes: int = 16 * 1024 * 1024
    max_instances: int = 4096
    max_batch_rows: int = 256
    max_queued_rows: int = 8192
    model_threads: int = 1
    drain_seconds: int = 30


@dataclass(frozen=True)
class ServerSettings:
    """Where the server finds its model and where it listens.

    Attributes:
        model_base: Folder with one numbered folder per version, as the Pusher writes it.
        model_name: The name in the address, ``/v1/models/{model_name}``.
        host: Address to listen on; loopback unless the user opens it up.
        rest_port: Port of the REST interface; 0 takes any free one, which the log tells.
        poll_seconds: Time between two looks at ``model_base``.
        limits: Bounds on load.

    Raises:
        UserError: The model name cannot stand in an address, or the port is none.
    """

    model_base: Path
    model_name: str = "emotion"
    host: str = "127.0.0.1"
    rest_port: int = 8501
    poll_seconds: float = 1.0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[^/:\s]+", self.model_name):
            raise UserError(
                f"{self.model_name!r} cannot be a model's name",
                "Choose a name without slashes, colons and spaces.",
            )
        # The system would quietly take the port modulo 65536.
        if not 0 <= self.rest_port <= 65535:
            raise UserError(f"{self.rest_port} is not a port", "Choose a port between 1 and 65535.")
