from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from emotion_tfx.features.preprocessing import (
    DOMAIN,
    LABEL,
    STEM_IDS,
    SUBWORD_IDS,
    WEIGHT,
    WORD_IDS,
)
from emotion_tfx.features.text import SUBWORDS
from emotion_tfx.model.dataset import Dataset, from_columns
from emotion_tfx.model.network import POSITIONS

SPEC = {
    WORD_IDS: tf.io.VarLenFeature(tf.int64),
    STEM_IDS: tf.io.VarLenFeature(tf.int64),
    SUBWORD_IDS: tf.io.VarLenFeature(tf.int64),
    "tokens": tf.io.VarLenFeature(tf.string),
    "source": tf.io.FixedLenFeature([], tf.string),
    LABEL: tf.io.FixedLenFeature([], tf.int64),
    WEIGHT: tf.io.FixedLenFeature([], tf.float32),
    DOMAIN: tf.io.FixedLenFeature([], tf.string),
}
#: Word ids, label and weight of each text.
TEXTS = [([5, 6, 7], 1, 1.0), ([], 0, 0.5), ([8], 5, 2.0), ([9, 5], 3, 1.0)]


def serialized(word_ids: list[int], label: int, weight: float) -> bytes:
    """A prepared text as the Transform component writes it, stems and sub-words by a rule."""
    example = tf.train.Example()
    features = example.features.feature
    features[WORD_IDS].int64_list.value.extend(word_ids)
    features[STEM_IDS].int64_list.value.extend(each + 100 for each in word_ids)
    kinds = range(len(SUBWORDS))
    features[SUBWORD_IDS].int64_list.value.extend(each * 10 + k for each in word_ids for k in kinds)
    features["tokens"].bytes_list.value.extend(b"word" for _ in word_ids)
    features["source"].bytes_list.value.append(b"diary")
    features[LABEL].int64_list.value.append(label)
    features[WEIGHT].float_list.value.append(weight)
    features[DOMAIN].bytes_list.value.append(f"domain {label}".encode())
    return example.SerializeToString()


def write(path: Path, texts: list[tuple[list[int], int, float]]) -> str:
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for text in texts:
            writer.write(serialized(*text))
    return str(path)


def of_lengths(lengths: list[int], weights: list[float] | None = None) -> Dataset:
    return from_columns(
        np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
        {WORD_IDS: np.arange(sum(lengths)) + 1},
        np.zeros(len(lengths)),
        np.array(weights or [1.0] * len(lengths)),
    )


def ids_of(dataset: Dataset, name: str, row: int) -> list:
    """The ids that the network reads at each place of a text."""
    inputs = dataset.inputs(np.array([row]))
    return [inputs[name][place - 1].tolist() for place in inputs[POSITIONS][:, 0] if place]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return Dataset.read([write(tmp_path / "examples.gz", TEXTS)], SPEC)


def test_what_transform_wrote_is_read(dataset: Dataset):
    assert len(dataset) == 4
    assert set(dataset.features) == {WORD_IDS, STEM_IDS, SUBWORD_IDS}
    assert dataset.lengths.tolist() == [3, 0, 1, 2]
    assert dataset.labels.tolist() == [1, 0, 5, 3]
    assert dataset.weights.tolist() == [1.0, 0.5, 2.0, 1.0]
    assert dataset.domains.tolist() == [b"domain 1", b"domain 0", b"domain 5", b"domain 3"]
    for row, (word_ids, _, _) in enumerate(TEXTS):
        assert ids_of(dataset, WORD_IDS, row) == word_ids
        assert ids_of(dataset, STEM_IDS, row) == [each + 100 for each in word_ids]
        assert ids_of(dataset, SUBWORD_IDS, row) == [
            [each * 10 + kind for kind in range(len(SUBWORDS))] for each in word_ids
        ]


def test_features_that_were_not_prepared_are_not_read(tmp_path: Path):
    spec = {name: kind for name, kind in SPEC.items() if name not in (STEM_IDS, SUBWORD_IDS)}
    dataset = Dataset.read([write(tmp_path / "examples.gz", TEXTS)], spec)
    assert dataset.features == (WORD_IDS,)


def test_several_files_are_read_in_the_order_of_their_names(tmp_path: Path):
    second = write(tmp_path / "examples-1.gz", TEXTS[2:])
    first = write(tmp_path / "examples-0.gz", TEXTS[:2])
    assert Dataset.read([second, first], SPEC).labels.tolist() == [1, 0, 5, 3]


def test_a_large_file_keeps_its_order(tmp_path: Path):
    """More texts than are parsed at once, a text without words at each seam."""
    texts = [([row % 7_000] * (row % 3), row % 6, 1.0) for row in range(9_000)]
    dataset = Dataset.read([write(tmp_path / "examples.gz", texts)], SPEC)
    assert dataset.lengths.tolist() == [row % 3 for row in range(9_000)]
    assert dataset.labels.tolist() == [row % 6 for row in range(9_000)]
    for row in (1, 4_094, 4_097, 7_001, 8_999):
        assert ids_of(dataset, WORD_IDS, row) == texts[row][0]


def test_each_distinct_token_of_some_texts_is_given_once(dataset: Dataset):
    inputs = dataset.inputs(np.array([3, 0, 1]))
    words = inputs[WORD_IDS].tolist()
    assert sorted(words) == [5, 6, 7, 9]
    assert inputs[STEM_IDS].tolist() == [word + 100 for word in words]
    assert inputs[SUBWORD_IDS].shape == (4, len(SUBWORDS))
    assert {values.dtype for values in inputs.values()} == {np.dtype(np.int32)}


def test_positions_say_which_token_stands_where_and_0_where_none_does(dataset: Dataset):
    inputs = dataset.inputs(np.array([3, 0, 1]))
    number = {word: place + 1 for place, word in enumerate(inputs[WORD_IDS].tolist())}
    assert inputs[POSITIONS].T.tolist() == [
        [number[9], number[5], 0],
        [number[5], number[6], number[7]],
        [0, 0, 0],
    ]


def test_texts_without_words_have_one_place_that_is_empty(dataset: Dataset):
    inputs = dataset.inputs(np.array([1]))
    assert inputs[POSITIONS].tolist() == [[0]]
    assert inputs[WORD_IDS].tolist() == []


LENGTHS = st.lists(st.integers(0, 30), min_size=1, max_size=80)
SIZES = st.integers(1, 20)


@given(LENGTHS, SIZES, st.none() | st.integers(0, 5))
def test_batches_cover_every_text_once(lengths: list[int], size: int, seed: int | None):
    generator = None if seed is None else np.random.default_rng(seed)
    batches = list(of_lengths(lengths).batches(size, generator))
    assert all(0 < len(batch) <= size for batch in batches)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(lengths)))


@given(LENGTHS, SIZES)
def test_without_a_generator_texts_come_by_length(lengths: list[int], size: int):
    dataset = of_lengths(lengths)
    rows = np.concatenate(list(dataset.batches(size, None)))
    assert dataset.lengths[rows].tolist() == sorted(lengths)


def test_a_shuffled_batch_has_texts_of_about_the_same_length():
    generator = np.random.default_rng(0)
    dataset = of_lengths(generator.integers(1, 61, 5_000).tolist())
    batches = list(dataset.batches(32, generator))
    spreads = [np.ptp(dataset.lengths[rows]) for rows in batches]
    assert np.mean(spreads) < 3  # about 56 if they were drawn at random
    means = [dataset.lengths[rows].mean() for rows in batches]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3  # and not by length


def test_each_pass_is_shuffled_anew_and_a_seed_repeats_it():
    dataset = of_lengths([row % 7 for row in range(300)])

    def passes(seed: int) -> list[list[int]]:
        generator = np.random.default_rng(seed)
        return [np.concatenate(list(dataset.batches(16, generator))).tolist() for _ in range(2)]

    first, second = passes(1)
    assert first != second
    assert passes(1) == [first, second]
    assert passes(2) != [first, second]


def test_texts_of_small_weight_are_drawn_less_often_in_training():
    dataset = of_lengths([3] * 4_000, weights=[0.0, 0.25, 1.0, 3.0] * 1_000)
    assert dataset.drawn == 2_250
    drawn = np.concatenate(list(dataset.batches(64, np.random.default_rng(0))))
    assert len(set(drawn.tolist())) == len(drawn)
    shares = np.bincount(drawn % 4, minlength=4) / 1_000
    assert shares == pytest.approx([0.0, 0.25, 1.0, 1.0], abs=0.05)
    assert len(np.concatenate(list(dataset.batches(64, None)))) == 4_000


@given(st.lists(st.integers(0, 5), min_size=1, max_size=20), st.data())
def test_selected_texts_are_those_of_the_whole(lengths: list[int], data: st.DataObject):
    whole = of_lengths(lengths)
    rows = np.array(data.draw(st.lists(st.integers(0, len(lengths) - 1))), int)
    some = whole.select(rows)
    assert len(some) == len(rows)
    for new, old in enumerate(rows):
        ours, theirs = (each.inputs(np.array([row])) for each, row in ((some, new), (whole, old)))
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)
        assert some.labels[new] == whole.labels[old]


def test_texts_of_the_corpus_itself_can_be_selected(dataset: Dataset):
    assert len(dataset.select(dataset.own)) == 0
    assert dataset.select(~dataset.own).labels.tolist() == dataset.labels.tolist()
