"""``create_pipeline``: which components there are, and what each takes from which."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import tensorflow_model_analysis as tfma
from tfx import v1 as tfx
from tfx.dsl.components.base import executor_spec

from emotion_tfx.evaluation import gates
from emotion_tfx.evaluation.macro_f1 import MacroF1
from emotion_tfx.features.preprocessing import LABEL, SOURCE, FeatureOptions
from emotion_tfx.pipeline.components import PushOnce, Reporter, RequireNoAnomalies

NAME = "emotion"
SCHEMA = Path(__file__).with_name("schema.pbtxt")
#: The files that decide what the code of a room does.
_READ = ("*.py", "*.j2", "*.csv")
_SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class PipelineSettings:
    """What a run of the pipeline depends on.

    Attributes:
        data: Folder of the prepared corpus, a folder with CSV files for each split in it. This and
            the other folders may be addresses, such as ``gs://bucket/folder``.
        data_report: How the corpus was prepared, as JSON.
        root: Folder for what the components write.
        metadata: File of the ML Metadata store (SQLite), where the runner keeps none of its own.
        serving_model: Folder to push versions to.
        hyperparameters: Folder with the stored hyperparameters, one JSON file; not read where
            they are searched.
        facts: To be kept with the model and told in its card.
        schema: File that says what the data must be.
        features: Choices of the text preparation.
        trials: Trainings to search the hyperparameters with; 0 uses the stored ones.
        min_accuracy: No model below this is pushed.
        max_drop: How far accuracy and macro-F1 may each be below the blessed model's.
        seed: Of the training.
        beam_args: Options of the Beam engine.
        code: What code this is, as JSON; kept with the run.
        baseline: A model artifact to compare with where no run has pushed a model.
    """

    data: Path | str
    data_report: str
    root: Path | str
    metadata: Path | None
    serving_model: Path | str
    hyperparameters: Path | str
    facts: dict[str, Any]
    schema: Path | str = SCHEMA
    features: FeatureOptions = field(default_factory=FeatureOptions)
    trials: int = 0
    min_accuracy: float = 0.75
    max_drop: float = 0.01
    seed: int = 0
    beam_args: tuple[str, ...] = ()
    code: str = "{}"
    baseline: Path | None = None


def create_pipeline(settings: PipelineSettings) -> tfx.dsl.Pipeline:
    """The whole pipeline, for any runner."""
    splits = [tfx.proto.Input.Split(name=split, pattern=f"{split}/*.csv") for split in _SPLITS]
    example_gen = tfx.components.CsvExampleGen(
        input_base=str(settings.data), input_config=tfx.proto.Input(splits=splits)
    )
    examples = example_gen.outputs["examples"]
    statistics_gen = tfx.components.StatisticsGen(examples=examples)
    schema_gen = tfx.components.ImportSchemaGen(schema_file=str(settings.schema))
    schema = schema_gen.outputs["schema"]
    validator = tfx.components.ExampleValidator(
        statistics=statistics_gen.outputs["statistics"], schema=schema
    )
    no_anomalies = RequireNoAnomalies(anomalies=validator.outputs["anomalies"])
    transform = tfx.components.Transform(
        examples=examples,
        schema=schema,
        preprocessing_fn="emotion_tfx.features.preprocessing.preprocessing_fn",
        splits_config=tfx.proto.SplitsConfig(analyze=["train"], transform=list(_SPLITS)),
        custom_config={"features": settings.features.to_dict(), "code": _fingerprint("features")},
    )
    transform.add_upstream_node(no_anomalies)
    hyperparameters = _tuner(settings, transform, schema) if settings.trials else _stored(settings)
    trainer = tfx.components.Trainer(
        run_fn="emotion_tfx.model.trainer.run_fn",
        **_prepared(transform, schema),
        hyperparameters=hyperparameters.outputs[
            "best_hyperparameters" if settings.trials else "result"
        ],
        custom_config={
            "seed": settings.seed,
            "facts": settings.facts,
            "features": settings.features.to_dict(),
            "code": _fingerprint("features", "model"),
        },
    )
    model = trainer.outputs["model"]
    in_service, baseline = _in_service(settings)
    evaluator = tfx.components.Evaluator(
        examples=examples,
        example_splits=["test"],
        model=model,
        baseline_model=baseline,
        eval_config=evaluation(settings.min_accuracy, settings.max_drop),
    )
    blessing = evaluator.outputs["blessing"]
    pusher = tfx.components.Pusher(
        model=model,
        model_blessing=blessing,
        push_destination=tfx.proto.PushDestination(
            filesystem=tfx.proto.PushDestination.Filesystem(
                base_directory=str(settings.serving_model)
            )
        ),
        custom_executor_spec=executor_spec.ExecutorClassSpec(PushOnce),
    )
    reporter = Reporter(
        examples=examples,
        model=model,
        blessing=blessing,
        pushed=pusher.outputs["pushed_model"],
        baseline=baseline,
        data_report=settings.data_report,
        min_accuracy=settings.min_accuracy,
        max_drop=settings.max_drop,
        evaluation=_fingerprint("evaluation", "monitoring"),
        code=settings.code,
    )
    components = [
        example_gen,
        statistics_gen,
        schema_gen,
        validator,
        no_anomalies,
        transform,
        hyperparameters,
        trainer,
        in_service,
        evaluator,
        pusher,
        reporter,
    ]
    return tfx.dsl.Pipeline(
        pipeline_name=NAME,
        pipeline_root=str(settings.root),
        components=components,
        enable_cache=True,
        metadata_connection_config=settings.metadata
        and tfx.orchestration.metadata.sqlite_metadata_connection_config(str(settings.metadata)),
        beam_pipeline_args=list(settings.beam_args),
    )


def evaluation(min_accuracy: float, max_drop: float) -> tfma.EvalConfig:
    """What the Evaluator measures and what it demands: the gate, as in ``evaluation.gates``."""
    no_step_back = tfma.GenericChangeThreshold(
        direction=tfma.MetricDirection.HIGHER_IS_BETTER,
        absolute={"value": -max_drop - gates.ROUNDING},
    )
    floor = tfma.GenericValueThreshold(lower_bound={"value": min_accuracy - gates.ROUNDING})
    accuracy = tfma.MetricConfig(
        class_name="SparseCategoricalAccuracy",
        threshold=tfma.MetricThreshold(value_threshold=floor, change_threshold=no_step_back),
    )
    macro_f1 = tfma.MetricConfig(
        class_name=MacroF1.__name__,
        module=MacroF1.__module__,
        threshold=tfma.MetricThreshold(change_threshold=no_step_back),
    )
    others = [
        tfma.MetricConfig(class_name=name)
        for name in ("ExampleCount", "SparseCategoricalCrossentropy")
    ]
    return tfma.EvalConfig(
        model_specs=[
            tfma.ModelSpec(
                signature_name="serving_default",
                label_key=LABEL,
                model_type=tfma.constants.TF_GENERIC,
            )
        ],
        slicing_specs=[tfma.SlicingSpec(), tfma.SlicingSpec(feature_keys=[SOURCE])],
        metrics_specs=[tfma.MetricsSpec(metrics=[accuracy, macro_f1, *others])],
    )


def _in_service(settings: PipelineSettings) -> tuple[Any, Any]:
    """The component that finds the model to compare with, and the channel that gives it."""
    if settings.baseline is not None:
        importer = tfx.dsl.Importer(
            source_uri=str(settings.baseline), artifact_type=tfx.types.standard_artifacts.Model
        ).with_id("InService")
        return importer, importer.outputs["result"]
    resolver = tfx.dsl.Resolver(
        strategy_class=tfx.dsl.experimental.LatestBlessedModelStrategy,
        model=tfx.dsl.Channel(type=tfx.types.standard_artifacts.Model),
        model_blessing=tfx.dsl.Channel(type=tfx.types.standard_artifacts.ModelBlessing),
    ).with_id("LatestBlessed")
    return resolver, resolver.outputs["model"]


def _prepared(transform: Any, schema: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "examples": transform.outputs["transformed_examples"],
        "transform_graph": transform.outputs["transform_graph"],
        "schema": schema,
        "train_args": tfx.proto.TrainArgs(splits=["train"]),
        "eval_args": tfx.proto.EvalArgs(splits=["validation"]),
    }


def _tuner(settings: PipelineSettings, transform: Any, schema: Any) -> Any:  # noqa: ANN401
    return tfx.components.Tuner(
        tuner_fn="emotion_tfx.model.tuner.tuner_fn",
        **_prepared(transform, schema),
        custom_config={
            "trials": settings.trials,
            "seed": settings.seed,
            "code": _fingerprint("features", "model"),
        },
    )


def _stored(settings: PipelineSettings) -> Any:  # noqa: ANN401
    return tfx.dsl.Importer(
        source_uri=str(settings.hyperparameters),
        artifact_type=tfx.types.standard_artifacts.HyperParameters,
    ).with_id("StoredHyperparameters")


def _fingerprint(*rooms: str) -> str:
    """Of the code of some rooms, and of what they read, so that no change passes for a repeat."""
    package = Path(__file__).parents[1]
    digest = sha256()
    for room in rooms:
        files = (file for kind in _READ for file in (package / room).rglob(kind))
        for file in sorted(files):
            digest.update(file.read_bytes())
    return digest.hexdigest()[:16]
