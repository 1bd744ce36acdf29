"""The drift report: what a model answers now against what it answered when it was judged."""

from __future__ import annotations

import math
from base64 import b64encode
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from emotion_tfx.errors import UserError
from emotion_tfx.labels import EMOTIONS
from emotion_tfx.monitoring.drift import (
    DRIFT_FROM,
    MIN_TEXTS,
    Estimate,
    drift,
    estimate_accuracy,
)
from emotion_tfx.monitoring.observe import observe
from emotion_tfx.monitoring.reference import (
    FEATURES,
    Feature,
    Histogram,
    Reference,
    read_reference,
)
from emotion_tfx.monitoring.texts import Texts

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console

    from emotion_tfx.model.classifier import EmotionClassifier

_TITLES: dict[Feature, str] = {
    "label": "Emotion",
    "confidence": "Confidence",
    "length": "Length in words",
    "unknown_words": "Share of unknown words",
}


@dataclass(frozen=True)
class Seen:
    """Answers to some texts, with what they are compared with.

    Attributes:
        source: Where the texts are from, in words.
        model: The model that answered.
        reference: What it answered when it was judged.
        current: What it answered now.
        true_accuracy: The share of right answers; None where that is not known.
    """

    source: str
    model: str
    reference: Reference
    current: dict[Feature, Histogram]
    true_accuracy: float | None = None

    @property
    def texts(self) -> int:
        """How many there are."""
        return sum(self.current["label"].counts)

    @property
    def enough(self) -> bool:
        """Whether there are enough to tell drift from chance."""
        return self.texts >= MIN_TEXTS

    @cached_property
    def distances(self) -> dict[Feature, float]:
        """Of each feature."""
        return {
            name: drift(self.reference.features[name].counts, self.current[name].counts)
            for name in FEATURES
        }

    @property
    def drifted(self) -> list[Feature]:
        """The features that are others than on the reference, the farthest first."""
        far = [name for name in FEATURES if self.distances[name] >= DRIFT_FROM]
        return sorted(far, key=lambda name: -self.distances[name])

    @cached_property
    def estimate(self) -> Estimate:
        """The accuracy as far as it can be told without labels."""
        return estimate_accuracy(self.reference, self.current["confidence"].counts)


def look(classifier: EmotionClassifier, given: Texts) -> Seen:
    """Has a model answer texts.

    Raises:
        UserError: The model has no reference to compare with.
    """
    try:
        reference = read_reference(classifier.path)
    except ValueError as error:
        raise _no_reference(f"The model's reference cannot be read ({error})", classifier) from None
    if reference is None:
        raise _no_reference("The model has no reference to compare with", classifier)
    observed = observe(classifier, given.texts)
    labels = given.labels
    return Seen(
        source=given.source,
        model=classifier.path.name,
        reference=reference,
        current=reference.count(observed),
        true_accuracy=None
        if labels is None
        else float((observed.predicted == np.array(labels)).mean()),
    )


def write_drift_report(path: Path, seen: Seen) -> Path:
    """Writes one HTML file without scripts or anything to load; it holds no texts.

    Returns:
        ``path``.

    Raises:
        UserError: It cannot be written to.
    """
    from emotion_tfx.evaluation.files import write_atomically
    from emotion_tfx.evaluation.plots import to_png
    from emotion_tfx.evaluation.templates import render

    images = {
        name: "data:image/png;base64," + b64encode(to_png(figure)).decode("ascii")
        for name, figure in _figures(seen).items()
    }
    page = render(
        "drift.html.j2",
        seen=seen,
        reference=seen.reference,
        features=FEATURES,
        titles=_TITLES,
        images=images,
        verdict=verdict(seen),
        reasons=reasons(seen),
        words={name: _in_words(seen, name) for name in FEATURES},
        tables={name: _table(seen, name) for name in FEATURES},
        emotions={emotion.name: emotion for emotion in EMOTIONS},
        **{"from": DRIFT_FROM},
    )
    write_atomically(path, page.encode())
    return path


def print_drift(console: Console, seen: Seen) -> None:
    """Prints the distances, the estimate and the verdict."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("of each text")
    table.add_column("distance", justify="right")
    table.add_column("verdict")
    for name in FEATURES:
        table.add_row(_TITLES[name].lower(), f"{seen.distances[name]:.3f}", _in_words(seen, name))
    console.print(table)
    console.print()
    console.print(verdict(seen), style="bold", soft_wrap=True)
    for reason in reasons(seen):
        console.print(f"  {reason}", soft_wrap=True)


def verdict(seen: Seen) -> str:
    """The whole in one sentence."""
    if not seen.enough:
        return f"{seen.texts:,} texts are too few to tell; it takes {MIN_TEXTS:,}"
    if seen.drifted:
        return "Texts or answers are others than those the model was judged on"
    return "Texts and answers are like those the model was judged on"


def reasons(seen: Seen) -> list[str]:
    """What stands behind the verdict, a sentence each."""
    estimate, reference = seen.estimate, seen.reference.accuracy
    told = [
        f"{_TITLES[name].lower()} has changed by {seen.distances[name]:.3f}"
        for name in seen.drifted
        if seen.enough
    ]
    told.append(
        f"about {estimate.accuracy:.1%} of the answers should be right, give or take "
        f"{estimate.margin:.1%}; on the reference {reference:.1%} were"
    )
    if seen.true_accuracy is not None:
        told.append(f"by the labels given, {seen.true_accuracy:.1%} are right")
    elif seen.drifted:
        told.append(
            "the estimate takes answers of a given confidence to be right as often as they were "
            "on the reference, which texts of another kind need not bear out: label some"
        )
    return told


def _in_words(seen: Seen, name: Feature) -> str:
    if not seen.enough:
        return "too few texts to tell"
    if name in seen.drifted:
        return "changed: other than on the reference"
    return "as on the reference"


def _shares(histogram: Histogram) -> list[float]:
    total = sum(histogram.counts)
    return [count / total for count in histogram.counts]


def _table(seen: Seen, name: Feature) -> list[tuple[str, float, float]]:
    """Each bin's name, and the shares of the texts in it on the reference and now."""
    before, now = seen.reference.features[name], seen.current[name]
    names = _bin_names(seen, name)
    return list(zip(names, _shares(before), _shares(now), strict=True))


def _bin_names(seen: Seen, name: Feature) -> list[str]:
    """What each bin holds; its upper bound belongs to it, its lower one to that before."""
    if name == "label":
        return list(seen.reference.labels)
    bounds = seen.reference.features[name].bounds
    if name == "length":
        edges = [0, *(int(bound) for bound in bounds)]
        spans = [f"{lower + 1} to {upper}" for lower, upper in pairwise(edges)]
        return [f"up to {edges[1]}", *spans[1:], f"over {edges[-1]}"]
    shown = [f"{100 * bound:.4g}%" for bound in bounds]
    first = "none" if bounds[0] == 0 else f"up to {shown[0]}"
    spans = [f"to {upper}" for upper in shown[1:]]
    return [first, *spans, f"over {shown[-1]}"]


def _figures(seen: Seen) -> dict[str, Figure]:
    from emotion_tfx.evaluation import plots

    figures: dict[str, Figure] = {
        name: plots.two_distributions(
            _TITLES[name], _bin_names(seen, name), _shares(before), _shares(seen.current[name])
        )
        for name, before in seen.reference.features.items()
    }
    bounds = seen.reference.accuracy, _margin(seen.reference.accuracy, seen.reference.texts)
    rows = {"estimated now": (seen.estimate.accuracy, seen.estimate.margin)}
    if seen.true_accuracy is not None:
        rows["true now"] = seen.true_accuracy, _margin(seen.true_accuracy, seen.texts)
    accuracy = plots.with_bounds("Accuracy, with its 95% bounds", {"reference": bounds, **rows})
    return {**figures, "accuracy": accuracy}


def _margin(share: float, texts: int) -> float:
    """Half the width of the 95 % interval of a share (Wald)."""
    return 1.96 * math.sqrt(share * (1 - share) / texts)


def _no_reference(problem: str, classifier: EmotionClassifier) -> UserError:
    return UserError(
        problem,
        "Make one from labelled texts that it was not trained on: "
        f"emotion monitor reference FILE.csv --model {classifier.path}",
        path=classifier.path,
    )
