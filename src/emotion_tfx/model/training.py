"""Training the network, with a progress bar, and keeping its best state."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import keras
import numpy as np
import tensorflow as tf

from emotion_tfx.features.vocabulary import Vocabulary
from emotion_tfx.labels import LABELS
from emotion_tfx.memory import keep_freed_memory
from emotion_tfx.model.calibration import Calibration, calibrate
from emotion_tfx.model.dataset import Dataset
from emotion_tfx.model.denial import deny
from emotion_tfx.model.hyperparameters import Hyperparameters
from emotion_tfx.model.misspelling import Misspeller
from emotion_tfx.model.network import EmotionNetwork, initialise_embeddings
from emotion_tfx.model.optimizer import LazyAdam

_EVALUATION_BATCH = 512
_WARM_UP_SHARE = 0.05
_GRADIENT_NORM = 1.0
#: The average looks back over about so many steps, or that share of all steps if it is less.
_AVERAGED_STEPS, _AVERAGED_SHARE = 300.0, 0.1
_AVERAGED_EVERY = 10
#: How many copies whose emotion is denied are drawn for a text drawn.
_DENIED_SHARE = 0.05
#: Fewer steps than this do not train a network, however many texts each of them reads.
_MIN_STEPS = 300
#: A label that a domain never has is ruled out; of others no more is believed than this share.
_RULED_OUT, _LEAST_SHARE = -1e4, 0.01

#: Called after each step with the texts seen so far and the texts to be seen in all.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Epoch:
    """One pass over the training texts: what the training curves show."""

    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    val_macro_f1: float
    learning_rate: float
    examples_per_second: float


@dataclass(frozen=True)
class TrainedNetwork:
    """A network with the weights of its best epoch.

    Attributes:
        network: The network.
        history: One dictionary an epoch, with the fields of :class:`Epoch`.
        validation_logits: float32 [N, 6] on the validation texts, in their order.
    """

    network: EmotionNetwork
    history: list[dict[str, float]]
    validation_logits: np.ndarray


def train(
    dataset: Dataset,
    validation: Dataset,
    vocabulary: Vocabulary,
    hyperparameters: Hyperparameters,
    *,
    seed: int = 0,
    progress: Progress | None = None,
    kind: type[EmotionNetwork] = EmotionNetwork,
) -> TrainedNetwork:
    """Trains a network and returns it with the weights that were best on validation.

    Best is the mean of accuracy and macro-F1. The weights judged and returned are the exponential
    moving average of those trained (Polyak, Juditsky, SIAM J. Control Optim. 30(4), 1992).

    Args:
        dataset: Texts to learn from.
        validation: Texts to choose the epoch by, of the corpus itself.
        vocabulary: What the ids mean.
        hyperparameters: Sizes and rates.
        seed: Of weights, order and dropout.
        progress: Told after each step.
        kind: The network's class, for comparisons with others.
    """
    keep_freed_memory()
    keras.utils.set_random_seed(seed)
    generator = np.random.default_rng(seed)
    network, averaged = (_build(kind, dataset, vocabulary, hyperparameters) for _ in range(2))
    initialise_embeddings(network, vocabulary)

    epochs = planned_epochs(dataset.drawn, hyperparameters)
    priors = domain_priors(dataset)
    dataset, copied = deny(dataset, vocabulary, _DENIED_SHARE)
    denied = copied >= 0
    priors = priors[np.where(denied, copied, np.arange(len(dataset)))]
    total = epochs * dataset.drawn
    batch_size = planned_batch_size(total, hyperparameters)
    steps = math.ceil(total / batch_size)
    misspeller = Misspeller(vocabulary, hyperparameters.misspelling, seed)
    trainer = _Trainer(network, hyperparameters, steps, priors, denied, misspeller)
    history: list[dict[str, float]] = []
    best_score, best_weights, best_logits = -1.0, [], np.empty(0)
    seen = 0
    for epoch in range(1, epochs + 1):
        started, before = time.perf_counter(), seen
        for rows in dataset.batches(batch_size, generator):
            trainer.step(dataset, rows)
            seen += len(rows)
            if progress:
                progress(min(seen, total), total)
        speed = (seen - before) / (time.perf_counter() - started)
        weights = trainer.averaged_weights()
        averaged.set_weights(weights)
        logits = predict_logits(averaged, validation)
        measured = trainer.epoch(epoch, logits, validation, speed)
        history.append(asdict(measured))
        score = measured.val_accuracy + measured.val_macro_f1
        if score > best_score:
            best_score, best_weights, best_logits = score, weights, logits
    averaged.set_weights(best_weights)
    return TrainedNetwork(averaged, history, best_logits)


def train_and_calibrate(
    dataset: Dataset,
    validation: Dataset,
    vocabulary: Vocabulary,
    hyperparameters: Hyperparameters,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> tuple[TrainedNetwork, Calibration]:
    """Trains as :func:`train` does, and fits the probabilities.

    Args:
        dataset: Texts to learn from.
        validation: Texts to validate with. The epoch is chosen by those of the corpus itself, the
            probabilities are fitted on those of other domains too.
        vocabulary: What the ids mean.
        hyperparameters: Sizes and rates.
        seed: Of weights, order and dropout.
        progress: Told after each step.
    """
    own = validation.select(validation.own)
    trained = train(dataset, own, vocabulary, hyperparameters, seed=seed, progress=progress)
    calibration = calibrate(
        predict_logits(trained.network, validation),
        validation.labels,
        validation.domains,
        possible_labels(validation, dataset),
    )
    return trained, calibration


def _build(
    kind: type[EmotionNetwork],
    dataset: Dataset,
    vocabulary: Vocabulary,
    hyperparameters: Hyperparameters,
) -> EmotionNetwork:
    network = kind(hyperparameters, vocabulary, dataset.features)
    network(_tensors(dataset.inputs(np.arange(1))))
    return network


def planned_epochs(examples: int, hyperparameters: Hyperparameters) -> int:
    """Passes over the data: as set, more if it is small, fewer if it is large, at least two."""
    needed = math.ceil(hyperparameters.min_examples / max(examples, 1))
    affordable = hyperparameters.max_examples // max(examples, 1)
    return max(2, min(max(hyperparameters.epochs, needed), affordable))


def planned_batch_size(examples: int, hyperparameters: Hyperparameters) -> int:
    """Texts a step: as set, fewer where training is short, so that it has steps enough.

    Args:
        examples: Texts to be seen in all, counted over all passes.
        hyperparameters: Hold the size set.
    """
    return max(1, min(hyperparameters.batch_size, examples // _MIN_STEPS))


def predict_logits(network: EmotionNetwork, dataset: Dataset) -> np.ndarray:
    """The network's logits, float32 [N, 6], in the order of the texts."""
    logits = np.zeros((len(dataset), len(LABELS)), np.float32)
    call = tf.function(network, reduce_retracing=True)
    for rows in dataset.batches(_EVALUATION_BATCH, generator=None):
        logits[rows] = call(_tensors(dataset.inputs(rows))).numpy()
    return logits


class WeightAverage:
    """The exponential moving average of a network's weights, updated every few steps."""

    def __init__(self, network: EmotionNetwork, steps: int) -> None:
        self._variables = network.weights
        # ``numpy()`` may show the variable's own memory; the averages need their own.
        self._averages = [np.array(variable.numpy()) for variable in self._variables]
        self._span = min(_AVERAGED_STEPS, max(steps * _AVERAGED_SHARE, 1.0))
        self._steps = 0

    def update(self) -> None:
        """To be called after each step."""
        self._steps += 1
        if self._steps % _AVERAGED_EVERY:
            return
        share = 1.0 - math.exp(-_AVERAGED_EVERY / self._span)
        for average, variable in zip(self._averages, self._variables, strict=True):
            average += share * (variable.numpy() - average)

    def weights(self) -> list[np.ndarray]:
        """The averages, in the order of the network's weights."""
        return [average.copy() for average in self._averages]


class _Trainer:
    """Optimisers, step function, averaged weights and the running figures of an epoch."""

    def __init__(
        self,
        network: EmotionNetwork,
        hyperparameters: Hyperparameters,
        steps: int,
        priors: np.ndarray,
        denied: np.ndarray,
        misspeller: Misspeller,
    ) -> None:
        self._network = network
        self._denied = denied
        self._misspell = misspeller
        self._priors = priors
        warm_up = int(steps * _WARM_UP_SHARE)
        self._schedule = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0,
            decay_steps=max(steps - warm_up, 1),
            warmup_target=hyperparameters.learning_rate,
            warmup_steps=warm_up,
            alpha=0.01,
        )
        tables = [layer.embeddings for layer in network.embeddings.values()]
        self._tables = [table.value for table in tables]
        ids = {id(table) for table in tables}
        self._others = [v for v in network.trainable_variables if id(v) not in ids]
        self._lazy_adam = LazyAdam(self._tables)
        self._optimizer = keras.optimizers.AdamW(
            self._schedule,
            weight_decay=hyperparameters.weight_decay,
        )
        self._optimizer.build(self._others)
        self._label_smoothing = hyperparameters.label_smoothing
        self._mean_loss = keras.metrics.Mean()
        self._accuracy = keras.metrics.SparseCategoricalAccuracy()
        self._step = tf.function(self._train_step, reduce_retracing=True)
        self._average = WeightAverage(network, steps)

    def step(self, dataset: Dataset, rows: np.ndarray) -> None:
        self._step(
            _tensors(dataset.inputs(rows)),
            tf.constant(dataset.labels[rows]),
            tf.constant(np.maximum(dataset.weights[rows], 1.0)),
            tf.constant(self._priors[rows]),
            tf.constant(self._denied[rows]),
        )
        self._average.update()

    def _train_step(
        self,
        inputs: dict[str, tf.Tensor],
        labels: tf.Tensor,
        weights: tf.Tensor,
        priors: tf.Tensor,
        denied: tf.Tensor,
    ) -> None:
        with tf.GradientTape() as tape:
            logits = self._network(self._misspell(inputs), training=True)
            losses = tf.where(
                denied,
                _losses_of_denial(labels, logits, priors),
                _losses(labels, logits, priors, self._label_smoothing),
            )
            loss = tf.reduce_mean(losses * weights)
        variables = self._tables + [variable.value for variable in self._others]
        gradients, _ = tf.clip_by_global_norm(tape.gradient(loss, variables), _GRADIENT_NORM)
        step = tf.cast(self._optimizer.iterations.value, tf.float32)
        tables = len(self._tables)
        self._lazy_adam.apply(gradients[:tables], self._schedule(step), step + 1.0)
        self._optimizer.apply(gradients[tables:], self._others)
        self._mean_loss.update_state(loss)
        self._accuracy.update_state(labels, logits, sample_weight=~denied)

    def averaged_weights(self) -> list[np.ndarray]:
        return self._average.weights()

    def epoch(self, number: int, logits: np.ndarray, validation: Dataset, speed: float) -> Epoch:
        from sklearn.metrics import f1_score

        predicted = logits.argmax(axis=1)
        losses = _losses(validation.labels, logits, tf.zeros_like(logits), self._label_smoothing)
        measured = Epoch(
            epoch=number,
            loss=float(self._mean_loss.result()),
            accuracy=float(self._accuracy.result()),
            val_loss=float(tf.reduce_mean(losses)),
            val_accuracy=float(np.mean(predicted == validation.labels)),
            val_macro_f1=float(f1_score(validation.labels, predicted, average="macro")),
            learning_rate=float(self._schedule(self._optimizer.iterations)),
            examples_per_second=speed,
        )
        self._mean_loss.reset_state()
        self._accuracy.reset_state()
        return measured


def domain_priors(dataset: Dataset) -> np.ndarray:
    """What is added to the logits in training, so that a domain's balance is not learned from it.

    A corpus of another domain has its own shares of the labels, and may lack some altogether. The
    network is to learn what a text says, not how often its source says so: in training its logits
    are shifted by the logarithm of the shares, in service they are not.

    Source: Menon et al., Long-Tail Learning via Logit Adjustment, ICLR 2021.

    Returns:
        float32 [N, 6], 0 for the texts of the corpus itself.
    """
    priors = np.zeros((len(dataset), len(LABELS)), np.float32)
    for domain in np.unique(dataset.domains[~dataset.own]):
        rows = dataset.domains == domain
        shares = np.bincount(dataset.labels[rows], minlength=len(LABELS)) / rows.sum()
        priors[rows] = np.where(shares > 0, np.log(np.maximum(shares, _LEAST_SHARE)), _RULED_OUT)
    return priors


def possible_labels(texts: Dataset, dataset: Dataset) -> np.ndarray:
    """Which labels some texts can have: of another domain those that training shows it to have.

    Args:
        texts: N texts.
        dataset: What was trained on.

    Returns:
        bool [N, 6].
    """
    possible = np.ones((len(texts), len(LABELS)), bool)
    for domain in np.unique(texts.domains[~texts.own]):
        there = np.isin(range(len(LABELS)), dataset.labels[dataset.domains == domain])
        possible[texts.domains == domain] = there
    return possible


def _losses(
    labels: np.ndarray, logits: tf.Tensor, priors: tf.Tensor, label_smoothing: float
) -> tf.Tensor:
    """Cross-entropy of each text, float32 [N], its target smoothed over what is not ruled out."""
    possible = tf.cast(priors > _RULED_OUT, tf.float32)
    spread = possible / tf.reduce_sum(possible, axis=1, keepdims=True)
    targets = (1 - label_smoothing) * tf.one_hot(labels, len(LABELS)) + label_smoothing * spread
    return tf.nn.softmax_cross_entropy_with_logits(targets, logits + priors)


def _losses_of_denial(labels: tf.Tensor, logits: tf.Tensor, priors: tf.Tensor) -> tf.Tensor:
    """What it costs, float32 [N], to think that a text has the one label it has not."""
    others = logits + priors + tf.one_hot(labels, len(LABELS)) * _RULED_OUT
    return tf.reduce_logsumexp(logits + priors, axis=1) - tf.reduce_logsumexp(others, axis=1)


def _tensors(inputs: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
    return {name: tf.constant(values) for name, values in inputs.items()}
