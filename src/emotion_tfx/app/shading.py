"""Finds the words of a text that the model's tokens came from, to shade them.

The model reads ``don't`` as two words, ``soooo`` as one it knows, ``:)`` as a face, and drops
commas. Tokens and the pieces of the text are matched in their order: equal ones first, and what
lies between two matches shares the tokens that lie between them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from emotion_tfx.app.client import Word

_PIECE = re.compile(
    r"<3|[:;=8xX]['’-]?[()\[\]DPpOo3*/\\|]+(?!\w)"  # emoticons
    r"|\w+(?:['’ʼ]\w+)*"  # words, with what they are contracted from
    r"|[^\w\s]"  # one sign or emoji
)


@dataclass(frozen=True)
class Shade:
    """A part of the text.

    Attributes:
        text: Its characters.
        contribution: By how much it raised the probability of the label; None where the model
            read nothing.
    """

    text: str
    contribution: float | None = None


def shade(text: str, words: Sequence[Word]) -> list[Shade]:
    """Cuts a text into parts with and without a contribution.

    Args:
        text: As it was asked about.
        words: As the model read it, in order.

    Returns:
        Parts that together are the text.
    """
    pieces = list(_PIECE.finditer(text))
    weights = _weights([_folded(piece[0]) for piece in pieces], words)
    parts: list[Shade] = []
    end = 0
    for piece, weight in zip(pieces, weights, strict=True):
        if weight is None:
            continue
        if piece.start() > end:
            parts.append(Shade(text[end : piece.start()]))
        parts.append(Shade(piece[0], weight))
        end = piece.end()
    if end < len(text):
        parts.append(Shade(text[end:]))
    return parts


def _weights(pieces: Sequence[str], words: Sequence[Word]) -> list[float | None]:
    weights: list[float | None] = [None] * len(pieces)
    matcher = SequenceMatcher(None, pieces, [each.word for each in words], autojunk=False)
    for kind, start, end, first, last in matcher.get_opcodes():
        if kind == "equal":
            for offset in range(end - start):
                weights[start + offset] = words[first + offset].contribution
        elif kind == "replace":
            _share(weights, pieces, range(start, end), words[first:last])
    return weights


def _share(
    weights: list[float | None],
    pieces: Sequence[str],
    between: range,
    words: Sequence[Word],
) -> None:
    """Gives tokens to the pieces between two matches, in order and in even portions."""
    read = [position for position in between if _may_be_read(pieces[position])]
    if not read:
        return
    for number, word in enumerate(words):
        position = read[number * len(read) // len(words)]
        weights[position] = (weights[position] or 0.0) + word.contribution


def _may_be_read(piece: str) -> bool:
    """Whether the model makes a token of it: it drops lone punctuation."""
    return len(piece) > 1 or piece.isalnum() or unicodedata.category(piece) in ("So", "Sk")


def _folded(piece: str) -> str:
    folded = unicodedata.normalize("NFKD", piece).casefold()
    return "".join(letter for letter in folded if not unicodedata.combining(letter))
