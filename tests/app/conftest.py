from __future__ import annotations

from collections.abc import Iterator

import pytest

from .small_server import SmallServer, small_server


@pytest.fixture
def small() -> Iterator[SmallServer]:
    with small_server() as served:
        yield served
