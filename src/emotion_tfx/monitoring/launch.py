"""Starts the Prometheus of this machine, and its Grafana if there is one, and ends both."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from emotion_tfx.config import Settings
from emotion_tfx.errors import UserError
from emotion_tfx.together import Part, check_free, run_together

from .files import Watch, write_all

_HOST = "127.0.0.1"

#: Where packages put servers, which need not be on a user's path, and Grafana's archive itself.
_MORE_PATHS = ("/usr/sbin", "/usr/local/sbin", "/usr/share/grafana/bin")
_GRAFANA_HOMES = ("/usr/share/grafana", "/usr/local/share/grafana", "/opt/homebrew/share/grafana")

_NO_GRAFANA = (
    "Grafana is not installed, so there are no dashboards (it is no part of Debian:\n"
    "https://grafana.com/docs/grafana/latest/setup-grafana/installation/)."
)


def watch_here(settings: Settings, watch: Watch, port: int, grafana_port: int) -> int:
    """Watches servers until Ctrl-C or SIGTERM.

    Args:
        settings: Where to keep what is seen, and the key that the servers want unless ``watch``
            names a file.
        watch: What is watched.
        port: Of Prometheus.
        grafana_port: Of Grafana.

    Returns:
        The exit code: 0 after a signal, 1 if one of the programs has ended by itself.

    Raises:
        UserError: Prometheus is not installed, a port is taken, or nothing can be written.
    """
    prometheus = _find("prometheus")
    if prometheus is None:
        raise UserError(
            "Prometheus is not installed",
            "On Debian and Ubuntu: apt-get install prometheus. Elsewhere: "
            "https://prometheus.io/download/, with its folder on the PATH.",
        )
    grafana = _grafana()
    _check_port("Prometheus", port, "--port")
    if grafana:
        _check_port("Grafana", grafana_port, "--grafana-port")
    folder = settings.output.absolute() / "monitoring"
    address, dashboards = f"http://{_HOST}:{port}", f"http://{_HOST}:{grafana_port}"
    write_all(folder, _with_key(watch, settings, folder), address)
    parts = [_prometheus_part(prometheus, folder / "prometheus", address)]
    lines = [f"\nPrometheus  {address}/alerts"]
    if grafana:
        parts.append(_grafana_part(grafana, folder / "grafana", dashboards, grafana_port))
        lines.append(f"Grafana     {dashboards}/d/emotion-serving")
    else:
        lines.append(_NO_GRAFANA)
    lines.append(f"watched     {', '.join(watch.targets)}")
    lines.append(
        f"web app     its page of monitoring draws from here with EMOTION_PROMETHEUS={address}"
    )
    return run_together(parts, "\n".join([*lines, "Ctrl-C stops it all."]))


def _find(program: str) -> str | None:
    return shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", ""), *_MORE_PATHS]))


def _grafana() -> list[str] | None:
    """How Grafana is started: by its one program, or by the server's own in older versions."""
    for name, arguments in (("grafana", ["server"]), ("grafana-server", [])):
        program = _find(name)
        if program is not None:
            unpacked = Path(program).resolve().parents[1]
            for home in (unpacked, *map(Path, _GRAFANA_HOMES)):
                if (home / "conf" / "defaults.ini").is_file():
                    return [program, *arguments, "--homepath", str(home)]
            return [program, *arguments]
    return None


def _check_port(name: str, port: int, option: str) -> None:
    remedy = (
        f"Stop the program that uses it (Debian starts a {name} of its own where it installs one: "
        f"systemctl stop {name.lower()}), or choose another with {option}."
    )
    check_free(name, _HOST, port, remedy)


def _with_key(watch: Watch, settings: Settings, folder: Path) -> Watch:
    """The same, with the key of the settings in a file that only this user can read."""
    if watch.api_key_file is not None:
        return replace(watch, api_key_file=watch.api_key_file.absolute())
    if settings.api_key is None:
        return watch
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "api-key"
    file.unlink(missing_ok=True)
    file.touch(mode=0o600, exist_ok=False)
    file.write_text(settings.api_key.get_secret_value(), encoding="utf-8")
    return replace(watch, api_key_file=file)


def _prometheus_part(program: str, folder: Path, address: str) -> Part:
    arguments = [
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address.removeprefix('http://')}",
        "--log.level=warn",
    ]
    return Part("Prometheus", arguments, f"{address}/-/ready", program=[program])


def _grafana_part(command: list[str], folder: Path, address: str, port: int) -> Part:
    data = folder / "data"
    environment = {
        "GF_SERVER_HTTP_ADDR": _HOST,
        "GF_SERVER_HTTP_PORT": str(port),
        "GF_PATHS_DATA": str(data),
        "GF_PATHS_LOGS": str(data / "log"),
        "GF_PATHS_PLUGINS": str(data / "plugins"),
        "GF_PATHS_PROVISIONING": str(folder / "provisioning"),
        "GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(folder / "dashboards" / "serving.json"),
        # Whoever reaches the loopback address of this machine may look, and change nothing.
        "GF_AUTH_ANONYMOUS_ENABLED": "true",
        "GF_AUTH_ANONYMOUS_ORG_ROLE": "Viewer",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_LOG_LEVEL": "warn",
    }
    return Part("Grafana", [], f"{address}/api/health", program=command, environment=environment)
