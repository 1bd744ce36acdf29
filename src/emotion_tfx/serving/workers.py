"""Several processes behind one port, for more cores than one process can use.

This process opens the port and forks the workers before anything heavy is imported; each loads the
models and serves on its own, and whichever is idle takes the next connection. One that dies is
replaced. They count into files in one folder, so the metrics page of any shows all.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from ..errors import UserError
from .metrics import forget
from .server import Server, Shared, initial_configs, listen, open_port, signals_stop
from .settings import ServerSettings

logger = logging.getLogger(__name__)

#: A worker that dies is replaced, but not faster than this.
_RESTART_SECONDS = 1.0

#: Fork, so that the open port is handed on; nothing here runs threads before.
_PROCESSES = multiprocessing.get_context("fork")


@dataclass(frozen=True)
class _Worker:
    process: BaseProcess
    ready: Connection
    started: float


def run_workers(settings: ServerSettings, on_ready: Callable[[], None] | None = None) -> None:
    """Serves with several processes until SIGTERM or SIGINT, or until they cannot start.

    Args:
        settings: As for one process.
        on_ready: Called once when every worker serves.

    Raises:
        UserError: An address cannot be listened on, the configuration cannot be read, or a worker
            could not start.
    """
    initial_configs(settings)  # Whatever is wrong is better told once.
    listener = open_port(settings)
    if settings.grpc_port:
        # The workers share this port, so none of them would notice another program's.
        listen(settings.host, settings.grpc_port).close()
    with tempfile.TemporaryDirectory(prefix="emotion-serve-") as folder, listener:
        shared = Shared(listener, Path(folder))
        shared.windows.mkdir()
        _Supervisor(settings, shared, on_ready).run()


class _Supervisor:
    def __init__(
        self, settings: ServerSettings, shared: Shared, on_ready: Callable[[], None] | None
    ) -> None:
        self._settings = settings
        self._shared = shared
        self._on_ready = on_ready
        self._workers: list[_Worker] = []
        self._ready = 0
        self._stopping = False

    def run(self) -> None:
        """Starts the workers and keeps them up until told to stop."""
        # A signal only wakes the waiting; it is done in the order of things, not in a handler.
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        previous_fd = signal.set_wakeup_fd(writer.fileno())
        numbers = (signal.SIGTERM, signal.SIGINT)
        before = {number: signal.signal(number, lambda *_: None) for number in numbers}
        try:
            for _ in range(self._settings.workers):
                self._start()
            while self._workers:
                self._wait_once(reader)
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(previous_fd)
            self._end_all()
            reader.close()
            writer.close()
        logger.info("All workers have stopped")

    def _start(self) -> None:
        ready, told = _PROCESSES.Pipe(duplex=False)
        process = _PROCESSES.Process(target=_work, args=(self._settings, self._shared, told))
        process.start()
        told.close()
        self._workers.append(_Worker(process, ready, time.monotonic()))

    def _wait_once(self, wakened: socket.socket) -> None:
        pipes = [worker.ready for worker in self._workers if not worker.ready.closed]
        sentinels = [worker.process.sentinel for worker in self._workers]
        happened: list[Any] = wait([wakened, *pipes, *sentinels])
        if wakened in happened:
            wakened.recv(1024)
            self._begin_stop()
        for worker in list(self._workers):
            if worker.ready in happened:
                self._hear(worker)
            if worker.process.sentinel in happened:
                self._bury(worker)

    def _hear(self, worker: _Worker) -> None:
        try:
            worker.ready.recv()
        except EOFError:
            worker.ready.close()
            return
        worker.ready.close()
        self._ready += 1
        if self._ready == self._settings.workers and self._on_ready is not None:
            self._on_ready()

    def _bury(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        worker.process.join()
        if worker.process.pid is not None:
            forget(self._shared.windows, worker.process.pid)  # Its last answers are nobody's.
        code = worker.process.exitcode
        worker.process.close()
        if self._stopping:
            return
        logger.error("A worker ended with the code %s; another takes its place", code)
        if code == _CANNOT_START:
            self._begin_stop()
            raise UserError("A worker could not start", "The log above says why.")
        lived = time.monotonic() - worker.started
        time.sleep(max(0.0, _RESTART_SECONDS - lived))
        self._start()

    def _begin_stop(self) -> None:
        self._stopping = True
        for worker in self._workers:
            with suppress(ProcessLookupError):
                worker.process.terminate()

    def _end_all(self) -> None:
        self._begin_stop()
        for worker in self._workers:
            worker.process.join()


_CANNOT_START = 78


def _work(settings: ServerSettings, shared: Shared, told: Connection) -> None:
    """What a worker does, from its fork to its end."""
    signal.set_wakeup_fd(-1)
    _end_with_parent()
    server = Server(settings, shared)
    try:
        with signals_stop(server):
            server.run(lambda: told.send(True))
    except UserError as error:
        logger.error("%s", error)
        os._exit(_CANNOT_START)


def _end_with_parent() -> None:
    """Ends this worker when the process that started it is killed, rather than serve on unseen."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
