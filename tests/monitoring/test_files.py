"""What ``emotion monitor files`` writes."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from emotion_tfx.errors import UserError
from emotion_tfx.monitoring.files import Watch, write_all

from ..command import emotion
from .watched import dashboards, needs_prometheus


def read(file: Path) -> dict:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def check(folder: Path) -> None:
    done = subprocess.run(
        ["promtool", "check", "config", str(folder / "prometheus" / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_prometheus
def test_without_options_it_is_for_this_machine(tmp_path: Path):
    ended = emotion("monitor", "files", tmp_path / "out")
    assert ended.code == 0, ended.errors
    folder = tmp_path / "out"
    check(folder)
    config = read(folder / "prometheus" / "prometheus.yml")
    (job,) = config["scrape_configs"]
    assert (job["job_name"], job["metrics_path"]) == ("emotion", "/monitoring/prometheus/metrics")
    assert job["static_configs"] == [{"targets": ["127.0.0.1:8501"]}]
    assert "authorization" not in job
    provisioning = folder / "grafana" / "provisioning"
    (source,) = read(provisioning / "datasources" / "emotion.yml")["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "http://127.0.0.1:9090")
    assert source["jsonData"]["timeInterval"] == config["global"]["scrape_interval"]
    (provider,) = read(provisioning / "dashboards" / "emotion.yml")["providers"]
    shown = [json.loads(file.read_text()) for file in Path(provider["options"]["path"]).iterdir()]
    assert sorted(one["uid"] for one in shown) == sorted(
        one["uid"] for one in dashboards().values()
    )


@needs_prometheus
def test_for_containers_every_address_and_path_can_be_another(tmp_path: Path):
    key = tmp_path / "a key: #1"
    key.write_text("s3cret")
    ended = emotion(
        *("monitor", "files", tmp_path / "out"),
        *("--target", "one:8501", "-t", "[::1]:80"),
        *("--prometheus", "http://prometheus:9090"),
        *("--dashboards", "/var/lib/grafana/dashboards"),
        *("--alertmanager", "alerts:9093"),
        *("--api-key-file", key),
    )
    assert ended.code == 0, ended.errors
    folder = tmp_path / "out"
    check(folder)
    config = read(folder / "prometheus" / "prometheus.yml")
    (job,) = config["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["one:8501", "[::1]:80"]}]
    assert job["authorization"] == {"credentials_file": str(key)}
    (alertmanager,) = config["alerting"]["alertmanagers"]
    assert alertmanager["static_configs"] == [{"targets": ["alerts:9093"]}]
    provisioning = folder / "grafana" / "provisioning"
    (source,) = read(provisioning / "datasources" / "emotion.yml")["datasources"]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = read(provisioning / "dashboards" / "emotion.yml")["providers"]
    assert provider["options"]["path"] == "/var/lib/grafana/dashboards"


def test_files_of_before_are_replaced(tmp_path: Path):
    write_all(tmp_path, Watch(["one:1"]), "http://p:9090")
    write_all(tmp_path, Watch(["two:2"]), "http://p:9090")
    (job,) = read(tmp_path / "prometheus" / "prometheus.yml")["scrape_configs"]
    assert job["static_configs"] == [{"targets": ["two:2"]}]


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8501", "host", "host:", "host:0", "host:65536", "a b:1", "h:1/x"]
)
def test_what_is_no_address_is_told(address: str):
    with pytest.raises(UserError, match="HOST:PORT"):
        Watch([address])
    with pytest.raises(UserError, match="HOST:PORT"):
        Watch(["host:1"], alertmanagers=[address])


def test_grafana_wants_a_whole_address(tmp_path: Path):
    with pytest.raises(UserError, match="with its scheme"):
        write_all(tmp_path, Watch(["one:1"]), "prometheus:9090")


def test_a_folder_that_cannot_be_written_to_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_all(tmp_path / "file", Watch(["one:1"]), "http://p:9090")
