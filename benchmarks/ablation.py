"""What each choice is worth: one network after another, with one thing changed at a time.

A row is one training, or several of different seeds, by the code of the product, on features made
in memory by the preparation's own functions. The first row is the recipe as it is, learning from
the corpus's own training split alone; the others change one thing of it. In the last part, sources
are added to the corpus, and all rows end after equally many texts.

What was done is kept, and done no second time: a run that was cut off goes on where it was.
"""

from __future__ import annotations

import csv
import json
import logging
import os
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from statistics import mean, median, stdev
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console

from emotion_tfx.config import Settings
from emotion_tfx.data import Extra, find_corpus, prepare, read_csv, written_extra
from emotion_tfx.data.find import files_at
from emotion_tfx.data.prepare import MAIN_DOMAIN, SPLITS
from emotion_tfx.errors import UserError
from emotion_tfx.evaluation.files import write_atomically
from emotion_tfx.evaluation.metrics import present_class_macro_f1
from emotion_tfx.labels import LABELS
from emotion_tfx.model.hyperparameters import Hyperparameters
from emotion_tfx.model.progress import progress_bar

if TYPE_CHECKING:
    from emotion_tfx.features.preprocessing import FeatureOptions
    from emotion_tfx.features.vocabulary import Vocabulary
    from emotion_tfx.model.dataset import Dataset
    from emotion_tfx.model.network import EmotionNetwork
    from emotion_tfx.model.training import Progress

TABLE = Path(__file__).parents[1] / "docs" / "ablation.md"
#: Texts at a time: prepared, and timed.
PREPARED_AT_ONCE, TIMED_AT_ONCE, TIMINGS = 8_192, 256, 5
#: Texts at which training ends in the part on sources, counted over all passes.
SEEN = 400_000
#: What a written text counts beside one of the corpus: as in `emotion train`.
WRITTEN_WEIGHT = float(Settings.model_fields["written_weight"].default)
#: The figures of a training, in the order of the table.
FIGURES = (
    "validation accuracy",
    "validation macro-F1",
    "test accuracy",
    "test macro-F1",
    "other domains macro-F1",
)


@dataclass(frozen=True)
class Variant:
    """One row.

    Attributes:
        part: Which part of the table it is in.
        name: What is changed.
        steps: Switches of the text preparation.
        glove: Whether words start from GloVe's vectors.
        cell: The network's kind; see :func:`network_of`.
        values: Changed hyperparameters.
        sources: What is learned from beside the corpus's own split: names of files, ``more`` for
            its further rows, ``written`` for the written texts.
    """

    part: str
    name: str
    steps: dict[str, bool] = field(default_factory=dict)
    glove: bool = True
    cell: str = "ours"
    values: dict[str, Any] = field(default_factory=dict)
    sources: tuple[str, ...] = ()

    @property
    def options(self) -> FeatureOptions:
        """The choices of the text preparation."""
        from emotion_tfx.features.preprocessing import FeatureOptions
        from emotion_tfx.features.text import TextSteps
        from emotion_tfx.features.vocabulary import VocabularyOptions

        vocabulary = VocabularyOptions() if self.glove else VocabularyOptions(glove_words=0)
        return FeatureOptions(TextSteps(**self.steps), vocabulary)

    @property
    def hyperparameters(self) -> Hyperparameters:
        """The defaults but for what is changed."""
        return replace(Hyperparameters(), **self.values)


def variants(others: Sequence[str], *, more: bool) -> list[Variant]:
    """All rows.

    Args:
        others: Names of the sources of other domains.
        more: Whether there are further rows of the corpus.
    """
    steps = (
        ("case folding", "case_folding"),
        ("markup", "markup"),
        ("contractions", "contractions"),
        ("emoticons", "emoticons"),
        ("emoji", "emoji"),
        ("elongation", "elongation"),
        ("stop words", "stop_words"),
        ("stemming", "stemming"),
        ("sub-words", "subwords"),
    )
    # GloVe's vectors have 50 dimensions; those of another size keep their random start.
    random = {"word_dimensions": 51, "stem_dimensions": 51}
    rows = [Variant("the recipe", "as it is")]
    rows += [Variant("without a step", f"no {name}", {step: False}) for name, step in steps]
    rows += [
        Variant("without a step", "no reading of negations", cell="blind"),
        Variant("without a step", "no misspelt words in training", values={"misspelling": 0.0}),
        Variant("embeddings", "random start", glove=False, values=random),
        Variant("embeddings", "words alone", {"stemming": False, "subwords": False}),
        Variant(
            "embeddings",
            "words alone, random start",
            {"stemming": False, "subwords": False},
            glove=False,
            values=random,
        ),
        Variant("cells", "no gate reads the states", cell="stateless"),
        Variant("cells", "LSTM", cell="LSTM"),
        Variant("cells", "GRU", cell="GRU"),
        Variant("cells", "none: attention and pooling over words", cell="none"),
    ]
    sources = [("more", "further rows of the corpus")] if more else []
    sources += [("written", "the written texts")]
    sources += [(name, name) for name in others]
    added: list[tuple[str, tuple[str, ...]]] = [("alone", ())]
    added += [(f"and {name}", (key,)) for key, name in sources]
    added += [("and all of these", tuple(key for key, _ in sources))]
    for name, keys in added:
        rows.append(Variant("sources", name, values={"max_examples": SEEN}, sources=keys))
    return rows


def network_of(cell: str) -> type[EmotionNetwork]:
    """The network with another recurrent layer, all else being equal.

    Args:
        cell: ``ours``; ``blind``, the same that reads a negated token as any other;
            ``stateless``, the same with an output gate that reads the token alone; ``LSTM`` or
            ``GRU``, Keras's own; ``none``, which attends to the tokens themselves.
    """
    import keras
    import tensorflow as tf

    from emotion_tfx.model.network import POSITIONS, EmotionNetwork

    class Changed(EmotionNetwork):
        def __init__(
            self,
            hyperparameters: Hyperparameters,
            vocabulary: Vocabulary,
            features: tuple[str, ...],
        ) -> None:
            super().__init__(hyperparameters, vocabulary, features)
            self.change(hyperparameters.units)

        def change(self, units: int) -> None:
            raise NotImplementedError

    class Blind(Changed):
        def change(self, units: int) -> None:
            self._roles = np.zeros_like(self._roles)

    class Stateless(Changed):
        def change(self, units: int) -> None:
            self.narrow.trainable = self.widen.trainable = False  # Which starts from zeros.

    class WithLayer(Changed):
        def change(self, units: int) -> None:
            self.recurrent = None
            if cell != "none":
                layer = keras.layers.LSTM if cell == "LSTM" else keras.layers.GRU
                self.recurrent = keras.layers.Bidirectional(layer(units, return_sequences=True))

        def call(self, inputs: dict[str, tf.Tensor], training: bool = False) -> tf.Tensor:
            positions = tf.transpose(inputs[POSITIONS])
            if training and self.word_dropout:
                inputs = self._hide_words(inputs)
            vectors = self.input_dropout(self.embed(inputs), training=training)
            states = tf.gather(tf.pad(vectors, [[1, 0], [0, 0]]), positions)
            present = tf.not_equal(positions, 0)
            if self.recurrent is not None:
                states = self.recurrent(states, mask=present, training=training)
            return self._classify(tf.transpose(states, [1, 0, 2]), tf.transpose(present), training)

    kinds = {"ours": EmotionNetwork, "blind": Blind, "stateless": Stateless}
    return kinds.get(cell, WithLayer)


@dataclass(frozen=True)
class Corpora:
    """Where the texts are.

    Attributes:
        data: A folder with the corpus's official splits, and perhaps ``more.csv``.
        others: Sources of other domains to learn from, by name.
        unseen: Sets of other domains to measure on, by name; never learned from.
    """

    data: Path
    others: dict[str, Extra]
    unseen: dict[str, Path]

    @property
    def more(self) -> Path:
        """Further rows of the corpus itself."""
        return self.data / "more.csv"

    def splits(self, sources: Sequence[str]) -> dict[str, list[dict[str, str]]]:
        """The prepared rows of each split, those of other domains in training alone."""
        known = self.others | {
            "more": Extra(self.more, same_domain=True),
            "written": written_extra(WRITTEN_WEIGHT),
        }
        with tempfile.TemporaryDirectory() as folder:
            corpus = find_corpus(self.data, cache=Path(folder), say=lambda _: None)
            out = Path(folder) / "prepared"
            extras = [known[source] for source in sources]
            prepare(corpus, out, extras=extras, unseen=list(self.unseen.values()))
            read = {split: read_rows(out / split / "data.csv") for split in SPLITS}
        own = [row for row in read["validation"] if row["domain"] == MAIN_DOMAIN]
        return read | {"validation": own}


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of prepared data, by column."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


class Features:
    """The text preparation in memory, with a vocabulary of its own.

    Args:
        rows: Texts whose words are known.
        options: The choices of the text preparation.
        folder: Where the vocabulary is kept.
    """

    def __init__(self, rows: list[dict[str, str]], options: FeatureOptions, folder: Path) -> None:
        import tensorflow as tf

        from emotion_tfx.features import preprocessing, text, vocabulary

        strings = [tf.TensorSpec([None], tf.string)]
        steps = options.steps
        tokenize = tf.function(lambda texts: text.tokenize(texts, steps), input_signature=strings)
        counts: Counter[str] = Counter()
        for part in _parts(rows):
            words = tokenize(tf.constant([row["text"] for row in part])).values.numpy()
            counts += vocabulary.count_words(words, elongation=steps.elongation)
        lines = vocabulary.vocabulary_lines(counts, options.vocabulary, stop_words=steps.stop_words)
        path = folder / vocabulary.ASSET
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.vocabulary = vocabulary.Vocabulary.load(path)
        tables = preprocessing.Tables(str(path))
        self.prepare = tf.function(
            lambda texts: preprocessing.look_up(text.tokenize(texts, steps), tables, options),
            input_signature=strings,
        )

    def dataset(self, rows: list[dict[str, str]]) -> Dataset:
        """Rows with the columns of prepared data, as the network is fed them."""
        import tensorflow as tf

        from emotion_tfx.features.preprocessing import DOMAIN, LABEL, TEXT, WEIGHT
        from emotion_tfx.model.dataset import from_batch, join

        return join(
            [
                from_batch(
                    self.prepare(tf.constant([row[TEXT] for row in part]))
                    | {
                        LABEL: tf.constant([int(row[LABEL]) for row in part]),
                        WEIGHT: tf.constant([float(row[WEIGHT]) for row in part]),
                        DOMAIN: tf.constant([row[DOMAIN] for row in part]),
                    }
                )
                for part in _parts(rows)
            ]
        )


def _parts(rows: list[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    for start in range(0, len(rows), PREPARED_AT_ONCE):
        yield rows[start : start + PREPARED_AT_ONCE]


def measure(variant: Variant, corpora: Corpora, seed: int, progress: Progress) -> dict[str, float]:
    """Trains once and returns the figures of the table."""
    from emotion_tfx.model.training import predict_logits, train

    splits = corpora.splits(variant.sources)
    with tempfile.TemporaryDirectory() as folder:
        features = Features(splits["train"], variant.options, Path(folder))
        validation, test = (features.dataset(splits[name]) for name in ("validation", "test"))
        trained = train(
            features.dataset(splits["train"]),
            validation,
            features.vocabulary,
            variant.hyperparameters,
            seed=seed,
            progress=progress,
            kind=network_of(variant.cell),
        )
        on_validation = _scores(trained.validation_logits, validation.labels)
        on_test = _scores(predict_logits(trained.network, test), test.labels)
        others = []
        for path in corpora.unseen.values():
            unseen = features.dataset(_unseen_rows(path))
            logits = predict_logits(trained.network, unseen)
            others.append(present_class_macro_f1(unseen.labels, logits))
    return dict(zip(FIGURES, (*on_validation, *on_test, mean(others)), strict=True))


def _unseen_rows(path: Path) -> list[dict[str, str]]:
    return [
        {"text": row.text, "label": str(row.label), "weight": "1", "domain": MAIN_DOMAIN}
        for row in read_csv(path)
    ]


def _scores(logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    from sklearn.metrics import f1_score

    predicted = logits.argmax(axis=1)
    macro = f1_score(labels, predicted, labels=range(len(LABELS)), average="macro")
    return float((predicted == labels).mean()), float(macro)


def speed(variant: Variant, corpora: Corpora) -> float:
    """Texts a second, from raw text to logits: the median of several passes over the test texts.

    The weights do not matter for it, so nothing is trained.
    """
    import tensorflow as tf

    from emotion_tfx.features.preprocessing import SUBWORD_IDS, WORD_IDS
    from emotion_tfx.features.text import SUBWORDS
    from emotion_tfx.model.network import POSITIONS

    splits = corpora.splits(())
    with tempfile.TemporaryDirectory() as folder:
        features = Features(splits["train"], variant.options, Path(folder))
        dataset = features.dataset(splits["train"][:1])
        network = network_of(variant.cell)(
            variant.hyperparameters, features.vocabulary, dataset.features
        )

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def answer(texts: tf.Tensor) -> tf.Tensor:
            prepared = features.prepare(texts)
            inputs = {name: prepared[name].values for name in dataset.features}
            if SUBWORD_IDS in inputs:
                inputs[SUBWORD_IDS] = tf.reshape(inputs[SUBWORD_IDS], [-1, len(SUBWORDS)])
            row, place = tf.unstack(prepared[WORD_IDS].indices, axis=1)
            numbers = tf.range(1, tf.size(row) + 1)
            shape = tf.reverse(prepared[WORD_IDS].dense_shape, [0])
            inputs[POSITIONS] = tf.scatter_nd(tf.stack([place, row], axis=1), numbers, shape)
            return network(inputs)

        texts = sorted((row["text"] for row in splits["test"]), key=len)
        batches = [
            tf.constant(texts[start : start + TIMED_AT_ONCE])
            for start in range(0, len(texts), TIMED_AT_ONCE)
        ]
        taken = []
        for _ in range(1 + TIMINGS):
            started = time.perf_counter()
            for batch in batches:
                answer(batch).numpy()
            taken.append(time.perf_counter() - started)
    return len(texts) / median(taken[1:])


class Kept:
    """What was measured already, one file a row and seed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def get(self, variant: Variant, kind: str) -> dict[str, float] | None:
        """The figures, or None."""
        path = self._path(variant, kind)
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def put(self, variant: Variant, kind: str, figures: dict[str, float]) -> None:
        """Keeps figures, as a whole or not at all."""
        write_atomically(self._path(variant, kind), json.dumps(figures).encode())

    def _path(self, variant: Variant, kind: str) -> Path:
        told = json.dumps(asdict(variant), sort_keys=True)
        return self._folder / f"{sha256(told.encode()).hexdigest()[:16]}-{kind}.json"


def table(rows: Sequence[Variant], kept: Kept, seeds: int) -> list[str]:
    """The lines of the table, in Markdown; a dash stands where nothing was measured yet."""
    head = ["", *FIGURES, "texts/s"]
    lines = [f"| {' | '.join(head)} |", "|---|" + "---:|" * (len(head) - 1)]
    part = ""
    for row in rows:
        if row.part != part:
            part = row.part
            lines.append(f"| **{part}** |" + " |" * (len(head) - 1))
        found = [each for seed in range(seeds) if (each := kept.get(row, str(seed)))]
        cells = ["–" if not found else f"{mean(e[name] for e in found):.4f}" for name in FIGURES]
        rate = kept.get(row, "speed")
        cells.append(f"{rate['texts/s']:,.0f}" if rate else "–")
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    first = [each for seed in range(seeds) if (each := kept.get(rows[0], str(seed)))]
    if len(first) > 1:
        spread = ", ".join(f"{name} {stdev(e[name] for e in first):.4f}" for name in FIGURES)
        lines += ["", f"Standard deviation over {len(first)} seeds of the first row: {spread}."]
    return lines


def _write(lines: Sequence[str]) -> None:
    """Puts the table in its place in the document, whose words stay."""
    begin, end = "<!-- table -->", "<!-- end of table -->"
    text = TABLE.read_text(encoding="utf-8")
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    TABLE.write_text("\n".join([before + begin, "", *lines, "", end + after]), encoding="utf-8")


def quiet() -> None:
    """Keeps TensorFlow to the CPU, and to itself."""
    os.environ |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)


def main(
    data: Annotated[Path, typer.Argument(help="Folder with train.csv, validation.csv, test.csv.")],
    extra: Annotated[
        list[str] | None, typer.Option(help="A source of another kind, FILE or FILE=WEIGHT.")
    ] = None,
    unseen: Annotated[
        list[Path] | None, typer.Option(help="CSV of another kind to measure on, or a folder.")
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings a row.")] = 1,
    keep: Annotated[Path, typer.Option(help="Folder for what was measured.")] = Path(
        "output/ablation"
    ),
    part: Annotated[str | None, typer.Option(help="Train the rows of this part alone.")] = None,
    speeds: Annotated[bool, typer.Option(help="Measure the texts a second, too.")] = True,
) -> None:
    """Make the ablation table, and write it to docs/ablation.md.

    Takes about a minute a row and seed on two cores; what was measured is kept, so it can be
    interrupted. Change the code of the network, and it is to be measured anew: delete the folder.

    Example: python benchmarks/ablation.py carer --unseen bench --extra tec.csv=0.5
    """
    quiet()
    try:
        others = {each.path.stem: each for each in map(Extra.parse, extra or ())}
        files = {file.stem: file for path in unseen or () for file in files_at(path)}
        if not files:
            raise UserError("there is nothing to measure on", "Give --unseen FILE or FOLDER.")
        corpora = Corpora(data, others, files)
        rows = variants(list(others), more=corpora.more.is_file())
        kept = Kept(keep)
        _measure_all(rows, corpora, kept, seeds=seeds, part=part, speeds=speeds)
    except UserError as error:
        typer.echo(error, err=True)
        raise typer.Exit(1) from None
    lines = table(rows, kept, seeds)
    print("\n".join(lines))
    _write(lines)


def _measure_all(
    rows: list[Variant],
    corpora: Corpora,
    kept: Kept,
    *,
    seeds: int,
    part: str | None,
    speeds: bool,
) -> None:
    wanted = [row for row in rows if part in (None, row.part)]
    for seed in range(seeds):
        for row in wanted:
            if kept.get(row, str(seed)) is None:
                with progress_bar(f"{row.name}, seed {seed}") as progress:
                    kept.put(row, str(seed), measure(row, corpora, seed, progress))
    # All in one go, so that they can be compared.
    missing = [row for row in rows if row.part != "sources" and kept.get(row, "speed") is None]
    for row in missing if speeds else ():
        with Console(stderr=True).status(f"Timing {row.name} …"):
            kept.put(row, "speed", {"texts/s": speed(row, corpora)})


if __name__ == "__main__":
    typer.run(main)
