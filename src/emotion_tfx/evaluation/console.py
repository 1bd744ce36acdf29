"""The figures on a terminal. Without colours and at 80 columns, as in a pipe, it reads as well."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.color import Color
from rich.console import Console, Group
from rich.padding import Padding
from rich.style import Style
from rich.table import Table
from rich.text import Text

from emotion_tfx.evaluation.behaviour import Behaviour
from emotion_tfx.evaluation.gates import Verdict
from emotion_tfx.evaluation.metrics import Metrics
from emotion_tfx.labels import EMOTIONS, LABELS


def print_metrics(console: Console, metrics: Metrics, *, verdict: Verdict | None = None) -> None:
    """Print the figures as compact tables, and the gate's verdict if there is one."""
    console.print(_headline(metrics))
    for table in (_class_table(metrics), _confusion_table(metrics), _doubt_table(metrics)):
        console.print()
        console.print(table)
    console.print()
    console.print(_calibration_line(metrics))
    if verdict is not None:
        console.print()
        console.print(_verdict(verdict))


def print_behaviour(console: Console, behaviour: Behaviour) -> None:
    """Print how many cases of each capability pass, and those that fail with the answers."""
    for each in behaviour.failing:
        lines = f"{each.case}\n  expected {each.case.expected}, answered {each.answered}"
        # Texts have emoji, which not every terminal can show.
        shown = lines.encode(console.encoding, "backslashreplace").decode(console.encoding)
        console.print(Text(shown), soft_wrap=True)
    if behaviour.failing:
        console.print()
    console.print(_behaviour_table(behaviour))


def _behaviour_table(behaviour: Behaviour) -> Table:
    table = _table("capability", "cases", "passed")
    for each in behaviour.capabilities:
        table.add_row(each.name, f"{each.cases:,}", f"{each.passed:,}")
    share = Text(f"all ({behaviour.share:.1%})", "bold")
    table.add_row(share, f"{behaviour.cases:,}", f"{behaviour.passed:,}")
    return table


def _headline(metrics: Metrics) -> Text:
    return Text.assemble(
        (f"accuracy {metrics.accuracy:.3f}", "bold"),
        f"   macro-F1 {metrics.macro.f1:.3f}   weighted F1 {metrics.weighted.f1:.3f}",
        f"   on {metrics.n:,} texts",
    )


def _class_table(metrics: Metrics) -> Table:
    table = _table("emotion", "precision", "recall", "F1", "texts")
    for emotion, each in zip(EMOTIONS, metrics.classes, strict=True):
        figures = [f"{value:.3f}" for value in (each.precision, each.recall, each.f1)]
        table.add_row(Text(each.label, emotion.colour), *figures, f"{each.support:,}")
    return table


def _confusion_table(metrics: Metrics) -> Table:
    table = _table("true \\ predicted", *LABELS)
    for emotion, each, row in zip(EMOTIONS, metrics.classes, metrics.confusion, strict=True):
        cells = [
            Text(f"{count:,}", _shade(emotion.colour, count / max(each.support, 1)))
            for count in row
        ]
        table.add_row(Text(each.label, emotion.colour), *cells)
    return table


def _doubt_table(metrics: Metrics) -> Table:
    selective = metrics.selective
    table = _table("answers given", "texts", "accuracy")
    for point in selective.by_coverage:
        table.add_row(
            f"the most certain {point.coverage:.0%}", f"{point.n:,}", f"{point.accuracy:.3f}"
        )
    for name, group in (
        ("not marked uncertain", selective.certain),
        ("marked uncertain", selective.uncertain),
    ):
        accuracy = "-" if group.accuracy is None else f"{group.accuracy:.3f}"
        table.add_row(f"{name} ({group.share:.1%})", f"{group.n:,}", accuracy)
    return table


def _calibration_line(metrics: Metrics) -> Text:
    calibration = metrics.calibration
    return Text(
        f"calibration error {calibration.ece:.3f}   log loss {calibration.log_loss:.3f}   "
        f"Brier score {calibration.brier:.3f}"
    )


def _verdict(verdict: Verdict) -> Group:
    word, style = ("passed", "bold green") if verdict.passed else ("rejected", "bold red")
    reasons = [Padding.indent(Text(reason), 2) for reason in verdict.reasons]
    return Group(Text(f"gate: {word}", style), *reasons)


def _table(first: str, *others: str) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="dim")
    table.add_column(first, no_wrap=True)
    for name in others:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _shade(colour: str, share: float) -> Style:
    """Return black or white on the colour, the darker the smaller the share."""
    if share == 0:
        return Style(dim=True)
    # By the root, so that the small shares, the mistakes, can be told from none.
    red, green, blue = (part * share**0.5 for part in Color.parse(colour).get_truecolor())
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    ink = Color.from_rgb(0, 0, 0) if luminance > 127 else Color.from_rgb(255, 255, 255)
    return Style(color=ink, bgcolor=Color.from_rgb(red, green, blue))
