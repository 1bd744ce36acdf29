"""Says things in a person's language: phrases, numbers, times."""

from __future__ import annotations

import datetime
import re
from typing import Literal

from babel.dates import format_date, format_timedelta
from babel.numbers import format_compact_decimal, format_decimal, format_percent

from emotion_tfx.app.phrases import PHRASES, Phrase
from emotion_tfx.labels import EMOTIONS

Language = Literal["en", "id"]

LANGUAGES: dict[Language, str] = {"en": "English", "id": "Bahasa Indonesia"}

_FACES = {emotion.name: emotion.face for emotion in EMOTIONS}

#: What Streamlit's Markdown gives a meaning: emphasis, links, HTML, LaTeX, :shortcodes:, lists.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>~$:^&])")

_LINK = re.compile(r"\\:(?=//)|@|\bwww(?=\\\.)", re.IGNORECASE)


class Speech:
    """Speaks one language.

    Args:
        language: Its code.
    """

    def __init__(self, language: Language) -> None:
        self.language = language

    def __call__(self, phrase: str, **values: object) -> str:
        """A phrase with its values filled in, as plain text: for labels and templates."""
        return self._phrase(phrase).format(**values)

    def markdown(self, phrase: str, **values: object) -> str:
        """A phrase for what shows Markdown, in which the values stand as they are."""
        return self._phrase(phrase).format(
            **{name: escaped(str(value)) for name, value in values.items()}
        )

    def emotion(self, label: str) -> str:
        """The name of an emotion; a label that is none stands for itself."""
        return self(f"emotion.{label}") if label in _FACES else label

    def faced(self, label: str) -> str:
        """An emotion with its face."""
        return f"{_FACES.get(label, '')} {self.emotion(label)}".strip()

    def number(self, value: float, digits: int = 0) -> str:
        """A number with the language's separators and at most so many decimals."""
        pattern = "#,##0" + ("." + "#" * digits if digits else "")
        return format_decimal(value, format=pattern, locale=self.language)

    def compact(self, value: float) -> str:
        """A number short enough for a tile."""
        if value < 100_000:
            return self.number(value)
        return format_compact_decimal(value, locale=self.language, fraction_digits=1)

    def percent(self, share: float, digits: int = 0) -> str:
        """A share of 1 in percent. What is not all is never called 100 %, nor something 0 %."""
        unit = 10 ** -(digits + 2)
        sign, told = "", share
        if 0 < share < unit / 2:
            sign, told = "<", unit
        elif 1 - unit / 2 < share < 1:
            sign, told = ">", 1 - unit
        pattern = "#,##0" + ("." + "0" * digits if digits else "") + "%"
        return sign + format_percent(told, format=pattern, locale=self.language)

    def points(self, share: float) -> str:
        """A difference between shares, in points of a hundred, with its sign."""
        return format_decimal(100 * share, format="+#,##0;-#,##0", locale=self.language)

    def time(self, seconds: float) -> str:
        """A span of time, about."""
        return format_timedelta(
            datetime.timedelta(seconds=max(1, round(seconds))),
            threshold=1.5,
            locale=self.language,
        )

    def date(self, day: datetime.date) -> str:
        """A day."""
        return format_date(day, format="medium", locale=self.language)

    def _phrase(self, phrase: str) -> str:
        said: Phrase = PHRASES[phrase]
        return said.id if self.language == "id" else said.en


def escaped(text: str) -> str:
    """A text as Markdown that shows it as it is."""
    escaped_ = _MARKDOWN.sub(r"\\\1", text)
    # Addresses become links even so, unless something that is not seen parts them.
    return _LINK.sub("\\g<0>\u200b", escaped_)
