"""The files that Prometheus and Grafana are told by: configuration, rules, dashboards.

``prometheus/`` holds the configuration and ``rules/``, which it names relative to itself;
``grafana/`` holds ``provisioning/`` and ``dashboards/``. The same files serve the programs of this
machine, containers and Kubernetes: only addresses and paths differ.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from emotion_tfx.errors import UserError

_PACKAGE = Path(__file__).parent
_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^\s/:\[\]@]+):([0-9]{1,5})")

RULES = _PACKAGE / "prometheus" / "rules"
DASHBOARDS = _PACKAGE / "grafana" / "dashboards"


@dataclass(frozen=True)
class Watch:
    """What is watched, and how.

    Attributes:
        targets: Servers, as ``HOST:PORT`` of their REST interface, at least one.
        alertmanagers: Whom Prometheus tells of alerts, likewise; may be none.
        api_key_file: Where Prometheus finds the key that the servers want, if they want one.
        interval: Time between two looks, as Prometheus writes it.

    Raises:
        UserError: There is no target, or an address is none.
    """

    targets: Sequence[str]
    alertmanagers: Sequence[str] = ()
    api_key_file: Path | None = None
    interval: str = "15s"

    def __post_init__(self) -> None:
        if not self.targets:
            raise UserError("There is no server to watch", "Name one with --target HOST:PORT.")
        for address in (*self.targets, *self.alertmanagers):
            found = _ADDRESS.fullmatch(address)
            if found is None or not 0 < int(found[2]) <= 65535:
                raise UserError(
                    f"{address!r} is not an address to watch",
                    "Write it as HOST:PORT, without http:// and a path: 127.0.0.1:8501.",
                )


def write_prometheus(folder: Path, watch: Watch) -> Path:
    """Writes what Prometheus needs.

    Args:
        folder: Is made if it is not there; files of the same names are replaced.
        watch: What is watched.

    Returns:
        The configuration.
    """
    key = watch.api_key_file
    authorization = (
        "# The servers want no key."
        if key is None
        else f"authorization: {{credentials_file: {json.dumps(str(key))}}}"
    )
    shutil.copytree(RULES, folder / "rules", dirs_exist_ok=True)
    return _fill(
        "prometheus/prometheus.yml",
        folder / "prometheus.yml",
        interval=watch.interval,
        alertmanagers=json.dumps(list(watch.alertmanagers)),
        authorization=authorization,
        targets=json.dumps(list(watch.targets)),
    )


def write_grafana(
    folder: Path, prometheus: str, dashboards: Path | None = None, interval: str = "15s"
) -> None:
    """Writes what Grafana needs.

    Args:
        folder: Is made if it is not there; files of the same names are replaced.
        prometheus: The address at which Grafana finds Prometheus.
        dashboards: Where Grafana will find the dashboards, if not in the folder itself.
        interval: Time between two looks of Prometheus.

    Raises:
        UserError: The address is none.
    """
    if not prometheus.startswith(("http://", "https://")):
        raise UserError(
            f"{prometheus!r} is no address of a Prometheus",
            "Write it with its scheme, as in http://127.0.0.1:9090.",
        )
    place = dashboards or (folder / "dashboards").absolute()
    shutil.copytree(DASHBOARDS, folder / "dashboards", dirs_exist_ok=True)
    provisioning = folder / "provisioning"
    for unused in ("alerting", "plugins"):
        # Grafana logs an error where one of its folders is missing.
        (provisioning / unused).mkdir(parents=True, exist_ok=True)
    _fill(
        "grafana/datasource.yml",
        provisioning / "datasources" / "emotion.yml",
        prometheus=json.dumps(prometheus),
        interval=interval,
    )
    _fill(
        "grafana/dashboards.yml",
        provisioning / "dashboards" / "emotion.yml",
        dashboards=json.dumps(str(place)),
    )


def write_all(folder: Path, watch: Watch, prometheus: str, dashboards: Path | None = None) -> None:
    """Writes both, each into a folder of its own.

    Raises:
        UserError: An address is none, or the folder cannot be written to.
    """
    try:
        write_prometheus(folder / "prometheus", watch)
        write_grafana(folder / "grafana", prometheus, dashboards, watch.interval)
    except OSError as error:
        raise UserError(
            f"The files cannot be written ({error.strerror})",
            "Choose a folder that can be written to.",
            path=folder,
        ) from None


def _fill(template: str, file: Path, **values: str) -> Path:
    """Fills in one of the package's files."""
    text = (_PACKAGE / template).read_text(encoding="utf-8")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(Template(text).substitute(values), encoding="utf-8")
    return file
