from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from nltk.stem.porter import PorterStemmer

from emotion_tfx.features import glove, lexicon
from emotion_tfx.features.vocabulary import (
    FIRST_WORD_ID,
    Vocabulary,
    VocabularyOptions,
    stem_words,
    vocabulary_lines,
)

from .conftest import Transformed

COUNTS = {"sad": 3, "happy": 5, "blue": 3, "happiness": 2, "rare": 1, "the": 9, "😢": 4}
#: What the network must know whatever the corpus.
NEEDED = [*lexicon.NEGATIONS, *lexicon.SCOPE_ENDS, *lexicon.EMOJI_WORDS]
NEEDED += dict.fromkeys([*lexicon.COMPARISONS, *lexicon.GRADED])
FIXED = [*lexicon.STOP_WORDS, *NEEDED]


def vocabulary(
    folder: Path, *, stop_words: bool = True, counts: dict[str, int] = COUNTS, **options: int
) -> Vocabulary:
    """Chooses a vocabulary, writes it and reads it back; nothing from GloVe unless asked for."""
    lines = vocabulary_lines(
        counts, VocabularyOptions(**{"glove_words": 0, **options}), stop_words=stop_words
    )
    path = folder / "words"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return Vocabulary.load(path)


def stem(chosen: Vocabulary, word: str) -> str:
    return chosen.stems[chosen.stem_ids[chosen.words.index(word)] - FIRST_WORD_ID]


def test_stop_words_come_first_then_what_is_needed_then_words_by_frequency(tmp_path: Path):
    assert list(vocabulary(tmp_path).words) == [*FIXED, "happy", "blue", "sad", "happiness"]


def test_without_the_step_stop_words_are_words_like_others(tmp_path: Path):
    words = vocabulary(tmp_path, stop_words=False).words
    assert list(words[: len(NEEDED)]) == NEEDED
    assert words[len(NEEDED) :] == ("the", "happy", "blue", "sad", "happiness")


@pytest.mark.parametrize(
    ("min_count", "known"),
    [
        (1, ["happy", "blue", "sad", "happiness", "rare"]),
        (3, ["happy", "blue", "sad"]),
        (4, ["happy"]),
        (10, []),
    ],
)
def test_words_seen_too_rarely_are_left_out(tmp_path: Path, min_count: int, known: list[str]):
    assert list(vocabulary(tmp_path, min_count=min_count).words[len(FIXED) :]) == known


def test_the_most_frequent_words_are_taken_up_to_the_limit(tmp_path: Path):
    counts = {"a1": 2, "b1": 9, "c1": 5, "d1": 5}
    words = vocabulary(tmp_path, counts=counts, max_words=2).words
    assert list(words[len(FIXED) :]) == ["b1", "c1"]


def test_words_of_glove_follow_those_of_the_corpus(tmp_path: Path):
    words = vocabulary(tmp_path, counts={"was": 2}, glove_words=30).words
    expected = [word for word in glove.frequent_words(30) if word not in {*FIXED, "was"}]
    assert list(words[len(FIXED) :]) == ["was", *expected]


def test_an_empty_corpus_has_a_vocabulary(tmp_path: Path):
    assert list(vocabulary(tmp_path, counts={}).words) == FIXED


def test_words_of_one_stem_share_its_id(tmp_path: Path):
    counts = dict.fromkeys(["connect", "connected", "connecting", "connections", "happy"], 2)
    chosen = vocabulary(tmp_path, counts=counts)
    ids = chosen.stem_ids[len(FIXED) :]
    assert len(set(ids[:4])) == 1
    assert ids[4] != ids[0]
    assert stem(chosen, "connections") == "connect"


def test_stem_ids_count_up_from_the_first_in_order_of_the_words(tmp_path: Path):
    chosen = vocabulary(tmp_path)
    _, first_rows = np.unique(chosen.stem_ids, return_index=True)
    assert np.array_equal(
        chosen.stem_ids[np.sort(first_rows)], FIRST_WORD_ID + np.arange(len(chosen.stems))
    )


@pytest.mark.parametrize(("emoji", "word"), [("😢", "crying"), ("❤", "love"), ("😠", "angry")])
def test_an_emoji_shares_the_stem_of_its_word(tmp_path: Path, emoji: str, word: str):
    chosen = vocabulary(tmp_path, counts={word: 2})
    assert stem(chosen, emoji) == stem(chosen, word)


@pytest.mark.parametrize(
    ("words", "stems"),
    [
        # The examples of Porter's paper.
        ("caresses ponies caress cats", "caress poni caress cat"),
        ("feed agreed plastered motoring sing", "feed agre plaster motor sing"),
        ("conflated troubled sized hopping falling", "conflat troubl size hop fall"),
        ("happy sky relational conditional", "happi sky relat condit"),
        ("hopefulness goodness electrical", "hope good electr"),
        ("revival adjustment effective probate rate", "reviv adjust effect probat rate"),
    ],
)
def test_stemming_is_porters(words: str, stems: str):
    assert " ".join(stem_words(words.split())) == stems


def test_stemming_in_the_graph_agrees_with_another_implementation(transformed: Transformed):
    """NLTK and Snowball differ in one rule: Snowball does not undouble kk and vv.

    Neither strips what a comparative or superlative ends in.

    All that the graph knows goes through it, one word a text. Words that it rewrites (``dont``)
    or drops are not compared.
    """
    known = [word for word in transformed.vocabulary.words if word.isascii() and word.isalpha()]
    prepared = transformed.prepare(*known)
    stems = {
        word: transformed.vocabulary.stems[ids[0] - FIRST_WORD_ID]
        for word, tokens, ids in zip(known, prepared["tokens"], prepared["stem_ids"], strict=True)
        if tokens == [word.encode()]
    }
    assert len(stems) >= 20_000
    porter = PorterStemmer(mode=PorterStemmer.ORIGINAL_ALGORITHM)
    differing = {word for word, each in stems.items() if porter.stem(word) != each}
    undoubled = {word for word in stems if re.search("(kk|vv)(ed|ing)$", word)}
    assert differing - lexicon.GRADED.keys() == undoubled
    assert {"trekked", "trekking", "revved", "revving"} <= differing


class TestCountedByTransform:
    """The vocabulary that the Transform component makes of the texts of ``conftest.py``."""

    def test_words_of_the_corpus_are_known(self, transformed: Transformed):
        words = transformed.vocabulary.words
        assert words[: len(FIXED)] == tuple(FIXED)
        assert words[len(FIXED) :][:3] == ("blorp", "so", "revved")
        assert "fnord" not in words

    def test_elongated_words_do_not_enter(self, transformed: Transformed):
        assert not {"sooo", "zzzap", "happyyyy"} & set(transformed.vocabulary.words)


@pytest.mark.parametrize("word", ["sadder", "saddest", "angriest", "ruder", "odder", "merriest"])
def test_a_comparative_or_superlative_has_the_stem_of_its_word(word: str):
    plain = {"sad": "sad", "ang": "angry", "rud": "rude", "odd": "odd", "mer": "merry"}[word[:3]]
    stem_of_word, stem_of_plain = stem_words([word, plain])
    assert stem_of_word == stem_of_plain
