"""The recurrent network: token ids to logits."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from emotion_tfx.features import glove
from emotion_tfx.features.ids import FIRST_WORD_ID, UNKNOWN_ID
from emotion_tfx.features.preprocessing import STEM_IDS, SUBWORD_BUCKETS, SUBWORD_IDS, WORD_IDS
from emotion_tfx.features.text import SUBWORDS
from emotion_tfx.features.vocabulary import Vocabulary
from emotion_tfx.labels import LABELS
from emotion_tfx.model import negation, recurrence
from emotion_tfx.model.hyperparameters import Hyperparameters

#: What the network is fed beside the ids of the tokens.
POSITIONS = "positions"


class EmotionNetwork(keras.Model):
    """Embeddings, a bidirectional recurrent layer, attention and max pooling, and a dense layer.

    A token's vector is that of its word, of its stem and of its sub-words side by side. Which of
    the three there are follows from the features given.

    The recurrent layer is a gated one whose gates read the token alone, not the state before it:
    ``h[t] = f[t] * h[t-1] + (1 - f[t]) * tanh(c[t])``, its output ``o[t] * h[t]``. So embedding and
    gates, nearly all of the work, are computed once for each distinct token of a batch, and what
    is left for each step is one product and one sum. The output gate alone also reads the states of
    both directions, through a narrow layer: what stands before a "but" can be closed by what
    follows it.

    Reading tokens alone, the gates could not tell ``happy`` from ``not happy``. So they have two
    further readings of each token for where it stands under a negation: for after a form of "feel",
    and for elsewhere (see :func:`negation.readings`).

    Sources: Bradbury et al., Quasi-Recurrent Neural Networks, ICLR 2017; Lei et al., Simple
    Recurrent Units for Highly Parallelizable Recurrence, EMNLP 2018; Feng et al., Were RNNs All We
    Needed?, 2024.

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
        for layer in self.embeddings.values():
            layer.build()
        self.input_dropout = keras.layers.Dropout(hyperparameters.dropout)
        self.gates = keras.layers.Dense(
            _GATES * 2 * hyperparameters.units, bias_initializer=_remembering
        )
        self.negated_gates = [
            keras.layers.Dense(_GATES * 2 * hyperparameters.units, kernel_initializer="zeros")
            for _ in range(negation.READINGS - 1)
        ]
        self.narrow = keras.layers.Dense(_NARROW, use_bias=False)
        self.widen = keras.layers.Dense(
            2 * hyperparameters.units, use_bias=False, kernel_initializer="zeros"
        )
        self._roles = negation.roles(vocabulary)
        self.attention = keras.layers.Dense(1, use_bias=False)
        self.output_dropout = keras.layers.Dropout(hyperparameters.dropout)
        self.dense = keras.layers.Dense(hyperparameters.dense_units, activation="relu")
        self.logits = keras.layers.Dense(len(LABELS))

    def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
        """Tokens and where they stand to logits.

        Args:
            inputs: Word and stem ids int [tokens] and sub-word ids int [tokens, kinds] of the
                tokens of all texts, and ``POSITIONS`` int [time, N]: which token stands there,
                counted from 1; 0 after the end of a text.
            training: Whether dropout is on.

        Returns:
            float32 [N, 6].
        """
        positions = inputs[POSITIONS]
        reading = self._reading(inputs[WORD_IDS], positions)
        if training and self.word_dropout:
            inputs = self._hide_words(inputs)
        vectors = self.input_dropout(self.embed(inputs), training=training)
        gates, readings = self._read(vectors, positions, reading)
        states = self._encode(gates, readings, training)
        return self._classify(states, tf.not_equal(positions, 0), training)

    def _reading(self, word_ids: tf.Tensor, positions: tf.Tensor) -> tf.Tensor:
        """How the token at each place is to be read, int [time, N]; 0 where there is none."""
        roles = tf.pad(tf.gather(self._roles, word_ids), [[1, 0]])
        there = tf.cast(tf.not_equal(positions, 0), tf.int32)
        return negation.readings(tf.gather(roles, positions)) * there

    def _read(
        self, vectors: tf.Tensor, positions: tf.Tensor, reading: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Gates of all tokens, and once more of those that a negation turns, as it turns them.

        Returns:
            Gates float32 [tokens and turned ones, gates]; int [time, N]: which of them stands
            there, counted from 1; 0 after the end of a text.
        """
        gates = [self.gates(vectors)]
        count = tf.shape(vectors)[0]
        for kind, change in enumerate(self.negated_gates, 1):
            places = tf.where(tf.equal(reading, kind))
            tokens, which = tf.unique(tf.gather_nd(positions, places) - 1)
            turned = tf.gather(gates[0], tokens) + change(tf.gather(vectors, tokens))
            gates.append(turned)
            which = tf.cast(which + count + 1, positions.dtype)
            positions = tf.tensor_scatter_nd_update(positions, places, which)
            count += tf.size(tokens)
        return tf.concat(gates, axis=0), positions

    def embed(self, inputs: dict[str, tf.Tensor]) -> tf.Tensor:
        """Ids to vectors, float32 [tokens, features]."""
        vectors = []
        for name, layer in self.embeddings.items():
            # From TensorFlow's own variable: Keras would copy the whole table first.
            vector = tf.gather(layer.embeddings.value, inputs[name])
            vectors.append(tf.reduce_mean(vector, axis=1) if name == SUBWORD_IDS else vector)
        return tf.concat(vectors, axis=-1)

    def _hide_words(self, inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        hidden = tf.random.uniform(tf.shape(inputs[WORD_IDS])) < self.word_dropout
        return {
            name: tf.where(hidden, UNKNOWN_ID, ids) if name in (WORD_IDS, STEM_IDS) else ids
            for name, ids in inputs.items()
        }

    def _encode(self, gates: tf.Tensor, positions: tf.Tensor, training: bool) -> tf.Tensor:
        """Gates of the readings, float32 [readings of tokens, gates], to states.

        Returns:
            float32 [time, N, 2 units].
        """
        candidate, forget, output = tf.split(gates, _GATES, axis=-1)
        keep = tf.sigmoid(forget)
        # Where no token stands, nothing is kept and nothing added: the walk from behind begins at
        # a text's own last token.
        keep, new, output = (
            tf.pad(each, [[1, 0], [0, 0]])
            for each in (keep, (1.0 - keep) * tf.tanh(candidate), output)
        )
        if training:
            halves = zip(tf.split(keep, 2, axis=-1), tf.split(new, 2, axis=-1), strict=True)
            states = [
                recurrence.step_by_step(
                    tf.gather(keep, positions), tf.gather(new, positions), reverse=reverse
                )
                for (keep, new), reverse in zip(halves, (False, True), strict=True)
            ]
        else:
            both = recurrence.by_doubling(
                *(_second_half_reversed(tf.gather(each, positions)) for each in (keep, new))
            )
            states = [_second_half_reversed(both)]
        joined = tf.concat(states, axis=-1)
        opened = tf.gather(output, positions) + self.widen(self.narrow(joined))
        return joined * tf.sigmoid(opened)

    def _classify(self, states: tf.Tensor, mask: tf.Tensor, training: bool) -> tf.Tensor:
        excluded = tf.where(mask, 0.0, -1e9)
        weights = tf.nn.softmax(tf.squeeze(self.attention(states), -1) + excluded, axis=0)
        attended = tf.reduce_sum(weights[..., tf.newaxis] * states, axis=0)
        highest = tf.reduce_max(states + excluded[..., tf.newaxis], axis=0)
        # A text without tokens has nothing to pool: zeros, rather than the -1e9 of the mask.
        any_token = tf.cast(tf.reduce_any(mask, axis=0), tf.float32)[:, tf.newaxis]
        pooled = tf.concat([attended, highest], axis=-1) * any_token
        hidden = self.dense(self.output_dropout(pooled, training=training))
        return self.logits(self.output_dropout(hidden, training=training))


_GATES = 3
#: Width at which the output gate reads the states; full width trains no better.
_NARROW = 16


def _remembering(shape: tuple[int, ...], dtype: str) -> tf.Tensor:
    """A bias with which the forget gates, the middle third, start by remembering."""
    return tf.constant(np.repeat([0.0, 1.0, 0.0], shape[0] // _GATES), dtype)


def _second_half_reversed(values: tf.Tensor) -> tf.Tensor:
    """Turns the backward direction, the second half of the last axis, round in time."""
    forward, backward = tf.split(values, 2, axis=-1)
    return tf.concat([forward, tf.reverse(backward, [0])], axis=-1)


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
