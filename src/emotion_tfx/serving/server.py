"""The server process: its port, its signals, its start and its end.

The port opens at once and TensorFlow is imported behind it, so that liveness can be asked from
the first second on; or only once every model serves, if the settings say so. A stopping server
takes no new connections, answers what it has accepted, and only then goes.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from ..cores import INTRAOP_THREADS, usable_cores
from ..errors import UserError
from .heavy import quick_turns
from .http import HttpApi, asgi_app
from .logs import AccessLog
from .metrics import ServingMetrics, SharedValues
from .model_config import ModelConfig, read_model_config
from .models import Models
from .protocol import bounded_protocol
from .reload import ConfigFiles, Reloader
from .settings import ServerSettings

logger = logging.getLogger(__name__)

#: Longer than the idle time of common clients' pools, so that they, not we, close first.
_KEEP_ALIVE_SECONDS = 75

_BACKLOG = 2048

_READY_SECONDS = 0.1

_SHARED_CONFIG = "models.pbtxt"


@dataclass(frozen=True)
class Shared:
    """What the processes of one server have in common.

    Attributes:
        listener: The open port of the REST interface.
        folder: Where they keep what they count, and leave word of changes.
    """

    listener: socket.socket
    folder: Path

    @property
    def windows(self) -> Path:
        """Where they keep what they count of their last answers."""
        return self.folder / "windows"


class Server:
    """A server in this process that can be run in any thread and stopped from any other.

    Args:
        settings: Where the model is and where to listen.
        shared: What it has in common with other processes, if it is one of several.
    """

    def __init__(self, settings: ServerSettings, shared: Shared | None = None) -> None:
        self._settings = settings
        self._shared = shared
        self._stop = threading.Event()
        self._uvicorn: uvicorn.Server | None = None

    def run(self, on_ready: Callable[[], None] | None = None) -> None:
        """Serves until :meth:`stop` is called.

        Args:
            on_ready: Called once, in a background thread, when every model serves.

        Raises:
            UserError: An address cannot be listened on, or the configuration cannot be read.
        """
        settings, shared = self._settings, self._shared
        metrics = (
            ServingMetrics(SharedValues(shared.folder), SharedValues(shared.windows))
            if shared
            else ServingMetrics()
        )
        configs = initial_configs(settings)
        late, ready = settings.open_when_ready, threading.Event()
        models = Models(
            configs,
            poll_seconds=settings.poll_seconds,
            limits=settings.limits,
            metrics=metrics,
            on_ready=ready.set if late else on_ready,
        )
        with ExitStack() as stack:
            stack.enter_context(quick_turns())
            listener = shared.listener if shared else open_port(settings)
            stack.callback(listener.close)
            log_access = stack.enter_context(AccessLog())
            self._uvicorn = self._http_server(models, metrics, configs, log_access)
            self._uvicorn.should_exit = self._stop.is_set()
            if not late:
                _tell_address(listener)
            models.start()
            stack.callback(models.stop)
            self._watch_config(models, stack)
            if not late or self._wait_for(ready):
                self._open_grpc(models, metrics, configs, stack)
                if late:
                    listener.listen(_BACKLOG)
                    _tell_address(listener)
                    if on_ready is not None:
                        on_ready()
                self._uvicorn.run(sockets=[listener])
        logger.info("Stopped")

    def stop(self) -> None:
        """Asks the server to stop: no new connections, and an end once all is answered."""
        self._stop.set()
        if self._uvicorn is not None:
            self._uvicorn.should_exit = True

    def _wait_for(self, ready: threading.Event) -> bool:
        """Waits until every model serves; False if the server is told to stop before that."""
        while not ready.wait(_READY_SECONDS):
            if self._stop.is_set():
                return False
        return True

    def _http_server(
        self,
        models: Models,
        metrics: ServingMetrics,
        configs: Sequence[ModelConfig],
        log_access: AccessLog,
    ) -> uvicorn.Server:
        settings, limits = self._settings, self._settings.limits
        names = [config.name for config in configs]
        emotion_model = settings.model_name if settings.model_name in names else names[0]
        secured = settings.api_key is not None
        api = HttpApi(models, emotion_model, limits, metrics, secured=secured)
        config = uvicorn.Config(
            asgi_app(api, limits, settings.api_key, log_access, metrics),
            loop="uvloop",
            http=bounded_protocol(limits, metrics),
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
        return uvicorn.Server(config)

    def _watch_config(self, models: Models, stack: ExitStack) -> None:
        given, shared = self._settings.model_config, self._shared
        files = [given] if given else []
        if shared:
            files.append(shared.folder / _SHARED_CONFIG)
        if files:
            watcher = ConfigFiles(models, files, self._settings.poll_seconds)
            watcher.start()
            stack.callback(watcher.stop)

    def _open_grpc(
        self,
        models: Models,
        metrics: ServingMetrics,
        configs: Sequence[ModelConfig],
        stack: ExitStack,
    ) -> None:
        settings, shared = self._settings, self._shared
        if settings.grpc_port is None:
            return
        from .rpc import GrpcServer

        folders = [config.base.parent for config in configs]
        roots = [settings.model_config.parent, *folders] if settings.model_config else folders
        shared_config = shared.folder / _SHARED_CONFIG if shared else None
        reload = Reloader(models, roots, shared_config)
        server = GrpcServer(models, reload, settings.limits, metrics, settings.api_key)
        port = server.start(
            settings.host,
            settings.grpc_port,
            shared=shared is not None,
            loaded=settings.open_when_ready,
        )
        stack.callback(server.stop)
        logger.info("Listening for gRPC on port %d", port)


def serve(settings: ServerSettings, on_ready: Callable[[], None] | None = None) -> None:
    """Serves models until SIGTERM or SIGINT, then returns once all requests are answered.

    Args:
        settings: Where the models are and where to listen.
        on_ready: Called once when every model serves.

    Raises:
        UserError: An address cannot be listened on, or the configuration cannot be read.
    """
    _set_up_tensorflow(settings.workers)
    if settings.workers > 1:
        from .workers import run_workers

        run_workers(settings, on_ready)
        return
    server = Server(settings)
    with signals_stop(server):
        server.run(on_ready)


def _set_up_tensorflow(workers: int) -> None:
    """Sets what TensorFlow reads from the environment, wherever the user has not set it.

    Args:
        workers: The processes that share the machine.
    """
    defaults = {
        # Its warnings about refused inputs repeat them: a client's text is not for the log.
        "TF_CPP_MIN_LOG_LEVEL": "2",
        # oneDNN makes and keeps code for each shape it meets, and texts come in all lengths and
        # batches of all sizes: 70 MiB and some time, and a network of this size runs no faster.
        "TF_ENABLE_ONEDNN_OPTS": "0",
        # One core of each process's share reads requests and writes replies. Two threads that
        # split the runs of a small network between them also cost half as much again as one.
        INTRAOP_THREADS: str(max(1, usable_cores() // workers - 1)),
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def initial_configs(settings: ServerSettings) -> list[ModelConfig]:
    """The models to serve from the start.

    Raises:
        UserError: The file of configuration cannot be read, or names no model.
    """
    if settings.model_config is None:
        return [ModelConfig(settings.model_name, settings.model_base)]
    configs = read_model_config(settings.model_config)
    if not configs:
        raise UserError(
            "The configuration names no model", "Name at least one.", path=settings.model_config
        )
    return configs


@contextmanager
def signals_stop(server: Server) -> Iterator[None]:
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


def _tell_address(listener: socket.socket) -> None:
    host, port = listener.getsockname()[:2]
    logger.info("Listening on http://%s:%d", f"[{host}]" if ":" in host else host, port)


def open_port(settings: ServerSettings) -> socket.socket:
    """The port of the REST interface: open, or only reserved if it is to open later.

    Raises:
        UserError: It cannot be opened.
    """
    return listen(settings.host, settings.rest_port, reserve=settings.open_when_ready)


def listen(host: str, port: int, *, reserve: bool = False) -> socket.socket:
    """Opens a port, so that a taken one is told before anything slow begins.

    Args:
        host: Address to listen on.
        port: The port; 0 takes any free one.
        reserve: Take the port without opening it: connections to it are refused until then.

    Raises:
        UserError: It cannot be opened.
    """
    listener = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        if not reserve:
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
