"""Changes of what is served while the server runs: by a file, or by a message over gRPC."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import UserError
from .model_config import model_configs, read_model_config
from .models import Models
from .status import Code, ServingError

logger = logging.getLogger(__name__)


class ConfigFiles:
    """Watches files of configuration and applies each that changes.

    A file that cannot be read, or says nothing sensible, changes nothing but the log.

    Args:
        models: What is changed.
        files: The files; one that is not there counts once it is.
        poll_seconds: Time between two looks.
    """

    def __init__(self, models: Models, files: Sequence[Path], poll_seconds: float) -> None:
        self._models = models
        self._poll_seconds = poll_seconds
        self._seen = {file: _stamp(file) for file in files}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="config-files", daemon=True)

    def start(self) -> None:
        """Starts watching, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stops watching."""
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(self._poll_seconds):
            for file, before in self._seen.items():
                now = _stamp(file)
                if now in (before, None):
                    continue
                self._seen[file] = now
                self._apply(file)

    def _apply(self, file: Path) -> None:
        try:
            configs = read_model_config(file)
        except UserError as error:
            logger.error("The configuration stays as it was: %s", error.problem)
            return
        self._models.configure(configs)
        logger.info("The configuration has been read again: %d models", len(configs))


class Reloader:
    """Applies configurations that come over gRPC.

    Args:
        models: What is changed.
        roots: Folders outside which no model may be: who may ask for another model may not ask
            for any file of this machine.
        shared_file: Where other processes of this server look for the change, if there are any.
    """

    def __init__(
        self, models: Models, roots: Sequence[Path], shared_file: Path | None = None
    ) -> None:
        self._models = models
        self._roots = [root.resolve() for root in roots]
        self._shared_file = shared_file
        self._lock = threading.Lock()

    def __call__(self, message: Any) -> None:  # noqa: ANN401
        """Applies a ``ModelServerConfig`` message and waits until its models serve.

        Raises:
            ServingError: It is not right, reaches out of the folders allowed, or does not come
                into service.
        """
        if message.WhichOneof("config") not in (None, "model_config_list"):
            raise ServingError(
                Code.INVALID_ARGUMENT,
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only "
                "ModelConfigList is currently supported",
            )
        configs = model_configs(message, self._roots[0])
        for config in configs:
            base = config.base.resolve()
            if not any(base.is_relative_to(root) for root in self._roots):
                raise ServingError(
                    Code.PERMISSION_DENIED,
                    f"The base path of model {config.name} is outside of what this server may read",
                )
        with self._lock:
            self._models.reconfigure(configs)
            if self._shared_file is not None:
                self._share(message, self._shared_file)

    def _share(self, message: Any, file: Path) -> None:  # noqa: ANN401
        from google.protobuf import text_format

        for entry in message.model_config_list.config:
            entry.base_path = str((self._roots[0] / entry.base_path).resolve())
        staging = file.with_suffix(f".{os.getpid()}")
        staging.write_text(text_format.MessageToString(message), encoding="utf-8")
        staging.replace(file)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        info = file.stat()
    except OSError:
        return None
    return info.st_mtime_ns, info.st_size, info.st_ino
