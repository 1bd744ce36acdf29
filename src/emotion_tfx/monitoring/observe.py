"""A model's answers to texts, seen as drift is measured."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import Progress

from emotion_tfx.labels import LABELS
from emotion_tfx.monitoring.reference import FILE, Observed, Reference

if TYPE_CHECKING:
    from emotion_tfx.model.classifier import EmotionClassifier

_TOGETHER = 16_384


def observe(classifier: EmotionClassifier, texts: Sequence[str]) -> Observed:
    """What the model answers to at least one text, in their order; with a bar on a terminal."""
    parts = []
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("predicting", total=len(texts))
        for start in range(0, len(texts), _TOGETHER):
            part = texts[start : start + _TOGETHER]
            probabilities = classifier.predict_arrays(part).probabilities
            parts.append((probabilities, *classifier.count_words(part)))
            bar.update(task, advance=len(part))
    probabilities, length, unknown = map(np.concatenate, zip(*parts, strict=True))
    return Observed.of(probabilities, length, unknown)


def record_reference(classifier: EmotionClassifier, data: Path) -> Path:
    """Makes a reference from a labelled CSV and keeps it with the model.

    Args:
        classifier: The model.
        data: Texts that it was neither trained nor tuned on.

    Returns:
        The file written.

    Raises:
        UserError: The data cannot be read, or the model's folder cannot be written to.
    """
    from emotion_tfx.data import read_csv
    from emotion_tfx.evaluation.files import write_atomically

    rows = read_csv(data)
    observed = observe(classifier, [row.text for row in rows])
    correct = observed.predicted == np.array([row.label for row in rows])
    reference = Reference.make(observed, correct, LABELS, source=data.name)
    file = classifier.path / "assets.extra" / FILE
    write_atomically(file, reference.to_json().encode())
    return file
