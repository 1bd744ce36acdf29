"""Turns a corpus into the three clean, disjoint splits that the pipeline reads.

The rules, in the order in which they apply:

1. Every run of white space and control characters becomes one space; rows without a text go.
2. Two texts with the same :func:`text_key` are the same text, and never stand in two splits, not
   even under different labels. Test wins over validation, and validation over training.
3. A corpus without official splits is divided 80/10/10 by a stable hash of the key, so that a
   text stays in its split when the corpus grows. Where only the validation split is missing, a
   tenth of the training split becomes it. Apart from rule 2, validation and test are kept as they
   are, with every repetition and contradiction that the corpus really has.
4. In training a text stands once, under the label that most of its rows have. A text whose labels
   tie stands once under each of them: that it can be either is what there is to learn. Were such
   texts dropped, further rows (rule 5) would show the doubtful ones under an over-sampled label
   alone, as their counterparts under a rare one are seldom there.
5. Extra sources add to training only, under the same rules, and only texts that no earlier source
   has. Further rows of the corpus itself are weighted so that over-sampled classes do not distort
   its balance. Those of another domain keep their own balance, and a column names the domain, for
   training to allow for it. A source may be bounded by how much the corpus itself counts, as the
   written texts are: many of them beside a small corpus would drown it.
6. Feedback adds to training only, as texts of the corpus itself, and what people said about a text
   takes the place of every label that training has for it. Of several judgements of a text the one
   that comes last counts.
7. A twenty-fifth of each source of another domain, chosen by the hash of the key, is not trained on
   but stands in the validation split, under the name of its domain: the probabilities are fitted on
   it too. Whatever else is chosen on validation is chosen on the corpus's own texts alone.

Every row that goes is counted, by its reason, in the :class:`DataReport`.
"""

from __future__ import annotations

import csv
import errno
import filecmp
import hashlib
import json
import math
import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from emotion_tfx.data.find import Corpus, files_at, written_texts
from emotion_tfx.data.read import Row, check_classes, read_counted, read_csv
from emotion_tfx.errors import UserError
from emotion_tfx.labels import LABELS

#: The splits, which are also the names of their folders.
SPLITS = ("train", "validation", "test")

#: How many different texts a class needs to be divided.
MIN_TEXTS = 10

#: The share of another domain's texts that is kept from training, to fit the probabilities on.
CALIBRATION_SHARE = 0.04

#: How far the balance of further rows' classes is corrected, at most.
BALANCE_RANGE = (0.05, 5.0)

#: The domain of the corpus's own texts; that of others is called after their source.
MAIN_DOMAIN = "main"

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ALPHANUMERIC = re.compile(r"[^\W_]+")
#: What a text gains on its way through the web: who is answered or repeated, links, entities.
_PASSED_ON = re.compile(r"(?:\brt\b\W*)?@\w+|(?:https?://|www\.)\S+|&(?:#?\w+);")


@dataclass(frozen=True)
class Extra:
    """A source for the training split only.

    Attributes:
        path: A CSV, or a folder with CSV files.
        weight: What its rows count against the corpus's own, on average.
        same_domain: Whether these are further texts of the corpus itself, not of another kind.
        most: What its rows count together at most, where all of the corpus and its further rows
            count 1. Where they would count more, each counts less than ``weight``.
    """

    path: Path
    weight: float = 1.0
    same_domain: bool = False
    most: float = math.inf

    @classmethod
    def parse(cls, value: str, *, same_domain: bool = False) -> Extra:
        """Reads ``FILE`` or ``FILE=WEIGHT``.

        Raises:
            UserError: No file is named, or the weight is not a number above 0.
        """
        name, equals, number = value.rpartition("=")
        if not equals or Path(value).exists():
            name, number = value, "1"
        try:
            weight = float(number)
        except ValueError:
            weight = math.nan
        if not name or not 0 < weight < math.inf:
            raise UserError(
                f"{value!r} is not a file with a weight",
                "Write FILE or FILE=WEIGHT with a weight above 0, such as more.csv=0.7.",
            )
        return cls(Path(name).expanduser(), weight, same_domain)


@dataclass(frozen=True)
class FileReport:
    """What was read from one file.

    Attributes:
        path: The file.
        role: ``train``, ``validation``, ``test``, ``unsplit``, ``extra`` or ``feedback``.
        rows: Rows below the header.
        empty: Those dropped because they have no text.
        sha256: Of its bytes.
    """

    path: str
    role: str
    rows: int
    empty: int
    sha256: str


@dataclass(frozen=True)
class DataReport:
    """What :func:`prepare` read, dropped and wrote.

    ``rows_read`` equals ``rows_written`` plus the six counts of dropped rows.

    Attributes:
        corpus: The corpus's name.
        is_sample: Whether it is the bundled sample.
        files: What was read, file by file.
        rows_read: Rows in all files.
        rows_written: Rows in all splits.
        empty: Dropped: no text.
        duplicates: Dropped: the same text and label stands in training already.
        conflicts: Dropped: the same text has another label in more of its rows.
        leaked: Dropped: the same text stands in validation or test (for validation: in test), or
            among those never to be trained on.
        overlapping: Dropped: an extra source's text that an earlier source has.
        superseded: Dropped: feedback, or later feedback, tells the label of the same text.
        feedback: Rows in training that feedback gave.
        labels: Rows per split and label.
        sources: Rows per split and source.
    """

    corpus: str
    is_sample: bool
    files: tuple[FileReport, ...]
    rows_read: int
    rows_written: int
    empty: int
    duplicates: int
    conflicts: int
    leaked: int
    overlapping: int
    superseded: int
    feedback: int
    labels: dict[str, dict[str, int]]
    sources: dict[str, dict[str, int]]


class _Text(NamedTuple):
    """A row, its text cleaned, with the key that tells which texts are the same."""

    row: Row
    key: str


class _Weighted(NamedTuple):
    row: Row
    weight: float = 1.0
    domain: str = MAIN_DOMAIN


@dataclass
class _Ledger:
    """Keeps count of what was read and of what was dropped, by reason."""

    files: list[FileReport] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    def read(self, paths: Iterable[Path], role: str) -> list[_Text]:
        """Reads files, cleans their texts and drops those without any."""
        texts: list[_Text] = []
        for path in paths:
            rows, empty = read_counted(path)
            total = len(rows) + empty
            cleaned = (Row(clean_text(row.text), row.label, row.source) for row in rows)
            kept = [_Text(row, text_key(row.text)) for row in cleaned if row.text]
            self.files.append(FileReport(str(path), role, total, total - len(kept), _hash(path)))
            self.dropped["empty"] += total - len(kept)
            texts += kept
        return texts

    def without(self, texts: list[_Text], keys: Collection[str], reason: str) -> list[_Text]:
        """Drops the texts that stand elsewhere."""
        kept = [text for text in texts if text.key not in keys]
        self.dropped[reason] += len(texts) - len(kept)
        return kept

    def latest(self, texts: list[_Text]) -> list[_Text]:
        """Leaves each text once, as it stands last."""
        last = {text.key: text for text in texts}
        self.dropped["superseded"] += len(texts) - len(last)
        return list(last.values())

    def resolve(self, texts: list[_Text]) -> list[_Text]:
        """Leaves each text once under the label that it has most often, or under all of these."""
        groups: dict[str, list[_Text]] = {}
        for text in texts:
            groups.setdefault(text.key, []).append(text)
        kept: list[_Text] = []
        for group in groups.values():
            winners = _most_frequent(group)
            once = list({text.row.label: text for text in reversed(winners)}.values())[::-1]
            kept += once
            self.dropped["duplicates"] += len(winners) - len(once)
            self.dropped["conflicts"] += len(group) - len(winners)
        return kept


def prepare(
    corpus: Corpus,
    out: Path,
    *,
    extras: Sequence[Extra] = (),
    unseen: Sequence[Path] = (),
    feedback: Sequence[Extra] = (),
) -> DataReport:
    """Reads a corpus and writes its splits by the rules above.

    ``out`` gets ``train/data.csv``, ``validation/data.csv``, ``test/data.csv`` with the columns
    ``text``, ``label`` (0 to 5), ``source``, ``weight`` (1.0 for the corpus's own rows) and
    ``domain``, and ``report.json``. It changes as a whole or not at all; data files that would be
    the same as those already there are left untouched.

    Args:
        corpus: The files to read.
        out: The folder to write; new, or written by this function before.
        extras: Sources that add to the training split, and those of another domain a little to the
            validation split.
        unseen: Files, or folders of them, whose texts must not be trained on, such as those of a
            benchmark.
        feedback: What people said about texts, the latest last.

    Returns:
        The report that was written as ``report.json``.

    Raises:
        UserError: A file cannot be used (see :mod:`emotion_tfx.data.read`), a label is missing in
            training, a class is too small to be divided, or ``out`` cannot be written.
    """
    out = out.resolve()
    _check_target(out)
    ledger = _Ledger()
    splits = _read_splits(corpus, ledger)
    held_out = {text.key for name in ("validation", "test") for text in splits[name]}
    held_out |= {
        text_key(row.text) for path in unseen for file in files_at(path) for row in read_csv(file)
    }
    train = ledger.without(splits["train"], held_out, "leaked")
    judged = _judged(feedback, held_out, ledger)
    main = ledger.resolve(ledger.without(train, judged.keys(), "superseded"))
    learned = [*(text.row for text in main), *(each.row for each in judged.values())]
    check_classes(learned, path=_place_of(corpus))
    seen = {text.key for text in train} | judged.keys()
    written = {name: [_Weighted(text.row) for text in splits[name]] for name in SPLITS}
    written["train"] = [_Weighted(text.row) for text in main] + list(judged.values())
    for extra in extras:
        texts = ledger.without(ledger.read(files_at(extra.path), "extra"), held_out, "leaked")
        extra = _bounded(extra, len(texts), written["train"])
        for source in _by_source(texts):
            fresh = ledger.without(source, seen, "overlapping")
            seen.update(text.key for text in fresh)
            kept = ledger.resolve(fresh)
            if not extra.same_domain:
                apart = [text for text in kept if _position(text.key) < CALIBRATION_SHARE]
                kept = [text for text in kept if _position(text.key) >= CALIBRATION_SHARE]
                written["validation"] += [_Weighted(row, domain=row.source) for row, _ in apart]
            written["train"] += _weighted(kept, learned, extra)
    report = _report(corpus, ledger, written, len(judged))
    _publish(out, written, report)
    return report


def written_extra(weight: float) -> Extra:
    """The written texts, to be trained on beside any corpus.

    Args:
        weight: What each of them counts beside one of the corpus, unless the corpus is small: all
            of them never count more than all of it.
    """
    return Extra(written_texts(), weight, most=1.0)


def _judged(feedback: Sequence[Extra], held_out: set[str], ledger: _Ledger) -> dict[str, _Weighted]:
    """What people said, by the keys of the texts."""
    read = [
        (text, extra.weight)
        for extra in feedback
        for text in ledger.without(
            ledger.read(files_at(extra.path), "feedback"), held_out, "leaked"
        )
    ]
    weights = {text.key: weight for text, weight in read}
    return {
        text.key: _Weighted(text.row, weights[text.key])
        for text in ledger.latest([text for text, _ in read])
    }


def clean_text(text: str) -> str:
    """The text on one line: white space and control characters become single spaces."""
    return " ".join(_CONTROLS.sub(" ", text).split())


def text_key(text: str) -> str:
    """What two texts share that differ only in case, spacing, punctuation or Unicode form.

    It is the NFKC form, case-folded, with every run of other than letters and digits as one space.
    Links, HTML entities, @mentions and the mark of a retweet do not count: a sentence that a
    hundred people passed on is one text. A text without letters and digits is its own key.
    """
    cleaned = clean_text(text)
    folded = unicodedata.normalize("NFKC", cleaned).casefold()
    return " ".join(_ALPHANUMERIC.findall(_PASSED_ON.sub(" ", folded))) or cleaned


def _read_splits(corpus: Corpus, ledger: _Ledger) -> dict[str, list[_Text]]:
    """Reads the official splits, or makes what the corpus lacks of them."""
    if corpus.files:
        texts = ledger.read(corpus.files, "unsplit")
        return _divide(texts, {"test": 0.1, "validation": 0.1, "train": 0.8}, corpus)
    train = ledger.read(corpus.train, "train")
    validation = ledger.read(corpus.validation, "validation")
    test = ledger.read(corpus.test, "test")
    in_test = {text.key for text in test}
    if validation:
        validation = ledger.without(validation, in_test, "leaked")
        return {"train": train, "validation": validation, "test": test}
    train = ledger.without(train, in_test, "leaked")
    return {**_divide(train, {"validation": 0.1, "train": 0.9}, corpus), "test": test}


def _divide(
    texts: list[_Text], shares: Mapping[str, float], corpus: Corpus
) -> dict[str, list[_Text]]:
    """Divides texts by the hash of their keys, so that each split has texts of each class."""
    check_classes((text.row for text in texts), path=_place_of(corpus))
    split_of = {text.key: _pick(_position(text.key), shares) for text in texts}
    for label, keys in enumerate(_own_keys(texts)):
        if len(keys) < MIN_TEXTS:
            raise UserError(
                f"{len(keys)} different texts are labelled {LABELS[label]} and nothing else, "
                f"too few to be divided into {', '.join(sorted(shares))}",
                f"Add rows: every class needs {MIN_TEXTS} or more.",
                path=_place_of(corpus),
            )
        _spread(keys, split_of, shares)
    splits: dict[str, list[_Text]] = {name: [] for name in shares}
    for text in texts:
        splits[split_of[text.key]].append(text)
    return splits


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _position(key: str) -> float:
    """A place in [0, 1) that depends on nothing but the key."""
    digest = hashlib.blake2b(key.encode("utf-8"), digest_size=6).digest()
    return int.from_bytes(digest, "big") / 2**48


def _pick(position: float, shares: Mapping[str, float]) -> str:
    *others, last = shares
    for name in others:
        if position < shares[name]:
            return name
        position -= shares[name]
    return last


def _own_keys(texts: Iterable[_Text]) -> list[list[str]]:
    """For each label the keys that stand under it alone."""
    label_of: dict[str, int | None] = {}
    for row, key in texts:
        if label_of.setdefault(key, row.label) != row.label:
            label_of[key] = None
    own: list[list[str]] = [[] for _ in LABELS]
    for key, label in label_of.items():
        if label is not None:
            own[label].append(key)
    return own


def _spread(keys: list[str], split_of: dict[str, str], splits: Iterable[str]) -> None:
    """Moves the key with the smallest hash into each split that has none of the keys."""
    present = {split_of[key] for key in keys}
    for split in (name for name in splits if name not in present):
        (largest, _), *_ = Counter(split_of[key] for key in keys).most_common(1)
        smallest = min((key for key in keys if split_of[key] == largest), key=_position)
        split_of[smallest] = split


def _most_frequent(group: list[_Text]) -> list[_Text]:
    """The texts under the most frequent label, or under all that are the most frequent."""
    if len(group) == 1:
        return group
    counts = Counter(text.row.label for text in group)
    most = max(counts.values())
    return [text for text in group if counts[text.row.label] == most]


def _by_source(texts: Iterable[_Text]) -> Iterable[list[_Text]]:
    sources: dict[str, list[_Text]] = {}
    for text in texts:
        sources.setdefault(text.row.source, []).append(text)
    return sources.values()


def _bounded(extra: Extra, rows: int, train: list[_Weighted]) -> Extra:
    """The source with its weight lowered, if so many rows of it would count too much."""
    own = sum(each.weight for each in train if each.domain == MAIN_DOMAIN)
    return replace(extra, weight=round(min(extra.weight, extra.most * own / max(rows, 1)), 6))


def _weighted(texts: list[_Text], main: list[Row], extra: Extra) -> list[_Weighted]:
    """Weights a source; further rows so that their classes are balanced as the corpus's are."""
    if not extra.same_domain:
        return [_Weighted(text.row, extra.weight, text.row.source) for text in texts]
    shares, main_shares = _label_shares([text.row for text in texts]), _label_shares(main)
    low, high = BALANCE_RANGE
    weights = {
        label: round(extra.weight * min(max(main_shares[label] / share, low), high), 6)
        for label, share in shares.items()
    }
    return [_Weighted(text.row, weights[text.row.label]) for text in texts]


def _label_shares(rows: list[Row]) -> dict[int, float]:
    counts = Counter(row.label for row in rows)
    return {label: count / len(rows) for label, count in counts.items()}


def _place_of(corpus: Corpus) -> Path:
    """The file that training comes from, or its folder if there are several."""
    files = corpus.files or corpus.train
    return files[0] if len(files) == 1 else files[0].parent


def _report(
    corpus: Corpus, ledger: _Ledger, written: Mapping[str, list[_Weighted]], feedback: int
) -> DataReport:
    labels, sources = {}, {}
    for name, rows in written.items():
        counts = Counter(each.row.label for each in rows)
        labels[name] = {label: counts[index] for index, label in enumerate(LABELS)}
        sources[name] = dict(Counter(each.row.source for each in rows))
    return DataReport(
        corpus=corpus.name,
        is_sample=corpus.is_sample,
        files=tuple(ledger.files),
        rows_read=sum(file.rows for file in ledger.files),
        rows_written=sum(map(len, written.values())),
        empty=ledger.dropped["empty"],
        duplicates=ledger.dropped["duplicates"],
        conflicts=ledger.dropped["conflicts"],
        leaked=ledger.dropped["leaked"],
        overlapping=ledger.dropped["overlapping"],
        superseded=ledger.dropped["superseded"],
        feedback=feedback,
        labels=labels,
        sources=sources,
    )


def _check_target(out: Path) -> None:
    """Refuses to replace what :func:`prepare` has not written."""
    if out.exists() and not out.is_dir():
        raise UserError("this is a file, not a folder", "Name another folder.", path=out)
    if out.is_dir():
        foreign = {path.name for path in out.iterdir()} - {*SPLITS, "report.json"}
        if foreign:
            raise UserError(
                f"the folder holds other things than prepared data, such as {min(foreign)}",
                "Name a new folder, as this one would be replaced.",
                path=out,
            )


def _publish(out: Path, written: Mapping[str, list[_Weighted]], report: DataReport) -> None:
    """Writes everything next to ``out``, then puts it in place."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
            new = Path(scratch) / "new"
            for name, rows in written.items():
                _write_csv(new / name / "data.csv", rows)
            text = json.dumps(asdict(report), indent=2, ensure_ascii=False)
            (new / "report.json").write_text(text + "\n", encoding="utf-8")
            if _same_data(new, out):
                (new / "report.json").replace(out / "report.json")
                return
            if out.exists():
                out.rename(Path(scratch) / "old")
            new.rename(out)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        raise UserError(
            f"the prepared data cannot be written ({error.strerror})",
            "Free some space on this disk, or name a folder on another one."
            if full
            else "Check your permission to write there, or name another folder.",
            path=out,
        ) from error


def _write_csv(path: Path, rows: Iterable[_Weighted]) -> None:
    path.parent.mkdir(parents=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("text", "label", "source", "weight", "domain"))
        writer.writerows(
            (row.text, row.label, row.source, weight, domain) for row, weight, domain in rows
        )


def _same_data(new: Path, old: Path) -> bool:
    files = [f"{name}/data.csv" for name in SPLITS]
    if not all((old / file).is_file() for file in files):
        return False
    return not any(filecmp.cmpfiles(new, old, files, shallow=False)[1:])
