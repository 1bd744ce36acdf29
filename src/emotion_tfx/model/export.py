"""The SavedModel: raw text in, calibrated probabilities, labels and reasons out, in one graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from emotion_tfx.features.preprocessing import (
    LABEL,
    SOURCE,
    SUBWORD_IDS,
    TEXT,
    TOKENS,
    WEIGHT,
    WORD_IDS,
)
from emotion_tfx.features.text import SUBWORDS
from emotion_tfx.features.vocabulary import UNKNOWN_ID
from emotion_tfx.labels import LABELS
from emotion_tfx.model.calibration import Calibration
from emotion_tfx.model.network import EmotionNetwork

#: Facts about the training, in the SavedModel's ``assets.extra``.
FACTS = "training.json"
_WARM_UP_TEXTS = ("i feel so happy today", "Why would they DO that?! I can't stand it any more :(")
_WARM_UP_SIZES = (1, 8, 64)


class ServedModel(tf.Module):
    """All that is exported: the Transform graph, the network, and its calibration.

    Args:
        transform_dir: The SavedModel that the Transform component wrote.
        network: The trained network.
        calibration: Fitted on validation.
    """

    def __init__(
        self, transform_dir: str, network: EmotionNetwork, calibration: Calibration
    ) -> None:
        super().__init__()
        self._transform = tf.saved_model.load(transform_dir)
        self._features = network.features
        self._calibration = calibration
        # Plain variables, and the network behind a function, so that no Keras object is tracked:
        # a session (TensorFlow Serving's way of loading) does not find Keras 3's variables.
        self._weights = [tf.Variable(weight.numpy()) for weight in network.trainable_variables]
        seeds = [tf.constant(seed.numpy()) for seed in network.non_trainable_variables]
        self._logits = lambda inputs: network.stateless_call(self._weights, seeds, inputs)[0]

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """The exported functions by name; see the module's functions for their contracts."""
        strings = tf.TensorSpec([None], tf.string)
        functions = {
            "serving_default": (self._serve_examples, "examples"),
            "classify_text": (self._classify_text, "text"),
            "explain_text": (self._explain_text, "text"),
            "transform_features": (self._transform_examples, "examples"),
        }
        return {
            name: tf.function(function).get_concrete_function(
                tf.TensorSpec(strings.shape, strings.dtype, name=argument)
            )
            for name, (function, argument) in functions.items()
        }

    def _serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized tf.Example with the bytes feature ``text``, string [N], to float32 [N, 6]."""
        return {"probabilities": self._probabilities(self._prepare(_texts(examples)))}

    def _classify_text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Raw text, string [N], to answers."""
        features = self._prepare(text)
        probabilities = self._probabilities(features)
        confidence = tf.reduce_max(probabilities, axis=1)
        any_known = tf.reduce_any(features[WORD_IDS] > UNKNOWN_ID, axis=1)
        names = tf.constant(LABELS)
        return {
            "label": tf.gather(names, tf.argmax(probabilities, axis=1)),
            "confidence": confidence,
            "probabilities": probabilities,
            "labels": tf.tile(names[tf.newaxis], [tf.shape(text)[0], 1]),
            "is_uncertain": (confidence < self._calibration.uncertain_below) | ~any_known,
        }

    def _explain_text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Raw text, string [N], to tokens, string [N, longest], and their contributions.

        A token's contribution is by how much the probability of the predicted class falls when the
        token is left out (Li, Monroe, Jurafsky, Understanding Neural Networks through
        Representation Erasure, 2016). Short rows are filled up with "" and 0.
        """
        features = self._prepare(text)
        probabilities = self._probabilities(features)
        predicted = tf.argmax(probabilities, axis=1)
        fed = {name: features[name] for name in self._features}
        without = tf.map_fn(
            self._probabilities_without_each,
            fed,
            fn_output_signature=tf.TensorSpec([None, len(LABELS)], tf.float32),
        )
        left = tf.gather(without, predicted, axis=2, batch_dims=1)
        lost = tf.gather(probabilities, predicted, axis=1, batch_dims=1)[:, tf.newaxis] - left
        used = features[TOKENS] != ""
        return {
            "tokens": features[TOKENS],
            "contributions": tf.where(used, lost, 0.0),
            "label": tf.gather(tf.constant(LABELS), predicted),
        }

    def _transform_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized tf.Example, string [N], to what the network is fed."""
        features = self._prepare(_texts(examples))
        return {name: features[name] for name in self._features}

    def _prepare(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        size = tf.shape(text)[0]
        # The Transform graph takes whole rows of a corpus; only their text is used here.
        sparse = self._transform.transform_fn(
            {
                TEXT: text[:, tf.newaxis],
                LABEL: tf.zeros([size, 1], tf.int64),
                SOURCE: tf.fill([size, 1], ""),
                WEIGHT: tf.ones([size, 1], tf.float32),
            }
        )
        # At least one column, for the pooling of a text without tokens.
        longest = tf.maximum(sparse[WORD_IDS].dense_shape[1], 1)
        rows = tf.cast(size, tf.int64)
        dense = {
            name: _densify(sparse[name], rows, longest, "" if name == TOKENS else 0)
            for name in (*self._features, TOKENS)
            if name != SUBWORD_IDS
        }
        if SUBWORD_IDS in self._features:
            kinds = len(SUBWORDS)
            flat = _densify(sparse[SUBWORD_IDS], rows, longest * kinds, 0)
            dense[SUBWORD_IDS] = tf.reshape(flat, [rows, longest, kinds])
        return dense

    def _probabilities(self, features: Mapping[str, tf.Tensor]) -> tf.Tensor:
        fed = {name: features[name] for name in self._features}
        return tf.nn.softmax(self._logits(fed) / self._calibration.temperature)

    def _probabilities_without_each(self, features: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """One text's ids [longest, ...] to probabilities float32 [longest, 6], each token out."""
        longest = tf.shape(features[WORD_IDS])[0]
        others = tf.range(longest - 1)
        kept = others + tf.cast(others >= tf.range(longest)[:, tf.newaxis], tf.int32)
        shorter = {name: tf.gather(ids, kept) for name, ids in features.items()}
        # A column of padding keeps a text of a single token from having none.
        padded = {
            name: tf.pad(ids, [[0, 0], [0, 1]] + [[0, 0]] * (len(ids.shape) - 2))
            for name, ids in shorter.items()
        }
        return self._probabilities(padded)


def _texts(examples: tf.Tensor) -> tf.Tensor:
    spec = {TEXT: tf.io.FixedLenFeature([], tf.string)}
    return tf.io.parse_example(examples, spec)[TEXT]


def _densify(
    values: tf.SparseTensor, rows: tf.Tensor, columns: tf.Tensor, default: str | int
) -> tf.Tensor:
    shaped = tf.SparseTensor(values.indices, values.values, tf.stack([rows, columns]))
    return tf.sparse.to_dense(shaped, default_value=default)


def export(
    folder: str,
    transform_dir: str,
    network: EmotionNetwork,
    calibration: Calibration,
    facts: Mapping[str, Any],
) -> None:
    """Writes the SavedModel with its warm-up requests and the facts of its training.

    Args:
        folder: Where to; made if need be.
        transform_dir: The SavedModel that the Transform component wrote.
        network: The trained network.
        calibration: Fitted on validation.
        facts: JSON-able, kept in ``assets.extra/training.json``.
    """
    module = ServedModel(transform_dir, network, calibration)
    tf.saved_model.save(module, folder, signatures=module.signatures())
    extra = Path(folder) / "assets.extra"
    extra.mkdir(exist_ok=True)
    (extra / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    _write_warm_up(extra / "tf_serving_warmup_requests")


def _write_warm_up(path: Path) -> None:
    """Requests that the server plays before a version takes over, in several batch sizes."""
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    def example(text: str) -> bytes:
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text.encode()]))
        return tf.train.Example(
            features=tf.train.Features(feature={TEXT: feature})
        ).SerializeToString()

    with tf.io.TFRecordWriter(str(path)) as writer:
        for size in _WARM_UP_SIZES:
            texts = [_WARM_UP_TEXTS[index % len(_WARM_UP_TEXTS)] for index in range(size)]
            for signature, name, values in (
                ("serving_default", "examples", [example(text) for text in texts]),
                ("classify_text", "text", texts),
            ):
                request = predict_pb2.PredictRequest()
                request.model_spec.signature_name = signature
                request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
                log = prediction_log_pb2.PredictionLog(
                    predict_log=prediction_log_pb2.PredictLog(request=request)
                )
                writer.write(log.SerializeToString())
