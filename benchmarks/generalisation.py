"""How a model fares on texts of other kinds: each labelled CSV given, and their mean.

A corpus of another domain may lack some of the six emotions. As is usual for such comparisons, an
answer is then taken over the emotions that the corpus has, and the macro-F1 is over those.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Column, Table

from emotion_tfx.data import Row, read_csv
from emotion_tfx.errors import UserError
from emotion_tfx.evaluation.metrics import Predictions, compute_metrics, present_class_macro_f1
from emotion_tfx.labels import LABELS

if TYPE_CHECKING:
    from emotion_tfx import EmotionClassifier

FIGURES = ("texts", "accuracy", "macro_f1", "calibration_error")


def measure(classifier: EmotionClassifier, rows: list[Row]) -> dict[str, float]:
    """The figures on the texts of one corpus."""
    labels = np.array([row.label for row in rows])
    present = np.bincount(labels, minlength=len(LABELS)) > 0
    answers = classifier.predict_arrays([row.text for row in rows])
    possible = np.where(present, answers.probabilities, 0.0)
    possible /= possible.sum(axis=1, keepdims=True)
    predictions = Predictions(
        texts=[row.text for row in rows],
        labels=labels,
        probabilities=possible,
        uncertain=answers.uncertain,
        sources=[row.source for row in rows],
    )
    metrics = compute_metrics(predictions)
    f1 = present_class_macro_f1(labels, possible)
    figures = (len(rows), metrics.accuracy, f1, metrics.calibration.ece)
    return dict(zip(FIGURES, figures, strict=True))


def main(
    files: Annotated[list[Path], typer.Argument(help="CSVs with the columns text and label.")],
    model: Annotated[Path | None, typer.Option(help="A model's folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure a model on corpora of other domains than its own.

    Example: python benchmarks/generalisation.py isear.csv affective-text.csv
    """
    from emotion_tfx import EmotionClassifier

    try:
        classifier = EmotionClassifier(model)
        measured = {path.stem: measure(classifier, read_csv(path)) for path in files}
    except UserError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    mean = {name: float(np.mean([each[name] for each in measured.values()])) for name in FIGURES}
    if as_json:
        print(json.dumps({"corpora": measured, "mean": mean}))
        return
    columns = (Column(name.replace("_", " "), justify="right") for name in FIGURES)
    table = Table("corpus", *columns)
    for name, figures in {**measured, "mean": mean}.items():
        count, *others = figures.values()
        shown = "" if name == "mean" else f"{count:,.0f}"
        table.add_row(name, shown, *(f"{each:.3f}" for each in others))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
