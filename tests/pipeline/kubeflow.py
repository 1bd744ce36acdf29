"""Runs steps of a compiled specification on this machine as Kubeflow's launcher runs them there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from google.protobuf import json_format
from google.protobuf.message import Message
from kfp.pipeline_spec import pipeline_spec_pb2 as spec_pb2
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor
from tfx.orchestration.kubeflow.v2.file_based_example_gen import driver


class Launcher:
    """Gives each step its input as the service does, calls what its container would run.

    Args:
        pipeline: The specification.
        root: Where the steps write.
    """

    def __init__(self, pipeline: spec_pb2.PipelineSpec, root: Path) -> None:
        self._pipeline = pipeline
        self._root = root
        self._deployment = json_format.ParseDict(
            json_format.MessageToDict(pipeline.deployment_spec),
            spec_pb2.PipelineDeploymentConfig(),
        )
        self._outputs: dict[tuple[str, str], spec_pb2.RuntimeArtifact] = {}

    def run(self, name: str) -> None:
        """Runs a step whose inputs are there."""
        task = self._pipeline.root.dag.tasks[name]
        component = self._pipeline.components[task.component_ref.name]
        executor = self._deployment.executors[component.executor_label]
        if executor.WhichOneof("spec") == "importer":
            (key,) = component.output_definitions.artifacts
            artifact = spec_pb2.RuntimeArtifact(
                uri=executor.importer.artifact_uri.constant.string_value
            )
            artifact.type.CopyFrom(executor.importer.type_schema)
            self._outputs[name, key] = artifact
            return
        given = self._input(name, task, component)
        container = executor.container
        if container.HasField("lifecycle"):
            self._call(driver, container.lifecycle.pre_cache_check.args, given)
        self._call(kubeflow_v2_run_executor, container.args, given)
        file = Path(given.outputs.output_file)
        output = json_format.Parse(file.read_text(), spec_pb2.ExecutorOutput())
        for key, artifacts in output.artifacts.items():
            (artifact,) = artifacts.artifacts
            definition = component.output_definitions.artifacts[key]
            artifact.type.CopyFrom(definition.artifact_type)
            self._outputs[name, key] = artifact

    def output(self, name: str, key: str) -> Path:
        """Where a step that has run has put something."""
        return Path(self._outputs[name, key].uri)

    def _input(self, name: str, task: Message, component: Message) -> spec_pb2.ExecutorInput:
        given = spec_pb2.ExecutorInput()
        for key, parameter in task.inputs.parameters.items():
            given.inputs.parameter_values[key].CopyFrom(parameter.runtime_value.constant)
        for key, wanted in task.inputs.artifacts.items():
            source = wanted.task_output_artifact
            found = self._outputs.get((source.producer_task, source.output_artifact_key))
            artifacts = given.inputs.artifacts[key].artifacts
            if found is not None:
                artifacts.append(found)
        for key, definition in component.output_definitions.artifacts.items():
            uri = self._root / name / key
            uri.mkdir(parents=True)
            artifact = given.outputs.artifacts[key].artifacts.add(uri=str(uri))
            artifact.type.CopyFrom(definition.artifact_type)
        given.outputs.output_file = str(self._root / name / "task" / "executor_output.json")
        return given

    def _call(
        self, module: ModuleType, arguments: Iterable[str], given: spec_pb2.ExecutorInput
    ) -> None:
        text = json_format.MessageToJson(given)
        arguments = [text if each == "{{$}}" else each for each in arguments]
        module.main(module._parse_flags(["program", *arguments]))
