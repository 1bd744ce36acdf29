from __future__ import annotations

import keras
import numpy as np
import pytest

from emotion_tfx.features import glove
from emotion_tfx.features.ids import FIRST_WORD_ID, UNKNOWN_ID
from emotion_tfx.features.preprocessing import STEM_IDS, SUBWORD_IDS, WORD_IDS
from emotion_tfx.model.hyperparameters import Hyperparameters
from emotion_tfx.model.network import POSITIONS, EmotionNetwork, initialise_embeddings

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


def padded(inputs: Inputs, steps: int) -> Inputs:
    return {**inputs, POSITIONS: np.pad(inputs[POSITIONS], [(0, steps), (0, 0)])}


@pytest.fixture(scope="module")
def network() -> EmotionNetwork:
    return network_of()


class TestLogits:
    def test_there_are_six_for_each_text_and_they_depend_on_it(self, network: EmotionNetwork):
        logits = network(inputs_of(*TEXTS)).numpy()
        assert (logits.shape, logits.dtype) == ((len(TEXTS), 6), np.float32)
        assert len(np.unique(logits.round(4), axis=0)) == len(TEXTS)

    @pytest.mark.parametrize("steps", [1, 2, 40])
    def test_padding_does_not_change_them(self, network: EmotionNetwork, steps: int):
        inputs = inputs_of(*TEXTS)
        np.testing.assert_allclose(
            network(padded(inputs, steps)), network(inputs), rtol=0, atol=1e-6
        )

    @pytest.mark.parametrize("text", TEXTS)
    def test_a_text_alone_has_those_it_has_beside_longer_ones(
        self, network: EmotionNetwork, text: str
    ):
        together = network(inputs_of(*TEXTS)).numpy()[TEXTS.index(text)]
        np.testing.assert_allclose(network(inputs_of(text))[0], together, rtol=0, atol=1e-6)

    def test_the_output_gate_reads_the_states(self):
        network = network_of()
        inputs = inputs_of("happy and sad")
        before = network(inputs).numpy()
        network.widen.set_weights([np.zeros_like(each) for each in network.widen.get_weights()])
        assert np.abs(network(inputs).numpy() - before).max() > 1e-3

    def test_a_text_without_words_has_finite_ones(self, network: EmotionNetwork):
        logits = network(inputs_of("")).numpy()
        assert np.isfinite(logits).all()
        assert np.abs(logits).max() < 100

    def test_the_order_of_words_matters(self, network: EmotionNetwork):
        one, other = network(inputs_of("not sad happy", "happy sad not")).numpy()
        assert np.abs(one - other).max() > 1e-3

    def test_a_word_under_a_negation_is_read_another_way(self):
        """Else the gates, which read a word alone, could not tell the two."""
        network = network_of()
        inputs = inputs_of("so happy", "not happy", "feel not happy")
        before = network(inputs).numpy()
        for reading, layer in enumerate(network.negated_gates, 1):
            layer.set_weights([np.zeros_like(each) for each in layer.get_weights()])
            after = network(inputs).numpy()
            assert np.abs(after[reading] - before[reading]).max() > 1e-2
            others = [each for each in range(3) if each != reading]
            np.testing.assert_array_equal(after[others], before[others])
            before = after

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
        used = {name: inputs[name] for name in (*features, POSITIONS)}
        np.testing.assert_array_equal(network(used), network(inputs))


def test_hidden_words_are_unknown_but_keep_their_sub_words():
    network = network_of(
        Hyperparameters(**{**SMALL.to_dict(), "word_dropout": 1.0, "dropout": 0.0})
    )
    inputs = inputs_of(*TEXTS[:3])  # no negation: what it turns, it turns hidden as well
    unknown = {name: np.full_like(inputs[name], UNKNOWN_ID) for name in (WORD_IDS, STEM_IDS)}
    np.testing.assert_allclose(
        network(inputs, training=True), network({**inputs, **unknown}), atol=1e-6
    )


def test_it_starts_by_remembering():
    """Forget gates, the middle third of the gates, begin well above one half."""
    network = EmotionNetwork(SMALL, vocabulary_of(WORDS))
    network(inputs_of("sad"))
    _, forget, _ = np.split(network.gates.get_weights()[1], 3)
    assert forget.tolist() == [1.0] * 2 * SMALL.units


def test_training_and_serving_compute_the_same():
    """One walks step by step, the other doubles: without dropout nothing else differs."""
    network = network_of(
        Hyperparameters(**{**SMALL.to_dict(), "word_dropout": 0.0, "dropout": 0.0})
    )
    inputs = inputs_of(*TEXTS)
    np.testing.assert_allclose(network(inputs, training=True), network(inputs), rtol=0, atol=1e-6)


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
