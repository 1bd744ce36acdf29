from __future__ import annotations

import csv
import hashlib
import json
import os
import subprocess
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotion_tfx.data import (
    Corpus,
    DataReport,
    Extra,
    find_corpus,
    prepare,
    sample_corpus,
    text_key,
)
from emotion_tfx.data.prepare import CALIBRATION_SHARE, SPLITS, clean_text
from emotion_tfx.errors import UserError
from emotion_tfx.labels import LABELS

Rows = list[tuple[str, str]]

#: Few words and separators, so that the same text comes up again and again, in several spellings.
texts = st.lists(st.sampled_from(["sun", "SUN", "rain", "é", "😢", "\x07"]), max_size=3).map(
    "!\n".join
)
rows = st.lists(st.tuples(texts, st.sampled_from(LABELS)), max_size=30)
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def own_texts(count: int, note: str = "own") -> Rows:
    """So many texts of each class, all different."""
    return [(f"{note} {label} {number}", label) for label in LABELS for number in range(count)]


def write(path: Path, content: Rows, **columns: str) -> Path:
    """Writes a CSV; further columns have the same value in every row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", *columns])
        writer.writerows([*row, *columns.values()] for row in content)
    return path


def read(out: Path, split: str) -> list[dict[str, str]]:
    with (out / split / "data.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def unsplit(folder: Path, content: Rows) -> Corpus:
    return Corpus("mine", files=(write(folder / "mine.csv", content),))


def official(folder: Path, **splits: Rows) -> Corpus:
    """A corpus with official splits, where training has a text of each class beforehand."""
    splits["train"] = own_texts(1) + splits["train"]
    paths = {name: (write(folder / f"{name}.csv", rows),) for name, rows in splits.items()}
    return Corpus("mine", **paths)


def training_texts(out: Path) -> Counter[tuple[str, str]]:
    """What stands in training beside the texts that every class has."""
    found = ((row["text"], LABELS[int(row["label"])]) for row in read(out, "train"))
    return Counter(row for row in found if not row[0].startswith("own "))


def split_of_each_text(out: Path) -> dict[str, str]:
    return {row["text"]: split for split in SPLITS for row in read(out, split)}


def check_rules(report: DataReport, out: Path, rows_given: int) -> None:
    """What must hold whatever is prepared."""
    found = {split: read(out, split) for split in SPLITS}
    keys = {split: {text_key(row["text"]) for row in found[split]} for split in SPLITS}
    assert not keys["train"] & keys["validation"]
    assert not keys["train"] & keys["test"]
    assert not keys["validation"] & keys["test"]
    pairs = {(text_key(row["text"]), row["label"]) for row in found["train"]}
    assert len(pairs) == len(found["train"])
    assert len({row["label"] for row in found["train"]}) == len(LABELS)
    for split in SPLITS:
        content = (out / split / "data.csv").read_text(encoding="utf-8")
        assert len(content.splitlines()) == len(found[split]) + 1
        assert all(row["text"] and row["text"] == clean_text(row["text"]) for row in found[split])
        counts = Counter(LABELS[int(row["label"])] for row in found[split])
        assert report.labels[split] == {label: counts[label] for label in LABELS}
        assert report.sources[split] == Counter(row["source"] for row in found[split])
    assert report.rows_read == sum(file.rows for file in report.files) == rows_given
    assert report.rows_written == sum(map(len, found.values()))
    dropped = (
        report.empty
        + report.duplicates
        + report.conflicts
        + report.leaked
        + report.overlapping
        + report.superseded
    )
    assert report.rows_read == report.rows_written + dropped


# Keys and texts


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I'm SO happy!!!", "i m so happy"),
        ("tab\tand\nline", "tab and line"),
        ("ｗｉｄｅ", "wide"),
        ("Straße", "STRASSE"),
        (unicodedata.normalize("NFD", "café"), "café"),
        ("snake_case", "snake case"),
        ("RT @anna: so true!", "so true"),
        ("“@bob_1 rt @anna so true” https://t.co/x", "so true &quot;"),
    ],
)
def test_texts_that_differ_in_form_only_have_the_same_key(one: str, other: str):
    assert text_key(one) == text_key(other)


@pytest.mark.parametrize(
    ("one", "other"), [("sad", "said"), ("no rain", "norain"), ("😢", "😄"), ("?!", "!?")]
)
def test_other_texts_have_other_keys(one: str, other: str):
    assert text_key(one) != text_key(other)


@given(st.text())
def test_cleaning_leaves_one_line_and_the_key_as_it_was(text: str):
    cleaned = clean_text(text)
    assert len(cleaned.splitlines()) <= 1
    assert cleaned == " ".join(cleaned.split())
    assert not any(unicodedata.category(character) == "Cc" for character in cleaned)
    assert text_key(cleaned) == text_key(text)


# Corpora that are divided


@quick
@given(rows)
def test_any_corpus_is_divided_by_the_rules(tmp_path_factory: pytest.TempPathFactory, rows: Rows):
    folder = tmp_path_factory.mktemp("prepare")
    content = own_texts(10) + rows
    report = prepare(unsplit(folder, content), folder / "out")
    check_rules(report, folder / "out", len(content))
    for counts in report.labels.values():
        assert min(counts.values()) > 0


@quick
@given(st.integers(0))
def test_every_class_stands_in_every_split(tmp_path_factory: pytest.TempPathFactory, note: int):
    folder = tmp_path_factory.mktemp("prepare")
    report = prepare(unsplit(folder, own_texts(10, f"{note} own")), folder / "out")
    assert all(min(report.labels[split].values()) >= 1 for split in SPLITS)


def test_the_shares_are_80_10_10(tmp_path: Path):
    report = prepare(unsplit(tmp_path, own_texts(1000)), tmp_path / "out")
    shares = [sum(report.labels[split].values()) / 6000 for split in SPLITS]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


def test_texts_stay_in_their_split_when_the_corpus_grows(tmp_path: Path):
    some, more = own_texts(200), own_texts(200, "new")
    prepare(unsplit(tmp_path, some), tmp_path / "some")
    prepare(unsplit(tmp_path, more + some), tmp_path / "all")
    before, after = split_of_each_text(tmp_path / "some"), split_of_each_text(tmp_path / "all")
    assert before.items() <= after.items()
    assert len(after) == 2 * len(before)


def test_a_held_out_text_keeps_all_its_rows(tmp_path: Path):
    content = own_texts(50)
    # Every text once more; of most classes one half now contradicts the other.
    content += [(text.upper(), label if int(text[-1]) % 2 else "joy") for text, label in content]
    prepare(unsplit(tmp_path, content), tmp_path / "out")
    for split in ("validation", "test"):
        found = Counter(text_key(row["text"]) for row in read(tmp_path / "out", split))
        assert set(found.values()) == {2}


def test_a_class_with_too_few_texts_is_refused(tmp_path: Path):
    few = ("own love 3", "own love 5")
    content = [(text, label) for text, label in own_texts(11) if text not in few]
    repeated = [("own love 4", "love"), ("OWN love 4!", "love"), ("own joy 1", "love")]
    with pytest.raises(UserError, match="9 different texts are labelled love") as caught:
        prepare(unsplit(tmp_path, content + repeated), tmp_path / "out")
    assert "10 or more" in caught.value.remedy
    assert not (tmp_path / "out").exists()


def test_a_missing_class_is_refused(tmp_path: Path):
    content = [row for row in own_texts(10) if row[1] != "fear"]
    with pytest.raises(UserError, match="no row is labelled fear"):
        prepare(unsplit(tmp_path, content), tmp_path / "out")


def test_the_layout_of_kaggle_is_read(tmp_path: Path):
    path = tmp_path / "text.csv"
    lines = [f"{n},{text},{LABELS.index(label)}" for n, (text, label) in enumerate(own_texts(10))]
    path.write_text("\n".join([",text,label", *lines]))
    report = prepare(Corpus("kaggle", files=(path,)), tmp_path / "out")
    check_rules(report, tmp_path / "out", 60)
    assert report.rows_written == 60
    assert read(tmp_path / "out", "train")[0].keys() == {
        "text",
        "label",
        "source",
        "weight",
        "domain",
    }


def test_the_sample_can_be_prepared(tmp_path: Path):
    report = prepare(sample_corpus(), tmp_path / "out")
    check_rules(report, tmp_path / "out", report.rows_read)
    assert report.is_sample
    assert report.rows_written == report.rows_read >= 1200


# Corpora with official splits


@quick
@given(rows, rows.filter(len), rows.filter(len))
def test_any_official_corpus_is_prepared_by_the_rules(
    tmp_path_factory: pytest.TempPathFactory, train: Rows, validation: Rows, test: Rows
):
    folder = tmp_path_factory.mktemp("prepare")
    validation, test = [*validation, ("clouds", "joy")], [*test, ("wind", "joy")]
    corpus = official(folder, train=train, validation=validation, test=test)
    report = prepare(corpus, folder / "out")
    check_rules(report, folder / "out", len(LABELS) + len(train + validation + test))
    kept = [(row["text"], LABELS[int(row["label"])]) for row in read(folder / "out", "test")]
    assert kept == [(clean_text(text), label) for text, label in test if clean_text(text)]
    assert report.sources["test"] == {"test": len(kept)}


def test_training_yields_to_validation_and_validation_to_test(tmp_path: Path):
    corpus = official(
        tmp_path,
        train=[("Rain.", "joy"), ("sun", "joy"), ("wind", "joy")],
        validation=[("rain", "fear"), ("rain!", "love"), ("SUN", "joy")],
        test=[("sun", "anger"), ("sun", "anger")],
    )
    report = prepare(corpus, tmp_path / "out")
    assert training_texts(tmp_path / "out") == {("wind", "joy"): 1}
    assert [row["text"] for row in read(tmp_path / "out", "validation")] == ["rain", "rain!"]
    assert [row["text"] for row in read(tmp_path / "out", "test")] == ["sun", "sun"]
    assert report.leaked == 3


def test_a_missing_validation_split_is_taken_from_training(tmp_path: Path):
    test = [("own joy 3", "joy"), ("wind", "fear")]
    corpus = official(tmp_path, train=own_texts(100, "own"), test=test)
    report = prepare(corpus, tmp_path / "out")
    check_rules(report, tmp_path / "out", 608)
    assert sum(report.labels["validation"].values()) == pytest.approx(60, abs=25)
    assert len(read(tmp_path / "out", "test")) == 2
    assert report.leaked == 1


def test_a_training_text_stands_once_under_each_of_its_most_frequent_labels(tmp_path: Path):
    train = [
        *[("rain", "joy"), ("Rain!", "joy"), ("rain", "sadness")],
        *[("sun", "joy"), ("sun", "love")],
        *[("wind", "fear"), ("WIND", "fear")],
        *[("fog", "joy"), ("fog", "joy"), ("fog", "fear"), ("fog", "fear"), ("fog", "love")],
    ]
    corpus = official(tmp_path, train=train, validation=[("a", "joy")], test=[("b", "joy")])
    report = prepare(corpus, tmp_path / "out")
    assert training_texts(tmp_path / "out") == {
        ("rain", "joy"): 1,
        ("sun", "joy"): 1,
        ("sun", "love"): 1,
        ("wind", "fear"): 1,
        ("fog", "joy"): 1,
        ("fog", "fear"): 1,
    }
    assert report.duplicates == 1 + 1 + 2
    assert report.conflicts == 1 + 1


def test_a_class_that_cleaning_leaves_empty_is_refused(tmp_path: Path):
    corpus = official(tmp_path, train=[], validation=[("x", "joy")], test=[("own fear 0", "joy")])
    with pytest.raises(UserError, match="no row is labelled fear"):
        prepare(corpus, tmp_path / "out")


def test_the_official_carer_corpus(tmp_path: Path):
    shared = os.environ.get("EMOTION_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data")
    if not (Path(shared) / "carer").is_dir():
        pytest.skip(f"the CARER corpus is not in {shared}")
    corpus = find_corpus(Path(shared) / "carer", cache=tmp_path, say=lambda sentence: None)
    report = prepare(corpus, tmp_path / "out")
    check_rules(report, tmp_path / "out", 20_000)
    # 31 texts stand twice in training, 30 of them with two labels; 11 also stand in test and 5 in
    # validation; 3 validation texts also stand in test.
    assert (report.duplicates, report.conflicts, report.leaked) == (1, 0, 11 + 5 + 3)
    written = [len(read(tmp_path / "out", split)) for split in SPLITS]
    assert written == [16_000 - 16 - 1, 2_000 - 3, 2_000]


# Extra sources


@quick
@given(rows.filter(lambda rows: any(clean_text(text) for text, _ in rows)), rows)
def test_any_extra_source_is_added_by_the_rules(
    tmp_path_factory: pytest.TempPathFactory, extra: Rows, main: Rows
):
    folder = tmp_path_factory.mktemp("prepare")
    path = write(folder / "more.csv", [*extra, ("one more", "joy")])
    main += own_texts(10)
    report = prepare(unsplit(folder, main), folder / "out", extras=[Extra(path, 0.5)])
    check_rules(report, folder / "out", len(main) + len(extra) + 1)
    apart = [row for row in read(folder / "out", "validation") if row["source"] == "more"]
    assert all(row["domain"] == "more" for row in apart)
    assert "more" not in report.sources["test"]
    for row in read(folder / "out", "train"):
        weight = float(row["weight"])
        assert weight == (1 if row["source"] == "mine" else 0.5)
        assert row["domain"] == ("main" if row["source"] == "mine" else "more")


def test_a_little_of_another_domain_is_kept_from_training(main: Corpus, tmp_path: Path):
    """And always the same texts, however the source grows."""
    other = own_texts(500, "other")
    small, large = (
        write(tmp_path / name / "other.csv", content)
        for name, content in (("small", other[::2]), ("large", other))
    )
    prepare(main, tmp_path / "some", extras=[Extra(small)])
    prepare(main, tmp_path / "all", extras=[Extra(large)])
    some, every = (
        {row["text"] for row in read(tmp_path / out, "validation") if row["domain"] == "other"}
        for out in ("some", "all")
    )
    assert some < every
    assert len(every) / len(other) == pytest.approx(CALIBRATION_SHARE, abs=0.015)
    assert not every & {row["text"] for row in read(tmp_path / "all", "train")}


def test_further_rows_of_the_corpus_itself_are_all_trained_on(main: Corpus, tmp_path: Path):
    path = write(tmp_path / "further.csv", own_texts(200, "further"))
    report = prepare(main, tmp_path / "out", extras=[Extra(path, same_domain=True)])
    assert report.sources["train"]["further"] == 1_200
    assert report.sources["validation"] == {"validation": 1}


@pytest.fixture
def main(tmp_path: Path) -> Corpus:
    """Ten texts of each class in training."""
    train = [(text, label) for text, label in own_texts(10) if not text.endswith("0")]
    return official(tmp_path, train=train, validation=[("rain", "joy")], test=[("sun", "joy")])


def test_an_extra_source_yields_to_all_that_is_there(main: Corpus, tmp_path: Path):
    first = [
        ("Rain", "fear"),
        ("sun", "joy"),
        ("own joy 8", "love"),
        ("fog", "joy"),
        ("haze", "joy"),
    ]
    second = [("fog", "fear"), ("ice", "fear"), ("ice", "fear"), ("snow", "joy"), ("snow", "love")]
    extras = [
        Extra(write(tmp_path / "a" / "first.csv", first)),
        Extra(write(tmp_path / "b" / "second.csv", second)),
    ]
    report = prepare(main, tmp_path / "out", extras=extras)
    assert training_texts(tmp_path / "out") == {
        ("fog", "joy"): 1,
        ("haze", "joy"): 1,
        ("ice", "fear"): 1,
        ("snow", "joy"): 1,
        ("snow", "love"): 1,
    }
    assert report.leaked == 2
    assert report.overlapping == 2
    assert report.duplicates == 1
    assert report.conflicts == 0


def test_texts_never_to_be_trained_on_are_left_out(main: Corpus, tmp_path: Path):
    benchmark = write(tmp_path / "bench" / "b.csv", [("Own joy 3!", "fear"), ("fog", "joy")])
    extra = Extra(write(tmp_path / "new.csv", [("fog", "joy"), ("ice", "fear")]))
    report = prepare(main, tmp_path / "out", extras=[extra], unseen=[benchmark.parent])
    texts = {row["text"] for row in read(tmp_path / "out", "train")}
    assert "ice" in texts
    assert not texts & {"fog", "own joy 3"}
    assert report.leaked == 2


def test_weights_restore_the_balance_of_the_corpus(main: Corpus, tmp_path: Path):
    counts = dict(zip(LABELS, (1, 2, 3, 4, 90, 0), strict=True))
    content = [(f"new {label} {n}", label) for label in LABELS for n in range(counts[label])]
    extra = Extra(write(tmp_path / "new.csv", content), 0.5, same_domain=True)
    prepare(main, tmp_path / "out", extras=[extra])
    trained = read(tmp_path / "out", "train")
    own = Counter(row["label"] for row in trained if row["source"] == "train")
    weights = {row["label"]: float(row["weight"]) for row in trained if row["source"] == "new"}
    for index, label in enumerate(LABELS[:5]):
        ratio = (own[str(index)] / own.total()) / (counts[label] / 100)
        assert weights[str(index)] == pytest.approx(0.5 * min(max(ratio, 0.05), 5), abs=1e-5)
    assert weights["0"] == 2.5
    assert {row["domain"] for row in trained} == {"main"}


def test_each_source_is_balanced_by_itself(main: Corpus, tmp_path: Path):
    folder = tmp_path / "more"
    write(folder / "one.csv", own_texts(2, "one"))
    write(folder / "other.csv", [("a", "joy"), ("b", "joy"), ("c", "fear")], source="films")
    report = prepare(main, tmp_path / "out", extras=[Extra(folder, 2, same_domain=True)])
    assert report.sources["train"].keys() == {"train", "one", "films"}
    weights = {row["text"]: float(row["weight"]) for row in read(tmp_path / "out", "train")}
    assert weights["a"] == weights["b"] == pytest.approx(weights["c"] / 2, rel=0.3)
    assert weights["one joy 0"] == pytest.approx(2, rel=0.3)


def test_a_bounded_source_counts_no_more_than_the_corpus(main: Corpus, tmp_path: Path):
    further = Extra(write(tmp_path / "further.csv", own_texts(10, "further")), same_domain=True)
    other = write(tmp_path / "other.csv", own_texts(200, "other"))
    for weight, expected in ((3, 0.1), (0.05, 0.05)):
        out = tmp_path / f"out-{weight}"
        prepare(main, out, extras=[further, Extra(other, weight, most=1)])
        train = read(out, "train")
        own = sum(float(row["weight"]) for row in train if row["domain"] == "main")
        (found,) = {float(row["weight"]) for row in train if row["source"] == "other"}
        assert found == pytest.approx(min(weight, own / 1200), abs=1e-6)
        assert found == pytest.approx(expected, rel=0.1)


def test_an_extra_is_parsed(tmp_path: Path):
    assert Extra.parse("more.csv") == Extra(Path("more.csv"), 1.0)
    assert Extra.parse("a=b/more.csv=0.7") == Extra(Path("a=b/more.csv"), 0.7)
    odd = write(tmp_path / "odd=2", [])
    assert Extra.parse(str(odd)) == Extra(odd, 1.0)


@pytest.mark.parametrize(
    "value", ["", "=1", "a=", "a=b", "a=0", "a=-1", "a=nan", "a=inf", "a=1e999"]
)
def test_a_nonsensical_extra_is_refused(value: str):
    with pytest.raises(UserError) as caught:
        Extra.parse(value)
    assert "FILE=WEIGHT" in caught.value.remedy


def test_a_missing_extra_is_refused(main: Corpus, tmp_path: Path):
    with pytest.raises(UserError, match="no such file") as caught:
        prepare(main, tmp_path / "out", extras=[Extra(tmp_path / "none.csv")])
    assert caught.value.path == tmp_path / "none.csv"


# What is written


def test_the_report_is_written_beside_the_splits(main: Corpus, tmp_path: Path):
    report = prepare(main, tmp_path / "out")
    written = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert written == json.loads(json.dumps(asdict(report)))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {*SPLITS, "report.json"}


def test_the_same_data_are_left_untouched(main: Corpus, tmp_path: Path):
    out = tmp_path / "deep" / "out"
    prepare(main, out)
    before = [(path.stat().st_ino, path.stat().st_mtime_ns) for path in out.glob("*/data.csv")]
    prepare(main, out)
    after = [(path.stat().st_ino, path.stat().st_mtime_ns) for path in out.glob("*/data.csv")]
    assert after == before
    assert list(out.parent.iterdir()) == [out]


def test_other_data_replace_those_there(main: Corpus, tmp_path: Path):
    out = tmp_path / "deep" / "out"
    prepare(main, out)
    prepare(main, out, extras=[Extra(write(tmp_path / "new.csv", [("snow", "joy")]))])
    assert training_texts(out) == {("snow", "joy"): 1}
    assert list(out.parent.iterdir()) == [out]


def test_a_folder_with_other_things_is_not_replaced(main: Corpus, tmp_path: Path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter.txt").write_text("dear")
    with pytest.raises(UserError, match=r"letter\.txt"):
        prepare(main, tmp_path / "home")
    with pytest.raises(UserError, match="not a folder"):
        prepare(main, tmp_path / "home" / "letter.txt")
    assert (tmp_path / "home" / "letter.txt").read_text() == "dear"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("a file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_leaves_what_was_there(main: Corpus, small_disk: Path):
    out = small_disk / "out"
    prepare(main, out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match="No space left") as caught:
        prepare(sample_corpus(), out)
    assert caught.value.path == out
    assert "Free some space" in caught.value.remedy
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    assert list(small_disk.iterdir()) == [out]


def test_a_place_that_cannot_be_written_is_told(main: Corpus, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        prepare(main, tmp_path / "file" / "out")


# Feedback


def test_feedback_wins_over_every_other_label_of_a_text(main: Corpus, tmp_path: Path):
    extra = Extra(write(tmp_path / "more.csv", [("fog", "joy")]), 0.5, same_domain=True)
    given = write(tmp_path / "feedback.csv", [("Own joy 3!", "fear"), ("fog", "anger")])
    report = prepare(main, tmp_path / "out", extras=[extra], feedback=[Extra(given, 2.0)])
    trained = {row["text"]: row for row in read(tmp_path / "out", "train")}
    assert "own joy 3" not in trained
    assert LABELS[int(trained["Own joy 3!"]["label"])] == "fear"
    assert LABELS[int(trained["fog"]["label"])] == "anger"
    assert {(row["weight"], row["domain"]) for row in (trained["fog"], trained["Own joy 3!"])} == {
        ("2.0", "main")
    }
    assert (report.superseded, report.overlapping, report.feedback) == (1, 1, 2)
    assert report.files[-2].role == "feedback"
    assert report.files[-2].sha256 == hashlib.sha256(given.read_bytes()).hexdigest()


def test_feedback_on_every_text_of_the_corpus_leaves_its_balance_to_go_by(
    main: Corpus, tmp_path: Path
):
    said = write(tmp_path / "feedback.csv", own_texts(10))
    more = Extra(write(tmp_path / "more.csv", [("fog", "joy"), ("ice", "fear")]), same_domain=True)
    report = prepare(main, tmp_path / "out", extras=[more], feedback=[Extra(said)])
    assert report.labels["train"]["joy"] == report.labels["train"]["fear"] == 11
    weights = {row["text"]: float(row["weight"]) for row in read(tmp_path / "out", "train")}
    assert weights["fog"] == weights["ice"] == pytest.approx(1 / 3, abs=1e-6)


def test_what_people_said_last_counts(main: Corpus, tmp_path: Path):
    older = write(tmp_path / "older.csv", [("fog", "joy"), ("ice", "joy"), ("ice", "love")])
    newer = write(tmp_path / "newer.csv", [("FOG", "fear")])
    report = prepare(main, tmp_path / "out", feedback=[Extra(older), Extra(newer)])
    assert training_texts(tmp_path / "out") == {("FOG", "fear"): 1, ("ice", "love"): 1}
    assert (report.superseded, report.feedback) == (2, 2)


def test_feedback_never_reaches_what_is_held_out_nor_takes_from_it(main: Corpus, tmp_path: Path):
    given = write(tmp_path / "feedback.csv", [("Rain", "fear"), ("SUN!", "fear"), ("fog", "fear")])
    before = prepare(main, tmp_path / "before")
    report = prepare(main, tmp_path / "out", feedback=[Extra(given)])
    for split in ("validation", "test"):
        assert read(tmp_path / "out", split) == read(tmp_path / "before", split)
    assert training_texts(tmp_path / "out") == {("fog", "fear"): 1}
    assert (report.leaked - before.leaked, report.feedback) == (2, 1)


@quick
@given(main=rows, extra=rows, said=rows)
def test_the_rules_hold_for_any_feedback(
    tmp_path_factory: pytest.TempPathFactory, main: Rows, extra: Rows, said: Rows
):
    folder = tmp_path_factory.mktemp("data")
    more = write(folder / "more.csv", [*extra, ("one more", "joy")])
    told = write(folder / "feedback.csv", [*said, ("one more", "fear")])
    main += own_texts(10)
    report = prepare(
        unsplit(folder, main), folder / "out", extras=[Extra(more)], feedback=[Extra(told)]
    )
    check_rules(report, folder / "out", len(main) + len(extra) + len(said) + 2)
    label_of = {text_key(text): label for text, label in [*said, ("one more", "fear")]}
    trained = {text_key(row["text"]): row for row in read(folder / "out", "train")}
    for key in label_of.keys() & trained.keys():
        assert LABELS[int(trained[key]["label"])] == label_of[key]
