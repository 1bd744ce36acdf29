"""The dashboards: what is installed is what their code gives, and Grafana can read it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from emotion_tfx.labels import EMOTIONS
from emotion_tfx.monitoring.dashboards.__main__ import written
from emotion_tfx.monitoring.dashboards.sdk import JSONEncoder, models
from emotion_tfx.monitoring.files import DASHBOARDS

from .watched import dashboards, panels

PANELS = [
    pytest.param(panel, id=f"{name}: {panel['title']}")
    for name, dashboard in dashboards().items()
    for panel in panels(dashboard)
]


def test_what_is_installed_is_what_the_code_gives():
    installed = {file.name: file.read_text(encoding="utf-8") for file in DASHBOARDS.iterdir()}
    assert installed == written(), "after a change of the code, `make dashboards`"


@pytest.mark.parametrize("name", dashboards())
def test_grafanas_own_types_read_all_of_it(name: str):
    """Whatever they do not know would be lost on the way."""
    found = dashboards()[name]
    again = json.loads(JSONEncoder().encode(models.Dashboard.from_json(found)))
    for shown in (*again["links"], *again["annotations"]["list"]):
        del shown["placement"]  # Theirs by default: in a menu.
    assert again == found


def test_the_missions_four_panels_come_first_among_the_charts_of_serving():
    charts = [panel["title"] for panel in panels(dashboards()["serving.json"])]
    assert {"Latency", "Run time", "Request count", "Graph runs"} <= set(charts)


@pytest.mark.parametrize("panel", PANELS)
def test_every_panel_explains_itself_and_has_a_unit(panel: dict[str, Any]):
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references) > 0
    if len(references) > 1:
        assert all(target["legendFormat"] for target in panel["targets"])


@pytest.mark.parametrize("name", dashboards())
def test_no_panel_covers_another(name: str):
    taken: set[tuple[int, int]] = set()
    for panel in dashboards()[name]["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
    numbers = [panel["id"] for panel in dashboards()[name]["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_each_leads_to_the_other_and_takes_the_choices_along():
    for dashboard in dashboards().values():
        (link,) = dashboard["links"]
        assert (link["type"], link["includeVars"], link["keepTime"]) == ("dashboards", True, True)
        assert set(link["tags"]) <= set(dashboard["tags"])
        names = [variable["name"] for variable in dashboard["templating"]["list"]]
        assert names == ["datasource", "model", "instance"]


def test_an_emotion_has_the_same_colour_as_in_the_web_app():
    (mix,) = [p for p in panels(dashboards()["model.json"]) if p["title"] == "Class mix"]
    colours = {
        override["matcher"]["options"]: override["properties"][0]["value"]["fixedColor"]
        for override in mix["fieldConfig"]["overrides"]
    }
    assert colours == {emotion.name: emotion.colour for emotion in EMOTIONS}
