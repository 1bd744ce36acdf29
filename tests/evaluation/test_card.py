from __future__ import annotations

import re
from pathlib import Path

import pytest

from emotion_tfx.errors import UserError
from emotion_tfx.evaluation import Verdict, record_behaviour, write_model_card

from .examples import answers, example_behaviour, example_run, many_answers


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("card") / "README.md"
    limits = ["The texts are made up."]
    assert write_model_card(path, example_run(), name="emotion", limits=limits) == path
    return path.read_text(encoding="utf-8")


def section(card: str, title: str) -> str:
    return re.split(rf"^## {title}$", card, flags=re.MULTILINE)[1].split("\n## ")[0]


def test_every_class_has_its_figures(card: str):
    evaluation = section(card, "Evaluation")
    for each in example_run().metrics.classes:
        figures = f"{each.precision:.3f} | {each.recall:.3f} | {each.f1:.3f} | {each.support:,}"
        assert f"| {each.label} | {figures} |" in evaluation


def test_calibration_doubt_and_slices_have_their_figures(card: str):
    metrics = example_run().metrics
    assert f"| {metrics.calibration.ece:.3f} |" in card
    for point in metrics.selective.by_coverage:
        assert f"{point.coverage:.0%} | {point.n:,} | {point.accuracy:.3f} |" in card
    for each in example_run().slices:
        assert f"| {each.name} | {each.n:,} |" in card


def test_no_text_of_the_data_is_in_it(card: str):
    assert not [text for text in many_answers().texts if text in card]


def test_the_front_matter_is_what_a_hub_reads(card: str):
    yaml = pytest.importorskip("yaml")
    _, front, body = card.split("---\n", 2)
    fields = yaml.safe_load(front)
    assert fields["language"] == "en"
    assert fields["license"] == "apache-2.0"
    assert "text-classification" in fields["tags"]
    (entry,) = fields["model-index"]
    (result,) = entry["results"]
    assert entry["name"] == "emotion"
    assert result["dataset"]["name"] == "Diaries | Chats"
    measured = {metric["name"]: metric["value"] for metric in result["metrics"]}
    assert measured["Accuracy"] == pytest.approx(example_run().metrics.accuracy, abs=5e-4)
    assert measured["Macro-F1"] == pytest.approx(example_run().metrics.macro.f1, abs=5e-4)
    assert body.lstrip().startswith("# emotion\n")


def test_the_data_is_named_with_source_and_licence(card: str):
    training = section(card, "Training data")
    assert "| Source | our own pens |" in training
    assert "| Files | diaries.csv |" in training
    assert "| Licence | CC0 |" in training
    assert "| joy | 5,000 | 5,000 |" in training
    assert "diary 15,000, chat 870." in training


def test_misuse_and_limits_are_told(card: str):
    assert "not a medical device" in section(card, "Out of scope")
    limits = section(card, "Limits")
    assert "The weakest class is" in limits
    assert "- The texts are made up." in limits


def test_every_table_has_rows_as_wide_as_its_head(card: str):
    tables = re.findall(r"(?:^\|.*\|\n)+", card, flags=re.MULTILINE)
    assert len(tables) == 9
    for table in tables:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1
        assert re.fullmatch(r"\|(-+:?\|)+", table.splitlines()[1])


def test_what_is_not_known_is_left_out(tmp_path: Path):
    run = example_run(
        answers([1, 2], [1, 2]),
        facts={},
        data_report={},
        behaviour=None,
        reasons=None,
        verdict=Verdict(False, ("accuracy is too low",)),
    )
    card = write_model_card(tmp_path / "card.md", run).read_text(encoding="utf-8")
    assert "| Corpus | not stated |" in card
    assert "Licence" not in card
    assert "| Source |" not in card
    assert "| Files |" not in card
    assert "license:" not in card
    assert "The gate rejected this model" in card
    assert "confusions" not in card
    assert "The hardest kind" not in card
    assert "## Behaviour" not in card
    assert "## Reasons" not in card


def test_sources_are_told_of_training_and_of_a_mixed_validation(card: str, tmp_path: Path):
    assert "Rows in training by source: diary 15,000, chat 870." in card
    assert "Rows in validation" not in card
    sources = {"train": {"diary": 9}, "validation": {"diary": 5, "chat": 2}, "test": {"diary": 1}}
    run = example_run(data_report={"sources": sources})
    mixed = write_model_card(tmp_path / "card.md", run).read_text(encoding="utf-8")
    assert "Rows in validation by source: diary 5, chat 2." in mixed
    assert "serve to fit the probabilities" in mixed


def test_reasons_are_told_with_their_figures(card: str):
    told = section(card, "Reasons")
    assert "For 540 of these texts" in told
    assert "In 96.3% of them" in told
    assert "by 0.412 on average, against 0.027" in told


def test_behaviour_is_told_by_capability_with_the_cases_that_fail(card: str):
    told = section(card, "Behaviour")
    assert "2 pass (66.7%)" in told
    assert "| emoji | 1 | 1 |\n| negation | 2 | 1 |\n| all | 3 | 2 |" in told
    (row,) = re.findall(r"^\| negation .*→.*$", told, flags=re.MULTILINE)
    assert row == (
        r"| negation | “i \| am glad &lt;3” → “i am not glad &lt;3” | less joy by 0.2 "
        "| joy 0.95 → 0.94 |"
    )
    assert "not sad”" not in told


def test_a_model_that_passes_every_case_has_no_list_of_them(tmp_path: Path):
    run = example_run(behaviour=example_behaviour(perfect=True))
    card = write_model_card(tmp_path / "card.md", run).read_text(encoding="utf-8")
    assert "3 pass (100.0%)" in card
    assert "cases that fail" not in card


@pytest.mark.parametrize("before", [None, example_behaviour(perfect=True)], ids=["none", "other"])
def test_behaviour_measured_later_makes_the_card_it_would_have_made_then(
    tmp_path: Path, card: str, before: object
):
    limits = ["The texts are made up."]
    run = example_run(behaviour=before)
    write_model_card(tmp_path / "README.md", run, name="emotion", limits=limits)
    record_behaviour(tmp_path, example_behaviour())
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == card
    stored = (tmp_path / "assets.extra" / "behaviour.json").read_text(encoding="utf-8")
    assert stored == example_behaviour().to_json()


def test_a_model_without_a_card_keeps_its_behaviour_as_data(tmp_path: Path):
    assert record_behaviour(tmp_path, example_behaviour()) == [
        tmp_path / "assets.extra" / "behaviour.json"
    ]


def test_behaviour_that_cannot_be_kept_is_told(tmp_path: Path):
    (tmp_path / "assets.extra").write_text("in the way")
    with pytest.raises(UserError, match="cannot be written"):
        record_behaviour(tmp_path, example_behaviour())
