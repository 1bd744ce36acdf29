"""``tuner_fn``: the search over the network's hyperparameters that the Tuner component runs."""

from __future__ import annotations

from typing import Any

import keras_tuner
from tfx import v1 as tfx

from emotion_tfx.features.vocabulary import Vocabulary
from emotion_tfx.model.dataset import Dataset
from emotion_tfx.model.hyperparameters import Hyperparameters
from emotion_tfx.model.trainer import load
from emotion_tfx.model.training import train


def search_space() -> keras_tuner.HyperParameters:
    """What is searched; hyperparameters not named here keep their defaults."""
    space = keras_tuner.HyperParameters()
    default = Hyperparameters()
    space.Choice("units", [64, 96, 128], default=default.units)
    space.Choice("dense_units", [32, 64, 128], default=default.dense_units)
    space.Float("dropout", 0.2, 0.5, step=0.05, default=default.dropout)
    space.Float("word_dropout", 0.0, 0.15, step=0.05, default=default.word_dropout)
    space.Float("learning_rate", 1e-3, 4e-3, sampling="log", default=default.learning_rate)
    space.Float("label_smoothing", 0.0, 0.1, step=0.05, default=default.label_smoothing)
    return space


class NetworkTuner(keras_tuner.RandomSearch):
    """Random search; a trial is one training, judged on the validation texts."""

    def run_trial(
        self,
        trial: keras_tuner.engine.trial.Trial,
        dataset: Dataset,
        validation: Dataset,
        vocabulary: Vocabulary,
    ) -> dict[str, float]:
        """Trains with the trial's values; the best epoch's figures are the trial's."""
        values = Hyperparameters.from_dict(trial.hyperparameters.values)
        history = train(dataset, validation, vocabulary, values).history
        return {"score": max(epoch["val_accuracy"] + epoch["val_macro_f1"] for epoch in history)}


def tuner_fn(fn_args: tfx.components.FnArgs) -> tfx.components.TunerFnResult:
    """Makes the tuner; called by the Tuner component.

    Args:
        fn_args: The prepared examples and the Transform graph; ``custom_config`` holds the number
            of ``trials``.
    """
    config: dict[str, Any] = fn_args.custom_config
    dataset, validation, vocabulary, _ = load(fn_args)
    tuner = NetworkTuner(
        hyperparameters=search_space(),
        objective=keras_tuner.Objective("score", "max"),
        max_trials=config["trials"],
        seed=config["seed"],
        directory=fn_args.working_dir,
        project_name="search",
    )
    return tfx.components.TunerFnResult(
        tuner=tuner,
        fit_kwargs={"dataset": dataset, "validation": validation, "vocabulary": vocabulary},
    )
