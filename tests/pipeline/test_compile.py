"""What is compiled for Vertex AI and Kubeflow: held against its schema and a local run, and run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2 as spec_pb2
from tfx.utils import import_utils

from emotion_tfx.config import Settings
from emotion_tfx.data import find_corpus
from emotion_tfx.errors import UserError
from emotion_tfx.pipeline.compile import Cluster, compile_pipeline
from emotion_tfx.pipeline.pipeline import PipelineSettings, create_pipeline

from ..command import REPOSITORY, SAMPLE
from .kubeflow import Launcher

IMAGE = "registry.example/emotion/pipeline:1.0"
ROOT = "gs://bucket/emotion"
BEAM = ["--runner=DataflowRunner", "--region=europe-west1"]
CLUSTER = Cluster(IMAGE, ROOT, f"{ROOT}/serving_model/emotion")
ENTRY = "tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor"


def compiled(folder: Path, name: str = "pipeline.json", beam_args: list[str] = BEAM) -> Path:
    corpus = find_corpus(SAMPLE, cache=folder, say=print)
    settings = Settings(output=folder / "output", beam_args=beam_args)
    compile_pipeline(corpus, settings, CLUSTER, folder / name)
    return folder / name


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("compiled"))


def pipeline_of(text: str) -> spec_pb2.PipelineSpec:
    """The specification in a job, read strictly: a field unknown to the schema is an error."""
    job = json_format.Parse(text, spec_pb2.PipelineJob())
    return json_format.ParseDict(
        json_format.MessageToDict(job.pipeline_spec), spec_pb2.PipelineSpec()
    )


def deployment_of(pipeline: spec_pb2.PipelineSpec) -> spec_pb2.PipelineDeploymentConfig:
    found = json_format.MessageToDict(pipeline.deployment_spec)
    return json_format.ParseDict(found, spec_pb2.PipelineDeploymentConfig())


@pytest.fixture(scope="module")
def pipeline(file: Path) -> spec_pb2.PipelineSpec:
    return pipeline_of(file.read_text())


def test_it_is_as_its_schema_says(file: Path, pipeline: spec_pb2.PipelineSpec):
    job = json_format.Parse(file.read_text(), spec_pb2.PipelineJob())
    assert job.runtime_config.gcs_output_directory == ROOT
    assert pipeline.schema_version == "2.1.0"
    executors = deployment_of(pipeline).executors
    for task in pipeline.root.dag.tasks.values():
        assert pipeline.components[task.component_ref.name].executor_label in executors


def test_every_step_takes_what_it_takes_in_a_local_run(pipeline: spec_pb2.PipelineSpec):
    local = create_pipeline(
        PipelineSettings("data", "{}", "root", None, "serving", "hyperparameters", {})
    )
    # Vertex AI has the resolver in two steps, the blessing and then its model.
    resolver = "LatestBlessed-model-resolver"
    tasks = dict(pipeline.root.dag.tasks)
    assert tasks.pop(resolver).inputs.artifacts["input"].task_output_artifact.producer_task
    tasks.pop("LatestBlessed-model-blessing-resolver")
    nodes = {node.id: node for node in local.components if node.id != "LatestBlessed"}
    assert set(tasks) == set(nodes)

    def renamed(name: str) -> str:
        return resolver if name == "LatestBlessed" else name

    for name, node in nodes.items():
        wired = {
            key: (
                one.task_output_artifact.producer_task,
                one.task_output_artifact.output_artifact_key,
            )
            for key, one in tasks[name].inputs.artifacts.items()
        }
        assert wired == {
            key: (renamed(channel.producer_component_id), channel.output_key)
            for key, channel in node.inputs.items()
        }
        assert set(tasks[name].dependent_tasks) == {renamed(one.id) for one in node.upstream_nodes}
        outputs = pipeline.components[name].output_definitions.artifacts
        assert set(outputs) == set(node.outputs)


def test_every_container_is_of_the_image_and_runs_what_can_be_imported_there(
    pipeline: spec_pb2.PipelineSpec,
):
    executors = deployment_of(pipeline).executors.values()
    containers = [one.container for one in executors if one.HasField("container")]
    assert len(containers) == 10
    for container in containers:
        assert container.image == IMAGE
        assert list(container.command) == ["python", "-m", ENTRY]
        assert list(container.args)[-len(BEAM) :] == BEAM
        options = dict(zip(container.args, container.args[1:], strict=False))
        import_utils.import_class_by_path(options["--executor_class_path"])
    parameters = [
        parameter.runtime_value.constant.string_value
        for name in ("Transform", "Trainer")
        for key, parameter in pipeline.root.dag.tasks[name].inputs.parameters.items()
        if key in ("preprocessing_fn", "run_fn")
    ]
    assert len(parameters) == 2
    for path in parameters:
        assert callable(import_utils.import_class_by_path(path))


def test_it_holds_no_path_of_this_machine_and_its_input_is_beside_it(file: Path):
    text = file.read_text()
    for here in (REPOSITORY, file.parent, Path.home()):
        assert str(here) not in text
    folder = file.with_name("pipeline-input")
    assert f"{ROOT}/input/schema.pbtxt" in text
    assert (folder / "schema.pbtxt").is_file()
    assert f"{ROOT}/input/hyperparameters" in text
    assert (folder / "hyperparameters" / "best_hyperparameters.txt").is_file()
    assert f"{ROOT}/input/data" in text
    for split in ("train", "validation", "test"):
        assert list((folder / "data" / split).glob("*.csv"))


def test_the_steps_run_from_it_as_a_launcher_runs_them(tmp_path: Path):
    file = compiled(tmp_path, beam_args=["--runner=DirectRunner"])
    here = file.read_text().replace(f"{ROOT}/input", str(tmp_path / "pipeline-input"))
    launcher = Launcher(pipeline_of(here), tmp_path / "root")
    for name in (
        "CsvExampleGen",
        "ImportSchemaGen",
        "StatisticsGen",
        "ExampleValidator",
        "RequireNoAnomalies",
    ):
        launcher.run(name)
    assert list((launcher.output("CsvExampleGen", "examples") / "Split-test").iterdir())
    statistics = launcher.output("StatisticsGen", "statistics") / "Split-train"
    assert (statistics / "FeatureStats.pb").stat().st_size > 1000


def test_kubeflow_pipelines_gets_the_same_as_yaml(file: Path, pipeline: spec_pb2.PipelineSpec):
    text = compiled(file.parent, "kubeflow.yaml").read_text()
    same = json.dumps(yaml.safe_load(text)).replace("kubeflow-input", "pipeline-input")
    assert json_format.Parse(same, spec_pb2.PipelineSpec()) == pipeline


@pytest.mark.parametrize("address", ["/data/emotion", "emotion"])
def test_a_path_is_no_place_for_a_cluster(address: str):
    with pytest.raises(UserError) as told:
        Cluster(IMAGE, address, ROOT)
    assert "gs://" in told.value.remedy


def test_a_specification_has_one_of_two_forms(tmp_path: Path):
    with pytest.raises(UserError) as told:
        compiled(tmp_path, "pipeline.xml")
    assert ".json" in told.value.remedy
    assert not list(tmp_path.iterdir())
