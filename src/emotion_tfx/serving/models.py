"""All models that are served, each with its versions."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from .metrics import ServingMetrics
from .model_config import ModelConfig
from .settings import Limits
from .status import Code, ServingError, invalid_argument
from .versions import Servable, VersionManager, VersionStatus, no_status, not_found

logger = logging.getLogger(__name__)

#: How long a change of configuration may wait for its models to load.
_RELOAD_SECONDS = 120.0


class ModelSpec(NamedTuple):
    """Which model, and which of its versions, a request is for.

    Attributes:
        name: The model's name.
        version: A version, or None for the newest that serves.
        label: A label, instead of a version.
    """

    name: str
    version: int | None = None
    label: str | None = None


class Standing(NamedTuple):
    """How a model stands.

    Attributes:
        name: The model's name.
        ready: How many of its versions serve.
        failing: How many more should, and cannot be loaded.
    """

    name: str
    ready: int
    failing: int


class Models:
    """The models by name; every method may be called from any thread.

    Args:
        configs: The models to serve from the start.
        poll_seconds: Time between two looks at each model's folder.
        limits: Bounds for each version's queue.
        metrics: Where load attempts and runs are counted.
        on_ready: Called once, in a background thread, when every model serves.
    """

    def __init__(
        self,
        configs: Iterable[ModelConfig],
        *,
        poll_seconds: float = 1.0,
        limits: Limits | None = None,
        metrics: ServingMetrics | None = None,
        on_ready: Callable[[], None] | None = None,
    ) -> None:
        self._poll_seconds = poll_seconds
        self._limits = limits or Limits()
        self._metrics = metrics or ServingMetrics()
        self._on_ready = on_ready
        self._lock = threading.Lock()
        self._managers = {config.name: self._manager(config) for config in configs}

    def start(self) -> None:
        """Starts loading, in the background."""
        for manager in self._managers.values():
            manager.start()

    def stop(self) -> None:
        """Waits for the requests in flight and unloads everything."""
        with self._lock:
            managers = list(self._managers.values())
        for manager in managers:
            manager.begin_stop()
        for manager in managers:
            manager.stop()

    @property
    def ready(self) -> bool:
        """Whether every model has a version that serves."""
        managers = self._managers.values()
        return bool(managers) and all(manager.ready for manager in managers)

    @property
    def names(self) -> list[str]:
        """The models' names."""
        return list(self._managers)

    @property
    def served(self) -> list[tuple[str, Servable]]:
        """Every version that serves, with its model's name."""
        managers = list(self._managers.items())
        return [(name, servable) for name, manager in managers for servable in manager.served]

    @property
    def standings(self) -> list[Standing]:
        """How each model stands, also one without a version that serves."""
        managers = list(self._managers.items())
        return [Standing(name, len(one.served), one.failing) for name, one in managers]

    def __contains__(self, name: str) -> bool:
        return name in self._managers

    @contextmanager
    def serving(self, spec: ModelSpec) -> Iterator[Servable]:
        """Holds a version for the time of a request.

        Raises:
            ServingError: NOT_FOUND, it does not serve; INVALID_ARGUMENT, the label is not known.
        """
        manager = self._managers.get(spec.name)
        if manager is None:
            raise not_found(spec.name, spec.version)
        with manager.serving(spec.version, spec.label) as servable:
            yield servable

    def statuses(self, spec: ModelSpec) -> list[VersionStatus]:
        """Where a model's versions stand, the newest first.

        Raises:
            ServingError: NOT_FOUND, there is no such model or version; INVALID_ARGUMENT, the
                label is not known.
        """
        manager = self._managers.get(spec.name)
        if manager is None:
            raise no_status(spec.name, spec.version)
        version = spec.version if spec.label is None else manager.version_of(spec.label)
        return manager.statuses(version)

    def versions(self, name: str) -> list[int]:
        """The versions of a model that serve, the newest first.

        Raises:
            ServingError: NOT_FOUND, there is no such model or none serves.
        """
        manager = self._managers.get(name)
        served = manager.served if manager else []
        if not served:
            raise not_found(name, None)
        return [servable.model.version for servable in served]

    def configure(self, configs: Iterable[ModelConfig]) -> None:
        """Serves these models from now on, and no others; loading goes on in the background."""
        wanted = {config.name: config for config in configs}
        with self._lock:
            before = self._managers
            after = {}
            for name, config in wanted.items():
                manager = before.get(name)
                if manager is None:
                    manager = self._manager(config)
                    manager.start()
                elif manager.config != config:
                    manager.configure(config)
                after[name] = manager
            self._managers = after
        for name in before.keys() - wanted.keys():
            logger.info("Model %s is no longer served", name)
            before[name].begin_stop()

    def reconfigure(self, configs: Iterable[ModelConfig]) -> None:
        """Like :meth:`configure`, and waits until the models serve, as TensorFlow Serving does.

        Raises:
            ServingError: FAILED_PRECONDITION, a label is for a version that does not serve;
                UNAVAILABLE, a model did not come into service in time.
        """
        wanted = list(configs)
        # Labels move last, so that one never points at a version that is not there.
        self.configure(
            ModelConfig(one.name, one.base, one.policy, self._labels_kept(one)) for one in wanted
        )
        deadline = time.monotonic() + _RELOAD_SECONDS
        while not all(self._settled(config) for config in wanted):
            if time.monotonic() > deadline:
                raise ServingError(Code.UNAVAILABLE, "Some models did not become available")
            time.sleep(0.02)
        for config in wanted:
            served = self.versions(config.name)
            for version in config.labels.values():
                if version not in served:
                    raise ServingError(
                        Code.FAILED_PRECONDITION,
                        f"Request to assign label to version {version} of model {config.name}, "
                        "which is not currently available for inference",
                    )
        self.configure(wanted)

    def _labels_kept(self, config: ModelConfig) -> dict[str, int]:
        manager = self._managers.get(config.name)
        return dict(manager.config.labels) if manager else {}

    def _settled(self, config: ModelConfig) -> bool:
        """Whether what the configuration asks for serves, as far as it can be loaded."""
        manager = self._managers.get(config.name)
        if manager is None:
            raise invalid_argument("The configuration was changed again meanwhile")
        return manager.ready and manager.settled

    def _manager(self, config: ModelConfig) -> VersionManager:
        self._metrics.expect_calls(config.name)
        return VersionManager(
            config,
            poll_seconds=self._poll_seconds,
            limits=self._limits,
            metrics=self._metrics,
            on_available=self._announce,
        )

    def _announce(self) -> None:
        if self.ready and self._on_ready is not None:
            announce, self._on_ready = self._on_ready, None
            announce()
