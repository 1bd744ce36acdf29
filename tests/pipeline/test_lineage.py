from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from emotion_tfx.config import Settings
from emotion_tfx.errors import UserError
from emotion_tfx.model.locate import newest_version, shipped_base
from emotion_tfx.pipeline.code import package_facts
from emotion_tfx.pipeline.lineage import Lineage, find_lineage, print_lineage

from ..command import REPOSITORY, SAMPLE, emotion
from ..conftest import SampleRun


@pytest.fixture(scope="module")
def lineage(sample_run: SampleRun) -> Lineage:
    return find_lineage(Settings(output=sample_run.output), sample_run.model.name)


def test_the_data_are_told_by_file_rows_and_hash(lineage: Lineage):
    (file,) = lineage.data["files"]
    (given,) = SAMPLE.glob("*.csv")
    assert Path(file["path"]).name == given.name
    assert file["sha256"] == hashlib.sha256(given.read_bytes()).hexdigest()
    assert file["rows"] == lineage.data["rows_read"]
    assert sum(lineage.data["labels"]["test"].values()) == lineage.gate["rows"]


def test_the_code_is_told_by_version_commit_and_fingerprints(lineage: Lineage):
    assert lineage.code["emotion-tfx"] == package_facts()["emotion-tfx"]
    assert lineage.code["features and model"]
    assert lineage.code["evaluation"]
    asked = ["git", "-C", str(REPOSITORY), "rev-parse", "HEAD"]
    commit = ""
    if shutil.which("git"):
        commit = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    assert lineage.code.get("commit", "") == commit


def test_the_parameters_are_those_of_preparation_training_and_calibration(
    lineage: Lineage, sample_run: SampleRun
):
    facts = json.loads((sample_run.model / "assets.extra" / "training.json").read_text("utf-8"))
    assert lineage.parameters["hyperparameters"] == facts["hyperparameters"]
    assert lineage.parameters["calibration"] == facts["calibration"]
    assert lineage.parameters["seed"] == 0
    assert lineage.parameters["features"]["steps"]["stemming"] is True


def test_the_gate_is_told_with_its_figures(lineage: Lineage, sample_run: SampleRun):
    metrics = json.loads((sample_run.model / "assets.extra" / "metrics.json").read_text("utf-8"))
    assert lineage.gate["passed"] is True
    assert lineage.gate["model"] == {
        "accuracy": metrics["accuracy"],
        "macro_f1": metrics["macro"]["f1"],
    }
    assert lineage.gate["in_service"] is None
    assert "there is no model in service to compare with" in lineage.gate["reasons"]


def test_every_step_that_made_it_stands_in_order(lineage: Lineage):
    steps = [step.component for step in lineage.steps]
    wanted = ["CsvExampleGen", "Transform", "Trainer", "Evaluator", "Pusher", "Reporter"]
    assert [step for step in steps if step in wanted] == wanted
    numbers = [step.execution for step in lineage.steps]
    assert numbers == sorted(numbers)


def test_the_command_tells_it_to_people_and_as_json(sample_run: SampleRun, lineage: Lineage):
    version = sample_run.model.name
    told = emotion("lineage", version, "--output", sample_run.output)
    assert told.code == 0, told.errors
    assert f"version {version}" in told.output
    assert lineage.data["files"][0]["sha256"][:16] in told.output
    as_json = emotion("lineage", version, "--output", sample_run.output, "--json")
    assert json.loads(as_json.output) == json.loads(lineage.to_json())


def test_an_unknown_version_is_told_with_those_that_are_known(sample_run: SampleRun):
    with pytest.raises(UserError, match="No version 7 is known") as caught:
        find_lineage(Settings(output=sample_run.output), "7")
    assert sample_run.model.name in caught.value.remedy


def test_a_version_whose_store_is_lost_is_told_from_its_files(
    sample_run: SampleRun, tmp_path: Path
):
    kept = tmp_path / "sample" / "serving_model" / "emotion" / sample_run.model.name
    shutil.copytree(sample_run.model, kept)
    found = find_lineage(Settings(output=tmp_path), sample_run.model.name)
    assert found.store is None
    assert found.gate["passed"] is True
    assert found.parameters["hyperparameters"]["units"] == 64


def test_the_shipped_model_is_the_newest_where_none_was_pushed_and_says_that_no_store_knows_it(
    tmp_path: Path,
):
    shipped = newest_version(shipped_base())
    assert shipped is not None
    found = find_lineage(Settings(output=tmp_path))
    assert (found.version, found.store) == (shipped.name, None)
    metrics = json.loads((shipped / "assets.extra" / "metrics.json").read_text("utf-8"))
    assert found.gate["model"]["accuracy"] == metrics["accuracy"]
    assert found.gate["rows"] == metrics["n"]
    printed = StringIO()
    print_lineage(Console(file=printed, width=200), found)
    assert "No metadata store knows this version" in printed.getvalue()
