from __future__ import annotations

from pathlib import Path

import pytest

from emotion_tfx.errors import UserError
from emotion_tfx.serving import ServerSettings


def test_the_server_listens_on_loopback_at_tensorflow_servings_port():
    settings = ServerSettings(Path("models"))
    assert (settings.host, settings.rest_port, settings.model_name) == (
        "127.0.0.1",
        8501,
        "emotion",
    )


@pytest.mark.parametrize("name", ["", "a/b", "a:b", "a b"])
def test_a_name_that_cannot_stand_in_an_address_is_refused(name: str):
    with pytest.raises(UserError, match="cannot be a model's name"):
        ServerSettings(Path("models"), model_name=name)


@pytest.mark.parametrize("port", [-1, 65536, 70_000])
def test_a_number_that_is_no_port_is_refused(port: int):
    with pytest.raises(UserError, match=f"{port} is not a port"):
        ServerSettings(Path("models"), rest_port=port)
