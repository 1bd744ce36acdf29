"""The SavedModel: raw text in, calibrated probabilities, labels and reasons out, in one graph."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from emotion_tfx.features import lexicon
from emotion_tfx.features.ids import UNKNOWN_ID
from emotion_tfx.features.preprocessing import (
    SUBWORD_IDS,
    TEXT,
    TOKENS,
    WORD_IDS,
    FeatureOptions,
    Tables,
    look_up,
)
from emotion_tfx.features.text import SUBWORDS, tokenize
from emotion_tfx.features.vocabulary import ASSET
from emotion_tfx.labels import LABELS
from emotion_tfx.model.calibration import Calibration, calibrated
from emotion_tfx.model.locate import FACTS
from emotion_tfx.model.network import POSITIONS, EmotionNetwork

#: Tokens that are marks or stand-ins: a text of these alone holds no word.
_NO_WORD = "[,!?]|" + "|".join((lexicon.URL_TOKEN, lexicon.USER_TOKEN, lexicon.NUMBER_TOKEN))
_WARM_UP_TEXTS = ("i feel so happy today", "Why would they DO that?! I can't stand it any more :(")
_WARM_UP_SIZES = (1, 8, 64)
_STRINGS = tf.TensorSpec([None], tf.string)


class ServedModel(tf.Module):
    """All that is exported: the text preparation, the network, and its calibration.

    The preparation consists of the functions that Transform ran, over the vocabulary that it built,
    and not of Transform's own graph: that one fills its tables in each call, which reads the
    vocabulary's file every time and needs it to stay where it was.

    Args:
        transform_dir: The SavedModel that the Transform component wrote.
        network: The trained network.
        calibration: Fitted on validation.
        options: The text preparation's choices, as Transform had them.
    """

    def __init__(
        self,
        transform_dir: str,
        network: EmotionNetwork,
        calibration: Calibration,
        options: FeatureOptions,
    ) -> None:
        super().__init__()
        self._tables = Tables(str(Path(transform_dir) / "assets" / ASSET))
        self._options = options
        self._features = network.features
        self._calibration = calibration
        # Plain variables, and the network behind a function, so that no Keras object is tracked:
        # a session (TensorFlow Serving's way of loading) does not find Keras 3's variables.
        self._weights = [tf.Variable(weight.numpy()) for weight in network.trainable_variables]
        seeds = [tf.constant(seed.numpy()) for seed in network.non_trainable_variables]
        self._logits = lambda inputs: network.stateless_call(self._weights, seeds, inputs)[0]
        # One function each for all signatures, which would hold a map of all characters and a table
        # of all words apiece otherwise. Behind plain ones, so that they are not exported as well.
        prepare = tf.function(self._prepare_text).get_concrete_function(_STRINGS)
        answer = tf.function(self._answer).get_concrete_function(self._input_specs())
        self._prepare = lambda text: prepare(text)
        self._probabilities = lambda inputs: answer(inputs)

    def signatures(self) -> dict[str, tf.types.experimental.ConcreteFunction]:
        """The exported functions by name; see the module's functions for their contracts."""
        functions = {
            "serving_default": (self._serve_examples, "examples"),
            "classify_text": (self._classify_text, "text"),
            "explain_text": (self._explain_text, "text"),
            "transform_features": (self._transform_examples, "examples"),
        }
        return {
            name: tf.function(function).get_concrete_function(
                tf.TensorSpec(_STRINGS.shape, _STRINGS.dtype, name=argument)
            )
            for name, (function, argument) in functions.items()
        }

    def _serve_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized tf.Example with the bytes feature ``text``, string [N], to float32 [N, 6]."""
        return {"probabilities": self._probabilities(self._inputs(self._prepare(_texts(examples))))}

    def _classify_text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Raw text, string [N], to answers."""
        prepared = self._prepare(text)
        probabilities = self._probabilities(self._inputs(prepared))
        confidence = tf.reduce_max(probabilities, axis=1)
        words = prepared[WORD_IDS]
        telling = ~tf.strings.regex_full_match(prepared[TOKENS].values, _NO_WORD)
        known = tf.math.unsorted_segment_sum(
            tf.cast(telling & (words.values > UNKNOWN_ID), tf.int32),
            words.indices[:, 0],
            tf.shape(text)[0],
        )
        names = tf.constant(LABELS)
        return {
            "label": tf.gather(names, tf.argmax(probabilities, axis=1)),
            "confidence": confidence,
            "probabilities": probabilities,
            "labels": tf.tile(names[tf.newaxis], [tf.shape(text)[0], 1]),
            "is_uncertain": (confidence < self._calibration.uncertain_below) | (known == 0),
        }

    def _explain_text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Raw text, string [N], to tokens, string [N, longest], and their contributions.

        A token's contribution is by how much the probability of the predicted class falls when the
        token is left out (Li, Monroe, Jurafsky, Understanding Neural Networks through
        Representation Erasure, 2016). Short rows are filled up with "" and 0.
        """
        prepared = self._prepare(text)
        inputs = self._inputs(prepared)
        probabilities = self._probabilities(inputs)
        predicted = tf.argmax(probabilities, axis=1)
        ids = {name: inputs[name] for name in self._features}
        without = tf.map_fn(
            lambda positions: self._probabilities_without_each(ids, positions),
            tf.transpose(inputs[POSITIONS]),
            fn_output_signature=tf.TensorSpec([None, len(LABELS)], tf.float32),
        )
        left = tf.gather(without, predicted, axis=2, batch_dims=1)
        lost = tf.gather(probabilities, predicted, axis=1, batch_dims=1)[:, tf.newaxis] - left
        tokens = _densify(prepared[TOKENS], "")
        return {
            "tokens": tokens,
            "contributions": tf.where(tokens == "", 0.0, lost),
            "label": tf.gather(tf.constant(LABELS), predicted),
        }

    def _transform_examples(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        """Serialized tf.Example, string [N], to the ids of its tokens, filled up with 0.

        int64 [N, longest], for sub-words int64 [N, longest, kinds].
        """
        prepared = self._prepare(_texts(examples))
        dense = {name: _densify(prepared[name], 0) for name in self._features}
        if SUBWORD_IDS in dense:
            ids = dense[SUBWORD_IDS]
            shape = [tf.shape(ids)[0], tf.shape(ids)[1] // len(SUBWORDS), len(SUBWORDS)]
            dense[SUBWORD_IDS] = tf.reshape(ids, shape)
        return dense

    def _prepare_text(self, text: tf.Tensor) -> dict[str, tf.SparseTensor]:
        """The prepared features of texts, sparse [N, longest], at least one column."""
        size = tf.shape(text)[0]
        prepared = look_up(tokenize(text, self._options.steps), self._tables, self._options)
        longest = tf.maximum(prepared[WORD_IDS].dense_shape[1], 1)
        return {
            name: tf.SparseTensor(
                prepared[name].indices,
                prepared[name].values,
                tf.stack([tf.cast(size, tf.int64), longest * _values_per_token(name)]),
            )
            for name in (*self._features, TOKENS)
        }

    def _inputs(self, prepared: Mapping[str, tf.SparseTensor]) -> dict[str, tf.Tensor]:
        """What the network is fed; each token of the texts counts as a distinct one."""
        inputs = {name: prepared[name].values for name in self._features}
        if SUBWORD_IDS in inputs:
            inputs[SUBWORD_IDS] = tf.reshape(inputs[SUBWORD_IDS], [-1, len(SUBWORDS)])
        words = prepared[WORD_IDS]
        numbers = tf.range(1, tf.size(words.values) + 1)
        row, time = tf.unstack(words.indices, axis=1)
        shape = tf.reverse(words.dense_shape, [0])
        return inputs | {POSITIONS: tf.scatter_nd(tf.stack([time, row], axis=1), numbers, shape)}

    def _input_specs(self) -> dict[str, tf.TensorSpec]:
        shapes: dict[str, list[int | None]] = {name: [None] for name in self._features}
        shapes[POSITIONS] = [None, None]
        if SUBWORD_IDS in shapes:
            shapes[SUBWORD_IDS] = [None, len(SUBWORDS)]
        return {
            name: tf.TensorSpec(shape, tf.int32 if name == POSITIONS else tf.int64, name=name)
            for name, shape in shapes.items()
        }

    def _answer(self, inputs: Mapping[str, tf.Tensor]) -> tf.Tensor:
        return tf.nn.softmax(calibrated(self._logits(dict(inputs)), self._calibration))

    def _probabilities_without_each(
        self, ids: Mapping[str, tf.Tensor], positions: tf.Tensor
    ) -> tf.Tensor:
        """One text's positions int32 [longest] to probabilities float32 [longest, 6].

        Row by row the token at that place is left out.
        """
        longest = tf.size(positions)
        own = positions[positions > 0] - 1
        others = tf.range(longest - 1)[:, tf.newaxis]
        kept = others + tf.cast(others >= tf.range(longest), tf.int32)
        numbers = tf.range(1, longest + 1)
        shorter = tf.gather(tf.where(numbers <= tf.size(own), numbers, 0), kept)
        # A row of padding keeps a text of a single token from having none.
        return self._probabilities(
            {name: tf.gather(values, own) for name, values in ids.items()}
            | {POSITIONS: tf.pad(shorter, [[0, 1], [0, 0]])}
        )


def _texts(examples: tf.Tensor) -> tf.Tensor:
    spec = {TEXT: tf.io.FixedLenFeature([], tf.string)}
    return tf.io.parse_example(examples, spec)[TEXT]


def _values_per_token(name: str) -> int:
    return len(SUBWORDS) if name == SUBWORD_IDS else 1


def _densify(values: tf.SparseTensor, default: str | int) -> tf.Tensor:
    return tf.sparse.to_dense(values, default_value=default)


def export(
    folder: str,
    transform_dir: str,
    network: EmotionNetwork,
    calibration: Calibration,
    facts: Mapping[str, Any],
    options: FeatureOptions | None = None,
) -> None:
    """Writes the SavedModel with its warm-up requests and the facts of its training.

    Args:
        folder: Where to; made if need be.
        transform_dir: The SavedModel that the Transform component wrote.
        network: The trained network.
        calibration: Fitted on validation.
        facts: JSON-able, kept in ``assets.extra/training.json``.
        options: The text preparation's choices, as Transform had them; by default the defaults.
    """
    module = ServedModel(transform_dir, network, calibration, options or FeatureOptions())
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
