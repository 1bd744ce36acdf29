"""Many texts at once from files and streams: predicting, and measuring on labelled rows."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from rich.console import Console
from rich.progress import Progress

from emotion_tfx.errors import UserError
from emotion_tfx.labels import LABELS
from emotion_tfx.model.classifier import EmotionClassifier

if TYPE_CHECKING:
    from _csv import Reader

_LONGEST_FIELD = 10_000_000


def predict_texts(
    classifier: EmotionClassifier, texts: Iterable[str], *, as_json: bool = False
) -> None:
    """Prints an answer for each text."""
    texts, kept = iter(texts), []

    def remember() -> Iterator[str]:
        for text in texts:
            kept.append(text)
            yield text

    for part in classifier.stream(remember()):
        for answer in part.answers():
            text = kept.pop(0)
            if as_json:
                sys.stdout.write(json.dumps({"text": text, **asdict(answer)}) + "\n")
                continue
            doubt = "  (not sure)" if answer.uncertain else ""
            ranked = sorted(answer.probabilities.items(), key=lambda item: -item[1])
            shares = "  ".join(f"{name} {share:.3f}" for name, share in ranked)
            sys.stdout.write(f"{answer.label}  {answer.confidence:.3f}{doubt}   [{shares}]\n")


def read_lines(stream: BinaryIO) -> Iterator[str]:
    """The lines of a stream without their ends.

    Raises:
        UserError: A line is not UTF-8.
    """
    for number, line in enumerate(stream, start=1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise UserError(
                f"Line {number} of the input is not UTF-8",
                "Convert it, for example with `iconv -f latin1 -t utf-8`.",
            ) from error


def predict_csv(
    classifier: EmotionClassifier, source: Path, target: Path, text_column: str
) -> None:
    """Copies a CSV and adds to each row the label, its confidence and all probabilities.

    Rows keep their order and their columns. A column of the same name as one of ours is kept too;
    ours is then called ``predicted_…``. The target appears only when it is complete.

    Raises:
        UserError: There is no such file or column, or it is no CSV.
    """
    csv.field_size_limit(_LONGEST_FIELD)
    partial = target.with_name(target.name + ".partial")
    try:
        with (
            source.open(encoding="utf-8-sig", newline="") as reading,
            partial.open("w", encoding="utf-8", newline="") as writing,
        ):
            _copy(classifier, source, reading, writing, text_column)
        partial.replace(target)
    except FileNotFoundError as error:
        raise UserError(
            "There is no such file",
            "Check the spelling of --input and --output.",
            path=Path(error.filename),
        ) from error
    except UnicodeDecodeError as error:
        raise UserError(
            "The file is not UTF-8",
            "Convert it, for example with `iconv -f latin1 -t utf-8`.",
            path=source,
        ) from error
    except OSError as error:
        raise UserError(
            f"The file cannot be read or written: {error.strerror}",
            "Check --input and --output, the permissions and the space on the disk.",
            path=Path(error.filename or target),
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _copy(
    classifier: EmotionClassifier,
    source: Path,
    reading: Iterable[str],
    writing: object,
    text_column: str,
) -> None:
    reader = csv.reader(reading)
    records = _records(reader, source)
    header = next(records, None)
    if header is None or text_column not in header:
        there = "It is empty" if header is None else "It has " + ", ".join(map(repr, header))
        raise UserError(
            f"There is no column {text_column!r}",
            f"{there}; name the right one with --text-column.",
            path=source,
        )
    column = header.index(text_column)
    writer = csv.writer(writing)  # type: ignore[arg-type]
    ours = ("label", "confidence", *(f"p_{name}" for name in LABELS))
    writer.writerow([*header, *(_free_name(name, header) for name in ours)])
    pending: list[list[str]] = []

    def texts() -> Iterator[str]:
        for record in records:
            row = _filled_up(record, len(header), source, reader.line_num)
            pending.append(row)
            yield row[column]

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as bar:
        total = max(_count_lines(source) - 1, 1)
        task = bar.add_task("predicting", total=total)
        for part in classifier.stream(texts()):
            names = np.array(LABELS)[part.probabilities.argmax(axis=1)]
            rounded = np.round(part.probabilities.astype(float), 6).tolist()
            rows, pending[:] = pending[: len(names)], pending[len(names) :]
            writer.writerows(
                [*row, name, max(shares), *shares]
                for row, name, shares in zip(rows, names, rounded, strict=True)
            )
            bar.update(task, advance=len(names))


def _free_name(name: str, taken: list[str]) -> str:
    while name in taken:
        name = f"predicted_{name}"
    return name


def _records(reader: Reader, source: Path) -> Iterator[list[str]]:
    try:
        yield from reader
    except csv.Error as error:
        raise UserError(
            f"The file is no CSV: {error}", "Mend that line.", path=source, line=reader.line_num
        ) from error


def _filled_up(row: list[str], columns: int, source: Path, line: int) -> list[str]:
    """A short row gets empty fields; a longer one would push our columns out of their places."""
    if len(row) > columns:
        raise UserError(
            f"The row has {len(row)} fields, the header {columns}",
            "Put a text that holds commas or line breaks between double quotes.",
            path=source,
            line=line,
        )
    return [*row, *[""] * (columns - len(row))]


def _count_lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))


def evaluate_csv(classifier: EmotionClassifier, path: Path, *, as_json: bool = False) -> None:
    """Prints a model's metrics on a labelled CSV.

    Raises:
        UserError: The file is not as :func:`emotion_tfx.data.read_csv` wants it.
    """
    from emotion_tfx.data import read_csv
    from emotion_tfx.evaluation import Predictions, compute_metrics
    from emotion_tfx.evaluation.console import print_metrics

    rows = read_csv(path)
    texts = [row.text for row in rows]
    predicted = classifier.predict_arrays(texts)
    metrics = compute_metrics(
        Predictions(
            texts=texts,
            labels=np.array([row.label for row in rows]),
            probabilities=predicted.probabilities,
            uncertain=predicted.uncertain,
            sources=[row.source for row in rows],
        )
    )
    if as_json:
        sys.stdout.write(json.dumps(metrics.to_dict(), indent=2) + "\n")
    else:
        print_metrics(Console(), metrics)


def evaluate_behaviour(
    classifier: EmotionClassifier, *, as_json: bool = False, record: bool = False
) -> None:
    """Prints what a model does with the cases of the behavioural suite.

    Args:
        classifier: The model.
        as_json: As ``behaviour.json`` has it.
        record: Keep it with the model as well.

    Raises:
        UserError: The model's folder cannot be written to.
    """
    from emotion_tfx.evaluation import check_behaviour, read_cases, record_behaviour
    from emotion_tfx.evaluation.console import print_behaviour

    behaviour = check_behaviour(read_cases(), classifier.predict_arrays)
    if as_json:
        sys.stdout.write(behaviour.to_json())
    else:
        print_behaviour(Console(highlight=False), behaviour)
    if record:
        for path in record_behaviour(classifier.path, behaviour):
            sys.stderr.write(f"written  {path}\n")
