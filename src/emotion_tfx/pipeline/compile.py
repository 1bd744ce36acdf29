"""The pipeline as a specification for Vertex AI Pipelines and Kubeflow Pipelines 2."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from emotion_tfx.config import Settings
from emotion_tfx.data import Corpus, Extra, prepare
from emotion_tfx.errors import UserError
from emotion_tfx.pipeline.run import best_hyperparameters, floor
from emotion_tfx.storage import is_remote

_FORMATS = (".json", ".yaml", ".yml")
_HYPERPARAMETERS = "hyperparameters"


@dataclass(frozen=True)
class Cluster:
    """Where the pipeline is to run.

    Attributes:
        image: The container image with emotion-tfx in it, for every step.
        root: An address, such as ``gs://bucket/emotion``, that all steps read and write.
        serving_model: The address to push versions to.

    Raises:
        UserError: An address is none, so that the steps would not find each other's files.
    """

    image: str
    root: str
    serving_model: str

    def __post_init__(self) -> None:
        for address in (self.root, self.serving_model):
            if not is_remote(address):
                raise UserError(
                    f"{address} is a path of this machine, which the cluster's do not have",
                    "Name a bucket, such as gs://BUCKET/emotion.",
                )

    @property
    def input(self) -> str:
        """Where the run finds the data and whatever else it starts from."""
        return f"{self.root.rstrip('/')}/input"


def compile_pipeline(
    corpus: Corpus,
    settings: Settings,
    cluster: Cluster,
    output: Path,
    *,
    extras: Sequence[Extra] = (),
    unseen: Sequence[Path] = (),
) -> Path:
    """Prepares the corpus and writes the specification of a run on it.

    Args:
        corpus: What to learn from.
        settings: How strictly, and with which Beam engine.
        cluster: Where to run.
        output: The specification: ``.json`` for Vertex AI, ``.yaml`` for Kubeflow Pipelines.
        extras: Further texts for training only.
        unseen: Files whose texts must not be trained on.

    Returns:
        The folder of what the run starts from, to be copied to :attr:`Cluster.input`.

    Raises:
        UserError: The specification cannot have that name, or the corpus cannot be used.
    """
    if output.suffix not in _FORMATS:
        raise UserError(
            f"{output.name} is no name for a specification",
            "Let it end in .json (Vertex AI) or .yaml (Kubeflow Pipelines).",
        )
    folder = output.absolute().with_name(f"{output.stem}-input")
    shutil.rmtree(folder, ignore_errors=True)
    prepare(corpus, folder / "data", extras=extras, unseen=unseen)
    best_hyperparameters(settings.paths(sample=corpus.is_sample)).save(
        folder / _HYPERPARAMETERS / "best_hyperparameters.txt"
    )
    report = json.loads((folder / "data" / "report.json").read_text(encoding="utf-8"))
    for file in report["files"]:
        file["path"] = Path(file["path"]).name  # Where it was here means nothing there.
    _write(corpus, settings, cluster, json.dumps(report), folder, output)
    return folder


def _write(
    corpus: Corpus, settings: Settings, cluster: Cluster, report: str, folder: Path, output: Path
) -> None:
    from tfx import v1 as tfx

    from emotion_tfx.pipeline.pipeline import SCHEMA, PipelineSettings, create_pipeline

    runner = tfx.orchestration.experimental
    if not hasattr(runner, "KubeflowV2DagRunner"):
        raise UserError(
            "The package that writes specifications is missing",
            "Install it: pip install 'emotion-tfx[kubeflow]'.",
        )
    shutil.copy(SCHEMA, folder)
    pipeline = create_pipeline(
        PipelineSettings(
            data=f"{cluster.input}/data",
            data_report=report,
            root=cluster.root,
            metadata=None,
            serving_model=cluster.serving_model,
            hyperparameters=f"{cluster.input}/{_HYPERPARAMETERS}",
            facts={"corpus": corpus.name},
            schema=f"{cluster.input}/{SCHEMA.name}",
            min_accuracy=floor(corpus, settings),
            max_drop=settings.max_drop,
            seed=settings.seed,
            beam_args=tuple(settings.beam_args),
        )
    )
    config = runner.KubeflowV2DagRunnerConfig(
        default_image=cluster.image, use_pipeline_spec_2_1=True
    )
    runner.KubeflowV2DagRunner(
        config, output_dir=str(output.absolute().parent), output_filename=output.name
    ).run(pipeline)
