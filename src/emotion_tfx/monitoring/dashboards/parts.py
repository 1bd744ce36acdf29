"""What the dashboards have in common: figures, charts, variables, and how they are put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .sdk import (
    common,
    common_models,
    dashboard,
    models,
    prometheus,
    prometheus_models,
    stat,
    timeseries,
)

#: Both dashboards carry it, and link to all that do.
_TAG = "emotion-tfx"

SOURCE = common_models.DataSourceRef("prometheus", "${datasource}")

#: What the variables choose, as matchers of a query.
SERVERS = 'job="emotion", instance=~"$instance"'
MODELS = f'{SERVERS}, model_name=~"$model"'

_CHART_HEIGHT, _FIGURE_HEIGHT = 8, 4
_GREEN, _YELLOW, _RED = "green", "yellow", "red"


class Line(NamedTuple):
    """A line of a chart.

    Attributes:
        query: Prometheus' expression.
        name: What it is called; ``{{label}}`` stands for a label's value.
    """

    query: str
    name: str


class Bounds(NamedTuple):
    """Where a value becomes a matter of concern, and where of alarm: above, or below if it is less.

    Attributes:
        concern: Where yellow meets green.
        alarm: Where red meets yellow.
    """

    concern: float
    alarm: float


def rate(metric: str, matchers: str) -> str:
    """A counter's growth a second, over a time that suits the chart."""
    return f"rate({metric}{{{matchers}}}[$__rate_interval])"


def quantile(share: float, histogram: str, matchers: str, by: str = "") -> str:
    """A quantile of a histogram, over all servers and whatever ``by`` does not keep apart."""
    kept = f"le, {by}" if by else "le"
    buckets = rate(f"{histogram}_bucket", matchers)
    return f"histogram_quantile({share}, sum by ({kept}) ({buckets}))"


def mean(histogram: str, matchers: str) -> str:
    """The mean of what a histogram has seen."""
    total, count = (rate(f"{histogram}_{part}", matchers) for part in ("sum", "count"))
    return f"sum({total}) / sum({count})"


def share(metric: str, matchers: str, which: str) -> str:
    """The part of a counter's growth that has a further label."""
    return f"sum({rate(metric, f'{matchers}, {which}')}) / sum({rate(metric, matchers)})"


def chart(
    title: str,
    description: str,
    unit: str,
    *lines: Line,
    width: int = 12,
    top: float | None = None,
    bound: float | None = None,
    stacked: bool = False,
    colours: Mapping[str, str] | None = None,
) -> timeseries.Panel:
    """A chart of lines over time.

    Args:
        title: Its title.
        description: What it shows and how to read it.
        unit: Grafana's name of the unit.
        lines: At least one.
        width: Of the 24 columns of a dashboard.
        top: Where the axis ends.
        bound: Where a line is drawn that an alert watches.
        stacked: Whether areas are set one upon the other.
        colours: Of some lines, by name.
    """
    panel = (
        timeseries.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .span(width)
        .height(_CHART_HEIGHT)
        .line_width(2)
        .fill_opacity(40 if stacked else 5)
        .show_points(common_models.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(common_models.LegendDisplayMode.TABLE)
            .placement(common_models.LegendPlacement.BOTTOM)
            .calcs(["lastNotNull", "mean", "max"])
        )
        .tooltip(
            common.VizTooltipOptions()
            .mode(common_models.TooltipDisplayMode.MULTI)
            .sort(common_models.SortOrder.DESCENDING)
        )
    )
    for name, line in zip("ABCDEFGH", lines, strict=False):
        panel.with_target(_target(name, line).range())
    if top is not None:
        panel.max(top)
    if stacked:
        panel.stacking(common.StackingConfig().mode(common_models.StackingMode.NORMAL).group("A"))
    if bound is not None:
        panel.thresholds(_steps((None, "transparent"), (bound, _RED))).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_models.GraphThresholdsStyleMode.DASHED)
        )
    for name, colour in (colours or {}).items():
        fixed = models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": colour})
        panel.override_by_name(name, [fixed])
    return panel


def figure(
    title: str,
    description: str,
    unit: str,
    query: str,
    *,
    name: str = "",
    width: int = 4,
    decimals: int | None = None,
    bounds: Bounds | None = None,
) -> stat.Panel:
    """One figure, as it is now.

    Args:
        title: Its title.
        description: What it says.
        unit: Grafana's name of the unit.
        query: Prometheus' expression.
        name: What each of several is called.
        width: Of the 24 columns of a dashboard.
        decimals: How many are shown; as many as make sense unless given.
        bounds: What colours it.
    """
    panel = (
        stat.Panel()
        .title(title)
        .description(description)
        .datasource(SOURCE)
        .unit(unit)
        .span(width)
        .height(_FIGURE_HEIGHT)
        .with_target(_target("A", Line(query, name)).instant())
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(common_models.BigValueGraphMode.NONE)
        .thresholds(_colours(bounds))
        .mappings([_nothing()])
    )
    return panel if decimals is None else panel.decimals(decimals)


def board(
    uid: str,
    title: str,
    description: str,
    rows: Sequence[tuple[str, Sequence[object]]],
) -> models.Dashboard:
    """Puts a dashboard together.

    Args:
        uid: What it is called in addresses.
        title: Its title.
        description: What it is for.
        rows: A heading and its panels each.
    """
    link = (
        dashboard.DashboardLink("emotion-tfx")
        .type(models.DashboardLinkType.DASHBOARDS)
        .tags([_TAG])
        .as_dropdown(False)
        .include_vars(True)
        .keep_time(True)
    )
    built = (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(description)
        .tags([_TAG])
        .time("now-1h", "now")
        .refresh("30s")
        .timezone(common_models.TimeZoneBrowser)
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(link)
        .variables(_variables())
        .annotation(_new_versions())
    )
    for heading, panels in rows:
        built.with_row(dashboard.Row(heading))
        for panel in panels:
            built.with_panel(panel)
    result = built.build()
    for number, panel in enumerate(result.panels, start=1):
        panel.id_val = number
    for shown in (*result.links, *result.annotations.list_val):
        shown.placement = None  # The SDK would hide them in a menu.
    return result


def _target(name: str, line: Line) -> prometheus.Dataquery:
    return (
        prometheus.Dataquery()
        .ref_id(name)
        .datasource(SOURCE)
        .editor_mode(prometheus_models.QueryEditorMode.CODE)
        .expr(line.query)
        .legend_format(line.name)
    )


def _new_versions() -> dashboard.AnnotationQuery:
    """Marks the times at which another version takes over."""
    return (
        dashboard.AnnotationQuery()
        .name("New version")
        .datasource(SOURCE)
        .enable(True)
        .icon_color("blue")
        .expr(f"changes(emotion_model_version{{{MODELS}}}[$__rate_interval]) > 0")
        .title_format("{{model_name}}: another version on {{instance}}")
    )


def _variables() -> list[dashboard.QueryVariable | dashboard.DatasourceVariable]:
    source = dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    model = _choice("model", "Model", "label_values(emotion_ready_versions, model_name)")
    server = _choice("instance", "Server", 'label_values(up{job="emotion"}, instance)')
    return [source, model, server]


def _choice(name: str, label: str, query: str) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query(query)
        .definition(query)
        .refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(models.VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        # Calls that name no served model are counted under an empty name.
        .all_value(".*")
        .current(models.VariableOption(selected=True, text=["All"], value=["$__all"]))
    )


def _colours(bounds: Bounds | None) -> dashboard.ThresholdsConfig:
    if bounds is None:
        return _steps((None, _GREEN))
    if bounds.concern < bounds.alarm:
        return _steps((None, _GREEN), (bounds.concern, _YELLOW), (bounds.alarm, _RED))
    return _steps((None, _RED), (bounds.alarm, _YELLOW), (bounds.concern, _GREEN))


def _steps(*steps: tuple[float | None, str]) -> dashboard.ThresholdsConfig:
    """Colours, each from a value on; the first from below all values on."""
    thresholds = [models.Threshold(value, colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(thresholds)


def _nothing() -> models.SpecialValueMap:
    """Without traffic a share is 0 / 0, which says nothing."""
    options = models.DashboardSpecialValueMapOptions(
        models.SpecialValueMatch.NULL_AND_NAN, models.ValueMappingResult(text="–")
    )
    return models.SpecialValueMap(options=options)
