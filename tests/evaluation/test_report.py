from __future__ import annotations

import json
import re
from base64 import b64decode
from html.parser import HTMLParser
from pathlib import Path

import pytest

from emotion_tfx.errors import UserError
from emotion_tfx.evaluation import Metrics, Verdict, write_report
from emotion_tfx.evaluation.behaviour import Behaviour, Case, Outcome

from .examples import answers, example_behaviour, example_run

EVIL = "<script>alert(1)</script> & <img src=x onerror=alert(2)>"
PICTURES = {
    "confusion_matrix",
    "reliability",
    "classes",
    "coverage",
    "slices",
    "training",
    "class_balance",
}


class Page(HTMLParser):
    """Keeps the tags with their attributes, and the words between them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]):
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str):
        assert self.open.pop() == tag

    def handle_data(self, data: str):
        if "style" not in self.open:
            self.words += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run in which everything is known."""
    return write_report(tmp_path_factory.mktemp("report"), example_run())


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    return Page(report.read_text(encoding="utf-8"))


def test_the_figures_are_written_as_json(report: Path):
    figures = json.loads((report.parent / "metrics.json").read_text(encoding="utf-8"))
    assert Metrics.from_dict(figures) == example_run().metrics


def test_the_behaviour_is_written_as_json(report: Path):
    stored = (report.parent / "behaviour.json").read_text(encoding="utf-8")
    assert stored == example_behaviour().to_json()


def test_every_picture_stands_in_the_folder_and_in_the_page(report: Path, page: Page):
    files = {path.stem: path.read_bytes() for path in (report.parent / "plots").iterdir()}
    assert set(files) == PICTURES
    sources = [image["src"] for image in page.all("img")]
    prefix = "data:image/png;base64,"
    assert all(source.startswith(prefix) for source in sources)
    assert {b64decode(source.removeprefix(prefix)) for source in sources} == set(files.values())
    assert all(image["alt"] for image in page.all("img"))


def test_the_page_is_whole_and_needs_nothing_else(report: Path, page: Page):
    assert page.open == []
    assert not {tag for tag, _ in page.tags} & {"script", "link", "iframe", "object", "base"}
    references = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in {"src", "href", "srcset", "action"} and not value.startswith("data:")
    ]
    identifiers = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    assert {reference.removeprefix("#") for reference in references} <= identifiers
    assert not re.search(r"url\(|@import", report.read_text(encoding="utf-8"))


def test_the_page_shows_the_figures_of_the_run(page: Page):
    metrics = example_run().metrics
    assert f"{metrics.accuracy:.3f}" in page.words
    for each in metrics.classes:
        assert each.label in page.words
        assert f"{each.f1:.3f}" in page.words
    for each in example_run().slices:
        assert each.name in page.words
    assert "The gate lets this model pass" in page.words
    assert "of the model in service" in page.words
    assert "our own pens" in page.words
    assert "hyperparameters / units" in page.words
    assert "15,870" in page.words


def test_the_reasons_are_written_and_shown(report: Path, page: Page):
    stored = json.loads((report.parent / "reasons.json").read_text(encoding="utf-8"))
    assert stored["texts"] == 540
    assert "#reasons" in [link["href"] for link in page.all("a")]
    assert "96.3%" in report.read_text(encoding="utf-8")


def test_the_page_shows_the_behaviour_and_the_cases_that_fail(report: Path, page: Page):
    assert "#behaviour" in [link["href"] for link in page.all("a")]
    html = report.read_text(encoding="utf-8")
    assert '<tr><th>negation</th><td class="n">2</td><td class="n">1</td>' in html
    assert "“i | am glad <3” → “i am not glad <3”" in page.words
    assert "joy 0.95 → 0.94" in page.words
    assert "not sad”" not in page.words


def test_what_comes_from_outside_is_escaped(tmp_path: Path):
    rows = answers([1], [2], texts=[EVIL], sources=[EVIL])
    run = example_run(
        rows,
        verdict=Verdict(False, (EVIL,)),
        facts={EVIL: EVIL, "model version": EVIL},
        behaviour=Behaviour((Outcome(Case(EVIL, EVIL, None, "joy"), False, EVIL),)),
        data_report={EVIL: EVIL, "labels": {EVIL: {"joy": 1}}, "sources": {"train": {EVIL: 1}}},
    )
    page = Page(write_report(tmp_path, run).read_text(encoding="utf-8"))
    assert not page.all("script")
    assert all("onerror" not in image for image in page.all("img"))
    assert page.words.count(EVIL) >= 11


def test_a_rejected_model_is_told_with_the_reasons(tmp_path: Path):
    run = example_run(answers([1], [2]), verdict=Verdict(False, ("accuracy is too low",)))
    words = Page(write_report(tmp_path, run).read_text(encoding="utf-8")).words
    assert "The gate rejects this model" in words
    assert "accuracy is too low" in words


def test_only_what_is_known_is_told(tmp_path: Path):
    rows = answers([1, 2], [1, 2])
    run = example_run(
        rows, history=(), facts={}, data_report={}, baseline=None, behaviour=None, reasons=None
    )
    page = Page(write_report(tmp_path, run).read_text(encoding="utf-8"))
    identifiers = {attributes.get("id") for _, attributes in page.tags}
    assert not identifiers & {"training", "data", "facts", "behaviour", "reasons"}
    assert "difference" not in page.words
    assert "There are none" in page.words


def test_a_second_report_replaces_the_first(tmp_path: Path):
    write_report(tmp_path, example_run())
    html = write_report(
        tmp_path, example_run(answers([1], [1]), history=(), behaviour=None, reasons=None)
    )
    assert "1 labelled texts" in html.read_text(encoding="utf-8")
    assert not (tmp_path / "plots" / "training.png").exists()
    names = {path.name for path in tmp_path.rglob("*")}
    assert names == {"metrics.json", "report.html", "plots"} | {
        f"{name}.png" for name in PICTURES - {"training"}
    }


def test_half_a_surrogate_pair_does_not_break_the_page(tmp_path: Path):
    html = write_report(tmp_path, example_run(answers([1], [2], texts=["broken \ud83d here"])))
    assert "broken ? here" in html.read_text(encoding="utf-8")


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        write_report(tmp_path / "file", example_run(answers([1], [1])))
