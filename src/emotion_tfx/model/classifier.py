"""The exported model from Python."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import tensorflow as tf

from emotion_tfx.errors import UserError
from emotion_tfx.features.ids import count_tokens
from emotion_tfx.labels import LABELS
from emotion_tfx.model.locate import default_model

_BATCH = 256
#: Texts sorted by length together: enough for batches of equal lengths, few enough for memory.
_SORTED_TOGETHER = 16_384
_THREADS = 2


@dataclass(frozen=True)
class Answer:
    """What the model says about one text.

    Attributes:
        label: The most probable emotion.
        confidence: Its probability.
        probabilities: The probability of each emotion by name.
        uncertain: Whether the model is not sure.
    """

    label: str
    confidence: float
    probabilities: dict[str, float]
    uncertain: bool


@dataclass(frozen=True)
class Predicted:
    """Answers for N texts, in their order.

    Attributes:
        probabilities: float32 [N, 6], in label order.
        uncertain: bool [N].
    """

    probabilities: np.ndarray
    uncertain: np.ndarray

    def answers(self) -> list[Answer]:
        """One answer a text."""
        return [
            Answer(
                label=LABELS[int(row.argmax())],
                confidence=float(row.max()),
                probabilities=dict(zip(LABELS, map(float, row), strict=True)),
                uncertain=bool(unsure),
            )
            for row, unsure in zip(self.probabilities, self.uncertain, strict=True)
        ]


class EmotionClassifier:
    """A pushed model, or the one that comes with the package.

    >>> from emotion_tfx import EmotionClassifier
    >>> classifier = EmotionClassifier()
    >>> classifier.predict("what a lovely surprise, thank you so much").label

    Args:
        path: A version's folder (with ``saved_model.pb``), or a folder of versions, of which the
            newest is taken. Without it, the newest model pushed from real data, or else the
            shipped one.

    Raises:
        UserError: There is no model, or it cannot be loaded.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = default_model() if path is None else _version(Path(path))
        try:
            loaded = tf.saved_model.load(str(self.path))
        except (OSError, tf.errors.OpError, ValueError) as error:
            raise UserError(
                "The model cannot be loaded",
                "Give the folder of a model that this project's pipeline pushed.",
                path=self.path,
            ) from error
        missing = {"classify_text", "explain_text", "transform_features"} - set(loaded.signatures)
        if missing:
            raise UserError(
                f"The model lacks the signature {sorted(missing)[0]}",
                "Give a model that this project's pipeline pushed.",
                path=self.path,
            )
        self._loaded = loaded
        self._classify = loaded.signatures["classify_text"]
        self._explain = loaded.signatures["explain_text"]
        self._transform = loaded.signatures["transform_features"]

    def predict(self, text: str) -> Answer:
        """The answer for one text."""
        return self.predict_many([text])[0]

    def predict_many(self, texts: Sequence[str]) -> list[Answer]:
        """The answers for many texts, in their order."""
        return self.predict_arrays(texts).answers()

    def predict_arrays(self, texts: Iterable[str]) -> Predicted:
        """The answers for many texts as arrays, in their order."""
        none = Predicted(np.empty((0, len(LABELS)), np.float32), np.empty(0, bool))
        parts = [none, *self.stream(texts)]
        return Predicted(
            probabilities=np.concatenate([part.probabilities for part in parts]),
            uncertain=np.concatenate([part.uncertain for part in parts]),
        )

    def stream(self, texts: Iterable[str]) -> Iterator[Predicted]:
        """Answers for any number of texts, part by part, in their order.

        Texts of about equal length are run together, which is several times faster than running
        them as they come; so each part covers thousands of texts.
        """
        remaining = iter(texts)
        with ThreadPoolExecutor(_THREADS) as pool:
            while part := list(islice(remaining, _SORTED_TOGETHER)):
                yield self._predict_part(part, pool)

    def count_words(self, texts: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """How many tokens the model reads in each text, and how many of them it does not know.

        Returns:
            Both int64 [N].
        """
        counts = [(np.empty(0, np.int64), np.empty(0, np.int64))]
        remaining = iter(texts)
        while part := list(islice(remaining, _BATCH)):
            examples = tf.constant([_example(text) for text in part])
            counts.append(count_tokens(self._transform(examples=examples)["word_ids"].numpy()))
        lengths, unknown = zip(*counts, strict=True)
        return np.concatenate(lengths), np.concatenate(unknown)

    def explain(self, text: str) -> list[tuple[str, float]]:
        """The tokens of a text, each with how much it added to the predicted probability."""
        return self.explain_many([text])[0]

    def explain_many(self, texts: Sequence[str]) -> list[list[tuple[str, float]]]:
        """The same for some texts in one run, in their order."""
        if not texts:
            return []
        encoded = [text.encode("utf-8", "replace") for text in texts]
        result = self._explain(text=tf.constant(encoded, tf.string))
        rows = zip(result["tokens"].numpy(), result["contributions"].numpy(), strict=True)
        return [
            [(token.decode(), float(value)) for token, value in zip(*row, strict=True) if token]
            for row in rows
        ]

    def _predict_part(self, texts: list[str], pool: ThreadPoolExecutor) -> Predicted:
        encoded = np.array([text.encode("utf-8", "replace") for text in texts], dtype=object)
        order = np.argsort([len(text) for text in encoded], kind="stable")
        batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
        probabilities = np.empty((len(texts), len(LABELS)), np.float32)
        uncertain = np.empty(len(texts), bool)
        results = pool.map(lambda rows: self._classify(text=tf.constant(encoded[rows])), batches)
        for rows, result in zip(batches, results, strict=True):
            probabilities[rows] = result["probabilities"].numpy()
            uncertain[rows] = result["is_uncertain"].numpy()
        return Predicted(probabilities, uncertain)


def _example(text: str) -> bytes:
    values = tf.train.BytesList(value=[text.encode("utf-8", "replace")])
    features = tf.train.Features(feature={"text": tf.train.Feature(bytes_list=values)})
    return tf.train.Example(features=features).SerializeToString()


def _version(path: Path) -> Path:
    from emotion_tfx.model.locate import newest_version

    if (path / "saved_model.pb").is_file():
        return path
    found = newest_version(path)
    if found is None:
        raise UserError(
            "There is no model in this folder",
            "Give a folder that holds saved_model.pb, or numbered folders that do.",
            path=path,
        )
    return found
