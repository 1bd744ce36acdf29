"""Finds the corpus to train on: the user's own, Kaggle's, or the bundled sample."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emotion_tfx.data import kaggle
from emotion_tfx.errors import UserError

#: Names under which the validation split of an official corpus is known.
_VALIDATION_NAMES = ("validation", "val", "valid", "dev")


@dataclass(frozen=True)
class Corpus:
    """The files of a corpus, by role: either ``files``, or ``train`` with the other splits.

    Attributes:
        name: How reports call it.
        is_sample: Whether it is the bundled sample, which is too small for any accuracy.
        files: Files to be split by us; empty if the corpus has official splits.
        train: Files of the official training split.
        validation: Files of the official validation split; may be empty although ``train`` is not.
        test: Files of the official test split.
    """

    name: str
    is_sample: bool = False
    files: tuple[Path, ...] = ()
    train: tuple[Path, ...] = ()
    validation: tuple[Path, ...] = ()
    test: tuple[Path, ...] = ()


def find_corpus(data: Path | None, *, cache: Path, say: Callable[[str], None]) -> Corpus:
    """Finds the corpus: what the user gives, or the first one that is there.

    Without ``data`` that is: the folder ``kaggle`` in the cache, the Kaggle corpus itself (unless
    the environment sets ``EMOTION_OFFLINE=1``), the bundled sample.

    Args:
        data: A CSV, or a folder with CSV files. ``train.csv`` and ``test.csv`` in a folder (and
            ``validation.csv``) are official splits; otherwise all its CSV files together are
            one corpus.
        cache: The folder in which fetched corpora are kept.
        say: Takes plain sentences meant for the user.

    Returns:
        The corpus; its files are there but have not been read.

    Raises:
        UserError: ``data`` does not exist, or is a folder without a CSV.
    """
    corpus = _given(data, say) if data is not None else _first_there(cache, say)
    if corpus.is_sample:
        say(
            "This is the bundled sample: it is for seeing the system work, not for accuracy. "
            "Give your own data as a CSV with the columns text and label: `make run DATA=path`."
        )
    return corpus


def sample_corpus() -> Corpus:
    """The bundled sample, in a checkout of the repository or in the installed package.

    Raises:
        UserError: The installation lacks it.
    """
    for path in _bundled_places("sample"):
        if path.is_file():
            return Corpus("bundled sample", is_sample=True, files=(path,))
    raise UserError("the bundled sample is not installed", "Give a CSV of your own.")


def written_texts() -> Path:
    """The texts we wrote for training beside any corpus, in a checkout or the installed package.

    Raises:
        UserError: The installation lacks them.
    """
    for path in _bundled_places("written"):
        if path.is_file():
            return path
    raise UserError(
        "the written texts are not installed",
        "Set EMOTION_WRITTEN_WEIGHT=0 to train without them.",
    )


def files_at(path: Path) -> tuple[Path, ...]:
    """The CSV files a path stands for: itself, or those directly in the folder, sorted by name.

    Raises:
        UserError: The path does not exist, or is a folder without a CSV.
    """
    if not path.exists():
        raise UserError("there is no such file or folder", "Check the path.", path=path)
    files = _csv_files(path) if path.is_dir() else (path,)
    if not files:
        raise UserError(
            "the folder holds no CSV file",
            "Give a CSV with the columns text and label, or a folder with such files.",
            path=path,
        )
    return files


def _bundled_places(name: str) -> tuple[Path, Path]:
    package = Path(__file__).resolve().parents[1]
    return (
        package.parents[1] / "data" / name / "emotions.csv",
        package / "_bundled" / name / "emotions.csv",
    )


def _given(data: Path, say: Callable[[str], None]) -> Corpus:
    data = data.expanduser()
    files = files_at(data)
    if len(files) == 1 and files[0].resolve() in _bundled_places("sample"):
        return sample_corpus()
    if not data.is_dir():
        return Corpus(data.stem, files=files)
    name = data.resolve().name
    if official := _official(name, files):
        _say_left_out(official, files, say)
        return official
    return Corpus(name, files=files)


def _official(name: str, files: tuple[Path, ...]) -> Corpus | None:
    """The corpus with the splits that the files' names tell, if they do."""
    by_name = {path.stem.lower(): path for path in files}
    if "train" not in by_name or "test" not in by_name:
        return None
    validation = [by_name[each] for each in _VALIDATION_NAMES if each in by_name]
    return Corpus(
        name,
        train=(by_name["train"],),
        validation=tuple(validation[:1]),
        test=(by_name["test"],),
    )


def _say_left_out(corpus: Corpus, files: tuple[Path, ...], say: Callable[[str], None]) -> None:
    used = corpus.train + corpus.validation + corpus.test
    left_out = [path.name for path in files if path not in used]
    if left_out:
        say(
            f"Left out, since they belong to no split: {', '.join(left_out)}. "
            "`--more FILE` adds further texts of the same corpus to the training split, "
            "`--extra FILE` texts of another kind."
        )


def _first_there(cache: Path, say: Callable[[str], None]) -> Corpus:
    folder = cache / "kaggle"
    if not _csv_files(folder) and os.environ.get("EMOTION_OFFLINE", "0") in ("", "0"):
        say(f"Asking Kaggle for {kaggle.DATASET}.")
        try:
            kaggle.fetch(folder)
        except kaggle.FetchError as error:
            say(f"The Kaggle corpus cannot be had here: {error}.")
    if files := _csv_files(folder):
        return _official(kaggle.DATASET, files) or Corpus(kaggle.DATASET, files=files)
    return sample_corpus()


def _csv_files(folder: Path) -> tuple[Path, ...]:
    """The CSV files in a folder that may not exist, hidden ones left out."""
    found = (path for path in folder.glob("*") if path.suffix.lower() == ".csv")
    return tuple(sorted(path for path in found if path.is_file() and path.name[0] != "."))
