"""Which models are served, from where, in which versions and under which labels.

The form is TensorFlow Serving's ``ModelServerConfig`` (``config/model_server_config.proto``), as a
text file or as the message of a ``HandleReloadConfigRequest``.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UserError
from .settings import check_model_name
from .status import ServingError, invalid_argument

_PLATFORM = "tensorflow"


@dataclass(frozen=True)
class VersionPolicy:
    """Which of the versions that are found shall serve.

    Attributes:
        newest: So many of the newest; None stands for all.
        only: Exactly these instead, where any are given.
    """

    newest: int | None = 1
    only: frozenset[int] = frozenset()

    def candidates(self, found: Collection[int]) -> list[int]:
        """The versions that may serve, the newest first."""
        return sorted(self.only.intersection(found) if self.only else found, reverse=True)

    @property
    def count(self) -> int | None:
        """How many of the candidates shall serve; None stands for all."""
        return None if self.only else self.newest


@dataclass(frozen=True)
class ModelConfig:
    """One model.

    Attributes:
        name: Its name in addresses.
        base: Folder with one numbered folder per version.
        policy: Which versions serve.
        labels: Version by label, such as ``{"stable": 3}``.
    """

    name: str
    base: Path
    policy: VersionPolicy = VersionPolicy()
    labels: Mapping[str, int] = field(default_factory=dict)


def read_model_config(file: Path) -> list[ModelConfig]:
    """Reads a text file.

    Raises:
        UserError: It cannot be read, or is no such configuration.
    """
    from google.protobuf import text_format
    from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

    try:
        text = file.read_text(encoding="utf-8")
        return model_configs(text_format.Parse(text, ModelServerConfig()), file.parent)
    except OSError as error:
        raise UserError(
            f"The model configuration cannot be read: {error.strerror}",
            "Give a file that is there.",
            path=file,
        ) from None
    except UnicodeDecodeError:
        raise UserError("The file is not text", "Write it in UTF-8.", path=file) from None
    except text_format.ParseError as error:
        raise UserError(
            f"This is no model configuration: {str(error).rstrip('. ')}",
            "Write TensorFlow Serving's ModelServerConfig in protobuf's text form.",
            path=file,
        ) from None
    except ServingError as error:
        raise UserError(error.message, "Mend the configuration.", path=file) from None


def model_configs(message: Any, folder: Path | None = None) -> list[ModelConfig]:  # noqa: ANN401
    """The models of a ``ModelServerConfig`` message.

    Args:
        message: The message.
        folder: What relative base paths are relative to.

    Raises:
        ServingError: INVALID_ARGUMENT, the message does not name models, names one twice or
            under a name that cannot stand in an address, or wants what only other servers have.
    """
    if message.WhichOneof("config") != "model_config_list":
        raise invalid_argument("Invalid ServerModelConfig: expected a model_config_list")
    configs = [_model_config(entry, folder or Path()) for entry in message.model_config_list.config]
    names = [config.name for config in configs]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise invalid_argument(f"Illegal to list model {repeated[0]} multiple times in config list")
    return configs


def _model_config(entry: Any, folder: Path) -> ModelConfig:  # noqa: ANN401 - ModelConfig message
    try:
        check_model_name(entry.name)
    except UserError as error:
        raise invalid_argument(error.problem) from None
    if not entry.base_path:
        raise invalid_argument(f"Invalid base path for model {entry.name}: it is empty")
    if entry.model_platform not in ("", _PLATFORM):
        raise invalid_argument(f"Unsupported model platform: {entry.model_platform}")
    policy = _policy(entry.model_version_policy)
    return ModelConfig(entry.name, folder / entry.base_path, policy, dict(entry.version_labels))


def _policy(message: Any) -> VersionPolicy:  # noqa: ANN401 - ServableVersionPolicy
    choice = message.WhichOneof("policy_choice")
    if choice == "all":
        return VersionPolicy(newest=None)
    if choice == "specific":
        if not message.specific.versions:
            raise invalid_argument("A specific version policy must name versions")
        return VersionPolicy(only=frozenset(message.specific.versions))
    return VersionPolicy(newest=message.latest.num_versions or 1)
