"""The Grafana Foundation SDK, on every Python that this project runs on.

It asks for Python 3.11 for two names of the standard library. Where they are missing they are lent
to it while it is imported, and to nothing else.
"""

from __future__ import annotations

import enum
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import typing_extensions


class _StrEnum(str, enum.Enum):
    """What ``enum.StrEnum`` is from Python 3.11 on, as far as the SDK needs it."""

    __str__ = str.__str__


@contextmanager
def _names_of_python_3_11() -> Iterator[None]:
    with (
        mock.patch.object(typing, "Self", typing_extensions.Self, create=True),
        mock.patch.object(enum, "StrEnum", getattr(enum, "StrEnum", _StrEnum), create=True),
    ):
        yield


with _names_of_python_3_11():
    from grafana_foundation_sdk.builders import (
        common,
        dashboard,
        heatmap,
        prometheus,
        stat,
        timeseries,
    )
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models import common as common_models
    from grafana_foundation_sdk.models import dashboard as models
    from grafana_foundation_sdk.models import heatmap as heatmap_models
    from grafana_foundation_sdk.models import prometheus as prometheus_models
    from grafana_foundation_sdk.models import units

    register_default_plugins()

__all__ = [
    "JSONEncoder",
    "common",
    "common_models",
    "dashboard",
    "heatmap",
    "heatmap_models",
    "models",
    "prometheus",
    "prometheus_models",
    "stat",
    "timeseries",
    "units",
]
