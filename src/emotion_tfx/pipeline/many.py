"""Predicting whole folders of CSV files on a Beam engine, a file at a time in each worker."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import apache_beam as beam

from emotion_tfx.bulk import predict_csv
from emotion_tfx.errors import UserError
from emotion_tfx.model.classifier import EmotionClassifier


class _PredictFile(beam.DoFn):
    """Answers a file as ``emotion predict`` does alone; the model is loaded once a worker.

    A file that is done is left as it is, so that a job that was cut off goes on, and an engine may
    run the same file twice.
    """

    def __init__(self, model: str | None, output: str, text_column: str) -> None:
        self._model = model
        self._output = output
        self._text_column = text_column

    def setup(self) -> None:
        self._classifier = EmotionClassifier(self._model)

    def process(self, file: str) -> Iterator[str]:
        target = Path(self._output) / Path(file).name
        if not target.exists():
            predict_csv(self._classifier, Path(file), target, self._text_column)
        yield str(target)


def predict_folder(
    model: Path | None, source: Path, target: Path, text_column: str, beam_args: Sequence[str]
) -> int:
    """Answers every CSV of a folder, into files of the same names in another.

    Args:
        model: As for :class:`~emotion_tfx.EmotionClassifier`.
        source: Folder with the CSV files, which every worker sees at this place.
        target: Folder for the answers, likewise; made if need be.
        text_column: The column that holds the text.
        beam_args: The engine and its options.

    Returns:
        The number of files.

    Raises:
        UserError: The folder holds no CSV, or a file of it cannot be answered.
    """
    files = sorted(str(file.absolute()) for file in source.glob("*.csv"))
    if not files:
        raise UserError("The folder holds no CSV file", "Give one with *.csv in it.", path=source)
    target.mkdir(parents=True, exist_ok=True)
    place = None if model is None else str(model.absolute())
    try:
        with beam.Pipeline(argv=list(beam_args)) as pipeline:
            _ = (
                pipeline
                | "Files" >> beam.Create(files)
                | "OverWorkers" >> beam.Reshuffle()
                | "Predict" >> beam.ParDo(_PredictFile(place, str(target.absolute()), text_column))
            )
    except Exception as error:
        told = [line for line in str(error).splitlines() if line.strip()]
        raise UserError(
            f"A file could not be answered: {told[-1].strip() if told else type(error).__name__}",
            "Mend it and run the same again: what is done is not done twice.",
            path=source,
        ) from error
    return len(files)
