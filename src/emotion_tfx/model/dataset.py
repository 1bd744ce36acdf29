"""Prepared examples in memory, and batches of texts of about the same length."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from emotion_tfx.features.preprocessing import (
    LABEL,
    STEM_IDS,
    SUBWORD_IDS,
    WEIGHT,
    WORD_IDS,
)
from emotion_tfx.features.text import SUBWORDS

_PER_TOKEN = {WORD_IDS: 1, STEM_IDS: 1, SUBWORD_IDS: len(SUBWORDS)}
#: Texts sorted by length together; enough to fill many batches, few enough to stay shuffled.
_SORTED_TOGETHER = 50
_PARSED_AT_ONCE = 4096


@dataclass(frozen=True)
class Dataset:
    """Prepared texts, the tokens of all in one row after another.

    Attributes:
        offsets: int64 [N + 1], where each text's tokens begin.
        tokens: For each feature int32 [all tokens] or [all tokens, values a token].
        labels: int32 [N].
        weights: float32 [N].
    """

    offsets: np.ndarray
    tokens: dict[str, np.ndarray]
    labels: np.ndarray
    weights: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features there are."""
        return tuple(self.tokens)

    @property
    def lengths(self) -> np.ndarray:
        """int64 [N], tokens a text."""
        return np.diff(self.offsets)

    @classmethod
    def read(cls, files: Sequence[str], spec: dict[str, object]) -> Dataset:
        """Reads the TFRecord files that the Transform component wrote.

        Args:
            files: Their paths, gzip-compressed.
            spec: The feature specification of the prepared examples.
        """
        names = [name for name in _PER_TOKEN if name in spec]
        wanted = {name: spec[name] for name in (*names, LABEL, WEIGHT)}
        records = tf.data.TFRecordDataset(sorted(files), compression_type="GZIP")
        parsed = records.batch(_PARSED_AT_ONCE).map(
            lambda batch: tf.io.parse_example(batch, wanted), num_parallel_calls=2
        )
        tokens: dict[str, list[np.ndarray]] = {name: [] for name in names}
        counts, labels, weights = [], [], []
        for batch in parsed.prefetch(1):
            for name in names:
                values = batch[name].values.numpy().astype(np.int32)
                tokens[name].append(
                    values.reshape(-1, _PER_TOKEN[name]) if _PER_TOKEN[name] > 1 else values
                )
            rows = batch[WORD_IDS].indices[:, 0].numpy()
            counts.append(np.bincount(rows, minlength=len(batch[LABEL])))
            labels.append(batch[LABEL].numpy().astype(np.int32))
            weights.append(batch[WEIGHT].numpy())
        return cls(
            offsets=np.concatenate([[0], np.cumsum(np.concatenate(counts))]),
            tokens={name: np.concatenate(parts) for name, parts in tokens.items()},
            labels=np.concatenate(labels),
            weights=np.concatenate(weights),
        )

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The network's inputs for some texts, padded with 0 to the longest of them.

        Args:
            rows: int [n], which texts.

        Returns:
            For each feature int32 [n, longest] or [n, longest, values a token].
        """
        lengths = self.lengths[rows]
        longest = max(int(lengths.max(initial=0)), 1)
        columns = np.arange(longest)
        used = columns < lengths[:, None]
        source = (self.offsets[rows][:, None] + columns)[used]
        padded = {}
        for name, values in self.tokens.items():
            ids = np.zeros((len(rows), longest, *values.shape[1:]), np.int32)
            ids[used] = values[source]
            padded[name] = ids
        return padded

    def batches(self, size: int, generator: np.random.Generator | None) -> Iterator[np.ndarray]:
        """Row numbers of batches of about equally long texts.

        Args:
            size: Texts a batch.
            generator: Shuffles the texts and the batches; without one the order is by length.

        Yields:
            int64 [at most size].
        """
        if generator is None:
            yield from _chunks(np.argsort(self.lengths, kind="stable"), size)
            return
        for group in _chunks(generator.permutation(len(self)), size * _SORTED_TOGETHER):
            ordered = group[np.argsort(self.lengths[group], kind="stable")]
            batches = list(_chunks(ordered, size))
            for index in generator.permutation(len(batches)):
                yield batches[index]


def _chunks(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
