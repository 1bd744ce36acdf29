"""What a classifier of texts answers, counted: classes, confidence, doubt, words, lengths.

Told of every run after its requests are answered, so nobody waits for the counting.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from .json_tensor import as_strings
from .metrics import ServingMetrics, label_text
from .model import LoadedModel
from .status import ServingError

logger = logging.getLogger(__name__)

#: A few texts are looked at again now and then, to count the words that the model does not know.
_SAMPLED_TEXTS = 16
_SAMPLE_SECONDS = 1.0
_CLASSIFY, _TRANSFORM = "classify_text", "transform_features"
_WORD_IDS = "word_ids"
_PADDING_ID, _UNKNOWN_ID = 0, 1  # As in features/vocabulary.py, which is too heavy to import.


class TextObserver:
    """Counts the answers of one version; for other models than classifiers of texts, nothing.

    Args:
        model: The version.
        model_name: The name under which is counted.
        metrics: Where.
    """

    def __init__(self, model: LoadedModel, model_name: str, metrics: ServingMetrics) -> None:
        self._model = model
        self._name = model_name
        self._metrics = metrics
        self._next_sample = 0.0
        self._labels = _labels(model)

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
        counts = np.bincount(probabilities.argmax(axis=1), minlength=len(self._labels))
        for label, count in zip(self._labels, counts.tolist(), strict=True):
            if count:
                self._metrics.classes.add(self._name, label, amount=count)
        self._metrics.confidence.observe_all(probabilities.max(axis=1).tolist(), self._name)
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
        now = time.monotonic()
        if now < self._next_sample:
            return
        self._next_sample = now + _SAMPLE_SECONDS
        sample = (
            _examples(texts[:_SAMPLED_TEXTS]) if examples is None else examples[:_SAMPLED_TEXTS]
        )
        self._count_words(sample)

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
        unknown = int((ids == _UNKNOWN_ID).sum())
        known = int((ids > _UNKNOWN_ID).sum())
        self._metrics.sampled_words.add(self._name, "false", amount=unknown)
        self._metrics.sampled_words.add(self._name, "true", amount=known)


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
