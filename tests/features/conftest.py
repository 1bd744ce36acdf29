from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from tensorflow_transform import beam as tft_beam
from tensorflow_transform.tf_metadata import dataset_metadata, schema_utils

from emotion_tfx.features.preprocessing import FeatureOptions, preprocessing_fn
from emotion_tfx.features.text import TextSteps
from emotion_tfx.features.vocabulary import ASSET, Vocabulary, VocabularyOptions

TEXTS = (
    "I'm SO happyyyy :)",
    "the of and",
    "",
    "so so sad",
    "blorp blorp #blorp BLORP blorp",
    "fnord",
    "sooo sooo sooo zzzap zzzap",
    "trekked trekking revved revving",
    "trekked, trekking: revved & revving!",
)


@dataclass(frozen=True)
class Transformed:
    """What TFX Transform made of a small corpus: prepared rows and the exported graph."""

    folder: Path
    rows: list[dict[str, Any]]

    @property
    def saved_model(self) -> Path:
        return self.folder / "transform_fn"

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary.load(self.saved_model / "assets" / ASSET)

    @cached_property
    def _graph(self) -> tf.Module:
        return tf.saved_model.load(str(self.saved_model))

    def sparse(self, **columns: Sequence[Any]) -> dict[str, Any]:
        """The exported graph's outputs."""
        return self._graph.transform_fn({name: tf.constant(v) for name, v in columns.items()})

    def prepare(self, *texts: str) -> dict[str, list[list[Any]]]:
        """The exported graph's outputs, one list a text."""
        outputs = self.sparse(text=[text.encode() for text in texts])
        return {name: rows_of(values) for name, values in outputs.items()}

    def tokens(self, text: str) -> list[str]:
        return [token.decode() for token in self.prepare(text)["tokens"][0]]


def rows_of(values: tf.SparseTensor) -> list[list[Any]]:
    """A sparse tensor [N, longest] as one list a row."""
    rows: list[list[Any]] = [[] for _ in range(int(values.dense_shape[0]))]
    for (row, _), value in zip(values.indices.numpy(), values.values.numpy(), strict=True):
        rows[row].append(value)
    return rows


def transform(
    folder: Path, corpus: list[dict[str, Any]], spec: Mapping[str, Any], options: FeatureOptions
) -> Transformed:
    """Runs a corpus through TFX Transform, as the pipeline does."""
    schema = schema_utils.schema_from_feature_spec(dict(spec))
    prepare = partial(preprocessing_fn, custom_config={"features": options.to_dict()})
    with tft_beam.Context(temp_dir=str(folder / "temporary")):
        dataset = (corpus, dataset_metadata.DatasetMetadata(schema))
        (rows, _), fn = dataset | tft_beam.AnalyzeAndTransformDataset(prepare)
        fn | tft_beam.WriteTransformFn(str(folder))
    return Transformed(folder, rows)


@pytest.fixture(scope="session")
def transformed(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    """A corpus of texts alone, all steps on, and most of English known from GloVe."""
    return transform(
        tmp_path_factory.mktemp("transformed"),
        [{"text": text.encode()} for text in TEXTS],
        {"text": tf.io.FixedLenFeature([], tf.string)},
        FeatureOptions(vocabulary=VocabularyOptions(min_count=2, glove_words=25_000)),
    )


@pytest.fixture(scope="session")
def transformed_plainly(tmp_path_factory: pytest.TempPathFactory) -> Transformed:
    """A corpus with all columns, all steps off, and nothing known but the corpus's own words."""
    off = TextSteps(*[False] * len(TextSteps.__dataclass_fields__))
    texts = ["so so happy", "The the end", "happy cooool cooool col col"]
    return transform(
        tmp_path_factory.mktemp("transformed_plainly"),
        [
            {"text": [text.encode()], "label": [label], "source": [b"diary"], "weight": [0.5]}
            for label, text in enumerate(texts)
        ],
        {
            "text": tf.io.FixedLenFeature([1], tf.string),
            "label": tf.io.FixedLenFeature([1], tf.int64),
            "source": tf.io.FixedLenFeature([1], tf.string),
            "weight": tf.io.FixedLenFeature([1], tf.float32),
        },
        FeatureOptions(off, VocabularyOptions(min_count=2, glove_words=0), max_tokens=4),
    )
