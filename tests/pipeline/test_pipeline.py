from __future__ import annotations

from pathlib import Path

import pytest
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx.types.standard_artifacts import ExampleAnomalies

from emotion_tfx.errors import UserError
from emotion_tfx.pipeline.components import RequireNoAnomalies
from emotion_tfx.pipeline.pipeline import (
    NAME,
    PipelineSettings,
    create_pipeline,
    evaluation,
)

SPLITS = ("train", "validation", "test")


def found(folder: Path, **descriptions: str) -> ExampleAnomalies:
    """What ExampleValidator gives: an anomaly in the column ``label`` of the splits named."""
    for split in SPLITS:
        anomalies = anomalies_pb2.Anomalies()
        if split in descriptions:
            anomalies.anomaly_info["label"].description = descriptions[split]
        file = folder / f"Split-{split}" / "SchemaDiff.pb"
        file.parent.mkdir()
        file.write_bytes(anomalies.SerializeToString())
    artifact = ExampleAnomalies()
    artifact.uri = str(folder)
    artifact.split_names = '["train", "validation", "test"]'
    return artifact


def check(anomalies: ExampleAnomalies) -> None:
    RequireNoAnomalies.EXECUTOR_SPEC.executor_class().Do({"anomalies": [anomalies]}, {}, {})


def test_data_as_the_schema_says_pass(tmp_path: Path):
    check(found(tmp_path))


def test_anomalies_end_the_run_and_are_all_told(tmp_path: Path):
    anomalies = found(
        tmp_path, train="Unexpectedly low value: -1", test="Unexpectedly large value: 6"
    )
    with pytest.raises(UserError) as error:
        check(anomalies)
    assert "train data, column label: Unexpectedly low value: -1" in str(error.value)
    assert "test data, column label: Unexpectedly large value: 6" in str(error.value)


def settings(folder: Path, trials: int = 0, baseline: Path | None = None) -> PipelineSettings:
    return PipelineSettings(
        data=folder / "data",
        data_report="{}",
        root=folder / "pipeline",
        metadata=folder / "metadata.sqlite",
        serving_model=folder / "serving_model",
        hyperparameters=folder / "hyperparameters",
        facts={"corpus": "a corpus"},
        trials=trials,
        baseline=baseline,
        beam_args=("--runner=FlinkRunner", "--parallelism=3"),
    )


def upstream(pipeline: object, name: str) -> set[str]:
    """The components that a component waits for, directly or not."""
    nodes = {node.id: node for node in pipeline.components}
    waiting, seen = [nodes[name]], set()
    while waiting:
        above = {node.id for node in waiting.pop().upstream_nodes} - seen
        seen |= above
        waiting += [nodes[each] for each in above]
    return seen


def test_nothing_learns_from_data_that_were_not_checked(tmp_path: Path):
    pipeline = create_pipeline(settings(tmp_path))
    for component in ("Transform", "Trainer", "Evaluator", "Pusher"):
        assert "RequireNoAnomalies" in upstream(pipeline, component)


def test_nothing_is_pushed_that_was_not_evaluated(tmp_path: Path):
    assert "Evaluator" in upstream(create_pipeline(settings(tmp_path)), "Pusher")


def test_hyperparameters_are_searched_only_when_asked(tmp_path: Path):
    def names(trials: int) -> set[str]:
        return {node.id for node in create_pipeline(settings(tmp_path, trials)).components}

    assert "Tuner" not in names(0)
    assert "StoredHyperparameters" in names(0)
    assert names(3) - names(0) == {"Tuner"}
    assert "Tuner" in upstream(create_pipeline(settings(tmp_path, 3)), "Trainer")


def test_a_candidate_is_compared_with_the_last_one_pushed_or_with_the_one_it_is_given(
    tmp_path: Path,
):
    def compared(baseline: Path | None) -> tuple[str, str]:
        pipeline = create_pipeline(settings(tmp_path, baseline=baseline))
        (evaluator,) = (node for node in pipeline.components if node.id == "Evaluator")
        (reporter,) = (node for node in pipeline.components if node.id == "Reporter")
        channels = evaluator.inputs["baseline_model"], reporter.inputs["baseline"]
        return tuple(channel.producer_component_id for channel in channels)

    assert compared(None) == ("LatestBlessed", "LatestBlessed")
    assert compared(tmp_path / "shipped") == ("InService", "InService")


def test_the_beam_engine_and_the_folders_are_those_given(tmp_path: Path):
    pipeline = create_pipeline(settings(tmp_path))
    assert pipeline.beam_pipeline_args == ["--runner=FlinkRunner", "--parallelism=3"]
    assert pipeline.pipeline_info.pipeline_name == NAME
    assert pipeline.pipeline_info.pipeline_root == str(tmp_path / "pipeline")


def test_the_gate_demands_the_accuracy_and_forbids_the_drop_it_is_given():
    (metrics,) = evaluation(min_accuracy=0.8, max_drop=0.02).metrics_specs
    gates = {each.class_name: each.threshold for each in metrics.metrics}
    accuracy, macro_f1 = gates["SparseCategoricalAccuracy"], gates["MacroF1"]
    assert accuracy.value_threshold.lower_bound.value == pytest.approx(0.8, abs=1e-5)
    assert accuracy.change_threshold.absolute.value == pytest.approx(-0.02, abs=1e-5)
    assert macro_f1.change_threshold.absolute.value == pytest.approx(-0.02, abs=1e-5)
