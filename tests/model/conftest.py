from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from ..conftest import SampleRun


@dataclass(frozen=True)
class SmallModel:
    """A small network trained on the run's transformed texts, and its export."""

    saved_model: Path
    network: object
    calibration: object


@pytest.fixture(scope="session")
def small_model(sample_run: SampleRun, tmp_path_factory: pytest.TempPathFactory) -> SmallModel:
    import tensorflow_transform as tft

    from emotion_tfx.features.vocabulary import ASSET, Vocabulary
    from emotion_tfx.model.calibration import calibrate
    from emotion_tfx.model.dataset import Dataset
    from emotion_tfx.model.export import export
    from emotion_tfx.model.hyperparameters import Hyperparameters
    from emotion_tfx.model.training import train

    transform = tft.TFTransformOutput(str(sample_run.transform_graph))
    (examples,) = (sample_run.paths.artifacts / "Transform" / "transformed_examples").iterdir()
    spec = transform.transformed_feature_spec()
    texts, validation = (
        Dataset.read([str(file) for file in (examples / f"Split-{split}").iterdir()], spec)
        for split in ("train", "validation")
    )
    vocabulary = Vocabulary.load(Path(transform.transform_savedmodel_dir) / "assets" / ASSET)
    trained = train(
        texts, validation, vocabulary, Hyperparameters(units=16, max_examples=3 * len(texts))
    )
    calibration = calibrate(trained.validation_logits, validation.labels)
    folder = tmp_path_factory.mktemp("small") / "1"
    export(
        str(folder),
        transform.transform_savedmodel_dir,
        trained.network,
        calibration,
        {"corpus": "bundled sample", "history": trained.history},
    )
    return SmallModel(folder, trained.network, calibration)
