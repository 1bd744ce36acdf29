from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from emotion_tfx.features import glove
from emotion_tfx.features.preprocessing import STEM_IDS, SUBWORD_IDS, WORD_IDS
from emotion_tfx.features.vocabulary import FIRST_WORD_ID, UNKNOWN_ID
from emotion_tfx.model.hyperparameters import Hyperparameters
from emotion_tfx.model.network import LSTM, EmotionNetwork, initialise_embeddings

from .examples import dataset_of, vocabulary_of

WORDS = ["i", "feel", "so", "happy", "sad", "angry", "not", "today", "and", "here"]
TEXTS = [
    "sad",
    "i feel so happy today",
    "",
    "so so so so so angry and so sad here not happy",
    "not sad",
]
SMALL = Hyperparameters(
    units=8, word_dimensions=6, stem_dimensions=5, subword_dimensions=4, dense_units=7
)

Inputs = dict[str, np.ndarray]


def inputs_of(*texts: str) -> Inputs:
    return dataset_of(vocabulary_of(WORDS), texts).inputs(np.arange(len(texts)))


def network_of(
    hyperparameters: Hyperparameters = SMALL, features: tuple[str, ...] | None = None
) -> EmotionNetwork:
    """A network with random weights, biases included, large enough to make all inputs count."""
    keras.utils.set_random_seed(1)
    vocabulary = vocabulary_of(WORDS)
    network = (
        EmotionNetwork(hyperparameters, vocabulary, features)
        if features
        else EmotionNetwork(hyperparameters, vocabulary)
    )
    network(inputs_of("sad"))
    generator = np.random.default_rng(2)
    network.set_weights([generator.normal(0, 0.7, w.shape) for w in network.get_weights()])
    return network


def padded(inputs: Inputs, columns: int) -> Inputs:
    return {
        name: np.pad(ids, [(0, 0), (0, columns)] + [(0, 0)] * (ids.ndim - 2))
        for name, ids in inputs.items()
    }


@pytest.fixture(scope="module")
def network() -> EmotionNetwork:
    return network_of()


class TestLogits:
    def test_there_are_six_for_each_text_and_they_depend_on_it(self, network: EmotionNetwork):
        logits = network(inputs_of(*TEXTS)).numpy()
        assert (logits.shape, logits.dtype) == ((len(TEXTS), 6), np.float32)
        assert len(np.unique(logits.round(4), axis=0)) == len(TEXTS)

    @pytest.mark.parametrize("columns", [1, 2, 40])
    def test_padding_does_not_change_them(self, network: EmotionNetwork, columns: int):
        inputs = inputs_of(*TEXTS)
        np.testing.assert_allclose(
            network(padded(inputs, columns)), network(inputs), rtol=0, atol=1e-6
        )

    @pytest.mark.parametrize("text", TEXTS)
    def test_a_text_alone_has_those_it_has_beside_longer_ones(
        self, network: EmotionNetwork, text: str
    ):
        together = network(inputs_of(*TEXTS)).numpy()[TEXTS.index(text)]
        np.testing.assert_allclose(network(inputs_of(text))[0], together, rtol=0, atol=1e-6)

    def test_a_text_without_words_has_finite_ones(self, network: EmotionNetwork):
        logits = network(inputs_of("")).numpy()
        assert np.isfinite(logits).all()
        assert np.abs(logits).max() < 100

    def test_the_order_of_words_matters(self, network: EmotionNetwork):
        one, other = network(inputs_of("not sad happy", "happy sad not")).numpy()
        assert np.abs(one - other).max() > 1e-3

    @pytest.mark.parametrize("place", [0, 5, 11])
    def test_every_word_of_a_text_counts(self, network: EmotionNetwork, place: int):
        words = TEXTS[3].split()
        changed = [*words[:place], "feel", *words[place + 1 :]]
        one, other = network(inputs_of(" ".join(words), " ".join(changed))).numpy()
        assert np.abs(one - other).max() > 1e-4

    def test_they_are_the_same_each_time_unless_in_training(self, network: EmotionNetwork):
        inputs = inputs_of(*TEXTS)
        np.testing.assert_array_equal(network(inputs), network(inputs))
        assert np.abs(network(inputs, training=True) - network(inputs)).max() > 1e-3

    @pytest.mark.parametrize(
        "features", [(WORD_IDS,), (WORD_IDS, STEM_IDS), (WORD_IDS, SUBWORD_IDS)]
    )
    def test_only_the_features_given_are_used(self, features: tuple[str, ...]):
        network = network_of(features=features)
        assert tuple(network.embeddings) == features
        inputs = inputs_of(*TEXTS)
        used = {name: inputs[name] for name in features}
        np.testing.assert_array_equal(network(used), network(inputs))


def test_hidden_words_are_unknown_but_keep_their_sub_words():
    network = network_of(
        Hyperparameters(**{**SMALL.to_dict(), "word_dropout": 1.0, "dropout": 0.0})
    )
    inputs = inputs_of(*TEXTS)
    unknown = {
        name: ids if name == SUBWORD_IDS else np.where(ids == 0, 0, UNKNOWN_ID)
        for name, ids in inputs.items()
    }
    np.testing.assert_allclose(network(inputs, training=True), network(unknown), atol=1e-6)


class TestLstm:
    """The fused kernel against the equations written out, gates in the order of its weights."""

    STEPS, BATCH, FEATURES, UNITS = 7, 4, 5, 3

    @pytest.fixture
    def layer(self) -> LSTM:
        layer = LSTM(self.UNITS)
        layer.build((None, None, self.FEATURES))
        generator = np.random.default_rng(5)
        layer.set_weights([generator.normal(size=w.shape) for w in layer.get_weights()])
        return layer

    @pytest.fixture
    def inputs(self) -> np.ndarray:
        shape = (self.STEPS, self.BATCH, self.FEATURES)
        return np.random.default_rng(6).normal(size=shape).astype(np.float32)

    def test_the_outputs_are_those_of_a_plain_lstm(self, layer: LSTM, inputs: np.ndarray):
        def sigmoid(x: np.ndarray) -> np.ndarray:
            return 1 / (1 + np.exp(-x))

        kernel, recurrent_kernel, bias = layer.get_weights()
        h = c = np.zeros((self.BATCH, self.UNITS))
        expected = []
        for x in inputs:
            i, g, f, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=1)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            expected.append(h)
        np.testing.assert_allclose(layer(inputs), expected, atol=1e-6)

    def test_the_gradients_are_those_of_a_plain_loop(self, layer: LSTM, inputs: np.ndarray):
        """TensorFlow's ``BlockLSTMV2``, for one, has wrong ones on the CPU."""
        x = tf.constant(inputs)
        # A weight for each output, so that no error can cancel out.
        shape = (self.STEPS, self.BATCH, self.UNITS)
        weights = tf.constant(np.random.default_rng(7).normal(size=shape), tf.float32)

        def plain() -> tf.Tensor:
            h = c = tf.zeros([self.BATCH, self.UNITS])
            states = []
            for step in range(self.STEPS):
                gates = x[step] @ layer.kernel.value + h @ layer.recurrent_kernel.value
                i, g, f, o = tf.split(gates + layer.bias.value, 4, axis=1)
                c = tf.sigmoid(f) * c + tf.sigmoid(i) * tf.tanh(g)
                h = tf.sigmoid(o) * tf.tanh(c)
                states.append(h)
            return tf.stack(states)

        sources = [x, *(variable.value for variable in layer.trainable_variables)]
        found = []
        for outputs in (lambda: layer(x), plain):
            with tf.GradientTape() as tape:
                tape.watch(x)
                loss = tf.reduce_sum(outputs() * weights)
            found.append(tape.gradient(loss, sources))
        assert len(sources) == 4
        for fused, expected in zip(*found, strict=True):
            np.testing.assert_allclose(fused, expected, rtol=1e-4, atol=1e-5)

    def test_it_starts_by_remembering(self):
        layer = LSTM(self.UNITS)
        layer.build((None, None, self.FEATURES))
        kernel, recurrent_kernel, bias = layer.get_weights()
        _, _, forget, _ = np.split(bias, 4)
        assert forget.tolist() == [1.0] * self.UNITS
        assert bias.sum() == self.UNITS
        assert kernel.any()
        assert recurrent_kernel.any()


class TestInitialisation:
    VOCABULARY = vocabulary_of(
        ["happy", "happiness", "xyzzyqq", "😢", "sad"], ["happi", "happi", "xyzzyqq", "cri", "sad"]
    )

    def build(self, **sizes: int) -> EmotionNetwork:
        network = EmotionNetwork(Hyperparameters(units=4, **sizes), self.VOCABULARY)
        network(dataset_of(self.VOCABULARY, ["happy"]).inputs(np.arange(1)))
        return network

    def test_words_start_from_glove_and_stems_from_the_mean_of_their_words(self):
        network = self.build()
        before = {name: layer.get_weights()[0] for name, layer in network.embeddings.items()}
        initialise_embeddings(network, self.VOCABULARY)
        words, stems, subwords = (layer.get_weights()[0] for layer in network.embeddings.values())
        (happy, happiness, crying, sad), _ = glove.vectors(["happy", "happiness", "crying", "sad"])
        first = FIRST_WORD_ID
        np.testing.assert_allclose(
            words[[first, first + 1, first + 3, first + 4]], [happy, happiness, crying, sad]
        )
        expected = [(happy + happiness) / 2, crying, sad]
        np.testing.assert_allclose(stems[[first, first + 2, first + 3]], expected, rtol=1e-6)
        # Padding, unknown, and what GloVe lacks.
        for table, name in ((words, WORD_IDS), (stems, STEM_IDS)):
            unknown = first + (2 if name == WORD_IDS else 1)
            np.testing.assert_array_equal(table[[0, 1, unknown]], before[name][[0, 1, unknown]])
        np.testing.assert_array_equal(subwords, before[SUBWORD_IDS])

    def test_embeddings_of_another_size_keep_their_random_start(self):
        network = self.build(word_dimensions=10)
        before = network.embeddings[WORD_IDS].get_weights()[0]
        initialise_embeddings(network, self.VOCABULARY)
        np.testing.assert_array_equal(network.embeddings[WORD_IDS].get_weights()[0], before)
