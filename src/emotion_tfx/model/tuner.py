"""``tuner_fn``: the search over the network's hyperparameters that the Tuner component runs."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import keras_tuner
from keras_tuner.engine.base_tuner import BaseTuner
from keras_tuner.engine.trial import Trial, TrialStatus
from rich.console import Console
from tfx import v1 as tfx

from emotion_tfx.features.vocabulary import Vocabulary
from emotion_tfx.model.dataset import Dataset
from emotion_tfx.model.hyperparameters import Hyperparameters
from emotion_tfx.model.progress import progress_bar
from emotion_tfx.model.trainer import load
from emotion_tfx.model.training import train


def search_space() -> keras_tuner.HyperParameters:
    """What is searched; hyperparameters not named here keep their defaults."""
    space = keras_tuner.HyperParameters()
    default = Hyperparameters()
    space.Choice("units", [32, 64, 96, 128], default=default.units)
    space.Choice("dense_units", [32, 64, 128], default=default.dense_units)
    space.Float("dropout", 0.2, 0.5, step=0.05, default=default.dropout)
    space.Float("word_dropout", 0.0, 0.15, step=0.05, default=default.word_dropout)
    space.Float("learning_rate", 1e-3, 8e-3, sampling="log", default=default.learning_rate)
    space.Float("weight_decay", 1e-4, 1e-2, sampling="log", default=default.weight_decay)
    space.Float("label_smoothing", 0.0, 0.1, step=0.05, default=default.label_smoothing)
    space.Choice("batch_size", [128, 256, 512, 1024], default=default.batch_size)
    space.Int("epochs", 10, 30, step=5, default=default.epochs)
    return space


class DefaultsFirst(keras_tuner.oracles.RandomSearchOracle):
    """Random search that begins with the defaults, so that it never ends below them.

    Source: Bergstra, Bengio, Random Search for Hyper-Parameter Optimization, JMLR 13, 2012.
    """

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        """The values of the next trial."""
        if self.trials:
            return super().populate_space(trial_id)
        return {"status": TrialStatus.RUNNING, "values": dict(self.hyperparameters.values)}


class NetworkTuner(BaseTuner):
    """A trial is one training, judged on the validation texts; each is told in a line.

    Args:
        oracle: Chooses the values of each trial.
        console: Told about each trial.
        seed: Of each training.
        **kwargs: ``directory`` and ``project_name``, where Keras Tuner keeps its notes.
    """

    def __init__(
        self,
        oracle: keras_tuner.Oracle,
        *,
        console: Console,
        seed: int = 0,
        **kwargs: str,
    ) -> None:
        super().__init__(oracle, **kwargs)
        oracle.verbose = 0
        self._console = console
        self._seed = seed
        self._started = time.perf_counter()

    def run_trial(
        self, trial: Trial, dataset: Dataset, validation: Dataset, vocabulary: Vocabulary
    ) -> dict[str, float]:
        """Trains with the trial's values.

        Returns:
            ``score``, the mean of accuracy and macro-F1 of the best epoch.

        Raises:
            FatalError: The training failed. Keras Tuner would pass over anything else.
        """
        values = Hyperparameters.from_dict(trial.hyperparameters.values)
        title = f"trial {len(self.oracle.trials)} of {self.oracle.max_trials}"
        try:
            with progress_bar(title) as progress:
                history = train(
                    dataset, validation, vocabulary, values, seed=self._seed, progress=progress
                ).history
        except Exception as error:
            raise keras_tuner.errors.FatalError(f"{title} failed: {error}") from error
        best = max(history, key=_score)
        self._tell(title, best, trial.hyperparameters.values)
        return {"score": _score(best)}

    def search_space_summary(self, extended: bool = False) -> None:
        """Says nothing: each trial tells its values."""

    def results_summary(self, num_trials: int = 10) -> None:
        """Tells which trial was best; ``num_trials`` is Keras Tuner's, and not used."""
        (best,) = self.oracle.get_best_trials(1)
        self._console.print(f"    best: trial {self.oracle.start_order.index(best.trial_id) + 1}")

    def _tell(self, title: str, best: dict[str, float], values: dict[str, Any]) -> None:
        done, planned = len(self.oracle.trials), self.oracle.max_trials
        seconds = round((time.perf_counter() - self._started) / done * (planned - done))
        left = f"; about {timedelta(seconds=seconds)} left" if done < planned else ""
        told = ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items())
        self._console.print(
            f"    {title}: accuracy {best['val_accuracy']:.3f}, "
            f"macro-F1 {best['val_macro_f1']:.3f} with {told}{left}"
        )


def _score(epoch: dict[str, float]) -> float:
    return (epoch["val_accuracy"] + epoch["val_macro_f1"]) / 2


def tuner_fn(fn_args: tfx.components.FnArgs) -> tfx.components.TunerFnResult:
    """Makes the tuner; called by the Tuner component.

    Args:
        fn_args: The prepared examples and the Transform graph; ``custom_config`` holds the number
            of ``trials`` and the ``seed``.
    """
    config: dict[str, Any] = fn_args.custom_config
    dataset, validation, vocabulary = load(fn_args)
    oracle = DefaultsFirst(
        objective=keras_tuner.Objective("score", "max"),
        max_trials=config["trials"],
        seed=config["seed"],
        hyperparameters=search_space(),
    )
    tuner = NetworkTuner(
        oracle,
        console=Console(highlight=False, soft_wrap=True),
        seed=config["seed"],
        directory=fn_args.working_dir,
        project_name="search",
    )
    return tfx.components.TunerFnResult(
        tuner=tuner,
        fit_kwargs={
            "dataset": dataset,
            "validation": validation.select(validation.own),
            "vocabulary": vocabulary,
        },
    )
