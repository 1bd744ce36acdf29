"""A SavedModel whose signatures show what a server does to its requests."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf


def _strings(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.string, name=name)


class ToyModel(tf.Module):
    """Answers with a text's length, with its own version, or with what it was given."""

    def __init__(self, version: int, vocabulary: Path) -> None:
        super().__init__()
        self.version = tf.Variable(version)
        self.calls = tf.Variable(0)
        initializer = tf.lookup.TextFileInitializer(
            str(vocabulary),
            tf.string,
            tf.lookup.TextFileIndex.WHOLE_LINE,
            tf.int64,
            tf.lookup.TextFileIndex.LINE_NUMBER,
        )
        self.words = tf.lookup.StaticHashTable(initializer, default_value=-1)

    def probabilities(self, text: tf.Tensor) -> tf.Tensor:
        """Certain of the class whose number is the text's length modulo 6: float32 [N, 6]."""
        return tf.one_hot(tf.strings.length(text) % 6, 6)

    @tf.function(input_signature=[_strings("examples")])
    def serving_default(self, examples: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.io.parse_example(examples, {"text": tf.io.FixedLenFeature([], tf.string)})
        return {"output_0": self.probabilities(features["text"])}

    @tf.function(input_signature=[_strings("text")])
    def classify_text(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = tf.shape(text)[0]
        return {
            "text": text,
            "raw_bytes": text,
            "word": self.words.lookup(text),
            "probabilities": self.probabilities(text),
            "version": tf.fill([rows], self.version),
            "batch": tf.fill([rows], rows),
        }

    @tf.function(input_signature=[tf.TensorSpec(None, tf.float32, name="x")])
    def half_plus_two(self, x: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"y": x * 0.5 + 2.0}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.int64, name="number"),
            tf.TensorSpec([None, 2], tf.float32, name="pair"),
        ]
    )
    def two_inputs(self, number: tf.Tensor, pair: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"number": number, "pair": pair}

    @tf.function(input_signature=[_strings("text")])
    def to_number(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """Refuses text that is not a number; tells also how many rows it saw."""
        return {
            "number": tf.strings.to_number(text),
            "batch": tf.fill([tf.shape(text)[0]], tf.shape(text)[0]),
        }

    @tf.function(input_signature=[tf.TensorSpec([None], tf.int32, name="steps")])
    def slow(self, steps: tf.Tensor) -> dict[str, tf.Tensor]:
        """Takes its time: some milliseconds a step."""
        matrix = tf.fill([400, 400], tf.cast(steps[0], tf.float32) * 1e-9)
        _, matrix = tf.while_loop(
            lambda i, _: i < steps[0], lambda i, m: (i + 1, tf.tanh(m @ m)), [0, matrix]
        )
        return {"steps": steps + tf.cast(matrix[0, 0] * 0.0, tf.int32)}

    @tf.function(input_signature=[_strings("text")])
    def count_calls(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"calls": tf.fill([tf.shape(text)[0]], self.calls.assign_add(1))}

    @tf.function(input_signature=[_strings("text")])
    def total(self, text: tf.Tensor) -> dict[str, tf.Tensor]:
        """One number for the whole batch."""
        return {"total": tf.reduce_sum(tf.strings.length(text))}

    @tf.function(input_signature=[_strings("inputs")])
    def classify(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """The text and its reverse as classes, with its length and the context as scores."""
        spec = {
            "text": tf.io.FixedLenFeature([], tf.string),
            "weight": tf.io.FixedLenFeature([], tf.float32, default_value=0.5),
        }
        features = tf.io.parse_example(inputs, spec)
        length = tf.cast(tf.strings.length(features["text"]), tf.float32)
        return {
            "classes": tf.stack([features["text"], features["text"] + "!"], axis=1),
            "scores": tf.stack([length, features["weight"]], axis=1),
        }

    @tf.function(input_signature=[_strings("inputs")])
    def regress(self, inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.io.parse_example(inputs, {"x": tf.io.FixedLenFeature([2], tf.float32)})
        return {"outputs": tf.reduce_sum(features["x"], axis=1, keepdims=True)}


#: Signatures that are made for another call than predict.
_METHODS = {
    "classify": "tensorflow/serving/classify",
    "regress": "tensorflow/serving/regress",
}


def _set_methods(file: Path) -> None:
    """Says for which call each signature is made, which TensorFlow 2 has no other way to say."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved_model = SavedModel.FromString(file.read_bytes())
    for name, method in _METHODS.items():
        saved_model.meta_graphs[0].signature_def[name].method_name = method
    file.write_bytes(saved_model.SerializeToString())


def save_toy_model(path: Path, version: int) -> None:
    """Saves the model; its vocabulary asset has the words "zero", "one", "two"."""
    vocabulary = path.parent / "vocabulary.txt"
    vocabulary.write_text("zero\none\ntwo\n")
    model = ToyModel(version, vocabulary)
    names = (
        "serving_default",
        "classify_text",
        "half_plus_two",
        "two_inputs",
        "to_number",
        "slow",
        "count_calls",
        "total",
        *_METHODS,
    )
    tf.saved_model.save(model, str(path), signatures={name: getattr(model, name) for name in names})
    _set_methods(path / "saved_model.pb")
    # The copy inside the SavedModel must do.
    vocabulary.unlink()
