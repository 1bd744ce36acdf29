from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import keras_tuner
import numpy as np
import pytest
from rich.console import Console
from tfx import v1 as tfx
from tfx.components.tuner.executor import Executor
from tfx.types import standard_artifacts
from tfx.utils import proto_utils

from emotion_tfx.model import training, tuner
from emotion_tfx.model.hyperparameters import Hyperparameters
from emotion_tfx.model.training import TrainedNetwork

from ..conftest import SampleRun

TRIALS = 5


def search(
    folder: Path, monkeypatch: pytest.MonkeyPatch, result: Callable[[Hyperparameters], float]
) -> tuple[tuner.NetworkTuner, list[Hyperparameters], str]:
    """Searches with trainings that are not done; ``result(values)`` is their accuracy.

    Returns:
        The tuner, the hyperparameters of the trainings in their order, and what was told.
    """
    tried: list[Hyperparameters] = []

    def train(*data: object, seed: int, progress: object) -> TrainedNetwork:
        tried.append(data[-1])
        figures = {"val_accuracy": result(data[-1]), "val_macro_f1": 0.25}
        worse = {"val_accuracy": 0.0, "val_macro_f1": 0.0}
        return TrainedNetwork(None, [worse, figures, worse], np.empty(0))

    monkeypatch.setattr(tuner, "train", train)
    told = io.StringIO()
    oracle = tuner.DefaultsFirst(
        objective=keras_tuner.Objective("score", "max"),
        max_trials=TRIALS,
        seed=1,
        hyperparameters=tuner.search_space(),
    )
    searching = tuner.NetworkTuner(
        oracle, console=Console(file=told, soft_wrap=True), directory=str(folder), project_name="s"
    )
    searching.search(dataset=None, validation=None, vocabulary=None)
    searching.results_summary()
    return searching, tried, told.getvalue()


def test_the_space_lies_around_the_defaults():
    defaults = Hyperparameters().to_dict()
    for each in tuner.search_space().space:
        assert each.default == defaults[each.name]
        sampled = [each.random_sample(seed) for seed in range(50)]
        assert min(sampled) <= each.default <= max(sampled)
        assert min(sampled) < max(sampled)


def test_the_defaults_come_first_and_no_values_come_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    _, tried, _ = search(tmp_path, monkeypatch, lambda values: 0.5)
    assert tried[0] == Hyperparameters()
    assert len(set(tried)) == TRIALS


def test_the_best_epoch_of_the_best_trial_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    searching, tried, _ = search(tmp_path, monkeypatch, lambda values: values.dropout)
    best = searching.get_best_hyperparameters()[0].values
    assert best["dropout"] == max(values.dropout for values in tried)
    assert searching.oracle.get_best_trials(1)[0].score == pytest.approx(
        (best["dropout"] + 0.25) / 2
    )


def test_each_trial_is_told_with_its_number_result_and_the_time_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    _, _, told = search(tmp_path, monkeypatch, lambda values: 0.5)
    *trials, best = told.splitlines()
    assert len(trials) == TRIALS
    for number, line in enumerate(trials, 1):
        assert f"trial {number} of {TRIALS}: accuracy 0.500, macro-F1 0.250 with units" in line
        assert ("left" in line) is (number < TRIALS)
    assert best.strip() == "best: trial 1"


def test_a_training_that_fails_ends_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(keras_tuner.errors.FatalError, match=f"trial 1 of {TRIALS} failed: .*zero"):
        search(tmp_path, monkeypatch, lambda values: 1 / 0)


def test_the_tuner_component_searches_and_leaves_what_the_trainer_reads(
    sample_run: SampleRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(training, "planned_epochs", lambda examples, values: 1)
    outputs = {
        "best_hyperparameters": standard_artifacts.HyperParameters(),
        "tuner_results": standard_artifacts.TunerResults(),
    }
    for name, artifact in outputs.items():
        artifact.uri = str(tmp_path / name)
    arguments = {"train": tfx.proto.TrainArgs(), "eval": tfx.proto.EvalArgs()}
    arguments["train"].splits.append("train")
    arguments["eval"].splits.append("validation")
    properties = {
        "tuner_fn": "emotion_tfx.model.tuner.tuner_fn",
        "train_args": proto_utils.proto_to_json(arguments["train"]),
        "eval_args": proto_utils.proto_to_json(arguments["eval"]),
        "custom_config": json.dumps({"trials": 2, "seed": 0}),
    }
    context = Executor.Context(tmp_dir=str(tmp_path / "tmp"), unique_id="1")
    Executor(context).Do(
        inputs(sample_run), {name: [each] for name, each in outputs.items()}, properties
    )

    best = Hyperparameters.load(tmp_path / "best_hyperparameters" / "best_hyperparameters.txt")
    results = json.loads((tmp_path / "tuner_results" / "tuner_results.json").read_text())
    assert len(results) == 2
    assert max(each["score"] for each in results) == results[0]["score"]
    found = {name: value for name, value in results[0].items() if name not in ("trial_id", "score")}
    assert best == replace(Hyperparameters(), **found)


def inputs(run: SampleRun) -> dict[str, list[tfx.dsl.Artifact]]:
    """What the Transform component of the run made."""
    examples = standard_artifacts.Examples()
    (folder,) = (run.paths.artifacts / "Transform" / "transformed_examples").iterdir()
    examples.uri = str(folder)
    examples.split_names = '["train", "validation", "test"]'
    graph = standard_artifacts.TransformGraph()
    graph.uri = str(run.transform_graph)
    return {"examples": [examples], "transform_graph": [graph]}
