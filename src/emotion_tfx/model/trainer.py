"""``run_fn``: what the Trainer component calls."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import tensorflow_transform as tft
from tfx import v1 as tfx

from emotion_tfx.features.preprocessing import FeatureOptions
from emotion_tfx.features.vocabulary import ASSET, Vocabulary
from emotion_tfx.model.dataset import Dataset
from emotion_tfx.model.export import export
from emotion_tfx.model.hyperparameters import Hyperparameters
from emotion_tfx.model.progress import progress_bar
from emotion_tfx.model.training import train_and_calibrate
from emotion_tfx.storage import fetched, sent


def run_fn(fn_args: tfx.components.FnArgs) -> None:
    """Trains, calibrates and exports a model.

    Args:
        fn_args: The prepared examples, the Transform graph, the hyperparameters, and in
            ``custom_config`` the ``seed``, the ``facts`` to be kept with the model, and the
            ``features`` as Transform had them.
    """
    config: dict[str, Any] = fn_args.custom_config
    hyperparameters = Hyperparameters.from_dict(_values(fn_args.hyperparameters))
    dataset, validation, vocabulary = load(fn_args)
    with progress_bar("training") as progress:
        trained, calibration = train_and_calibrate(
            dataset,
            validation,
            vocabulary,
            hyperparameters,
            seed=config["seed"],
            progress=progress,
        )
    facts = {
        **config["facts"],
        "hyperparameters": hyperparameters.to_dict(),
        "epochs": len(trained.history),
        "calibration": asdict(calibration),
        "words": len(vocabulary.words),
        "stems": len(vocabulary.stems),
        "parameters": trained.network.count_params(),
        "history": trained.history,
    }
    options = FeatureOptions.from_dict(config["features"])
    with (
        fetched(_transform_dir(fn_args)) as transform_dir,
        sent(fn_args.serving_model_dir) as folder,
    ):
        export(str(folder), str(transform_dir), trained.network, calibration, facts, options)


def load(fn_args: tfx.components.FnArgs) -> tuple[Dataset, Dataset, Vocabulary]:
    """Reads what the Transform component made.

    Returns:
        The texts to learn from, those to validate with, and the vocabulary.
    """
    spec = tft.TFTransformOutput(fn_args.transform_graph_path).transformed_feature_spec()
    with fetched(_transform_dir(fn_args)) as transform_dir:
        vocabulary = Vocabulary.load(transform_dir / "assets" / ASSET)
    dataset = Dataset.read(_files(fn_args.train_files), spec)
    validation = Dataset.read(_files(fn_args.eval_files), spec)
    return dataset, validation, vocabulary


def _transform_dir(fn_args: tfx.components.FnArgs) -> str:
    return tft.TFTransformOutput(fn_args.transform_graph_path).transform_savedmodel_dir


def _files(patterns: list[str]) -> list[str]:
    return [file for pattern in patterns for file in tfx.dsl.io.fileio.glob(pattern)]


def _values(stored: dict[str, Any] | None) -> dict[str, Any]:
    """The values themselves, of Keras Tuner's configuration or of plain ones."""
    stored = stored or {}
    return stored.get("values", stored)
