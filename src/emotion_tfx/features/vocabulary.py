"""The vocabulary: which words the model knows, their stems, and how both are found in a corpus."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import numpy as np
from tensorflow_transform.beam.experimental import PTransformAnalyzer
from tfx.dsl.io import fileio

from emotion_tfx.features import glove, lexicon
from emotion_tfx.features.ids import FIRST_WORD_ID

#: Name of the asset file: a line ``word<TAB>stem<TAB>stem id`` for each word known. The word of
#: line 0 has the id ``FIRST_WORD_ID``.
ASSET = "words"
WORD_COLUMN, STEM_ID_COLUMN = 0, 2

_THREE_EQUAL = re.compile(r"([a-z])\1\1")


@dataclass(frozen=True)
class VocabularyOptions:
    """What becomes part of the vocabulary.

    Attributes:
        min_count: Words of the corpus that occur less often are left out.
        max_words: At most so many words of the corpus, the most frequent first.
        glove_words: So many of GloVe's most frequent words are known even if never seen.
    """

    min_count: int = 2
    max_words: int = 20_000
    glove_words: int = 20_000


@dataclass(frozen=True)
class Vocabulary:
    """A vocabulary read back from its asset file.

    Attributes:
        words: The words, stop words first; ``words[i]`` has the id ``i + FIRST_WORD_ID``.
        stems: The distinct stems; ``stems[i]`` has the id ``i + FIRST_WORD_ID``.
        stem_ids: int64 [words], the id of each word's stem.
    """

    words: tuple[str, ...]
    stems: tuple[str, ...]
    stem_ids: np.ndarray

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Reads the asset file that the Transform component wrote."""
        lines = path.read_text(encoding="utf-8").splitlines()
        words, stems, ids = zip(*(line.split("\t") for line in lines), strict=True)
        return cls(words, tuple(dict.fromkeys(stems)), np.array(ids, np.int64))


def vocabulary_lines(
    counts: Mapping[str, int], options: VocabularyOptions, *, stop_words: bool
) -> list[str]:
    """Chooses the words and stems them.

    Args:
        counts: How often each word occurs in the training texts.
        options: What to take.
        stop_words: Whether the stop words stand first, so that the graph can drop them by id.

    Returns:
        The lines of the asset file, in the order of the words' ids.
    """
    words = dict.fromkeys(lexicon.STOP_WORDS if stop_words else ())
    words.update(dict.fromkeys((*lexicon.NEGATIONS, *lexicon.SCOPE_ENDS, *lexicon.EMOJI_WORDS)))
    words.update(dict.fromkeys((*lexicon.COMPARISONS, *lexicon.GRADED)))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    frequent = [word for word, count in ranked if count >= options.min_count]
    words.update(dict.fromkeys(frequent[: options.max_words]))
    words.update(dict.fromkeys(glove.frequent_words(options.glove_words)))
    stems = list(stem_words(words))
    ids = {stem: index + FIRST_WORD_ID for index, stem in enumerate(dict.fromkeys(stems))}
    return [f"{word}\t{stem}\t{ids[stem]}" for word, stem in zip(words, stems, strict=True)]


def stem_words(words: Iterable[str]) -> Iterator[str]:
    """Stems with Porter's algorithm, which leaves "sadder" as it is: that has the stem of "sad".

    An emoji has the stem of the word that stands in for it.

    Source: M. F. Porter, An algorithm for suffix stripping, Program 14(3), 1980.
    """
    import snowballstemmer

    stemmer = snowballstemmer.stemmer("porter")
    plain = lexicon.EMOJI_WORDS | lexicon.GRADED
    for word in words:
        yield stemmer.stemWord(plain.get(word, word))


class BuildVocabulary(PTransformAnalyzer):
    """Counts the words of all texts and chooses the vocabulary.

    Takes a collection of one-tuples, each a bytes array [T] of tokens; gives a collection of one
    element, the path of the asset file.

    Args:
        options: What to take.
        stop_words: Whether the stop words stand first, so that the graph can drop them by id.
        elongation: Whether elongated words are looked up in their short forms, so that only those
            need to be known.
    """

    def __init__(self, options: VocabularyOptions, *, stop_words: bool, elongation: bool) -> None:
        super().__init__()
        self._elongation = elongation
        self._options = options
        self._stop_words = stop_words

    def expand(self, batches: beam.PCollection) -> beam.PCollection:
        """Applies the transform to the batches of tokens."""
        options, stop_words, elongation = self._options, self._stop_words, self._elongation
        path = f"{self.base_temp_dir}/{ASSET}"
        return (
            batches
            | "CountInBatch"
            >> beam.FlatMap(
                lambda batch: count_words(batch[0].ravel(), elongation=elongation).items()
            )
            | "Count" >> beam.CombinePerKey(sum)
            | "Frequent" >> beam.Filter(lambda item: item[1] >= options.min_count)
            | "ToList" >> beam.combiners.ToList()
            | "Choose"
            >> beam.Map(lambda items: vocabulary_lines(dict(items), options, stop_words=stop_words))
            | "Write" >> beam.Map(_write_lines, path)
        )


def count_words(words: Iterable[bytes], *, elongation: bool) -> Counter[str]:
    """How often each word occurs, elongated ones left out if they are looked up shortened."""
    counts = Counter(word.decode("utf-8") for word in words)
    if not elongation:
        return counts
    return Counter({word: n for word, n in counts.items() if not _THREE_EQUAL.search(word)})


def _write_lines(lines: list[str], path: str) -> bytes:
    fileio.makedirs(path.rpartition("/")[0])
    with fileio.open(path, "w") as file:
        file.write("\n".join(lines) + "\n")
    return path.encode()
