"""The figures as pictures: each function draws one as a matplotlib figure, ``to_png`` renders it.

Every picture is 6 inches wide, so that all letters are of one size in a column of 600 pixels. The
object interface is used throughout: no window and no global state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from emotion_tfx.evaluation.metrics import Metrics, Predictions, selective_curve
from emotion_tfx.evaluation.slices import SliceMetrics
from emotion_tfx.labels import EMOTIONS, LABELS

_WIDTH = 6.0
_DPI = 200
_INK = "#1f2933"
_MUTED = "#66727f"
_GRID = "#e3e7eb"
_ACCENT = "#4C78A8"
_CONTRAST = "#D1422F"
_REFERENCE = "#A9B4BF"

#: Below this share of the rows the accuracy of the most certain ones jumps with every row.
_LEAST_COVERAGE = 0.05


def to_png(figure: Figure) -> bytes:
    """Return the figure as a PNG, 1200 pixels wide."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    return buffer.getvalue()


def confusion_matrix(metrics: Metrics) -> Figure:
    """Draw the counts, each row shaded in its emotion's colour by the row's shares."""
    counts = np.array(metrics.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    # By the root, so that the small shares, the mistakes, can be told from none.
    cells = np.array(
        [
            [_tint(emotion.colour, strength) for strength in np.sqrt(row)]
            for emotion, row in zip(EMOTIONS, shares, strict=True)
        ]
    )

    figure, axes = _figure("Confusion matrix", 5.4)
    axes.imshow(cells)
    for row, column in np.ndindex(counts.shape):
        ink = _ink_on(cells[row, column])
        share = f"{shares[row, column]:.0%}" if counts[row, column] else ""
        centred: dict[str, Any] = {"ha": "center", "va": "center", "color": ink}
        axes.text(column, row - 0.1, f"{counts[row, column]:,}", **centred)
        axes.text(column, row + 0.2, share, fontsize=8, **centred)
    axes.set_xticks(range(len(LABELS)), LABELS)
    axes.set_yticks(range(len(LABELS)), LABELS)
    axes.set_xlabel("predicted (shares are of the true class)")
    axes.set_ylabel("true")
    axes.set_xticks(np.arange(len(LABELS) - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(len(LABELS) - 1) + 0.5, minor=True)
    axes.grid(which="major", visible=False)
    axes.grid(which="minor", color="white", linewidth=2)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    return figure


def reliability_diagram(metrics: Metrics) -> Figure:
    """Draw accuracy against confidence, bin by bin, above the histogram of the confidence."""
    figure = Figure(figsize=(_WIDTH, 5.6), layout="constrained", facecolor="white")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    bins = [each for each in metrics.calibration.bins if each.count]
    left = [each.lower for each in bins]
    width = [each.upper - each.lower for each in bins]

    _style(upper, "Reliability: is the confidence earned?")
    accuracy = np.array([each.accuracy for each in bins], dtype=float)
    confidence = np.array([each.confidence for each in bins], dtype=float)
    upper.bar(left, accuracy, width, align="edge", color=_ACCENT, edgecolor="w", label="accuracy")
    upper.bar(
        left,
        confidence - accuracy,
        width,
        accuracy,
        align="edge",
        fill=False,
        hatch="////",
        edgecolor=_CONTRAST,
        label="gap to the mean confidence",
    )
    upper.plot([0, 1], [0, 1], color=_INK, linestyle="--", linewidth=1.2, label="perfect")
    upper.set_ylim(0, 1)
    upper.set_ylabel("accuracy")
    upper.legend(loc="upper left", frameon=False, labelcolor=_INK, fontsize=9)
    upper.text(
        0.98,
        0.06,
        f"ECE {metrics.calibration.ece:.3f}",
        transform=upper.transAxes,
        ha="right",
        color=_INK,
        bbox={"facecolor": "white", "edgecolor": _GRID, "boxstyle": "round,pad=0.4"},
    )

    _style(lower)
    rows = [each.count for each in bins]
    lower.bar(left, rows, width, align="edge", color=_GRID, edgecolor=_MUTED)
    lower.set_xlim(0, 1)
    lower.set_xlabel("confidence")
    lower.set_ylabel("texts")
    lower.tick_params(axis="x", pad=8)
    lower.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    return figure


def class_bars(metrics: Metrics) -> Figure:
    """Draw precision, recall and F1 of each class, in tones of its colour."""
    figure, axes = _figure("Precision, recall and F1 by class", 3.6)
    tones = {"precision": 0.35, "recall": 0.6, "f1": 1.0}
    for offset, (figure_name, tone) in enumerate(tones.items()):
        values = [getattr(each, figure_name) for each in metrics.classes]
        axes.bar(
            np.arange(len(LABELS)) + (offset - 1) * 0.27,
            values,
            0.25,
            color=[_tint(emotion.colour, tone) for emotion in EMOTIONS],
        )
    names = [f"{each.label}\nF1 {each.f1:.2f}" for each in metrics.classes]
    axes.set_xticks(range(len(LABELS)), names)
    axes.set_ylim(0, 1)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.grid(axis="x", visible=False)
    _legend_above(
        axes,
        [
            Patch(color=_tint(_MUTED, tone), label=name.replace("f1", "F1"))
            for name, tone in tones.items()
        ],
    )
    return figure


def coverage_curve(predictions: Predictions, metrics: Metrics) -> Figure:
    """Draw the accuracy on the most certain rows against how many of them are answered."""
    curve = selective_curve(predictions)
    first = int(_LEAST_COVERAGE * len(curve))
    coverage = np.arange(1, len(curve) + 1) / len(curve)

    figure, axes = _figure("Accuracy when doubtful texts are withheld", 3.6)
    axes.plot(coverage[first:], curve[first:], color=_ACCENT, linewidth=2)
    for point in metrics.selective.by_coverage:
        axes.plot(point.coverage, point.accuracy, "o", color=_ACCENT, markersize=5)
        if round(100 * point.coverage) % 10:
            continue  # Closer together, the figures would stand on each other.
        axes.annotate(
            f"{point.accuracy:.3f}",
            (point.coverage, point.accuracy),
            (5, 5),
            textcoords="offset points",
            fontsize=8,
            color=_INK,
        )
    certain = metrics.selective.certain
    if certain.accuracy is not None:
        axes.plot(
            certain.share,
            certain.accuracy,
            "D",
            color=_CONTRAST,
            markersize=7,
            label="what the model itself does not mark as uncertain",
        )
        axes.legend(loc="lower left", frameon=False, labelcolor=_INK, fontsize=9)
    axes.set_xlim(0, 1.09)
    axes.set_xticks(np.linspace(0, 1, 6))
    axes.set_xlabel("share of the texts answered, the most certain first")
    axes.set_ylabel("accuracy")
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.margins(y=0.15)
    return figure


def slice_bars(slices: Sequence[SliceMetrics], metrics: Metrics) -> Figure:
    """Draw each slice's accuracy beside its rows, against the accuracy on all of them."""
    figure, axes = _figure("Accuracy by kind of text", 1.2 + 0.3 * len(slices))
    axes.barh(range(len(slices)), [each.accuracy or 0.0 for each in slices], 0.7, color=_ACCENT)
    axes.axvline(
        metrics.accuracy, color=_CONTRAST, linestyle="--", linewidth=1.2, label="all texts"
    )
    for position, each in enumerate(slices):
        if each.accuracy is None:
            axes.text(0.01, position, "too few", va="center", color=_MUTED, fontsize=9)
        else:
            axes.text(0.01, position, f"{each.accuracy:.3f}", va="center", color="w", fontsize=9)
        axes.text(
            1.01, position, f"{each.n:,}", va="center", color=_MUTED, fontsize=9, clip_on=False
        )
    axes.text(1.01, -1, "texts", va="center", color=_MUTED, fontsize=9)
    axes.set_yticks(
        range(len(slices)), [_short(each.name) for each in slices], fontsize=9, parse_math=False
    )
    axes.set_ylim(len(slices) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xlabel("accuracy (dashed: all texts)")
    axes.grid(axis="y", visible=False)
    return figure


def training_curves(history: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw loss, accuracy and macro-F1 by epoch, as far as the history knows them.

    Args:
        history: One entry an epoch, with any of ``epoch``, ``loss``, ``val_loss``, ``accuracy``,
            ``val_accuracy`` and ``val_macro_f1``.
    """
    figure = Figure(figsize=(_WIDTH, 3.0), layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2)
    _style(left, "Loss")
    _lines(left, history, {"loss": "training", "val_loss": "validation"})
    _style(right, "Accuracy")
    _lines(
        right,
        history,
        {"accuracy": "training", "val_accuracy": "validation", "val_macro_f1": "macro-F1, val."},
    )
    return figure


def class_balance(counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """Draw the shares of the classes in each part of the data.

    Args:
        counts: For each part (a split, a source) the rows of each label; a label may be missing.
    """
    figure, axes = _figure("Class balance", 1.3 + 0.42 * len(counts))
    totals = np.array([max(sum(part.values()), 1) for part in counts.values()])
    start = np.zeros(len(counts))
    for emotion in EMOTIONS:
        rows = np.array([part.get(emotion.name, 0) for part in counts.values()])
        shares = rows / totals
        axes.barh(range(len(counts)), shares, 0.72, start, color=emotion.colour, edgecolor="white")
        for position, share in enumerate(shares):
            if share >= 0.05:
                axes.text(
                    start[position] + share / 2,
                    position,
                    f"{share:.0%}",
                    ha="center",
                    va="center",
                    color=_ink_on(to_rgb(emotion.colour)),
                    fontsize=8,
                )
        start += shares
    names = [f"{_short(name)}\n{sum(part.values()):,}" for name, part in counts.items()]
    axes.set_yticks(range(len(counts)), names, fontsize=9, parse_math=False)
    axes.set_ylim(len(counts) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.grid(visible=False)
    _legend_above(axes, [Patch(color=each.colour, label=each.name) for each in EMOTIONS])
    return figure


def two_distributions(
    title: str, names: Sequence[str], reference: Sequence[float], current: Sequence[float]
) -> Figure:
    """Draw the shares of texts in each bin, on the reference and now."""
    figure, axes = _figure(title, 3.2)
    places = np.arange(len(names))
    axes.bar(places - 0.2, reference, 0.38, color=_REFERENCE)
    axes.bar(places + 0.2, current, 0.38, color=_ACCENT)
    axes.set_xticks(places, names)
    if len(names) > len(LABELS):
        axes.tick_params(axis="x", rotation=40, labelsize=8.5)
        for tick in axes.get_xticklabels():
            tick.set(ha="right", rotation_mode="anchor")
    axes.grid(visible=False, axis="x")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_ylabel("texts")
    looks = {"reference": _REFERENCE, "now": _ACCENT}
    _legend_above(axes, [Patch(color=colour, label=name) for name, colour in looks.items()])
    return figure


def with_bounds(title: str, values: Mapping[str, tuple[float, float]]) -> Figure:
    """Draw shares with how far each may be off, one below the other."""
    figure, axes = _figure(title, 0.9 + 0.45 * len(values))
    for row, (share, margin) in enumerate(values.values()):
        colour = _REFERENCE if row == 0 else _ACCENT
        axes.errorbar(share, row, xerr=margin, fmt="o", color=colour, capsize=4, elinewidth=2)
        axes.annotate(
            f"{share:.1%}",
            (share, row),
            (0, 7),
            textcoords="offset points",
            ha="center",
            color=_INK,
        )
    axes.set_yticks(range(len(values)), list(values))
    axes.set_ylim(len(values) - 0.5, -0.8)
    axes.set_xlim(0, 1)
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


def _figure(title: str, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(_WIDTH, height), layout="constrained", facecolor="white")
    axes = figure.subplots()
    _style(axes, title)
    return figure, axes


def _style(axes: Axes, title: str = "") -> None:
    _title(axes, title, 10)
    axes.set_axisbelow(True)
    axes.grid(color=_GRID, linewidth=0.8)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_GRID)
    axes.tick_params(colors=_INK, length=0, labelsize=9.5)
    axes.xaxis.label.set(color=_MUTED, fontsize=9.5)
    axes.yaxis.label.set(color=_MUTED, fontsize=9.5)


def _title(axes: Axes, title: str, pad: float) -> None:
    axes.set_title(title, loc="left", color=_INK, fontsize=12, fontweight="bold", pad=pad)


def _legend_above(axes: Axes, handles: Sequence[Patch]) -> None:
    """Put the legend between title and plot, left-aligned, where it can cover nothing."""
    _title(axes, axes.get_title(loc="left"), 26)
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        ncols=len(handles),
        frameon=False,
        labelcolor=_INK,
        fontsize=9,
        handlelength=1,
        handletextpad=0.4,
        columnspacing=1.2,
        borderaxespad=0.2,
        borderpad=0.2,
    )


def _lines(axes: Axes, history: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> None:
    looks = {"training": (_MUTED, "--"), "validation": (_ACCENT, "-")}
    epochs = [entry.get("epoch", index + 1) for index, entry in enumerate(history)]
    for key, name in names.items():
        if any(key in entry for entry in history):
            colour, dash = looks.get(name, (_CONTRAST, "-"))
            values = [entry.get(key, np.nan) for entry in history]
            axes.plot(epochs, values, dash, color=colour, marker="o", markersize=3, label=name)
    axes.set_xlabel("epoch")
    axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    if axes.lines:
        axes.legend(frameon=False, labelcolor=_INK, fontsize=8.5)


def _short(name: str) -> str:
    """Return the name, cut where it would leave no room for the picture."""
    return name if len(name) <= 30 else f"{name[:29]}…"


def _tint(colour: str, strength: float) -> tuple[float, float, float]:
    """Return the colour on white: 0 is white, 1 the colour itself."""
    red, green, blue = (1 - strength * (1 - part) for part in to_rgb(colour))
    return red, green, blue


def _ink_on(colour: Sequence[float] | NDArray[np.floating]) -> str:
    """Return the ink that can be read on an RGB colour (relative luminance, Rec. 709)."""
    red, green, blue = colour
    return _INK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5 else "white"
