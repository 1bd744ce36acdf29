"""Kinds of texts on which a model may do better or worse than on the whole."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion_tfx.evaluation.metrics import Predictions

#: Below this many rows a slice's figures say more about chance than about the model.
MINIMUM_ROWS = 20

_LENGTHS = ((1, 5), (6, 10), (11, 20), (21, 40))

# "not" glued to a verb, whatever became of the apostrophe: don't, don’t, dont, don t.
_NEGATED_VERB = (
    "(?:ai|are|ca|could|did|do|does|had|has|have|is|might|must|need|sha|should|was|were|wo|would)"
    "n['’´` ]?t"
)
_NEGATION = re.compile(
    rf"\b(?:not|no|never|nor|neither|none|nobody|nothing|nowhere|cannot|{_NEGATED_VERB})\b",
    re.IGNORECASE,
)
_FEEL = re.compile(r"\b(?:feel\w*|felt)\b", re.IGNORECASE)
_EMOJI = re.compile("[\u2600-\u27bf\u2b50\u2b55\U0001f1e6-\U0001f1ff\U0001f300-\U0001faff]")
# Eyes and a bracket may follow a word at once (happy:)), but http:/ and 5:3 are no faces.
_EMOTICON = re.compile(
    r"[:;=]['’]?[-o^]?[()\[\]|*](?!\w)"
    r"|(?<!\w)(?:[:;=]['’]?[-o^]?[dpo/\\3]|\([:;=]|xd|</?3|\^_*\^|[-t]_+[-t])(?!\w)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SliceMetrics:
    """The figures of one kind of text.

    Attributes:
        name: What the rows have in common.
        n: How many there are.
        accuracy: Their accuracy; None below ``MINIMUM_ROWS`` rows.
        macro_f1: The mean F1 of the classes present among them; None likewise.
    """

    name: str
    n: int
    accuracy: float | None
    macro_f1: float | None


def slice_masks(predictions: Predictions) -> dict[str, NDArray[np.bool_]]:
    """Return each slice's rows by its name, bool [N]: length, negation, "feel", emoji, source."""
    texts = predictions.texts
    words = np.array([len(text.split()) for text in texts], dtype=np.intp)
    emoji = _matching(_EMOJI, predictions) | _matching(_EMOTICON, predictions)
    negation = _matching(_NEGATION, predictions)
    feel = _matching(_FEEL, predictions)
    sources = np.array(predictions.sources, dtype=np.str_)
    return {
        **{f"{low}-{high} words": (low <= words) & (words <= high) for low, high in _LENGTHS},
        f"over {_LENGTHS[-1][1]} words": words > _LENGTHS[-1][1],
        "with negation": negation,
        "without negation": ~negation,
        "with a form of feel": feel,
        "without a form of feel": ~feel,
        "with emoji or emoticon": emoji,
        "without emoji or emoticon": ~emoji,
        **{f"source {name}": sources == name for name in sorted(set(predictions.sources))},
    }


def slice_metrics(predictions: Predictions) -> list[SliceMetrics]:
    """Return the figures of each slice, in the order of ``slice_masks``."""
    return [_measure(name, predictions, mask) for name, mask in slice_masks(predictions).items()]


def _matching(pattern: re.Pattern[str], predictions: Predictions) -> NDArray[np.bool_]:
    return np.array([bool(pattern.search(text)) for text in predictions.texts], dtype=np.bool_)


def _measure(name: str, predictions: Predictions, mask: NDArray[np.bool_]) -> SliceMetrics:
    from sklearn.metrics import f1_score

    n = int(mask.sum())
    if n < MINIMUM_ROWS:
        return SliceMetrics(name, n, None, None)
    labels = predictions.labels[mask]
    macro_f1 = f1_score(
        labels,
        predictions.predicted[mask],
        labels=np.unique(labels),
        average="macro",
        zero_division=0,
    )
    return SliceMetrics(name, n, float(predictions.correct[mask].mean()), float(macro_f1))
