"""Whether the reasons that a model gives are its reasons: what is lost with the words it names."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from emotion_tfx.evaluation.behaviour import Predict

#: A model's reasons, beside its report and in its ``assets.extra``.
FILE = "reasons.json"

#: Texts asked about, at most, and how long the asking may take, in seconds.
MOST_TEXTS, MOST_SECONDS = 1_000, 60.0

_AT_ONCE = 50

#: N texts to the tokens of each, with what each added to the probability of the predicted class.
Explain = Callable[[Sequence[str]], list[list[tuple[str, float]]]]


@dataclass(frozen=True)
class Reasons:
    """What deleting a token does to the probability of the predicted class.

    Attributes:
        texts: How many were asked about; each has two tokens or more.
        faithful: The share of them in which deleting the token ranked first lowers it by more than
            deleting another token at random.
        first: By how much the one lowers it, on average.
        random: By how much the other does.
    """

    texts: int
    faithful: float
    first: float
    random: float

    def to_json(self) -> str:
        """The figures by name."""
        return json.dumps(asdict(self), indent=2) + "\n"


def measure_reasons(
    texts: Sequence[str],
    explain: Explain,
    predict: Predict,
    *,
    seed: int = 0,
    seconds: float = MOST_SECONDS,
) -> Reasons | None:
    """Deletes tokens from texts and asks the model again, in words and not inside it.

    Source: DeYoung et al., ERASER: A Benchmark to Evaluate Rationalized NLP Models, ACL 2020
    (comprehensiveness), here with one token against another.

    Args:
        texts: Of these at most :data:`MOST_TEXTS` are drawn.
        explain: The model's reasons; see :data:`Explain`.
        predict: The model's answers.
        seed: Of what is drawn.
        seconds: No further texts are asked about after so long.

    Returns:
        None where no text has two tokens.
    """
    generator = np.random.default_rng(seed)
    drawn = [texts[row] for row in generator.permutation(len(texts))[:MOST_TEXTS]]
    end = time.monotonic() + seconds
    asked: list[tuple[str, str, str]] = []
    for start in range(0, len(drawn), _AT_ONCE):
        if start and time.monotonic() > end:
            break
        for pairs in explain(drawn[start : start + _AT_ONCE]):
            if len(pairs) > 1:
                asked.append(_deletions(pairs, generator))
    if not asked:
        return None
    answers = predict([text for versions in asked for text in versions]).probabilities
    of_text = answers.reshape(len(asked), 3, -1)
    predicted = of_text[:, 0].argmax(axis=1)
    whole, without_first, without_other = of_text[np.arange(len(asked)), :, predicted].T
    return Reasons(
        texts=len(asked),
        faithful=float((without_first < without_other).mean()),
        first=float((whole - without_first).mean()),
        random=float((whole - without_other).mean()),
    )


def _deletions(
    pairs: Sequence[tuple[str, float]], generator: np.random.Generator
) -> tuple[str, str, str]:
    """A text, and without its token ranked first, and without another."""
    tokens = [token for token, _ in pairs]
    first = int(np.argmax([value for _, value in pairs]))
    other = int(generator.choice([place for place in range(len(tokens)) if place != first]))

    def without(place: int) -> str:
        return " ".join(tokens[:place] + tokens[place + 1 :])

    return " ".join(tokens), without(first), without(other)
