"""The recurrent network: token ids to logits."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from emotion_tfx.features import glove
from emotion_tfx.features.preprocessing import STEM_IDS, SUBWORD_BUCKETS, SUBWORD_IDS, WORD_IDS
from emotion_tfx.features.text import SUBWORDS
from emotion_tfx.features.vocabulary import FIRST_WORD_ID, PADDING_ID, UNKNOWN_ID, Vocabulary
from emotion_tfx.labels import LABELS
from emotion_tfx.model.hyperparameters import Hyperparameters


class LSTM(keras.layers.Layer):
    """A long short-term memory over time-major inputs, run by one fused kernel.

    TensorFlow's ``BlockLSTM`` is a core op: a loop over time steps in C++ rather than in the graph,
    which is what makes single texts fast. Its successor ``BlockLSTMV2`` orders the gates otherwise,
    but its gradient on the CPU still takes them in the old order, and is wrong.

    Source: Hochreiter, Schmidhuber, Long Short-Term Memory, Neural Computation 9(8), 1997.
    """

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes the weights for inputs [time, N, features]."""
        features = int(input_shape[-1] or 0)
        # Gates stand in the kernel's order: input, cell, forget, output.
        self.kernel = self.add_weight(
            name="kernel", shape=(features, 4 * self.units), initializer="glorot_uniform"
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, 4 * self.units), initializer="orthogonal"
        )
        forget = np.repeat([0.0, 0.0, 1.0, 0.0], self.units)
        self.bias = self.add_weight(
            name="bias",
            shape=(4 * self.units,),
            initializer=lambda shape, dtype: tf.constant(forget, dtype),
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """float32 [time, N, features] to float32 [time, N, units]."""
        shape = tf.shape(inputs)
        zeros = tf.zeros([shape[1], self.units], inputs.dtype)
        unused = tf.zeros([self.units], inputs.dtype)
        weights = tf.concat(
            [tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.recurrent_kernel)], axis=0
        )
        return tf.raw_ops.BlockLSTM(
            seq_len_max=tf.cast(shape[0], tf.int64),
            x=inputs,
            cs_prev=zeros,
            h_prev=zeros,
            w=weights,
            wci=unused,
            wcf=unused,
            wco=unused,
            b=tf.convert_to_tensor(self.bias),
            forget_bias=0.0,  # part of ``b``
            cell_clip=-1.0,  # off
            use_peephole=False,
        ).h


class EmotionNetwork(keras.Model):
    """Embeddings, a bidirectional LSTM, attention and max pooling, a dense layer, logits.

    A token's vector is that of its word, of its stem and of its sub-words side by side. Which of
    the three there are follows from the features given.

    Args:
        hyperparameters: Sizes and rates.
        vocabulary: What the ids mean; decides how many there are.
        features: Names of the prepared features that are fed.
    """

    def __init__(
        self,
        hyperparameters: Hyperparameters,
        vocabulary: Vocabulary,
        features: tuple[str, ...] = (WORD_IDS, STEM_IDS, SUBWORD_IDS),
    ) -> None:
        super().__init__()
        self.features = features
        self.word_dropout = hyperparameters.word_dropout
        sizes = {
            WORD_IDS: (len(vocabulary.words) + FIRST_WORD_ID, hyperparameters.word_dimensions),
            STEM_IDS: (len(vocabulary.stems) + FIRST_WORD_ID, hyperparameters.stem_dimensions),
            SUBWORD_IDS: (len(SUBWORDS) * SUBWORD_BUCKETS, hyperparameters.subword_dimensions),
        }
        self.embeddings = {name: keras.layers.Embedding(*sizes[name]) for name in features}
        self.input_dropout = keras.layers.Dropout(hyperparameters.dropout)
        self.forward_lstm = LSTM(hyperparameters.units)
        self.backward_lstm = LSTM(hyperparameters.units)
        self.attention = keras.layers.Dense(1, use_bias=False)
        self.output_dropout = keras.layers.Dropout(hyperparameters.dropout)
        self.dense = keras.layers.Dense(hyperparameters.dense_units, activation="relu")
        self.logits = keras.layers.Dense(len(LABELS))

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Token ids to logits.

        Args:
            inputs: Word and stem ids int [N, longest], sub-word ids int [N, longest, kinds];
                padded with 0.
            training: Whether dropout is on.

        Returns:
            float32 [N, 6].
        """
        mask = tf.not_equal(inputs[WORD_IDS], PADDING_ID)
        if training and self.word_dropout:
            inputs = self._hide_words(inputs, mask)
        states = self._encode(self.embed(inputs), mask, training)
        return self._classify(states, mask, training)

    def embed(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Ids to vectors, float32 [N, longest, features]."""
        vectors = []
        for name, layer in self.embeddings.items():
            vector = layer(inputs[name])
            vectors.append(tf.reduce_mean(vector, axis=2) if name == SUBWORD_IDS else vector)
        return tf.concat(vectors, axis=-1)

    def _hide_words(self, inputs: dict[str, tf.Tensor], mask: tf.Tensor) -> dict[str, tf.Tensor]:
        hidden = mask & (tf.random.uniform(tf.shape(mask)) < self.word_dropout)
        return {
            name: ids if name == SUBWORD_IDS else tf.where(hidden, UNKNOWN_ID, ids)
            for name, ids in inputs.items()
        }

    def _encode(self, vectors: tf.Tensor, mask: tf.Tensor, training: bool) -> tf.Tensor:
        vectors = self.input_dropout(vectors, training=training)
        lengths = tf.reduce_sum(tf.cast(mask, tf.int32), axis=1)
        steps = tf.transpose(vectors, [1, 0, 2])
        # Each text is reversed within its own length, so padding never precedes a word.
        reverse = {"seq_lengths": lengths, "seq_axis": 0, "batch_axis": 1}
        forward = self.forward_lstm(steps)
        backward = tf.reverse_sequence(
            self.backward_lstm(tf.reverse_sequence(steps, **reverse)), **reverse
        )
        return tf.transpose(tf.concat([forward, backward], axis=-1), [1, 0, 2])

    def _classify(self, states: tf.Tensor, mask: tf.Tensor, training: bool) -> tf.Tensor:
        excluded = tf.where(mask, 0.0, -1e9)[..., tf.newaxis]
        weights = tf.nn.softmax(self.attention(tf.tanh(states)) + excluded, axis=1)
        # A text without tokens has nothing to pool: zeros, rather than the -1e9 of the mask.
        any_token = tf.cast(tf.reduce_any(mask, axis=1, keepdims=True), tf.float32)
        attended = tf.reduce_sum(weights * states, axis=1)
        highest = tf.reduce_max(
            tf.concat([states + excluded, tf.fill(tf.shape(states[:, :1]), -1.0)], axis=1), axis=1
        )
        pooled = tf.concat([attended, highest], axis=-1) * any_token
        hidden = self.dense(self.output_dropout(pooled, training=training))
        return self.logits(self.output_dropout(hidden, training=training))


def initialise_embeddings(network: EmotionNetwork, vocabulary: Vocabulary) -> None:
    """Starts words from their GloVe vectors, stems from the mean of their words' vectors.

    Words and stems that GloVe lacks, and embeddings of another size, keep their random start.
    """
    from emotion_tfx.features.lexicon import EMOJI_WORDS

    vectors, known = glove.vectors([EMOJI_WORDS.get(word, word) for word in vocabulary.words])
    _start(network, WORD_IDS, np.arange(len(known)) + FIRST_WORD_ID, vectors, known)
    _start(network, STEM_IDS, vocabulary.stem_ids, vectors, known)


def _start(
    network: EmotionNetwork, name: str, ids: np.ndarray, vectors: np.ndarray, known: np.ndarray
) -> None:
    layer = network.embeddings.get(name)
    if layer is None or layer.output_dim != vectors.shape[1]:
        return
    weights = layer.get_weights()[0]
    sums = np.zeros_like(weights)
    np.add.at(sums, ids[known], vectors[known])
    counts = np.bincount(ids[known], minlength=len(weights))
    found = counts > 0
    weights[found] = sums[found] / counts[found, None]
    layer.set_weights([weights])
