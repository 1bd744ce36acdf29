"""``emotion monitor`` with the real Prometheus.

Grafana is no part of Debian: a small program in its place tells how it was started. What it would
show is tested with the dashboards.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from ..app.browser import free_port, processes_of
from ..command import emotion, start
from ..serving.conftest import wait_until
from .watched import needs_prometheus

pytestmark = needs_prometheus

_STAND_IN = """#!{python}
import http.server, json, os, pathlib, sys
settings = {{name: value for name, value in os.environ.items() if name.startswith("GF_")}}
told = json.dumps({{"arguments": sys.argv[1:], "settings": settings}})
pathlib.Path({told!r}).write_text(told)
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()
    def log_message(self, *_): ...
address = settings["GF_SERVER_HTTP_ADDR"], int(settings["GF_SERVER_HTTP_PORT"])
http.server.HTTPServer(address, Health).serve_forever()
"""


@dataclass
class Watching:
    """A running ``emotion monitor``.

    Attributes:
        process: It.
        said: Its announcement.
        address: Of its Prometheus.
        folder: Where it keeps things.
    """

    process: subprocess.Popen[str]
    said: list[str]
    address: str
    folder: Path

    def targets(self) -> list[str]:
        """What the running Prometheus was told to watch."""
        with urllib.request.urlopen(f"{self.address}/api/v1/status/config", timeout=10) as reply:
            config = yaml.safe_load(json.load(reply)["data"]["yaml"])
        return config["scrape_configs"][0]["static_configs"][0]["targets"]


@contextmanager
def watching(
    folder: Path, *options: object, grafana: int | None = None, **settings: str
) -> Iterator[Watching]:
    port = free_port()
    ports = ("--port", port, "--grafana-port", grafana or free_port())
    process = start("monitor", "--output", folder, *ports, *options, settings=settings)
    try:
        said = []
        assert process.stdout is not None
        for line in process.stdout:
            said.append(line.strip())
            if line.startswith("Ctrl-C stops it all"):
                break
        else:
            pytest.fail(process.stderr.read() if process.stderr else "it ended")
        yield Watching(process, said, f"http://127.0.0.1:{port}", folder / "monitoring")
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def without_grafana(tmp_path: Path) -> str:
    """A path on which there is Prometheus and no Grafana."""
    programs = tmp_path / "programs"
    programs.mkdir()
    prometheus = shutil.which("prometheus")
    assert prometheus is not None
    (programs / "prometheus").symlink_to(prometheus)
    return str(programs)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_watches_until_a_signal_and_leaves_nothing_running(tmp_path: Path, how: signal.Signals):
    with watching(tmp_path, "-t", "127.0.0.1:1", "-t", "127.0.0.1:2") as found:
        assert f"Prometheus  {found.address}/alerts" in found.said
        assert "watched     127.0.0.1:1, 127.0.0.1:2" in found.said
        assert found.targets() == ["127.0.0.1:1", "127.0.0.1:2"]
        assert processes_of(str(found.folder))
        found.process.send_signal(how)
        assert found.process.wait(60) == 0
        wait_until(lambda: not processes_of(str(found.folder)))


def test_nothing_is_left_even_if_it_is_killed(tmp_path: Path):
    with watching(tmp_path) as found:
        found.process.kill()
        wait_until(lambda: not processes_of(str(found.folder)))


def test_the_key_reaches_prometheus_in_a_file_for_this_user_alone(tmp_path: Path):
    with watching(tmp_path, EMOTION_API_KEY="s3cret") as found:
        config = yaml.safe_load((found.folder / "prometheus" / "prometheus.yml").read_text())
        file = Path(config["scrape_configs"][0]["authorization"]["credentials_file"])
        assert file.read_text() == "s3cret"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_grafana_is_started_with_our_files_if_it_is_there(tmp_path: Path):
    told, home = tmp_path / "told.json", tmp_path / "grafana"
    (home / "bin").mkdir(parents=True)
    (home / "conf").mkdir()
    (home / "conf" / "defaults.ini").write_text("")
    program = home / "bin" / "grafana"
    program.write_text(_STAND_IN.format(python=sys.executable, told=str(told)))
    program.chmod(0o755)
    path = os.pathsep.join([str(home / "bin"), os.environ["PATH"]])
    port = free_port()
    with watching(tmp_path / "out", grafana=port, PATH=path) as found:
        assert f"Grafana     http://127.0.0.1:{port}/d/emotion-serving" in found.said
        grafana = json.loads(told.read_text())
        assert grafana["arguments"] == ["server", "--homepath", str(home)]
        provisioning = Path(grafana["settings"]["GF_PATHS_PROVISIONING"])
        (source,) = yaml.safe_load((provisioning / "datasources/emotion.yml").read_text())[
            "datasources"
        ]
        assert source["url"] == found.address
        assert Path(grafana["settings"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]).is_file()
        found.process.send_signal(signal.SIGINT)
        assert found.process.wait(60) == 0
        wait_until(lambda: not processes_of(str(program)))


@pytest.mark.skipif(
    shutil.which("grafana-server", path="/usr/sbin:/usr/local/sbin") is not None,
    reason="Grafana is installed where it is always found",
)
def test_without_grafana_it_says_so_and_watches(tmp_path: Path):
    with watching(tmp_path / "out", PATH=without_grafana(tmp_path)) as found:
        assert any(line.startswith("Grafana is not installed") for line in found.said)
        assert found.targets() == ["127.0.0.1:8501"]


def test_without_prometheus_it_says_how_to_get_it(tmp_path: Path):
    ended = emotion("monitor", "--output", tmp_path, settings={"PATH": str(tmp_path)})
    assert ended.code == 2
    assert "Prometheus is not installed" in ended.errors
    assert "apt-get install prometheus" in ended.errors


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path):
    with watching(tmp_path / "one") as found:
        port = found.address.rpartition(":")[2]
        ended = emotion("monitor", "--output", tmp_path / "two", "--port", port)
        assert ended.code == 2
        assert f"Prometheus cannot listen on 127.0.0.1, port {port}" in ended.errors
        assert "systemctl stop prometheus" in ended.errors
        assert not (tmp_path / "two").exists()
