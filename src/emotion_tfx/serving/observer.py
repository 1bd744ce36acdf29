"""What a classifier of texts answers, counted: classes, confidence, doubt, words, lengths.

Told of every run after its requests are answered, so nobody waits for the counting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from ..features.ids import count_tokens
from .drift import DriftWindow
from .json_tensor import as_strings
from .metrics import ServingMetrics, label_text
from .model import LoadedModel
from .settings import Limits
from .status import ServingError

logger = logging.getLogger(__name__)

#: Texts are looked at again for their words, at most so much of the time.
_SAMPLED_SHARE = 0.02
_CLASSIFY, _TRANSFORM = "classify_text", "transform_features"
_WORD_IDS = "word_ids"


class TextObserver:
    """Counts the answers of one version; for other models than classifiers of texts, nothing.

    Args:
        model: The version.
        model_name: The name under which is counted.
        metrics: Where.
        path: The version's folder, with the reference that its answers are compared with.
        window: How many of the last answers are.

    Attributes:
        drift: What the last answers were.
    """

    def __init__(
        self,
        model: LoadedModel,
        model_name: str,
        metrics: ServingMetrics,
        path: Path,
        window: int = Limits.drift_window,
    ) -> None:
        self._model = model
        self._name = model_name
        self._metrics = metrics
        self._next_sample = 0.0
        self._labels = _labels(model)
        self.drift = DriftWindow(
            model_name, model.version, path, self._labels, window, metrics.windows
        )
        if self._labels:
            metrics.expect_texts(model_name, self._labels)

    def __call__(
        self, signature: str, inputs: Mapping[str, np.ndarray], outputs: Mapping[str, np.ndarray]
    ) -> None:
        """Counts one run.

        Args:
            signature: The signature's name.
            inputs: ``text`` or ``examples``, string [N]; others are not looked at.
            outputs: ``probabilities``, float32 [N, classes]; others are not looked at.
        """
        probabilities = outputs.get("probabilities")
        if not self._labels or probabilities is None:
            return
        if probabilities.ndim != 2 or probabilities.shape[1] != len(self._labels):
            return
        predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
        counts = np.bincount(predicted, minlength=len(self._labels))
        for label, count in zip(self._labels, counts.tolist(), strict=True):
            if count:
                self._metrics.classes.add(self._name, label, amount=count)
        self._metrics.confidence.observe_all(confidence.tolist(), self._name)
        self.drift.add({"label": predicted, "confidence": confidence})
        if "is_uncertain" in outputs:
            self._count_doubt(outputs["is_uncertain"])
        self._count_texts(inputs)

    def _count_doubt(self, uncertain: np.ndarray) -> None:
        doubted = int(uncertain.sum())
        for word, count in (("true", doubted), ("false", uncertain.size - doubted)):
            if count:
                self._metrics.judged.add(self._name, word, amount=count)

    def _count_texts(self, inputs: Mapping[str, np.ndarray]) -> None:
        examples = inputs.get("examples")
        texts = inputs["text"].tolist() if examples is None else _texts(examples.tolist())
        lengths = [len(text.decode("utf-8", "replace")) for text in texts]
        self._metrics.text_characters.observe_all(lengths, self._name)
        start = time.monotonic()
        if start < self._next_sample:
            return
        self._count_words(_examples(texts) if examples is None else examples)
        end = time.monotonic()
        self._next_sample = end + (end - start) / _SAMPLED_SHARE

    def _count_words(self, examples: np.ndarray) -> None:
        transform = self._model.signatures.get(_TRANSFORM)
        if transform is None or list(transform.inputs) != ["examples"]:
            return
        try:
            ids = self._model.run(_TRANSFORM, {"examples": examples}).get(_WORD_IDS)
        except ServingError:
            return
        if ids is None:
            return
        length, unknown = count_tokens(ids)
        words = int(unknown.sum())
        self._metrics.sampled_words.add(self._name, "false", amount=words)
        self._metrics.sampled_words.add(self._name, "true", amount=int(length.sum()) - words)
        self.drift.add({"length": length, "unknown_words": unknown / np.maximum(length, 1)})


def _labels(model: LoadedModel) -> list[str]:
    """The names of the classes; empty for a model that is no classifier of texts."""
    signature = model.signatures.get(_CLASSIFY)
    if signature is None or list(signature.inputs) != ["text"] or "labels" not in signature.outputs:
        return []
    try:
        labels = model.run(_CLASSIFY, {"text": as_strings([b""])})["labels"]
    except ServingError:
        return []
    if labels.ndim != 2 or labels.dtype != object:
        return []
    return [label.decode("utf-8", "replace") for label in labels[0].tolist()]


def _texts(examples: list[bytes]) -> list[bytes]:
    from tensorflow.core.example.example_pb2 import Example

    found = []
    for serialized in examples:
        values = Example.FromString(serialized).features.feature["text"].bytes_list.value
        found.append(values[0] if values else b"")
    return found


def _examples(texts: list[bytes]) -> np.ndarray:
    from tensorflow.core.example.example_pb2 import Example

    examples = []
    for text in texts:
        example = Example()
        example.features.feature["text"].bytes_list.value.append(text)
        examples.append(example.SerializeToString())
    return as_strings(examples)


def version_lines(served: Sequence[tuple[str, int, float]]) -> Iterator[str]:
    """Which versions serve and how old they are, in Prometheus' text format.

    Args:
        served: Model, version, and when it was saved in seconds since 1970; the newest version of
            a model first.
    """
    yield "# TYPE emotion_model_version gauge"
    newest: dict[str, int] = {}
    for name, version, _ in served:
        newest.setdefault(name, version)
    for name, version in newest.items():
        yield f"emotion_model_version{{{label_text(model_name=name)}}} {version}"
    yield "# TYPE emotion_model_age_seconds gauge"
    for name, version, saved_at in served:
        labels = label_text(model_name=name, version=str(version))
        yield f"emotion_model_age_seconds{{{labels}}} {max(0.0, time.time() - saved_at):.0f}"


def standing_lines(standings: Sequence[tuple[str, int, int]]) -> Iterator[str]:
    """How many versions serve, and how many should and cannot, in Prometheus' text format.

    A model of which nothing serves has no other line that would tell of it.

    Args:
        standings: Model, versions that serve, versions that cannot be loaded.
    """
    yield "# TYPE emotion_ready_versions gauge"
    for name, ready, _ in standings:
        yield f"emotion_ready_versions{{{label_text(model_name=name)}}} {ready}"
    yield "# TYPE emotion_failing_versions gauge"
    for name, _, failing in standings:
        yield f"emotion_failing_versions{{{label_text(model_name=name)}}} {failing}"
