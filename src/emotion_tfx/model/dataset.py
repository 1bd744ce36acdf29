"""Prepared examples in memory, and batches of texts of about the same length."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from emotion_tfx.data.prepare import MAIN_DOMAIN
from emotion_tfx.features.preprocessing import (
    DOMAIN,
    LABEL,
    STEM_IDS,
    SUBWORD_IDS,
    WEIGHT,
    WORD_IDS,
)
from emotion_tfx.features.text import SUBWORDS
from emotion_tfx.model.network import POSITIONS

_PER_TOKEN = {WORD_IDS: 1, STEM_IDS: 1, SUBWORD_IDS: len(SUBWORDS)}
#: Texts sorted by length together; enough to fill many batches, few enough to stay shuffled.
_SORTED_TOGETHER = 50
_PARSED_AT_ONCE = 4096


@dataclass(frozen=True)
class Dataset:
    """Prepared texts. Words recur, so the ids of each distinct token are kept once.

    Attributes:
        offsets: int64 [N + 1], where each text's tokens begin.
        tokens: int32 [all tokens], the tokens of one text after another: which distinct one.
        distinct: For each feature int32 [distinct tokens] or [distinct tokens, values a token].
        labels: int32 [N].
        weights: float32 [N].
        domains: bytes [N], the name of each text's domain.
    """

    offsets: np.ndarray
    tokens: np.ndarray
    distinct: dict[str, np.ndarray]
    labels: np.ndarray
    weights: np.ndarray
    domains: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features there are."""
        return tuple(self.distinct)

    @property
    def own(self) -> np.ndarray:
        """Which texts are of the corpus itself, bool [N]."""
        return self.domains == MAIN_DOMAIN.encode()

    @property
    def drawn(self) -> int:
        """How many texts are drawn for a pass, on average."""
        return max(1, round(float(np.minimum(self.weights, 1.0).sum())))

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
        wanted = {name: spec[name] for name in (*names, LABEL, WEIGHT, DOMAIN)}
        records = tf.data.TFRecordDataset(sorted(files), compression_type="GZIP")
        parsed = records.batch(_PARSED_AT_ONCE).map(
            lambda batch: tf.io.parse_example(batch, wanted), num_parallel_calls=2
        )
        return join([from_batch(batch) for batch in parsed.prefetch(1)])

    def select(self, rows: np.ndarray) -> Dataset:
        """Some of the texts.

        Args:
            rows: bool [N], or int [n], which ones.
        """
        rows = np.arange(len(self))[rows]
        parts = [self.tokens[self.offsets[row] : self.offsets[row + 1]] for row in rows]
        return replace(
            self,
            offsets=np.concatenate([[0], np.cumsum(self.lengths[rows])]),
            tokens=np.concatenate([self.tokens[:0], *parts]),
            labels=self.labels[rows],
            weights=self.weights[rows],
            domains=self.domains[rows],
        )

    def inputs(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """The network's inputs for some texts.

        Args:
            rows: int [n], which texts.

        Returns:
            For each feature int32 [tokens] or [tokens, values a token] of the distinct tokens of
            these texts, and ``POSITIONS`` int32 [longest, n]: which of them stands there, counted
            from 1; 0 after the end of a text.
        """
        lengths = self.lengths[rows]
        columns = np.arange(max(int(lengths.max(initial=0)), 1))
        used = columns < lengths[:, None]
        source = (self.offsets[rows][:, None] + columns)[used]
        present, numbers = np.unique(self.tokens[source], return_inverse=True)
        positions = np.zeros(used.shape, np.int32)
        positions[used] = numbers.reshape(-1) + 1
        inputs = {name: values[present] for name, values in self.distinct.items()}
        return inputs | {POSITIONS: np.ascontiguousarray(positions.T)}

    def batches(self, size: int, generator: np.random.Generator | None) -> Iterator[np.ndarray]:
        """Row numbers of batches of about equally long texts.

        In training, a text of a weight below 1 is drawn with that probability: a network that
        reads a text in every pass learns it by heart however little it weighs.

        Source: Byrd, Lipton, What is the Effect of Importance Weighting in Deep Learning?, ICML
        2019.

        Args:
            size: Texts a batch.
            generator: Draws and shuffles the texts; without one, all come in order of length.

        Yields:
            int64 [at most size].
        """
        if generator is None:
            yield from _chunks(np.argsort(self.lengths, kind="stable"), size)
            return
        drawn = np.flatnonzero(generator.random(len(self)) < self.weights)
        for group in _chunks(generator.permutation(drawn), size * _SORTED_TOGETHER):
            ordered = group[np.argsort(self.lengths[group], kind="stable")]
            batches = list(_chunks(ordered, size))
            for index in generator.permutation(len(batches)):
                yield batches[index]


def from_columns(
    offsets: np.ndarray,
    columns: dict[str, np.ndarray],
    labels: np.ndarray,
    weights: np.ndarray,
    domains: np.ndarray | None = None,
) -> Dataset:
    """Finds the distinct tokens of texts.

    Args:
        offsets: int64 [N + 1], where each text's tokens begin.
        columns: For each feature int [all tokens] or [all tokens, values a token].
        labels: int [N].
        weights: float [N].
        domains: bytes [N]; all are of the corpus itself without it.
    """
    if domains is None:
        domains = np.full(len(labels), MAIN_DOMAIN.encode())
    table = np.column_stack(list(columns.values())).astype(np.int32)
    distinct, tokens = np.unique(table, axis=0, return_inverse=True)
    ends = np.cumsum([1 if ids.ndim == 1 else ids.shape[1] for ids in columns.values()])
    parts = np.split(distinct, ends[:-1], axis=1)
    return Dataset(
        offsets=offsets,
        tokens=tokens.reshape(-1).astype(np.int32),
        distinct={
            name: np.ascontiguousarray(part[:, 0] if columns[name].ndim == 1 else part)
            for name, part in zip(columns, parts, strict=True)
        },
        labels=labels.astype(np.int32),
        weights=weights.astype(np.float32),
        domains=domains.astype(bytes),
    )


def from_batch(batch: Mapping[str, tf.Tensor]) -> Dataset:
    """Prepared texts as :func:`preprocessing_fn` gives them: features sparse, the rest [N]."""
    columns = {}
    for name in (name for name in _PER_TOKEN if name in batch):
        values = batch[name].values.numpy()
        kinds = _PER_TOKEN[name]
        columns[name] = values.reshape(-1, kinds) if kinds > 1 else values
    rows = batch[WORD_IDS].indices[:, 0].numpy()
    counts = np.bincount(rows, minlength=len(batch[LABEL]))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    row_wise = (batch[name].numpy() for name in (LABEL, WEIGHT, DOMAIN))
    return from_columns(offsets, columns, *row_wise)


def join(parts: Sequence[Dataset]) -> Dataset:
    """One after another; what is distinct is found among what is distinct in each."""
    names = parts[0].features
    lengths = np.concatenate([part.lengths for part in parts])
    all_distinct = from_columns(
        np.zeros(1, np.int64),
        {name: np.concatenate([part.distinct[name] for part in parts]) for name in names},
        np.empty(0),
        np.empty(0),
    )
    starts = np.cumsum([0, *(len(part.distinct[names[0]]) for part in parts)])
    return Dataset(
        offsets=np.concatenate([[0], np.cumsum(lengths)]),
        tokens=np.concatenate(
            [
                all_distinct.tokens[start + part.tokens]
                for start, part in zip(starts, parts, strict=False)
            ]
        ),
        distinct=all_distinct.distinct,
        labels=np.concatenate([part.labels for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        domains=np.concatenate([part.domains for part in parts]),
    )


def _chunks(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
