"""Which version of a model serves: watching its folder, loading, taking over, draining.

The rules are TensorFlow Serving's: ``base/<number>/`` is a version once it holds
``saved_model.pb``; the newest one serves, or those that the model's configuration asks for; a new
one is loaded and warmed while the old one still answers, and only then takes over; the old one
finishes its requests before it goes. Beyond them, a version that cannot be loaded counts as absent
until its folder changes, so the next newest serves instead; and so does a newer one that lacks
signatures which the serving one has, as its clients would notice.
"""

from __future__ import annotations

import gc
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .batching import Batcher
from .drift import DriftWindow
from .heavy import import_tensorflow
from .json_tensor import TensorSpec
from .metrics import ServingMetrics
from .model import SAVED_MODEL_FILE, LoadedModel, Signature, load_model
from .model_config import ModelConfig
from .observer import TextObserver
from .settings import Limits
from .status import Code, ServingError, invalid_argument

logger = logging.getLogger(__name__)

_MAX_VERSION = 2**63 - 1

#: Names, sizes and times of a folder's files: changes when the folder does.
_Fingerprint = frozenset[tuple[str, int, int]]


class State(Enum):
    """The life of a version, in TensorFlow Serving's words."""

    START = "START"
    LOADING = "LOADING"
    AVAILABLE = "AVAILABLE"
    UNLOADING = "UNLOADING"
    END = "END"


@dataclass(frozen=True)
class VersionStatus:
    """Where a version stands.

    Attributes:
        version: Its number.
        state: Its state.
        code: OK, or why it could not be loaded.
        message: The same in words; empty when all is well.
    """

    version: int
    state: State
    code: Code = Code.OK
    message: str = ""


@dataclass(eq=False)
class Servable:
    """A loaded version with its queue.

    Attributes:
        model: The loaded model.
        batcher: Its queue.
        path: The folder it came from.
        saved_at: When its file was written, in seconds since 1970.
        drift: What its last answers were.
        in_flight: Requests that hold it; it may only be unloaded at 0.
    """

    model: LoadedModel
    batcher: Batcher
    path: Path
    saved_at: float
    drift: DriftWindow
    in_flight: int = 0


class VersionManager:
    """Keeps the wanted versions of one model serving.

    A background thread does the watching and loading; everything else may be called from any
    thread.

    Args:
        config: The model's name, its folder of versions (which may come and go), and which of
            them are wanted.
        poll_seconds: Time between two looks at the folder.
        limits: Bounds for each version's queue.
        metrics: Where load attempts and runs are counted.
        on_available: Called once in the background thread, when the first version serves.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        poll_seconds: float = 1.0,
        limits: Limits | None = None,
        metrics: ServingMetrics | None = None,
        on_available: Callable[[], None] | None = None,
    ) -> None:
        self.name = config.name
        self._config = config
        self._poll_seconds = poll_seconds
        self._limits = limits or Limits()
        self._metrics = metrics or ServingMetrics()
        self._on_available = on_available
        self._lock = threading.Lock()
        self._stopping = False
        self._settled_for: ModelConfig | None = None
        self._wake = threading.Event()
        self._serving: dict[int, Servable] = {}
        self._newest: Servable | None = None
        self._draining: list[Servable] = []
        self._statuses: dict[int, VersionStatus] = {}
        self._failed: dict[Path, _Fingerprint] = {}
        self._failing = 0
        self._notice = ""
        self._thread = threading.Thread(
            target=self._watch, name=f"{self.name}-versions", daemon=True
        )

    def start(self) -> None:
        """Starts watching, in the background."""
        self._thread.start()

    def begin_stop(self) -> None:
        """Has the versions drained in the background; :meth:`stop` waits for it."""
        self._stopping = True
        self._wake.set()

    def stop(self) -> None:
        """Stops watching, waits for the requests in flight, and unloads everything."""
        self.begin_stop()
        self._thread.join()

    @property
    def config(self) -> ModelConfig:
        """What is wanted at present."""
        return self._config

    def configure(self, config: ModelConfig) -> None:
        """Changes what is wanted; the background thread acts on it at once."""
        self._config = config
        self._wake.set()

    @property
    def settled(self) -> bool:
        """Whether the folder has been looked at since the last change of what is wanted."""
        return self._settled_for is self._config

    @property
    def ready(self) -> bool:
        """Whether a version serves."""
        return self._newest is not None

    @property
    def served(self) -> list[Servable]:
        """The versions that serve, the newest first."""
        with self._lock:
            return [servable for _, servable in sorted(self._serving.items(), reverse=True)]

    @property
    def failing(self) -> int:
        """How many versions should serve now and cannot be loaded."""
        return self._failing

    def version_of(self, label: str) -> int:
        """The version that a label stands for.

        Raises:
            ServingError: INVALID_ARGUMENT, the label is not known.
        """
        version = self._config.labels.get(label)
        if version is None:
            raise invalid_argument(f"Unrecognized servable version label: {label}")
        return version

    @contextmanager
    def serving(self, version: int | None = None, label: str | None = None) -> Iterator[Servable]:
        """Holds a serving version for the time of a request.

        Args:
            version: The version asked for; None for the newest that serves.
            label: The label asked for, instead of a version.

        Yields:
            The loaded version, which stays loaded until the block ends.

        Raises:
            ServingError: NOT_FOUND, that version does not serve; INVALID_ARGUMENT, the label is
                not known.
        """
        if label is not None:
            version = self.version_of(label)
        with self._lock:
            servable = self._newest if version is None else self._serving.get(version)
            if servable is None:
                raise not_found(self.name, version)
            servable.in_flight += 1
        try:
            yield servable
        finally:
            with self._lock:
                servable.in_flight -= 1

    def statuses(self, version: int | None = None) -> list[VersionStatus]:
        """Where the versions stand that this manager has dealt with, newest first.

        Args:
            version: Only this one.

        Raises:
            ServingError: NOT_FOUND, it has not dealt with that one, or with any.
        """
        with self._lock:
            known = sorted(self._statuses.items(), reverse=True)
        found = [status for number, status in known if version in (None, number)]
        if not found:
            raise no_status(self.name, version)
        return found

    # The background thread.

    def _watch(self) -> None:
        import_tensorflow()
        while not self._stopping:
            self._wake.clear()
            try:
                self._poll()
                self._unload_drained()
            except Exception as error:
                # Whatever happens to a folder, what serves goes on serving.
                logger.error("Looking for versions failed: %s", type(error).__name__)
            if not self._stopping:
                self._wake.wait(self._poll_seconds)
        self._retire_all_but(set())
        while self._draining:
            self._unload_drained()
            time.sleep(0.01)

    def _poll(self) -> None:
        """Looks at the folder once and acts on what it finds."""
        config = self._config
        self._act(config)
        self._settled_for = config

    def _act(self, config: ModelConfig) -> None:
        try:
            versions = _find_versions(config.base)
        except OSError as error:
            # The folder may be away for a moment, as on a network drive: keep what is loaded.
            self._notify(f"Cannot read the model base {config.base}: {error.strerror}")
            return
        wanted = config.policy.candidates(versions)
        if not wanted:
            self._failing = 0
            self._notify(
                f"No versions of model {self.name} found under {config.base}; "
                f"waiting for <number>/{SAVED_MODEL_FILE}"
            )
            if not versions:
                self._retire_all_but(set())
            return
        self._notice = ""
        serving: set[int] = set()
        failing = 0
        for version in wanted:
            if len(serving) == config.policy.count or self._stopping:
                break
            if self._serves(version, versions[version]) or self._load(version, versions[version]):
                serving.add(version)
            else:
                failing += 1
        self._failing = failing
        if serving:
            self._retire_all_but(serving)

    def _serves(self, version: int, path: Path) -> bool:
        servable = self._serving.get(version)
        return servable is not None and servable.path == path

    def _notify(self, notice: str) -> None:
        """Logs a notice, once for as long as it holds."""
        if notice != self._notice:
            logger.warning(notice)
        self._notice = notice

    def _load(self, version: int, path: Path) -> bool:
        """Loads a version and lets it take over; False if it cannot be loaded."""
        fingerprint = _fingerprint(path)
        if self._failed.get(path) == fingerprint:
            return False
        self._set_status(VersionStatus(version, State.START))
        logger.info("Loading version %d of model %s", version, self.name)
        self._set_status(VersionStatus(version, State.LOADING))
        start = time.perf_counter()
        try:
            model = load_model(path, version)
            self._check_successor(model)
        except ServingError as error:
            self._failed[path] = fingerprint
            self._metrics.load_attempt_count.add(str(path), "fail")
            self._set_status(VersionStatus(version, State.END, error.code, error.message))
            logger.error("Version %d of model %s failed to load: %s", version, self.name, error)
            return False
        self._failed.pop(path, None)
        microseconds = int((time.perf_counter() - start) * 1e6)
        self._metrics.load_attempt_count.add(str(path), "success")
        self._metrics.load_latency.add(str(path), amount=microseconds)
        observe = TextObserver(model, self.name, self._metrics, path, self._limits.drift_window)
        batcher = Batcher(model, self.name, self._limits, self._metrics, observe)
        self._take_over(Servable(model, batcher, path, _saved_at(path), observe.drift))
        return True

    def _check_successor(self, model: LoadedModel) -> None:
        """Refuses a newer version that cannot answer what the serving one can."""
        newest = self._newest
        if newest is None or model.version < newest.model.version:
            return
        problem = missing_for(newest.model.signatures, model.signatures)
        if problem:
            model.close()
            raise ServingError(
                Code.FAILED_PRECONDITION,
                f"It cannot take the place of version {newest.model.version}: {problem}",
            )

    def _take_over(self, servable: Servable) -> None:
        version = servable.model.version
        self._set_status(VersionStatus(version, State.AVAILABLE))
        with self._lock:
            replaced = self._serving.get(version)
            self._serving[version] = servable
            self._newest = self._serving[max(self._serving)]
        logger.info("Version %d of model %s is available", version, self.name)
        if replaced is not None:
            self._draining.append(replaced)
        if self._on_available is not None:
            announce, self._on_available = self._on_available, None
            announce()

    def _retire_all_but(self, kept: set[int]) -> None:
        with self._lock:
            retired = [one for version, one in self._serving.items() if version not in kept]
            self._serving = {v: one for v, one in self._serving.items() if v in kept}
            self._newest = self._serving[max(self._serving)] if self._serving else None
        for servable in retired:
            self._drain(servable)

    def _drain(self, servable: Servable) -> None:
        """Sets a version aside that takes no more requests, until its last one is answered."""
        self._set_status(VersionStatus(servable.model.version, State.UNLOADING))
        self._draining.append(servable)

    def _unload_drained(self) -> None:
        for servable in [one for one in self._draining if one.in_flight == 0]:
            self._draining.remove(servable)
            servable.batcher.close()
            servable.drift.close()
            servable.model.close()
            version = servable.model.version
            if version not in self._serving:  # As it is where another folder took its place.
                self._set_status(VersionStatus(version, State.END))
            logger.info("Version %d of model %s is unloaded", version, self.name)
            del servable
            gc.collect()  # A graph's memory hangs in reference cycles.

    def _set_status(self, status: VersionStatus) -> None:
        with self._lock:
            self._statuses[status.version] = status


def not_found(model_name: str, version: int | None) -> ServingError:
    """The error for a model or version that does not serve, in TensorFlow Serving's words."""
    what = f"Latest({model_name})" if version is None else f"Specific({model_name}, {version})"
    return ServingError(Code.NOT_FOUND, f"Servable not found for request: {what}")


def no_status(model_name: str, version: int | None) -> ServingError:
    """The error for a status of what never was, in TensorFlow Serving's words."""
    what = "any versions" if version is None else f"version {version}"
    return ServingError(Code.NOT_FOUND, f"Could not find {what} of model {model_name}")


def missing_for(serving: Mapping[str, Signature], successor: Mapping[str, Signature]) -> str | None:
    """What clients of a version would miss in another; None if nothing.

    They need every signature with the same inputs, and at least the same outputs.
    """
    for name, wanted in serving.items():
        found = successor.get(name)
        if found is None:
            return f"the signature {name} is missing"
        if _types(found.inputs) != _types(wanted.inputs):
            return f"the inputs of the signature {name} have changed"
        if not _types(wanted.outputs).items() <= _types(found.outputs).items():
            return f"outputs of the signature {name} are missing"
    return None


def _types(specs: Mapping[str, TensorSpec]) -> dict[str, str]:
    return {name: spec.dtype for name, spec in specs.items()}


def _find_versions(base: Path) -> dict[int, Path]:
    """The folders under ``base`` that are versions, by number."""
    numbered = (
        (int(path.name), path)
        for path in sorted(base.iterdir())
        if re.fullmatch(r"[0-9]+", path.name) and (path / SAVED_MODEL_FILE).is_file()
    )
    return {number: path for number, path in numbered if number <= _MAX_VERSION}


def _saved_at(path: Path) -> float:
    try:
        return (path / SAVED_MODEL_FILE).stat().st_mtime
    except OSError:  # Deleted since it was loaded.
        return time.time()


def _fingerprint(path: Path) -> _Fingerprint:
    found = set()
    for file in path.rglob("*"):
        try:
            info = file.stat()
        except OSError:  # Deleted since it was listed.
            continue
        found.add((str(file), info.st_size, info.st_mtime_ns))
    return frozenset(found)
