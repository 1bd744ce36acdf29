"""What a model's answers looked like on texts it was judged on: the measure of drift.

A reference is made from labelled texts that training has not seen, and kept with the model as
``assets.extra/reference.json``. It holds counts and no texts. Cheap to import: the server reads it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeInt,
    PositiveInt,
    ValidationError,
    model_validator,
)

FILE = "reference.json"

#: What is compared of each text.
Feature = Literal["label", "confidence", "length", "unknown_words"]
FEATURES: tuple[Feature, ...] = get_args(Feature)

#: Inclusive upper bounds of the bins; a last bin holds what is above. Confidence is finest where
#: nearly all answers of a good model lie. The length is in tokens, unknown words a share of them.
_BOUNDS: Mapping[Feature, tuple[float, ...]] = {
    "confidence": (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995),
    "length": (2, 4, 6, 8, 11, 15, 20, 27, 40),
    "unknown_words": (0, 0.05, 0.1, 0.15, 0.25, 0.5),
}

#: A bin of confidence counts as if so many more texts in it were right as often as the model says.
_PRIOR_TEXTS = 10


@dataclass(frozen=True, eq=False)
class Observed:
    """What is compared, of N texts.

    Attributes:
        predicted: The predicted class of each, int [N].
        confidence: Its probability, float [N].
        length: Tokens of each text as the model reads it, int [N].
        unknown_words: The share of them that is not in the vocabulary, float [N]; 0 without any.
    """

    predicted: NDArray[np.integer]
    confidence: NDArray[np.floating]
    length: NDArray[np.integer]
    unknown_words: NDArray[np.floating]

    @classmethod
    def of(
        cls,
        probabilities: NDArray[np.floating],
        length: NDArray[np.integer],
        unknown: NDArray[np.integer],
    ) -> Observed:
        """From probabilities float [N, classes], and how many tokens there are and are unknown."""
        return cls(
            predicted=probabilities.argmax(axis=1),
            confidence=probabilities.max(axis=1),
            length=length,
            unknown_words=unknown / np.maximum(length, 1),
        )

    def values(self, feature: Feature) -> NDArray[np.generic]:
        """The values of one feature, [N]."""
        return self.predicted if feature == "label" else getattr(self, feature)


class Histogram(BaseModel):
    """How many texts lie in each bin.

    Attributes:
        bounds: Inclusive upper bounds, rising; the last bin has none.
        counts: One more than there are bounds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bounds: tuple[float, ...]
    counts: tuple[NonNegativeInt, ...]

    @model_validator(mode="after")
    def _check(self) -> Histogram:
        if len(self.counts) != len(self.bounds) + 1:
            raise ValueError(f"{len(self.counts)} counts for {len(self.bounds)} bounds")
        if any(lower >= upper for lower, upper in zip(self.bounds, self.bounds[1:], strict=False)):
            raise ValueError("the bounds do not rise")
        return self

    def bins(self, values: NDArray[np.generic]) -> NDArray[np.intp]:
        """The bin of each value, int [N]."""
        return np.searchsorted(self.bounds, values, side="left")

    def count(self, values: NDArray[np.generic]) -> Histogram:
        """The same bins with counts of other values."""
        counts = np.bincount(self.bins(values), minlength=len(self.counts))
        return Histogram(bounds=self.bounds, counts=tuple(counts.tolist()))


class Reference(BaseModel):
    """A model's answers to texts that it was judged on.

    Attributes:
        format: Of the file.
        source: Where the texts are from, in words.
        texts: How many there are.
        accuracy: The share of right answers.
        labels: The names of the classes, in their order.
        features: The distribution of each feature; of ``label``, over the classes' numbers.
        accuracy_by_confidence: The share of right answers in each bin of ``confidence``, which is
            the calibration behind the estimated accuracy. Bins with few texts lean towards what
            the model itself says.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal[1] = 1
    source: str
    texts: PositiveInt
    accuracy: float = Field(ge=0, le=1)
    labels: tuple[str, ...] = Field(min_length=2)
    features: dict[Feature, Histogram]
    accuracy_by_confidence: tuple[float, ...]

    @model_validator(mode="after")
    def _check(self) -> Reference:
        if set(self.features) != set(FEATURES):
            raise ValueError(f"the features are not {', '.join(FEATURES)}")
        if any(sum(each.counts) != self.texts for each in self.features.values()):
            raise ValueError("the counts of a feature are not those of all texts")
        if len(self.features["label"].counts) != len(self.labels):
            raise ValueError("the labels are not those of the counts")
        if len(self.accuracy_by_confidence) != len(self.features["confidence"].counts):
            raise ValueError("there is not an accuracy for each bin of confidence")
        return self

    @classmethod
    def make(
        cls, observed: Observed, correct: NDArray[np.bool_], labels: Sequence[str], source: str
    ) -> Reference:
        """From answers to labelled texts, N of them, at least one.

        Args:
            observed: The answers.
            correct: Whether each is right, bool [N].
            labels: The names of the classes.
            source: Where the texts are from, in words.
        """
        bounds = {"label": tuple(range(len(labels) - 1)), **_BOUNDS}
        empty = {
            feature: Histogram(bounds=bounds[feature], counts=(0,) * (len(bounds[feature]) + 1))
            for feature in FEATURES
        }
        calibration = _calibration(empty["confidence"], observed.confidence, correct)
        return cls(
            source=source,
            texts=len(correct),
            accuracy=float(correct.mean()),
            labels=tuple(labels),
            features={
                feature: empty[feature].count(observed.values(feature)) for feature in FEATURES
            },
            accuracy_by_confidence=tuple(calibration.round(6).tolist()),
        )

    def count(self, observed: Observed) -> dict[Feature, Histogram]:
        """The distributions of other answers, over the same bins."""
        return {name: each.count(observed.values(name)) for name, each in self.features.items()}

    def to_json(self) -> str:
        """The content of the file."""
        return self.model_dump_json(indent=1) + "\n"


def read_reference(model: Path) -> Reference | None:
    """The reference kept with a model; None where there is none.

    Args:
        model: A version's folder.

    Raises:
        ValueError: The file is damaged, or not whole yet; the message says how.
    """
    try:
        content = (model / "assets.extra" / FILE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ValueError(error.strerror) from error
    try:
        return Reference.model_validate_json(content)
    except ValidationError as error:
        raise ValueError(error.errors(include_url=False)[0]["msg"]) from error


def _calibration(
    bins: Histogram, confidence: NDArray[np.floating], correct: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """How often answers of each bin are right (Zadrozny, Elkan, ICML 2001), float [bins]."""
    where, size = bins.bins(confidence), len(bins.counts)
    texts = np.bincount(where, minlength=size)
    right = np.bincount(where, weights=correct, minlength=size)
    edges = np.array([0.0, *bins.bounds, 1.0])
    said = np.bincount(where, weights=confidence, minlength=size)
    mean = np.where(texts > 0, said / np.maximum(texts, 1), (edges[:-1] + edges[1:]) / 2)
    return (right + _PRIOR_TEXTS * mean) / (texts + _PRIOR_TEXTS)
