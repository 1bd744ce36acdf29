"""Raw text to words, in core TensorFlow ops only.

Each step is one function from strings to strings (or to tokens) and has its own switch in
:class:`TextSteps`. The same functions run in the Transform component and, as part of the exported
graph, in whatever serves the model: there is no second implementation to drift from the first.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import tensorflow as tf

from emotion_tfx.features import lexicon

_SPACE = ord(" ")
#: Plane 0 and 1: all that English short texts use, emoji and styled letters included.
_MAPPED_CODE_POINTS = 0x20000
_SKIN_TONES = range(0x1F3FB, 0x1F400)
#: Stands for the end of a clause while other punctuation is dropped; no cleaned text holds it.
_CLAUSE = "\x1f"
_QUOTES = "‘’ʼ´`′＇"


@dataclass(frozen=True)
class TextSteps:
    """Switches of the text preparation, one a step, all on by default.

    Attributes:
        case_folding: ``HAPPY`` and ``happy`` are one word.
        markup: URLs, @mentions, #hashtags and HTML remnants become words.
        contractions: ``don't`` and ``dont`` become ``do not``.
        emoticons: ``:)`` becomes the emoji of the same face.
        emoji: Emoji are kept as tokens, and fall back on a word when rare.
        elongation: ``sooooo`` becomes ``so``, ``goooood`` becomes ``good``.
        stop_words: Words of :data:`lexicon.STOP_WORDS` are dropped.
        stemming: Words share a vector with the words of the same Porter stem.
        subwords: Hashed beginnings and endings of words give unseen words a meaning.
    """

    case_folding: bool = True
    markup: bool = True
    contractions: bool = True
    emoticons: bool = True
    emoji: bool = True
    elongation: bool = True
    stop_words: bool = True
    stemming: bool = True
    subwords: bool = True


@lru_cache(maxsize=2)
def _character_maps(case_folding: bool) -> tuple[np.ndarray, np.ndarray]:
    """What each code point turns into.

    Returns:
        int32 [0x20000], the code point that stands instead, 0 where it vanishes, and ``-row`` where
        several stand instead; and those, int32 [rows, longest], filled up with 0. Row 0 is empty.
    """
    folded = [_fold_character(chr(code), case_folding) for code in range(_MAPPED_CODE_POINTS)]
    several = list(dict.fromkeys(each for each in folded if len(each) > 1))
    rows = {each: row for row, each in enumerate(several, 1)}
    table = [-rows[each] if each in rows else ord(each or "\0") for each in folded]
    longest = max(map(len, several))
    letters = [[ord(letter) for letter in each.ljust(longest, "\0")] for each in ("", *several)]
    return np.array(table, np.int32), np.array(letters, np.int32)


def _fold_character(character: str, case_folding: bool) -> str:
    category = unicodedata.category(character)
    if character in _QUOTES:
        return "'"
    if ord(character) in _SKIN_TONES or category in ("Mn", "Me", "Cf"):
        return ""
    if category in ("Cc", "Cs", "Co", "Cn", "Zs", "Zl", "Zp") or character == "\ufffd":
        return " "
    folded = unicodedata.normalize("NFKD", character)
    # Emoji are of the same category as letters in circles, which are letters all the same.
    if category == "So" and not (len(folded) == 1 and folded.isascii()):
        return character
    if case_folding:
        folded = folded.casefold()
    base = "".join(c for c in folded if not unicodedata.combining(c))
    base = unicodedata.normalize("NFKC", base)
    return base if len(base) <= 1 or base.isalnum() else " "


def fold_characters(text: tf.Tensor, *, case_folding: bool = True) -> tf.Tensor:
    """Cleans up Unicode: compatibility forms, ligatures, accents, invisible characters, and case.

    Follows NFKC case folding (Unicode Standard Annex 15) character by character; also drops
    accents, skin tones and joiners, and turns control characters, invalid UTF-8 and what stands for
    more than letters and digits (``…``, ``½``) into spaces.

    Args:
        text: string [N].
        case_folding: Whether case goes too.

    Returns:
        string [N], valid UTF-8.
    """
    decoded = tf.raw_ops.UnicodeDecode(
        input=text,
        input_encoding="UTF-8",
        errors="replace",
        replacement_char=_SPACE,
        replace_control_characters=True,
    )
    known = tf.where(decoded.char_values < _MAPPED_CODE_POINTS, decoded.char_values, _SPACE)
    table, several = _character_maps(case_folding)
    mapped = tf.gather(tf.constant(table), known)
    # One column for what a single character stands for, the others for the letters of ligatures.
    letters = tf.concat(
        [
            tf.maximum(mapped, 0)[:, tf.newaxis],
            tf.gather(tf.constant(several), tf.maximum(-mapped, 0)),
        ],
        axis=1,
    )
    kept = tf.not_equal(letters, 0)
    ends = tf.cumsum(tf.math.count_nonzero(kept, axis=1))
    return tf.raw_ops.UnicodeEncode(
        input_values=tf.boolean_mask(letters, kept),
        input_splits=tf.gather(tf.concat([[0], ends], axis=0), decoded.row_splits),
        output_encoding="UTF-8",
        errors="ignore",
        replacement_char=_SPACE,
    )


def _apply(text: tf.Tensor, rules: tuple[tuple[str, str], ...]) -> tf.Tensor:
    for pattern, rewrite in rules:
        text = tf.strings.regex_replace(text, pattern, rewrite)
    return text


def replace_markup(text: tf.Tensor) -> tf.Tensor:
    """URLs and @mentions to stand-ins, #hashtags to words, HTML tags and entities away."""
    return _apply(text, lexicon.MARKUP_RULES)


def expand_contractions(text: tf.Tensor) -> tf.Tensor:
    """``don't``, ``dont`` -> ``do not``; ``i'm``, ``im`` -> ``i am``, and the like."""
    return _apply(text, lexicon.CONTRACTION_RULES)


def replace_emoticons(text: tf.Tensor) -> tf.Tensor:
    """``:)`` -> the emoji of the same face."""
    return _apply(text, lexicon.EMOTICON_RULES)


def split_words(text: tf.Tensor, *, emoji: bool = True) -> tf.SparseTensor:
    """Splits cleaned text into words, emoji, ``!``, ``?`` and a mark between clauses.

    Other punctuation is dropped, and so is what ends the text.

    Args:
        text: string [N].
        emoji: Whether emoji are tokens; they are dropped otherwise.

    Returns:
        string sparse [N, longest], each row packed to the left.
    """
    symbols = r"\p{So}" if emoji else ""
    text = tf.strings.regex_replace(text, "'", "")
    end_of_clause = rf"([\p{{L}}\p{{N}}!?{symbols}][)\]\"']*)\s*[.,;:]+\s"
    text = tf.strings.regex_replace(tf.strings.strip(text), end_of_clause, rf"\1 {_CLAUSE} ")
    text = tf.strings.regex_replace(text, rf"[^\p{{L}}\p{{N}}!?{_CLAUSE}{symbols}]+", " ")
    text = tf.strings.regex_replace(text, rf"([!?{symbols}])", r" \1 ")
    text = tf.strings.regex_replace(text, _CLAUSE, lexicon.CLAUSE_TOKEN)
    text = tf.strings.regex_replace(text, r"\b[0-9]+\b", lexicon.NUMBER_TOKEN)
    split = tf.raw_ops.StringSplitV2(input=text, sep="")
    return tf.SparseTensor(split.indices, split.values, split.shape)


def tokenize(text: tf.Tensor, steps: TextSteps) -> tf.SparseTensor:
    """All steps from raw text to tokens that need no vocabulary.

    Args:
        text: string [N], raw.
        steps: Which steps run.

    Returns:
        string sparse [N, longest].
    """
    text = fold_characters(text, case_folding=steps.case_folding)
    if steps.markup:
        text = replace_markup(text)
    if steps.contractions:
        text = expand_contractions(text)
    if steps.emoticons:
        text = replace_emoticons(text)
    return split_words(text, emoji=steps.emoji)


def shorten_elongation(words: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Shortens every run of three or more equal letters, to two and to one.

    Which of the two is the word (``cool`` or ``so``) the vocabulary decides.

    Args:
        words: string [T].

    Returns:
        Two string [T]: runs shortened to two letters, and to one.
    """
    decoded = tf.raw_ops.UnicodeDecode(
        input=words,
        input_encoding="UTF-8",
        errors="replace",
        replacement_char=_SPACE,
        replace_control_characters=False,
    )
    codes = decoded.char_values
    rows = tf.ragged.row_splits_to_segment_ids(decoded.row_splits, out_type=tf.int64)
    # Equal to its neighbour in the same word. Padding with -1 keeps the shifts in range.
    keys = tf.stack([tf.cast(codes, tf.int64), rows], axis=1)
    ends = tf.constant([[-1, -1], [-1, -1]], tf.int64)
    padded = tf.concat([ends, keys, ends], axis=0)
    total = tf.shape(codes)[0]

    def same(shift: int) -> tf.Tensor:
        return tf.reduce_all(tf.equal(padded[2 + shift : 2 + shift + total], keys), axis=1)

    before1, before2, after1, after2 = same(-1), same(-2), same(1), same(2)
    third_or_later = before1 & before2
    in_long_run = third_or_later | (after1 & after2) | (before1 & after1)

    def keep(mask: tf.Tensor) -> tf.Tensor:
        kept = tf.boolean_mask(codes, mask)
        kept_rows = tf.boolean_mask(rows, mask)
        lengths = tf.math.unsorted_segment_sum(
            tf.ones_like(kept_rows), kept_rows, tf.size(words, out_type=tf.int64)
        )
        return tf.raw_ops.UnicodeEncode(
            input_values=kept,
            input_splits=tf.concat([[tf.constant(0, tf.int64)], tf.cumsum(lengths)], axis=0),
            output_encoding="UTF-8",
            errors="replace",
            replacement_char=_SPACE,
        )

    return keep(~third_or_later), keep(~(in_long_run & before1))


#: A word with a run of three or more equal letters (RE2 has no back-references).
ELONGATED = ".*(?:" + "|".join(f"{chr(c)}{{3,}}" for c in range(ord("a"), ord("z") + 1)) + ").*"

#: The hashed sub-words of a word: (characters from its beginning or its end, how many).
SUBWORDS: tuple[tuple[str, int], ...] = (("start", 3), ("start", 5), ("end", 3), ("end", 4))


def subword_ids(words: tf.Tensor, buckets: int) -> tf.Tensor:
    """Hashes the beginnings and endings of words.

    Args:
        words: string [T].
        buckets: How many ids there are for each of :data:`SUBWORDS`.

    Returns:
        int64 [T, len(SUBWORDS)], the ids of one kind of sub-word following those of the last.
    """
    longest = max(length for _, length in SUBWORDS)
    padding = "_" * longest
    padded = tf.strings.join([padding, words, padding])
    columns = []
    for kind, (side, length) in enumerate(SUBWORDS):
        position = longest if side == "start" else -longest - length
        piece = tf.strings.substr(padded, position, length)
        columns.append(tf.strings.to_hash_bucket_fast(piece, buckets) + kind * buckets)
    return tf.stack(columns, axis=1)
