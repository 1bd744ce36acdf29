"""How the recipe with its defaults fares on corpora that are small, noisy or out of balance.

Each row is one training on a corpus prepared by the rules of the product, with the written texts
beside it as `emotion train` has them, and judged on test texts left as they are. Validation is as
bad as training, as it would be.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from ablation import WRITTEN_WEIGHT, Features, quiet, read_rows
from rich.console import Console
from rich.table import Column, Table

from emotion_tfx.data import (
    Corpus,
    Row,
    find_corpus,
    prepare,
    read_csv,
    sample_corpus,
    written_extra,
)
from emotion_tfx.data.prepare import SPLITS
from emotion_tfx.errors import UserError
from emotion_tfx.evaluation.metrics import Metrics, Predictions, compute_metrics
from emotion_tfx.features.preprocessing import FeatureOptions
from emotion_tfx.labels import LABELS
from emotion_tfx.model.hyperparameters import Hyperparameters
from emotion_tfx.model.progress import progress_bar

WRONG = 0.2
#: The shares of each class's texts that are left, in label order: sadness, joy, love and so on.
LEFT = (0.5, 1.0, 0.1, 0.25, 0.1, 0.1)
#: Training texts, and the generator to change them with, to others.
Change = Callable[[list[Row], np.random.Generator], list[Row]]


def mislabel(rows: list[Row], generator: np.random.Generator) -> list[Row]:
    """Gives a fifth of the texts another label, any of the others."""
    shifts = np.where(
        generator.random(len(rows)) < WRONG, generator.integers(1, len(LABELS), len(rows)), 0
    )
    return [
        replace(row, label=(row.label + int(shift)) % len(LABELS))
        for row, shift in zip(rows, shifts, strict=True)
    ]


def skew(rows: list[Row], generator: np.random.Generator) -> list[Row]:
    """Leaves few texts of some classes."""
    return [row for row in rows if generator.random() < LEFT[row.label]]


def both(rows: list[Row], generator: np.random.Generator) -> list[Row]:
    """Leaves few texts of some classes, and gives a fifth of all another label."""
    return mislabel(skew(rows, generator), generator)


def few(rows: list[Row], generator: np.random.Generator) -> list[Row]:
    """Leaves an eighth of the texts."""
    return [row for row in rows if generator.random() < 1 / 8]


CHANGES: dict[str, Change] = {
    "the corpus as it is": lambda rows, _: rows,
    "an eighth of its texts": few,
    "a fifth of its labels wrong": mislabel,
    "some classes ten times rarer": skew,
    "both": both,
}


def changed(data: Path, change: Change, folder: Path) -> Corpus:
    """A copy of a corpus with official splits, its training and validation texts changed."""
    generator = np.random.default_rng(0)
    for split in SPLITS:
        rows = read_csv(data / f"{split}.csv")
        if split != "test":
            rows = change(rows, generator)
        with (folder / f"{split}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("text", "label"))
            writer.writerows((row.text, row.label) for row in rows)
    return find_corpus(folder, cache=folder, say=lambda _: None)


def measure(name: str, corpus: Corpus, folder: Path) -> Metrics:
    """Trains with the defaults, calibrates, and judges on the corpus's test texts."""
    from emotion_tfx.model.calibration import probabilities
    from emotion_tfx.model.training import predict_logits, train_and_calibrate

    extras = [] if corpus.is_sample else [written_extra(WRITTEN_WEIGHT)]
    prepare(corpus, folder / "prepared", extras=extras)
    splits = {split: read_rows(folder / "prepared" / split / "data.csv") for split in SPLITS}
    features = Features(splits["train"], FeatureOptions(), folder)
    dataset, validation, test = (features.dataset(splits[split]) for split in SPLITS)
    with progress_bar(name) as progress:
        trained, calibration = train_and_calibrate(
            dataset, validation, features.vocabulary, Hyperparameters(), progress=progress
        )
    shares = probabilities(predict_logits(trained.network, test), calibration)
    return compute_metrics(
        Predictions(
            texts=[row["text"] for row in splits["test"]],
            labels=test.labels,
            probabilities=shares,
            uncertain=shares.max(axis=1) < calibration.uncertain_below,
            sources=[row["source"] for row in splits["test"]],
        )
    )


def main(
    data: Annotated[Path, typer.Argument(help="Folder with train.csv, validation.csv, test.csv.")],
) -> None:
    """Train on the bundled sample, on a corpus, and on worse ones made of it.

    Takes some five minutes on two cores.

    Example: python benchmarks/robustness.py carer
    """
    quiet()
    measured: dict[str, Metrics] = {}
    try:
        with tempfile.TemporaryDirectory() as folder:
            measured["the bundled sample"] = measure("sample", sample_corpus(), Path(folder))
        for name, change in CHANGES.items():
            with tempfile.TemporaryDirectory() as folder:
                corpus = changed(data, change, Path(folder))
                measured[name] = measure(name, corpus, Path(folder))
    except UserError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    names = ("accuracy", "macro-F1", "calibration error", "confidence", "accuracy where certain")
    table = Table("corpus", *(Column(name, justify="right") for name in names))
    for name, metrics in measured.items():
        bins = [each for each in metrics.calibration.bins if each.confidence is not None]
        confidence = sum((each.confidence or 0.0) * each.count for each in bins) / metrics.n
        certain = metrics.selective.certain.accuracy
        figures = (metrics.accuracy, metrics.macro.f1, metrics.calibration.ece, confidence)
        told = (f"{figure:.3f}" for figure in figures)
        table.add_row(name, *told, "–" if certain is None else f"{certain:.3f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
