from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from emotion_tfx.model.locate import newest_version, shipped_base
from emotion_tfx.serving.batching import Batcher
from emotion_tfx.serving.json_tensor import as_strings
from emotion_tfx.serving.metrics import ServingMetrics
from emotion_tfx.serving.model import LoadedModel, load_model
from emotion_tfx.serving.observer import TextObserver, standing_lines, version_lines
from emotion_tfx.serving.settings import Limits

SHIPPED = newest_version(shipped_base())
assert SHIPPED is not None


@pytest.fixture(scope="module")
def model() -> Iterator[LoadedModel]:
    loaded = load_model(SHIPPED, 1)
    yield loaded
    loaded.close()


def counted(model: LoadedModel, signature: str, *values: bytes) -> str:
    metrics = ServingMetrics()
    queue = Batcher(model, "m", Limits(), metrics, TextObserver(model, "m", metrics, SHIPPED))
    known = model.signature(signature)
    (name,) = known.inputs
    queue.submit(known, {name: as_strings(values)}).result(60)
    queue.close()
    return metrics.text()


def example(text: bytes) -> bytes:
    import tensorflow as tf

    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
    features = tf.train.Features(feature={"text": feature})
    return tf.train.Example(features=features).SerializeToString()


TEXTS = (b"i feel so happy today", b"i am so angry with you", "xqzt qqqq žžžž".encode())


def test_texts_are_counted_by_class_confidence_doubt_words_and_length(model: LoadedModel):
    page = counted(model, "classify_text", *TEXTS)
    assert 'emotion_predictions_total{model_name="m",label="joy"} ' in page
    assert 'emotion_predictions_total{model_name="m",label="anger"} ' in page
    assert 'emotion_confidence_count{model_name="m"} 3\n' in page
    assert 'emotion_judged_texts_total{model_name="m",uncertain="true"} 1\n' in page
    assert 'emotion_judged_texts_total{model_name="m",uncertain="false"} 2\n' in page
    lengths = sum(len(text.decode()) for text in TEXTS)
    assert f'emotion_text_characters_sum{{model_name="m"}} {lengths}\n' in page
    assert 'emotion_sampled_words_total{model_name="m",known="true"} 1' in page
    assert 'emotion_sampled_words_total{model_name="m",known="false"} ' in page


def test_serialized_examples_are_counted_by_their_text(model: LoadedModel):
    page = counted(model, "serving_default", *map(example, TEXTS))
    assert 'emotion_confidence_count{model_name="m"} 3\n' in page
    lengths = sum(len(text.decode()) for text in TEXTS)
    assert f'emotion_text_characters_sum{{model_name="m"}} {lengths}\n' in page
    assert 'emotion_judged_texts_total{model_name="m",uncertain="true"} 0\n' in page
    assert 'emotion_judged_texts_total{model_name="m",uncertain="false"} 0\n' in page


def test_nothing_is_counted_of_calls_that_classify_nothing(model: LoadedModel):
    assert "emotion_confidence_count" not in counted(model, "explain_text", *TEXTS)


def test_every_answer_is_counted_from_zero_on(model: LoadedModel):
    metrics = ServingMetrics()
    TextObserver(model, "m", metrics, SHIPPED)
    page = metrics.text()
    for label in ("sadness", "joy", "love", "anger", "fear", "surprise"):
        assert f'emotion_predictions_total{{model_name="m",label="{label}"}} 0\n' in page
    assert 'emotion_judged_texts_total{model_name="m",uncertain="true"} 0\n' in page
    assert 'emotion_sampled_words_total{model_name="m",known="false"} 0\n' in page


def test_versions_and_their_age():
    lines = list(version_lines([("m", 4, 0.0), ("m", 3, 1e12)]))
    assert 'emotion_model_version{model_name="m"} 4' in lines
    assert 'emotion_model_age_seconds{model_name="m",version="3"} 0' in lines
    (age,) = [
        line
        for line in lines
        if line.startswith('emotion_model_age_seconds{model_name="m",version="4"}')
    ]
    assert int(np.float64(age.split()[1])) > 1e9


def test_a_model_without_a_version_is_told_of_too():
    assert list(standing_lines([("m", 2, 0), ("n", 0, 1)])) == [
        "# TYPE emotion_ready_versions gauge",
        'emotion_ready_versions{model_name="m"} 2',
        'emotion_ready_versions{model_name="n"} 0',
        "# TYPE emotion_failing_versions gauge",
        'emotion_failing_versions{model_name="m"} 0',
        'emotion_failing_versions{model_name="n"} 1',
    ]
