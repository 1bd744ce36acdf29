"""The rules, by Prometheus' own ``promtool``, and what its cases cannot say."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from emotion_tfx.monitoring.drift import DRIFT_FROM
from emotion_tfx.monitoring.files import RULES
from emotion_tfx.serving.status import Code

from ..command import REPOSITORY
from . import watched
from .watched import needs_prometheus, selectors

CASES = sorted((Path(__file__).parent / "rules").iterdir())

#: What a mended request would not get; all others are the server's faults.
CALLERS = {
    Code.CANCELLED,
    Code.INVALID_ARGUMENT,
    Code.NOT_FOUND,
    Code.ALREADY_EXISTS,
    Code.PERMISSION_DENIED,
    Code.FAILED_PRECONDITION,
    Code.OUT_OF_RANGE,
    Code.UNIMPLEMENTED,
    Code.UNAUTHENTICATED,
}


def promtool(*arguments: object) -> None:
    done = subprocess.run(
        ["promtool", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@needs_prometheus
@pytest.mark.parametrize("cases", CASES, ids=lambda file: file.stem)
def test_each_rule_does_what_its_cases_say(cases: Path):
    promtool("test", "rules", cases)


def test_every_rules_file_has_its_cases():
    assert [file.name for file in CASES] == sorted(file.name for file in RULES.iterdir())


def cases() -> list[dict[str, Any]]:
    files = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in CASES]
    return [test for file in files for test in file["tests"]]


def test_every_alert_is_seen_to_fire_and_not_to():
    tests = [one for case in cases() for one in case.get("alert_rule_test", [])]
    names = {rule["alert"] for rule in watched.alerts()}
    assert {one["alertname"] for one in tests if one.get("exp_alerts")} == names
    assert {one["alertname"] for one in tests if not one.get("exp_alerts")} == names


def test_every_recorded_figure_is_computed():
    tests = [one["expr"] for case in cases() for one in case.get("promql_expr_test", [])]
    computed = {selector.name for expression in tests for selector in selectors(expression)}
    assert computed == {rule["record"] for rule in watched.records()}


def test_recorded_names_follow_the_convention_and_repeat_no_other():
    names = [rule["record"] for rule in watched.records()]
    assert len(set(names)) == len(names)
    for name in names:
        assert re.fullmatch(r"[a-z_]+:[a-z_]+:[a-z0-9_]+", name), name


@pytest.mark.parametrize("rule", watched.alerts(), ids=lambda rule: rule["alert"])
def test_every_alert_says_how_bad_it_is_and_what_to_do(rule: dict[str, Any]):
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert anchor == rule["alert"].lower()
    headings = re.findall(r"^#+ (.+)$", (REPOSITORY / page).read_text(encoding="utf-8"), re.M)
    assert rule["alert"] in headings


def statuses(expression: str) -> set[str]:
    """The statuses that an expression names."""
    found = [
        matcher.value
        for selector in selectors(watched.filled(expression))
        for matcher in selector.matchers.matchers
        if matcher.name == "status" and "|" in matcher.value
    ]
    return {status for value in found for status in value.split("|")} - {"OK"}


def test_every_status_is_somebodys_fault_and_all_agree_whose():
    asked = [rule["expr"] for rule in watched.rules()]
    asked += [query.expression for query in watched.panel_queries()]
    lists = [found for found in map(statuses, asked) if found]
    assert len(lists) == 5  # Two rules, and three lines of the dashboard.
    assert all(found == {code.name for code in CALLERS} for found in lists)


def test_the_alert_on_drift_begins_where_drift_does():
    (alert,) = [rule for rule in watched.alerts() if rule["alert"] == "EmotionDrift"]
    assert alert["expr"].endswith(f" > {DRIFT_FROM}")
