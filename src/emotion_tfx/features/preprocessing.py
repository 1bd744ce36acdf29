"""``preprocessing_fn``: the way from raw text to tensors, run and exported by TFX Transform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from emotion_tfx.features import lexicon, text, vocabulary
from emotion_tfx.features.ids import FIRST_WORD_ID, UNKNOWN_ID

#: Raw columns.
TEXT, LABEL, SOURCE, WEIGHT, DOMAIN = "text", "label", "source", "weight", "domain"
#: Prepared features, one value a token (``SUBWORD_IDS``: ``len(text.SUBWORDS)`` values a token).
TOKENS, WORD_IDS, STEM_IDS, SUBWORD_IDS = "tokens", "word_ids", "stem_ids", "subword_ids"

#: Rows of the embedding of each kind of sub-word.
SUBWORD_BUCKETS = 4_000


@dataclass(frozen=True)
class FeatureOptions:
    """All choices of the text preparation.

    Attributes:
        steps: Which steps run.
        vocabulary: Which words are known.
        max_tokens: Texts are cut after so many tokens.
    """

    steps: text.TextSteps = field(default_factory=text.TextSteps)
    vocabulary: vocabulary.VocabularyOptions = field(default_factory=vocabulary.VocabularyOptions)
    max_tokens: int = 128

    def to_dict(self) -> dict[str, Any]:
        """As plain values, for a component's ``custom_config``."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> FeatureOptions:
        """The inverse of :meth:`to_dict`."""
        return cls(
            steps=text.TextSteps(**values["steps"]),
            vocabulary=vocabulary.VocabularyOptions(**values["vocabulary"]),
            max_tokens=values["max_tokens"],
        )


def preprocessing_fn(
    inputs: Mapping[str, Any], custom_config: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Prepares a batch of rows; called by TFX Transform.

    Args:
        inputs: The raw columns, string, int64 or float32, [N] or [N, 1].
        custom_config: ``{"features": FeatureOptions.to_dict()}``; the defaults without it.

    Returns:
        The prepared features as sparse [N, longest], and the other columns as [N].
    """
    values = (custom_config or {}).get("features")
    options = FeatureOptions.from_dict(values) if values else FeatureOptions()
    tokens = text.tokenize(tf.reshape(inputs[TEXT], [-1]), options.steps)
    (path,) = tft.experimental.ptransform_analyzer(
        inputs=[tokens.values],
        ptransform=vocabulary.BuildVocabulary(
            options.vocabulary,
            stop_words=options.steps.stop_words,
            elongation=options.steps.elongation,
        ),
        output_dtypes=[tf.string],
        output_shapes=[[]],
        output_asset_default_values=[b"word\tstem\t2\n"],
    )
    features = look_up(tokens, Tables(path), options)
    passed_on = {name: inputs[name] for name in (LABEL, SOURCE, WEIGHT, DOMAIN) if name in inputs}
    return features | {name: tf.reshape(values, [-1]) for name, values in passed_on.items()}


class Tables(tf.Module):
    """The vocabulary's tables.

    Transform makes them inside its graph, where they are filled anew in each call; an exported
    model makes them once, when it is loaded.

    Args:
        path: The asset file that :class:`vocabulary.BuildVocabulary` wrote.
    """

    def __init__(self, path: tf.Tensor | str) -> None:
        super().__init__()
        line = tf.lookup.TextFileIndex.LINE_NUMBER
        lines = tf.lookup.TextFileInitializer(
            path, tf.string, vocabulary.WORD_COLUMN, tf.int64, line
        )
        stems = tf.lookup.TextFileInitializer(
            path, tf.int64, line, tf.int64, vocabulary.STEM_ID_COLUMN
        )
        #: Words to their lines, and lines to the ids of their stems; -1 for none.
        self.lines = tf.lookup.StaticHashTable(lines, default_value=-1)
        self.stem_ids = tf.lookup.StaticHashTable(stems, default_value=-1)


def look_up(
    tokens: tf.SparseTensor, tables: Tables, options: FeatureOptions
) -> dict[str, tf.SparseTensor]:
    """Tokens to prepared features; all that follows :func:`text.tokenize`.

    Args:
        tokens: string sparse [N, longest].
        tables: The vocabulary.
        options: Which steps run.

    Returns:
        The features by name, sparse [N, longest], for sub-words their kinds one after another.
    """
    words = tokens.values
    if options.steps.elongation:
        words = _resolve_elongation(words, tables.lines)
    lines = tables.lines.lookup(words)
    rows = tokens.indices[:, 0]
    keep = tokens.indices[:, 1] < options.max_tokens
    if options.steps.stop_words:
        keep &= (lines < 0) | (lines >= len(lexicon.STOP_WORDS))
    kept = tf.reshape(tf.where(keep), [-1])
    words, lines, rows = (tf.gather(values, kept) for values in (words, lines, rows))

    known = lines >= 0
    columns = {
        TOKENS: words,
        WORD_IDS: tf.where(known, lines + FIRST_WORD_ID, UNKNOWN_ID),
    }
    if options.steps.stemming:
        stem_ids = tables.stem_ids.lookup(lines)
        columns[STEM_IDS] = tf.where(known, stem_ids, UNKNOWN_ID)
    if options.steps.subwords:
        columns[SUBWORD_IDS] = text.subword_ids(words, SUBWORD_BUCKETS)
    size = tokens.dense_shape[0]
    return {name: _pack(values, rows, size) for name, values in columns.items()}


def _resolve_elongation(words: tf.Tensor, table: tf.lookup.StaticHashTable) -> tf.Tensor:
    where = tf.where(tf.strings.regex_full_match(words, text.ELONGATED))
    two, one = text.shorten_elongation(tf.gather_nd(words, where))
    line_two, line_one = table.lookup(two), table.lookup(one)
    # Words stand in order of frequency. Stop words stand before them and would always win, so that
    # ``tooo`` would become ``to`` and be dropped.
    more_frequent = (line_one >= len(lexicon.STOP_WORDS)) & (line_one < line_two)
    shorter = (line_one >= 0) & ((line_two < 0) | more_frequent)
    return tf.tensor_scatter_nd_update(words, where, tf.where(shorter, one, two))


def _pack(values: tf.Tensor, rows: tf.Tensor, size: tf.Tensor) -> tf.SparseTensor:
    """Values with their row numbers, several a token or one, as sparse [N, longest]."""
    if values.shape.rank == 2:
        per_token = values.shape[1]
        rows = tf.repeat(rows, per_token)
        values = tf.reshape(values, [-1])
    counts = tf.math.unsorted_segment_sum(tf.ones_like(rows), rows, size)
    starts = tf.cumsum(counts, exclusive=True)
    columns = tf.range(tf.size(rows, out_type=tf.int64)) - tf.gather(starts, rows)
    longest = tf.reduce_max(tf.concat([counts, [0]], axis=0))
    return tf.SparseTensor(tf.stack([rows, columns], axis=1), values, tf.stack([size, longest]))
