from __future__ import annotations

import sys
from collections.abc import Callable
from io import BytesIO

import matplotlib.image
import numpy as np
import pytest
from matplotlib.figure import Figure

from emotion_tfx.evaluation import compute_metrics, plots, slice_metrics
from emotion_tfx.labels import EMOTIONS, LABELS

from .examples import answers, example_run, many_answers

ROWS = many_answers()
METRICS = compute_metrics(ROWS)
RUN = example_run(ROWS)
ONE_ROW = answers([1], [1], [1.0])


def pixels(figure: Figure) -> np.ndarray:
    return matplotlib.image.imread(BytesIO(plots.to_png(figure)), format="png")


def words(figure: Figure) -> set[str]:
    texts = {text.get_text() for axes in figure.axes for text in axes.texts}
    legends = [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    return texts | {text.get_text() for legend in legends for text in legend.get_texts()}


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.confusion_matrix(METRICS),
        lambda: plots.reliability_diagram(METRICS),
        lambda: plots.class_bars(METRICS),
        lambda: plots.coverage_curve(ROWS, METRICS),
        lambda: plots.slice_bars(slice_metrics(ROWS), METRICS),
        lambda: plots.training_curves(RUN.history),
        lambda: plots.class_balance(RUN.label_counts),
    ],
    ids=["confusion", "reliability", "classes", "coverage", "slices", "training", "balance"],
)
def test_each_picture_is_a_png_with_something_on_it(draw: Callable[[], Figure]):
    png = plots.to_png(draw())
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    image = matplotlib.image.imread(BytesIO(png), format="png")
    height, width = image.shape[:2]
    assert width == 1200
    assert height > 300
    assert len(np.unique(image[::10, ::10, :3].reshape(-1, 3), axis=0)) > 10


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.confusion_matrix(compute_metrics(ONE_ROW)),
        lambda: plots.reliability_diagram(compute_metrics(ONE_ROW)),
        lambda: plots.coverage_curve(ONE_ROW, compute_metrics(ONE_ROW)),
        lambda: plots.slice_bars(slice_metrics(ONE_ROW), compute_metrics(ONE_ROW)),
        lambda: plots.training_curves([{"loss": 1.0}]),
        lambda: plots.training_curves([{"epoch": 1}]),
        lambda: plots.class_balance({"train": {}, "test": {"joy": 3}}),
    ],
    ids=["confusion", "reliability", "coverage", "slices", "loss only", "no figures", "balance"],
)
def test_little_data_makes_a_picture_too(draw: Callable[[], Figure]):
    assert pixels(draw()).shape[1] == 1200


def test_the_confusion_matrix_shows_every_count():
    shown = words(plots.confusion_matrix(METRICS))
    assert {f"{count:,}" for row in METRICS.confusion for count in row} <= shown


def test_a_class_has_its_own_colour():
    figure = plots.class_balance({"train": {emotion.name: 1 for emotion in EMOTIONS}})
    seen = {tuple(np.rint(255 * pixel)) for pixel in pixels(figure)[::20, ::20, :3].reshape(-1, 3)}
    for emotion in EMOTIONS:
        assert tuple(bytes.fromhex(emotion.colour[1:])) in seen
    assert set(LABELS) <= words(figure)


def test_a_slice_of_few_rows_is_named_without_a_figure():
    shown = words(plots.slice_bars(slice_metrics(ONE_ROW), compute_metrics(ONE_ROW)))
    assert "too few" in shown


def test_odd_names_of_sources_are_drawn():
    name = "$\\frac$\n" + 40 * "long "
    rows = answers([1], [1], sources=[name])
    picture = pixels(plots.slice_bars(slice_metrics(rows), compute_metrics(rows)))
    assert picture.shape[1] == 1200
    assert pixels(plots.class_balance({name: {"joy": 1}})).shape[1] == 1200


def test_training_curves_draw_what_the_history_knows():
    assert "validation" in words(plots.training_curves([{"val_loss": 1.0}]))
    assert "training" not in words(plots.training_curves([{"val_loss": 1.0}]))


def test_no_global_drawing_state_is_used():
    plots.to_png(plots.class_bars(METRICS))
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or not pyplot.get_fignums()
