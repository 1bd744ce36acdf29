"""The hyperparameters of the network and of its training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError

from emotion_tfx.errors import UserError

_Count = Annotated[int, Field(gt=0)]
_Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class Hyperparameters:
    """What the Tuner searches and the Trainer uses.

    Attributes:
        units: Width of each direction of the recurrent layer.
        word_dimensions: Size of the vector of a word; GloVe's own where it is 50.
        stem_dimensions: Size of the vector of a stem.
        subword_dimensions: Size of the vector of a hashed sub-word.
        dense_units: Width of the layer before the output.
        dropout: Share of the inputs of the recurrent and the dense layer dropped in training.
        word_dropout: Share of the words hidden in training, so that their sub-words and their
            neighbours learn to speak for them.
        misspelling: Share of the words misspelt in training, where there are sub-words to learn it.
        learning_rate: Peak of the schedule.
        weight_decay: Decoupled weight decay (AdamW).
        label_smoothing: Share of the target spread over all classes.
        batch_size: Texts a step, at most: a small corpus has smaller batches, for steps enough.
        epochs: Passes over the training texts.
        min_examples: A small corpus is passed over more often, until so many texts are seen.
        max_examples: Training ends after so many texts at the latest, counted over all passes.
    """

    units: _Count = 64
    word_dimensions: _Count = 50
    stem_dimensions: _Count = 50
    subword_dimensions: _Count = 32
    dense_units: _Count = 64
    dropout: _Share = 0.35
    word_dropout: _Share = 0.05
    misspelling: _Share = 0.05
    learning_rate: _Rate = 4e-3
    weight_decay: _Share = 1e-3
    label_smoothing: _Share = 0.0
    batch_size: _Count = 512
    epochs: _Count = 20
    min_examples: _Count = 40_000
    max_examples: _Count = 4_000_000

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Hyperparameters:
        """Takes the values it knows; the others keep their defaults."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in values.items() if name in known})

    @classmethod
    def load(cls, path: Path) -> Hyperparameters:
        """Reads what :meth:`save` or the Tuner wrote.

        Raises:
            UserError: The file is not what either writes, or a value cannot be.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            plain = json.dumps(values.get("values", values))
            return TypeAdapter(cls).validate_json(plain, strict=True)
        except (ValueError, TypeError, AttributeError) as error:
            raise UserError(
                f"These are no stored hyperparameters{_what_is_wrong(error)}",
                "Delete the file to use the defaults, or run `emotion tune` to make it anew.",
                path=path,
            ) from error

    def save(self, path: Path) -> None:
        """Writes the values as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.to_dict(), indent=2) + "\n", encoding="utf-8")

    def to_dict(self) -> dict[str, Any]:
        """All values by name."""
        return asdict(self)


def _what_is_wrong(error: Exception) -> str:
    """The value to blame and why, if it is one."""
    if not isinstance(error, ValidationError):
        return ""
    first = error.errors()[0]
    name = "".join(f": {part}" for part in first["loc"])
    return f"{name}: {first['msg']}, not {first['input']!r}"
