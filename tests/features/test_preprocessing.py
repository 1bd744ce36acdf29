from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from emotion_tfx.features.ids import FIRST_WORD_ID, UNKNOWN_ID
from emotion_tfx.features.preprocessing import SUBWORD_BUCKETS, FeatureOptions
from emotion_tfx.features.text import SUBWORDS, TextSteps
from emotion_tfx.features.vocabulary import VocabularyOptions

from .conftest import TEXTS, Transformed, rows_of

#: Loads the exported graph with nothing but TensorFlow and prints the ids of the words it is given.
LOAD = """
import sys
import tensorflow as tf
graph = tf.saved_model.load(sys.argv[1])
answer = graph.transform_fn({"text": tf.constant(sys.argv[2:])})
assert "tensorflow_transform" not in sys.modules
print(answer["word_ids"].values.numpy().tolist())
"""


def test_tokens_stand_at_the_left_after_stop_words_are_dropped(transformed: Transformed):
    outputs = transformed.sparse(text=["the sad and the happy", "a", "the love"])
    tokens = outputs["tokens"]
    assert tokens.indices.numpy().tolist() == [[0, 0], [0, 1], [2, 0]]
    assert tokens.values.numpy().tolist() == [b"sad", b"happy", b"love"]
    assert tokens.dense_shape.numpy().tolist() == [3, 2]
    for name in ("word_ids", "stem_ids"):
        assert outputs[name].indices.numpy().tolist() == tokens.indices.numpy().tolist()


def test_a_known_word_has_the_id_of_its_line_and_of_its_stem(transformed: Transformed):
    vocabulary = transformed.vocabulary
    prepared = transformed.prepare("happy happiness 😢")
    lines = [vocabulary.words.index(word) for word in ("happy", "happiness", "😢")]
    assert prepared["word_ids"] == [[line + FIRST_WORD_ID for line in lines]]
    assert prepared["stem_ids"] == [[vocabulary.stem_ids[line] for line in lines]]
    assert prepared["stem_ids"][0][0] == prepared["stem_ids"][0][1]


def test_a_word_not_known_has_the_unknown_id_and_sub_words(transformed: Transformed):
    prepared = transformed.prepare("devastatedd")
    assert prepared["tokens"] == [[b"devastatedd"]]
    assert prepared["word_ids"] == prepared["stem_ids"] == [[UNKNOWN_ID]]
    known = transformed.prepare("devastated")["subword_ids"][0]
    assert prepared["subword_ids"][0][:2] == known[:2]


def test_each_token_has_all_kinds_of_sub_words(transformed: Transformed):
    prepared = transformed.prepare("so very sad the end", "", "of the", "😢 wow")
    for tokens, ids in zip(prepared["tokens"], prepared["subword_ids"], strict=True):
        kinds = np.array(ids, int).reshape(len(tokens), len(SUBWORDS)) // SUBWORD_BUCKETS
        assert (kinds == np.arange(len(SUBWORDS))).all()


@pytest.mark.parametrize("text", ["", "   ", "the of and", "...", "it's"])
def test_a_text_without_words_is_an_empty_row(transformed: Transformed, text: str):
    assert transformed.prepare(text, "sad")["tokens"] == [[], [b"sad"]]
    assert all(rows == [[]] for rows in transformed.prepare(text).values())


def test_a_batch_may_be_empty(transformed: Transformed):
    outputs = transformed.sparse(text=tf.constant([], tf.string))
    assert all(rows_of(values) == [] for values in outputs.values())


@pytest.mark.parametrize(
    ("written", "word"),
    [
        ("sooo", "so"),  # rather than the name Soo
        ("noooooo", "no"),
        ("cooool", "cool"),  # rather than col
        ("goooood", "good"),
        ("happyyyy", "happy"),
        ("lovvve", "love"),
        ("tooo", "too"),  # rather than the stop word to
        ("offf", "off"),
        ("SADDDD", "sad"),
        ("blorrrp", "blorp"),  # known from the corpus alone
        ("qwwwx", "qwwx"),  # known in no form
    ],
)
def test_the_vocabulary_decides_how_far_an_elongated_word_is_shortened(
    transformed: Transformed, written: str, word: str
):
    assert transformed.tokens(written) == [word]


def test_long_texts_are_cut(transformed: Transformed):
    longest = FeatureOptions().max_tokens
    prepared = transformed.prepare("sad " * (longest + 1), "the sad " * longest)
    assert [len(row) for row in prepared["tokens"]] == [longest, longest // 2]
    assert len(prepared["subword_ids"][0]) == longest * len(SUBWORDS)


def test_the_prepared_rows_are_what_the_exported_graph_gives(transformed: Transformed):
    prepared = transformed.prepare("I'm SO happyyyy :)", "the of and")
    assert len(transformed.rows) == len(TEXTS)
    for row, written in enumerate(transformed.rows[:2]):
        assert set(written) == set(prepared)
        assert {name: list(values) for name, values in written.items()} == {
            name: values[row] for name, values in prepared.items()
        }


def test_the_graph_needs_nothing_but_tensorflow(transformed: Transformed):
    """In a process of its own, where no other library can have brought operations along."""
    texts = ["I'm sooo happyyyy :)", "@ann the #blorp"]
    command = [sys.executable, "-c", LOAD, str(transformed.saved_model), *texts]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    ids = [each for row in transformed.prepare(*texts)["word_ids"] for each in row]
    assert json.loads(done.stdout) == ids


def test_the_graph_never_calls_python(transformed: Transformed):
    saved = saved_model_pb2.SavedModel.FromString(
        (transformed.saved_model / "saved_model.pb").read_bytes()
    )
    operations = set()
    for meta_graph in saved.meta_graphs:
        graph = meta_graph.graph_def
        operations |= {node.op for node in graph.node}
        operations |= {node.op for each in graph.library.function for node in each.node_def}
    assert {"UnicodeDecode", "LookupTableFindV2"} <= operations
    assert not {op for op in operations if "PyFunc" in op}


class TestWithAllStepsOff:
    def test_only_words_are_looked_up(self, transformed_plainly: Transformed):
        (row, *_) = transformed_plainly.rows
        assert {"tokens", "word_ids"} == set(row) - {"label", "source", "weight"}

    def test_stop_words_stay_and_have_no_place_of_their_own(self, transformed_plainly: Transformed):
        rows = transformed_plainly.rows
        assert rows[1]["tokens"].tolist() == [b"The", b"the", b"end"]
        assert "of" not in transformed_plainly.vocabulary.words

    def test_elongated_words_stay(self, transformed_plainly: Transformed):
        assert b"cooool" in transformed_plainly.rows[2]["tokens"].tolist()
        assert "cooool" in transformed_plainly.vocabulary.words

    def test_texts_are_cut_at_the_length_set(self, transformed_plainly: Transformed):
        assert len(transformed_plainly.rows[2]["tokens"]) == 4

    def test_nothing_is_known_but_the_corpus(self, transformed_plainly: Transformed):
        assert set(transformed_plainly.rows[1]["word_ids"].tolist()) == {UNKNOWN_ID}
        assert transformed_plainly.rows[0]["word_ids"][0] >= FIRST_WORD_ID

    def test_the_other_columns_pass_through(self, transformed_plainly: Transformed):
        rows = transformed_plainly.rows
        assert [row["label"] for row in rows] == [0, 1, 2]
        assert {row["source"] for row in rows} == {b"diary"}
        assert {float(row["weight"]) for row in rows} == {0.5}


def test_options_survive_the_way_through_a_component():
    options = FeatureOptions(
        TextSteps(stemming=False), VocabularyOptions(min_count=7, glove_words=3), max_tokens=9
    )
    assert FeatureOptions.from_dict(json.loads(json.dumps(options.to_dict()))) == options
    assert options != replace(options, max_tokens=10)
