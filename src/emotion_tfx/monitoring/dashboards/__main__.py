"""Writes the dashboards as Grafana reads them: ``python -m emotion_tfx.monitoring.dashboards``."""

from __future__ import annotations

from emotion_tfx.monitoring.dashboards.model import model
from emotion_tfx.monitoring.dashboards.sdk import JSONEncoder, models
from emotion_tfx.monitoring.dashboards.serving import serving
from emotion_tfx.monitoring.files import DASHBOARDS


def written() -> dict[str, str]:
    """Each file's name, and its text."""
    built = {"serving.json": serving(), "model.json": model()}
    return {name: _json(dashboard) for name, dashboard in built.items()}


def _json(dashboard: models.Dashboard) -> str:
    return JSONEncoder(sort_keys=True, indent=2, ensure_ascii=False).encode(dashboard) + "\n"


if __name__ == "__main__":
    DASHBOARDS.mkdir(parents=True, exist_ok=True)
    for name, text in written().items():
        (DASHBOARDS / name).write_text(text, encoding="utf-8")
