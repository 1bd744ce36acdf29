from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emotion_tfx.errors import UserError
from emotion_tfx.serving import ServerSettings, read_api_key


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


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"grpc_port": 70_000}, "70000 is not a port"),
        ({"workers": 0}, "0 workers cannot serve"),
        ({"api_key": "with blank"}, "cannot stand in a header"),
        ({"api_key": ""}, "cannot stand in a header"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], problem: str):
    with pytest.raises(UserError, match=problem):
        ServerSettings(Path("models"), **change)


def test_the_key_is_not_shown_with_the_settings():
    assert "s3cret" not in repr(ServerSettings(Path("models"), api_key="s3cret"))


def test_the_key_comes_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "key"
    monkeypatch.delenv("EMOTION_API_KEY", raising=False)
    assert read_api_key(None) is None
    monkeypatch.setenv("EMOTION_API_KEY", "from-the-environment")
    assert read_api_key(None) == "from-the-environment"
    with pytest.raises(UserError, match="cannot be read"):
        read_api_key(file)
    file.write_text("\n")
    with pytest.raises(UserError, match="holds no API key"):
        read_api_key(file)
    file.write_text("s3cret\n")
    assert read_api_key(file) == "s3cret"
