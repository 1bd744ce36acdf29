"""What people say about the answers: kept in a database, given back as training data.

A text is kept only with consent. Without it, what was answered and what was chosen is kept alone,
which tells how often people agree.
"""

from __future__ import annotations

import csv
import datetime
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from emotion_tfx.app.client import Answer
from emotion_tfx.errors import UserError
from emotion_tfx.labels import LABELS

_METADATA = sa.MetaData()
_FEEDBACK = sa.Table(
    "feedback",
    _METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("given_at", sa.DateTime, nullable=False),
    sa.Column("answered", sa.String(16), nullable=False),
    sa.Column("chosen", sa.String(16), nullable=False),
    sa.Column("confidence", sa.Float, nullable=False),
    sa.Column("model", sa.String(200), nullable=False),
    sa.Column("text", sa.Text, nullable=True),
)


class FeedbackError(Exception):
    """The database cannot be used; the message is its own."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        texts: How many texts.
        withheld: How many judgements have no text, as there was no consent.
    """

    texts: int
    withheld: int


class FeedbackStore:
    """A database of judgements; safe to use from any thread.

    Args:
        address: As SQLAlchemy writes it, such as ``sqlite:///feedback.sqlite``.

    Raises:
        UserError: It is no such address, or its driver is not installed.
    """

    def __init__(self, address: str) -> None:
        try:
            self._url = make_url(address)
            self._engine = sa.create_engine(self._url)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ImportError) as error:
            raise UserError(
                f"The feedback cannot be kept in {address!r} ({error})",
                "Give an address as SQLAlchemy writes it, such as sqlite:///feedback.sqlite.",
            ) from error

    def keep(self, key: str, answer: Answer, chosen: str, text: str | None) -> None:
        """Keeps a judgement; the same key again takes the place of what was said before.

        Args:
            key: Which answer is judged.
            answer: That answer.
            chosen: The emotion that the person reads in the text.
            text: The text, if there is consent to keep it.

        Raises:
            FeedbackError: It cannot be kept.
        """
        row = {
            "id": key,
            "given_at": datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None),
            "answered": answer.label,
            "chosen": chosen,
            "confidence": answer.confidence,
            "model": f"{answer.model_name} {answer.model_version}",
            "text": text,
        }
        with self._connected() as connection:
            connection.execute(sa.delete(_FEEDBACK).where(_FEEDBACK.c.id == key))
            connection.execute(sa.insert(_FEEDBACK).values(row))

    def forget(self, key: str) -> None:
        """Takes a judgement back.

        Raises:
            FeedbackError: It cannot be.
        """
        with self._connected() as connection:
            connection.execute(sa.delete(_FEEDBACK).where(_FEEDBACK.c.id == key))

    def agreement(self) -> tuple[int, int]:
        """How many judgements agree with the answer, and how many there are.

        Raises:
            FeedbackError: The database cannot be read.
        """
        agrees = sa.case((_FEEDBACK.c.answered == _FEEDBACK.c.chosen, 1), else_=0)
        with self._connected() as connection:
            agreed, total = connection.execute(
                sa.select(sa.func.coalesce(sa.func.sum(agrees), 0), sa.func.count())
            ).one()
        return int(agreed), int(total)

    def export(self, path: Path) -> Exported:
        """Writes each text with the label most often chosen for it, the latest between equals.

        The columns are those that training reads: text, label and source.

        Raises:
            UserError: The database or the file cannot be used, or nobody gave a text yet.
        """
        try:
            with self._connected() as connection:
                found = connection.execute(
                    sa.select(_FEEDBACK.c.text, _FEEDBACK.c.chosen).order_by(_FEEDBACK.c.given_at)
                ).all()
        except FeedbackError as error:
            raise UserError(
                f"The feedback in {self._shown} cannot be read ({error})",
                "Check EMOTION_FEEDBACK and EMOTION_OUTPUT, or the permissions.",
            ) from error
        judged: defaultdict[str, list[str]] = defaultdict(list)
        for text, chosen in found:
            if text is not None and text.strip() and chosen in LABELS:
                judged[text].append(chosen)
        if not judged:
            raise UserError(
                f"There is no feedback with a text in {self._shown} yet",
                "People give it in the web app, `emotion app`, below an answer.",
            )
        try:
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(["text", "label", "source"])
                writer.writerows(
                    [text, _verdict(said), "feedback"] for text, said in judged.items()
                )
        except OSError as error:
            raise UserError(
                f"The file cannot be written ({error.strerror})",
                "Choose another with --output.",
                path=path,
            ) from error
        return Exported(len(judged), sum(text is None for text, _ in found))

    @property
    def _shown(self) -> str:
        return self._url.render_as_string(hide_password=True)

    @contextmanager
    def _connected(self) -> Iterator[sa.engine.Connection]:
        try:
            if self._url.get_backend_name() == "sqlite" and self._url.database:
                Path(self._url.database).parent.mkdir(parents=True, exist_ok=True)
            with self._engine.begin() as connection:
                _METADATA.create_all(connection)
                yield connection
        except (sa.exc.SQLAlchemyError, OSError) as error:
            raise FeedbackError(str(getattr(error, "orig", None) or error)) from error


def _verdict(said: list[str]) -> str:
    """The label said most often; of several, the one said last."""
    counts = Counter(said)
    most = max(counts.values())
    return next(label for label in reversed(said) if counts[label] == most)
