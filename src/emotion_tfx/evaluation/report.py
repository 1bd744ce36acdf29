"""The evaluation report: figures as JSON, pictures as PNG, and one HTML file that holds it all."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emotion_tfx.evaluation import behaviour, reasons
from emotion_tfx.evaluation.files import write_atomically
from emotion_tfx.evaluation.metrics import Metrics
from emotion_tfx.evaluation.run import EvaluatedRun, flatten, most_confident_mistakes
from emotion_tfx.evaluation.templates import render
from emotion_tfx.labels import EMOTIONS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_report(out: Path, run: EvaluatedRun) -> Path:
    """Write the report of a run into a folder, each file as a whole.

    Args:
        out: Gets ``metrics.json`` (the dump of :class:`Metrics`), ``behaviour.json`` (that of
            :class:`Behaviour`, if the run has one), ``reasons.json`` (that of :class:`Reasons`,
            likewise), ``plots/*.png`` and ``report.html``, one file without scripts or anything to
            load. What another run left there is replaced.
        run: What to report.

    Returns:
        The path of ``report.html``.

    Raises:
        UserError: There are no rows to report, or ``out`` cannot be written to.
    """
    from emotion_tfx.evaluation.plots import to_png

    metrics = json.dumps(run.metrics.to_dict(), indent=2, allow_nan=False) + "\n"
    write_atomically(out / "metrics.json", metrics.encode())
    for name, figures in ((behaviour.FILE, run.behaviour), (reasons.FILE, run.reasons)):
        if figures:
            write_atomically(out / name, figures.to_json().encode())
        else:
            (out / name).unlink(missing_ok=True)
    images = {}
    for name, draw in _plots(run).items():
        path = out / "plots" / f"{name}.png"
        if draw is None:
            path.unlink(missing_ok=True)
            continue
        image = to_png(draw())
        write_atomically(path, image)
        images[name] = "data:image/png;base64," + b64encode(image).decode("ascii")
    html = out / "report.html"
    # A text may hold half of a surrogate pair, which has no bytes in UTF-8.
    write_atomically(html, _page(run, images).encode("utf-8", errors="replace"))
    return html


def _plots(run: EvaluatedRun) -> dict[str, Callable[[], Figure] | None]:
    """Return what draws each picture; None for those that the run has no figures for."""
    from emotion_tfx.evaluation import plots

    return {
        "confusion_matrix": partial(plots.confusion_matrix, run.metrics),
        "reliability": partial(plots.reliability_diagram, run.metrics),
        "classes": partial(plots.class_bars, run.metrics),
        "coverage": partial(plots.coverage_curve, run.predictions, run.metrics),
        "slices": partial(plots.slice_bars, run.slices, run.metrics),
        "training": partial(plots.training_curves, run.history) if run.history else None,
        "class_balance": (
            partial(plots.class_balance, run.label_counts) if run.label_counts else None
        ),
    }


def _page(run: EvaluatedRun, images: dict[str, str]) -> str:
    tables = {"labels", "sources"}
    rest = {name: value for name, value in run.data_report.items() if name not in tables}
    return render(
        "report.html.j2",
        run=run,
        metrics=run.metrics,
        images=images,
        emotions={emotion.name: emotion for emotion in EMOTIONS},
        comparison=_comparison(run.metrics, run.baseline) if run.baseline else [],
        mistakes=most_confident_mistakes(run.predictions),
        source_names=sorted({name for counts in run.source_counts.values() for name in counts}),
        facts=list(flatten(run.facts)),
        data_facts=list(flatten(rest)),
    )


def _comparison(metrics: Metrics, baseline: Metrics) -> list[tuple[str, float, float]]:
    """Return the figures of this model and of the one in service side by side."""
    f1 = [
        (f"F1 of {ours.label}", ours.f1, theirs.f1)
        for ours, theirs in zip(metrics.classes, baseline.classes, strict=True)
    ]
    return [
        ("accuracy", metrics.accuracy, baseline.accuracy),
        ("macro-F1", metrics.macro.f1, baseline.macro.f1),
        ("weighted F1", metrics.weighted.f1, baseline.weighted.f1),
        *f1,
        ("calibration error", metrics.calibration.ece, baseline.calibration.ece),
        ("log loss", metrics.calibration.log_loss, baseline.calibration.log_loss),
        ("Brier score", metrics.calibration.brier, baseline.calibration.brier),
    ]
