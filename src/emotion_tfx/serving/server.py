"""The server process: its port, its signals, its start and its end.

The port opens at once and TensorFlow is imported behind it, so that liveness can be asked from
the first second on. A stopping server takes no new connections, answers what it has accepted,
and only then goes.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from ..errors import UserError
from .http import HttpApi, asgi_app
from .metrics import ServingMetrics
from .model_config import ModelConfig
from .models import Models
from .protocol import bounded_protocol
from .settings import ServerSettings

logger = logging.getLogger(__name__)

#: Longer than the idle time of common clients' pools, so that they, not we, close first.
_KEEP_ALIVE_SECONDS = 75

_BACKLOG = 2048


class Server:
    """A server that can be run in any thread and stopped from any other.

    Args:
        settings: Where the model is and where to listen.
    """

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._uvicorn: uvicorn.Server | None = None

    def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Serves until :meth:`stop` is called.

        Args:
            on_ready: Called once, in a background thread, when the first version serves.

        Raises:
            UserError: The address cannot be listened on.
        """
        settings, metrics = self._settings, ServingMetrics()
        listener = _listen(settings.host, settings.rest_port)
        limits = settings.limits
        models = Models(
            [ModelConfig(settings.model_name, settings.model_base)],
            poll_seconds=settings.poll_seconds,
            limits=limits,
            metrics=metrics,
            on_ready=on_ready,
        )
        secured = settings.api_key is not None
        api = HttpApi(models, settings.model_name, limits, metrics, secured=secured)
        config = uvicorn.Config(
            asgi_app(api, limits, settings.api_key),
            loop="uvloop",
            http=bounded_protocol(limits),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=limits.drain_seconds,
        )
        self._uvicorn = uvicorn.Server(config)
        self._uvicorn.should_exit = self._stop.is_set()
        host, port = listener.getsockname()[:2]
        logger.info("Listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)
        models.start()
        try:
            self._uvicorn.run(sockets=[listener])
        finally:
            models.stop()
            listener.close()
        logger.info("Stopped")

    def stop(self) -> None:
        """Asks the server to stop: no new connections, and an end once all is answered."""
        self._stop.set()
        if self._uvicorn is not None:
            self._uvicorn.should_exit = True


def serve(settings: ServerSettings, on_ready: Callable[[], None] | None = None) -> None:
    """Serves a model until SIGTERM or SIGINT, then returns once all requests are answered.

    Args:
        settings: Where the model is and where to listen.
        on_ready: Called once, in a background thread, when the first version serves.

    Raises:
        UserError: The address cannot be listened on.
    """
    # TensorFlow's warnings about refused inputs repeat them: a client's text is not for the log.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    server = Server(settings)
    with _signals_stop(server):
        server.run(on_ready)


@contextmanager
def _signals_stop(server: Server) -> Iterator[None]:
    """Lets SIGTERM and SIGINT stop the server, also before and after uvicorn listens to them.

    uvicorn raises a signal again once it has shut down; here that is no reason to die of it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, lambda *_: server.stop())
        for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen(host: str, port: int) -> socket.socket:
    """Opens the port, so that a taken one is told before anything slow begins."""
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError as error:
        if listener is not None:
            listener.close()
        raise _cannot_listen(host, port, error) from None
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> UserError:
    if error.errno == errno.EADDRINUSE:
        return UserError(
            f"Port {port} on {host} is in use",
            "Stop the program that uses it, or choose another port.",
        )
    if error.errno == errno.EACCES:
        return UserError(f"Port {port} may not be opened by this user", "Choose a port above 1023.")
    return UserError(
        f"Cannot listen on {host}, port {port}",
        "Give an address of this machine, such as 127.0.0.1 or 0.0.0.0.",
    )
