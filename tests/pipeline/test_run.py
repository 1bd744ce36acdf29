"""Whole runs of the pipeline on the bundled sample, as ``emotion train`` makes them."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path

import pytest

from emotion_tfx.config import Paths
from emotion_tfx.errors import UserError
from emotion_tfx.evaluation import read_cases
from emotion_tfx.labels import LABELS
from emotion_tfx.model.classifier import EmotionClassifier
from emotion_tfx.model.hyperparameters import Hyperparameters
from emotion_tfx.model.locate import newest_version
from emotion_tfx.monitoring.reference import read_reference
from emotion_tfx.pipeline.run import _explained, _stored_hyperparameters

from ..command import SAMPLE, Ended, emotion, train
from ..conftest import SampleRun
from .metadata import assert_metadata_sound, parameters

LEARNS = ("CsvExampleGen", "StatisticsGen", "Transform", "Trainer")
JUDGES = ("LatestBlessed", "Evaluator", "Reporter", "Pusher")


def content(folder: Path) -> dict[str, bytes]:
    """Every file in a folder."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def test_a_run_tells_of_each_component_and_pushes_the_model_with_its_card(
    sample_run_in_place: SampleRun,
):
    run = sample_run_in_place
    told = list(run.ended.components)
    assert told[0] == "PrepareData"
    assert set(told) > {*LEARNS, *JUDGES, "ImportSchemaGen", "ExampleValidator"}
    assert f"pushed  {run.model}" in run.ended.output
    assert "accuracy" in run.ended.output
    card = (run.model / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---")
    assert f"| model version | {run.model.name} |" in card
    assert "| Files | emotions.csv |" in card
    reference = read_reference(run.model)
    assert reference is not None
    figures = json.loads((run.model / "assets.extra" / "metrics.json").read_text("utf-8"))
    assert (reference.texts, reference.accuracy) == (figures["n"], figures["accuracy"])
    behaviour = json.loads((run.model / "assets.extra" / "behaviour.json").read_text("utf-8"))
    assert behaviour["cases"] == len(read_cases())
    assert f"| all | {behaviour['cases']} | {behaviour['passed']} |" in card
    assert f"report  {run.paths.report / 'report.html'}" in run.ended.output
    assert EmotionClassifier(run.model).predict("i am so happy").label == "joy"


def test_a_run_on_the_sample_keeps_apart_from_those_on_real_data(sample_run: SampleRun):
    assert [path.name for path in sample_run.output.iterdir()] == ["sample"]


def test_a_runs_metadata_are_sound(sample_run: SampleRun):
    assert_metadata_sound(sample_run.paths)


def test_a_repeated_run_does_nothing_twice_but_puts_a_lost_card_back(
    sample_run_in_place: SampleRun,
):
    run = sample_run_in_place
    before = content(run.model)
    (run.model / "README.md").unlink()
    ended = train(run.output)
    assert ended.code == 0, ended.errors
    assert ended.unchanged >= set(LEARNS)
    assert f"unchanged  {run.model}" in ended.output
    assert newest_version(run.paths.serving_model) == run.model
    assert set(content(run.model)) == set(before)
    graph = "saved_model.pb"
    assert content(run.model)[graph] == before[graph]


def assert_refused(run: SampleRun, ended: Ended) -> str:
    """The model in service is the same as before; returns the report."""
    (version,) = run.paths.serving_model.iterdir()
    assert ended.code == 1, ended.errors
    assert "not good enough and was not pushed" in ended.output
    assert f"in service stays {version}" in ended.output
    assert_metadata_sound(run.paths)
    report = (run.paths.report / "report.html").read_text(encoding="utf-8")
    assert "The gate rejects this model" in report
    return report


def poisoned(run: SampleRun, folder: Path) -> Path:
    """Feedback that gives every text of the training split a wrong label."""
    with (run.paths.data / "train" / "data.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    path = folder / "poison.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        wrong = [(row["text"], (int(row["label"]) + 1) % len(LABELS), "feedback") for row in rows]
        csv.writer(file).writerows([("text", "label", "source"), *wrong])
    return path


def test_a_model_that_feedback_made_worse_is_refused_and_stands_beside_the_one_in_service(
    sample_run_in_place: SampleRun, tmp_path: Path
):
    run = sample_run_in_place
    before, test = content(run.paths.serving_model), content(run.paths.data / "test")
    poison = poisoned(run, tmp_path)
    ended = emotion("train", "--data", SAMPLE, "--output", run.output, "--feedback", poison)
    assert "Trainer" not in ended.unchanged
    report = assert_refused(run, ended)
    assert "more than the 0.010 allowed" in report
    assert '<th class="n">in service</th>' in report
    assert content(run.paths.serving_model) == before

    # The feedback, and nothing else, was trained on; the rows it was measured on are the same.
    with (run.paths.data / "train" / "data.csv").open(encoding="utf-8", newline="") as file:
        trained = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    with poison.open(encoding="utf-8", newline="") as file:
        assert trained == [(row["text"], row["label"]) for row in csv.DictReader(file)]
    assert content(run.paths.data / "test") == test
    assert f"{len(trained):,} of them feedback" in ended.output

    # What was compared, and why it was refused, in words; and all of it is in the store.
    assert f"compared on the test texts with the model in service  {run.model}" in ended.output
    assert "below the" in ended.output
    assert "more than the 0.010 allowed" in ended.output
    kept = parameters(run.paths, "Reporter")
    (file,) = [
        each for each in json.loads(kept["data_report"])["files"] if each["role"] == "feedback"
    ]
    assert file["sha256"] == hashlib.sha256(poison.read_bytes()).hexdigest()
    assert file["rows"] == len(trained)
    assert json.loads(kept["code"])["emotion-tfx"]


def test_a_model_below_the_floor_is_not_pushed(sample_run_in_place: SampleRun):
    run = sample_run_in_place
    ended = train(run.output, {"EMOTION_MIN_ACCURACY": "0.99"})
    assert "Trainer" in ended.unchanged
    report = assert_refused(run, ended)
    assert "below the floor of 0.990" in report
    assert "more than the" not in report


def test_without_a_search_the_defaults_are_trained_with(tmp_path: Path):
    folder = _stored_hyperparameters(Paths(tmp_path))
    assert Hyperparameters.load(folder / "best_hyperparameters.txt") == Hyperparameters()


def test_what_a_search_found_is_trained_with_and_changes_the_artifact(tmp_path: Path):
    paths = Paths(tmp_path)
    before = _stored_hyperparameters(paths)
    Hyperparameters(units=96).save(paths.hyperparameters)
    after = _stored_hyperparameters(paths)
    assert Hyperparameters.load(after / "best_hyperparameters.txt").units == 96
    assert after != before
    assert _stored_hyperparameters(paths) == after


def test_a_failure_is_told_by_its_cause_and_not_by_what_was_overcome_before(tmp_path: Path):
    def fails() -> None:
        try:
            raise ValueError("no such file system")  # what a library handles and goes on from
        except ValueError:
            raise ConnectionError("the engine cannot be reached.")  # noqa: B904

    def runs() -> None:
        with _explained(Paths(tmp_path)):
            try:
                fails()
            except ConnectionError as error:
                raise RuntimeError("component failed") from error

    with pytest.raises(UserError) as caught:
        runs()
    assert caught.value.problem == (
        "The pipeline failed: ConnectionError: the engine cannot be reached"
    )
    assert str(tmp_path / "pipeline.log") in caught.value.remedy
