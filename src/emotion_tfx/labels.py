"""The six emotions: their order, names, colours and faces. The only place that knows them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Emotion:
    """One class of the classifier.

    Attributes:
        name: What the model answers and what a CSV may carry.
        colour: Hex colour used in plots and in the web app.
        face: One emoji that stands for it.
    """

    name: str
    colour: str
    face: str


#: In label order: the position is the integer that a CSV may carry instead of the name.
EMOTIONS: tuple[Emotion, ...] = (
    Emotion("sadness", "#4C78A8", "😢"),
    Emotion("joy", "#F2B701", "😄"),
    Emotion("love", "#E45792", "🥰"),
    Emotion("anger", "#D1422F", "😠"),
    Emotion("fear", "#7A5195", "😨"),
    Emotion("surprise", "#2A9D8F", "😲"),
)

LABELS: tuple[str, ...] = tuple(emotion.name for emotion in EMOTIONS)

#: Every spelling a CSV may use for a label: its name or its integer.
LABEL_IDS: dict[str, int] = {
    **{name: index for index, name in enumerate(LABELS)},
    **{str(index): index for index in range(len(LABELS))},
}
