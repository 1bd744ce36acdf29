"""All that the rules and the dashboards ask Prometheus for."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import promql_parser
import pytest
import yaml

from emotion_tfx.monitoring.files import DASHBOARDS, RULES

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="Prometheus is missing: on Debian, `apt-get install prometheus`",
)


@dataclass(frozen=True)
class Query:
    """An expression, and where it stands."""

    place: str
    expression: str

    def __str__(self) -> str:
        return self.place


def rules() -> list[dict[str, Any]]:
    files = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted(RULES.iterdir())]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def records() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "record" in rule]


def dashboards() -> dict[str, dict[str, Any]]:
    files = sorted(DASHBOARDS.iterdir())
    return {file.name: json.loads(file.read_text(encoding="utf-8")) for file in files}


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def filled(expression: str, interval: str = "10s") -> str:
    """As Grafana asks when everything is chosen."""
    values = {"instance": ".*", "model": ".*", "__rate_interval": interval}
    return re.sub(r"\$(\w+)", lambda found: values[found[1]], expression)


def panel_queries() -> list[Query]:
    return [
        Query(f"{name}: {panel['title']} ({target['refId']})", filled(target["expr"]))
        for name, dashboard in dashboards().items()
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]


def notes() -> list[Query]:
    return [
        Query(f"{name}: {note['name']}", filled(note["expr"]))
        for name, dashboard in dashboards().items()
        for note in dashboard["annotations"]["list"]
    ]


def choices() -> list[tuple[str, str]]:
    """The selector and the label behind each variable."""
    found = []
    for dashboard in dashboards().values():
        for variable in dashboard["templating"]["list"]:
            if variable["type"] == "query":
                match = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
                assert match is not None
                found.append((match[1], match[2]))
    return found


def selectors(expression: str) -> Iterator[promql_parser.VectorSelector]:
    """The series that an expression is about."""

    def visit(node: promql_parser.Expr) -> Iterator[promql_parser.VectorSelector]:
        if isinstance(node, promql_parser.VectorSelector):
            yield node
        elif isinstance(node, promql_parser.MatrixSelector):
            yield node.vector_selector
        else:
            parts = [getattr(node, name, None) for name in ("lhs", "rhs", "expr", "param")]
            for part in [*parts, *getattr(node, "args", [])]:
                if isinstance(part, promql_parser.Expr):
                    yield from visit(part)

    yield from visit(promql_parser.parse(expression))
