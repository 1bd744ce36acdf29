"""Training throughput on the CPU: this project's recipe beside a common tutorial's configuration.

Each configuration learns from the same texts, in turn, in a process of its own. The middle one,
this project's network fed the way the tutorial feeds its own, tells batching and network apart.
Neither preparing the texts nor the first pass, which also traces and compiles, is counted.
"""

from __future__ import annotations

import json
import logging
import os
import random
import statistics
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from importlib.metadata import version
from itertools import cycle, islice, pairwise
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from emotion_tfx.cores import training_threads
from emotion_tfx.data import Row, read_csv, sample_corpus
from emotion_tfx.errors import UserError
from emotion_tfx.labels import LABELS

if TYPE_CHECKING:
    from emotion_tfx.features.vocabulary import Vocabulary
    from emotion_tfx.model.dataset import Dataset

#: As many as the official training split of CARER has.
TEXTS = 16_000
STEPS, BATCH, WORDS = 100, 32, 1_000  # as in the tutorial
TUTORIAL = f"tutorial: Keras BiLSTM, padded to {STEPS}, batches of {BATCH}"
#: Passes of the slow configurations; the recipe makes as many as its hyperparameters say.
PASSES = 3
#: Texts to examples per second, one figure for each pass after the first.
Measure = Callable[[list[Row]], list[float]]


def recipe(rows: list[Row]) -> list[float]:
    """This project's training as it is."""
    with training_threads():
        return _train(*_prepare(rows))


def padded_recipe(rows: list[Row]) -> list[float]:
    """This project's network, fed the way the tutorial feeds its own."""
    with training_threads():
        dataset, vocabulary = _prepare(rows)
        return _train(_pad(dataset), vocabulary, batch_size=BATCH, epochs=PASSES)


def tutorial(rows: list[Row]) -> list[float]:
    """The tutorial's network, trained with ``model.fit``."""
    import keras
    import numpy as np
    import tensorflow as tf

    texts = tf.constant([row.text for row in rows])
    vectorize = keras.layers.TextVectorization(WORDS, output_sequence_length=STEPS)
    vectorize.adapt(texts)
    model = keras.Sequential(
        [
            keras.layers.Embedding(WORDS, 32),
            keras.layers.Bidirectional(keras.layers.LSTM(128)),
            keras.layers.Dense(384, activation="relu"),
            keras.layers.Dense(len(LABELS), activation="softmax"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    ends: list[float] = []
    clock = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(perf_counter()))
    ids, labels = vectorize(texts).numpy(), np.array([row.label for row in rows])
    model.fit(ids, labels, batch_size=BATCH, epochs=PASSES, verbose=0, callbacks=[clock])
    return [len(rows) / (end - begin) for begin, end in pairwise(ends)]


def _train(dataset: Dataset, vocabulary: Vocabulary, **changes: int) -> list[float]:
    from emotion_tfx.model.hyperparameters import Hyperparameters
    from emotion_tfx.model.training import train

    # The trainer leaves validation out of its speed, so the same texts can serve for it.
    trained = train(dataset, dataset, vocabulary, replace(Hyperparameters(), **changes))
    return [epoch["examples_per_second"] for epoch in trained.history[1:]]


def _prepare(rows: list[Row]) -> tuple[Dataset, Vocabulary]:
    """Runs this project's text preparation in memory."""
    import numpy as np
    import tensorflow as tf
    import tensorflow_transform as tft
    import tensorflow_transform.beam as tft_beam

    from emotion_tfx.features import preprocessing, vocabulary
    from emotion_tfx.model.dataset import from_columns

    spec = {preprocessing.TEXT: tf.io.FixedLenFeature([], tf.string)}
    metadata = tft.DatasetMetadata.from_feature_spec(spec)
    texts = [row.text for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        with tft_beam.Context(temp_dir=f"{folder}/work"):
            analyze = tft_beam.AnalyzeDataset(preprocessing.preprocessing_fn)
            raw = [{preprocessing.TEXT: text} for text in texts]
            _ = (raw, metadata) | analyze | tft_beam.WriteTransformFn(folder)
        output = tft.TFTransformOutput(folder)
        path = Path(output.transform_savedmodel_dir, "assets", vocabulary.ASSET)
        words = vocabulary.Vocabulary.load(path)
        features = output.transform_raw_features({preprocessing.TEXT: tf.constant(texts)})
    names = preprocessing.WORD_IDS, preprocessing.STEM_IDS, preprocessing.SUBWORD_IDS
    tokens = {name: features[name].values.numpy() for name in names}
    owners = features[preprocessing.WORD_IDS].indices[:, 0].numpy()
    tokens[preprocessing.SUBWORD_IDS] = tokens[preprocessing.SUBWORD_IDS].reshape(len(owners), -1)
    dataset = from_columns(
        np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(rows)))]),
        tokens,
        np.array([row.label for row in rows]),
        np.ones(len(rows)),
    )
    return dataset, words


def _pad(dataset: Dataset) -> Dataset:
    """Makes every text ``STEPS`` tokens long, with padding or by cutting it."""
    import numpy as np

    distinct = {
        name: np.concatenate([ids, np.zeros_like(ids[:1])])
        for name, ids in dataset.distinct.items()
    }
    padding = len(distinct[dataset.features[0]]) - 1
    tokens = np.full((len(dataset), STEPS), padding, np.int32)
    for row, (start, end) in zip(tokens, pairwise(dataset.offsets), strict=True):
        text = dataset.tokens[start:end][:STEPS]
        row[: len(text)] = text
    offsets = np.arange(len(dataset) + 1) * STEPS
    return replace(dataset, offsets=offsets, tokens=tokens.reshape(-1), distinct=distinct)


def _quiet_cpu() -> None:
    os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)


def _apart(measure: Measure, rows: list[Row]) -> float:
    """The median of what a new process measures, so that no configuration warms another."""
    with ProcessPoolExecutor(1, get_context("spawn"), _quiet_cpu) as pool:
        return statistics.median(pool.submit(measure, rows).result())


def _read(path: Path) -> list[Row]:
    rows = read_csv(path)
    random.Random(0).shuffle(rows)
    return list(islice(cycle(rows), TEXTS))


def main(
    data: Annotated[Path | None, typer.Option(help="CSV with columns text and label.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON.")] = False,
) -> None:
    """Measure training throughput on this machine's CPU.

    Compares this project's recipe with a common tutorial's configuration,
    both in float32 on all cores, on the same 16,000 texts: drawn from your
    CSV (by default the bundled sample), repeated if it has fewer. Takes some
    three minutes on two cores that do nothing else.

    Example: python benchmarks/training.py --data train.csv
    """
    try:
        rows = _read(data or sample_corpus().files[0])
    except UserError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    measures: dict[str, Measure] = {
        "this project's recipe": recipe,
        f"its network, padded to {STEPS}, batches of {BATCH}": padded_recipe,
        TUTORIAL: tutorial,
    }
    speeds = {}
    for name, measure in measures.items():
        with Console(stderr=True).status(f"Measuring {name} …"):
            speeds[name] = _apart(measure, rows)
    ratios = {name: speed / speeds[TUTORIAL] for name, speed in speeds.items()}
    machine = {"texts": len(rows), "cores": os.cpu_count(), "tensorflow": version("tensorflow")}
    if as_json:
        print(json.dumps({"examples_per_second": speeds, "ratio": ratios, **machine}))
        return
    numbers = (Column(name, justify="right") for name in ("examples/s", "ratio"))
    caption = ", ".join(f"{name} {value}" for name, value in machine.items())
    table = Table("configuration", *numbers, caption=caption)
    for name, speed in speeds.items():
        table.add_row(name, f"{speed:,.0f}", f"{ratios[name]:.2f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
