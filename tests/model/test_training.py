from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import pytest

from emotion_tfx.labels import LABELS
from emotion_tfx.model.calibration import Calibration, probabilities
from emotion_tfx.model.dataset import Dataset
from emotion_tfx.model.hyperparameters import Hyperparameters
from emotion_tfx.model.training import (
    Epoch,
    TrainedNetwork,
    WeightAverage,
    domain_priors,
    planned_batch_size,
    planned_epochs,
    possible_labels,
    predict_logits,
    train,
)

from .examples import QUICK, dataset_of, vocabulary_of

#: One word for each label, among others that say nothing.
TELLING = ("sad", "happy", "love", "angry", "afraid", "surprised")
FILLERS = ("i", "feel", "so", "today", "here", "again")
VOCABULARY = vocabulary_of([*TELLING, *FILLERS])


def texts(count: int, seed: int) -> tuple[list[str], list[int]]:
    """Random texts and their labels."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, len(LABELS), count).tolist()
    rows = []
    for label in labels:
        words = generator.choice(FILLERS, generator.integers(1, 8)).tolist()
        words.insert(generator.integers(0, len(words) + 1), TELLING[label])
        rows.append(" ".join(words))
    return rows, labels


def dataset(count: int, seed: int) -> Dataset:
    return dataset_of(VOCABULARY, *texts(count, seed))


def accuracy(trained: TrainedNetwork, examples: Dataset) -> float:
    predicted = predict_logits(trained.network, examples).argmax(axis=1)
    return float(np.mean(predicted == examples.labels))


@dataclass
class Told:
    """What the progress was told."""

    calls: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, seen: int, total: int) -> None:
        self.calls.append((seen, total))


@pytest.fixture(scope="module")
def examples() -> Dataset:
    return dataset(400, seed=0)


@pytest.fixture(scope="module")
def validation() -> Dataset:
    return dataset(90, seed=1)


@pytest.fixture(scope="module")
def told() -> Told:
    return Told()


@pytest.fixture(scope="module")
def trained(examples: Dataset, validation: Dataset, told: Told) -> TrainedNetwork:
    return train(examples, validation, VOCABULARY, QUICK, seed=4, progress=told)


def test_it_learns_a_small_problem(trained: TrainedNetwork, examples: Dataset, validation: Dataset):
    assert accuracy(trained, examples) > 0.95
    assert accuracy(trained, validation) > 0.95


def test_each_epoch_is_recorded(trained: TrainedNetwork):
    history = trained.history
    assert [each["epoch"] for each in history] == [1, 2, 3, 4, 5]
    assert all(set(each) == {field.name for field in fields(Epoch)} for each in history)
    assert history[-1]["loss"] < history[0]["loss"]
    assert history[-1]["val_loss"] < history[0]["val_loss"]
    assert all(0 <= each["val_macro_f1"] <= 1 for each in history)


def test_the_learning_rate_falls_to_nearly_nothing(trained: TrainedNetwork):
    rates = [each["learning_rate"] for each in trained.history]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] < QUICK.learning_rate
    assert rates[-1] <= 0.011 * QUICK.learning_rate


def test_the_network_has_the_weights_of_its_best_epoch(
    trained: TrainedNetwork, validation: Dataset
):
    np.testing.assert_allclose(
        predict_logits(trained.network, validation), trained.validation_logits, atol=1e-5
    )
    best = max(each["val_accuracy"] + each["val_macro_f1"] for each in trained.history)
    chosen = next(
        each for each in trained.history if each["val_accuracy"] + each["val_macro_f1"] == best
    )
    assert accuracy(trained, validation) == pytest.approx(chosen["val_accuracy"])


def test_progress_is_told_after_each_step_up_to_the_total(
    trained: TrainedNetwork, told: Told, examples: Dataset
):
    total = QUICK.epochs * len(examples)
    seen = [each for each, _ in told.calls]
    batches = np.diff([0, *seen])
    assert {each for _, each in told.calls} == {total}
    assert seen[-1] == total
    assert batches.min() > 0
    assert batches.max() == planned_batch_size(total, QUICK)


def test_the_same_seed_gives_the_same_weights(
    trained: TrainedNetwork, examples: Dataset, validation: Dataset
):
    again = train(examples, validation, VOCABULARY, QUICK, seed=4)
    weights, repeated = trained.network.get_weights(), again.network.get_weights()
    for one, other in zip(weights, repeated, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_texts_without_weight_teach_nothing(examples: Dataset, validation: Dataset):
    """As many texts with wrong labels are added, all with the weight 0."""
    rows, labels = texts(400, seed=0)
    wrong = [(label + 1) % len(LABELS) for label in labels]
    mixed = dataset_of(VOCABULARY, rows * 2, labels + wrong, [1.0] * 400 + [0.0] * 400)
    assert accuracy(train(mixed, validation, VOCABULARY, QUICK), validation) > 0.95


def test_what_a_domain_says_how_often_is_kept_apart_from_what_its_texts_say():
    domains = ["main"] * 3 + ["films"] * 4
    labels = [0, 0, 1, 5, 5, 5, 0]
    priors = domain_priors(dataset_of(VOCABULARY, ["sad"] * 7, labels, domains=domains))
    assert not priors[:3].any()
    assert np.exp(priors[3:]) == pytest.approx(np.array([[0.25, 0, 0, 0, 0, 0.75]] * 4))


def test_a_text_of_another_domain_can_have_the_labels_that_training_shows_there():
    trained_on = dataset_of(
        VOCABULARY, ["sad"] * 4, [0, 1, 5, 5], domains=["main", "films", "films", "news"]
    )
    texts = dataset_of(VOCABULARY, ["sad"] * 3, domains=["films", "main", "news"])
    films, main, news = possible_labels(texts, trained_on).tolist()
    assert films == [False, True, False, False, False, True]
    assert main == [True] * 6
    assert news == [False] * 5 + [True]


def test_the_balance_of_another_domain_is_not_learned(validation: Dataset):
    """Texts that say nothing are mostly of the first label there, which is its habit alone."""
    rows, labels = texts(300, seed=0)
    generator = np.random.default_rng(0)
    silent = [" ".join(generator.choice(FILLERS, 4)) for _ in range(300)]
    mostly_first = np.where(generator.random(300) < 0.8, 0, generator.integers(0, 6, 300)).tolist()
    domains = ["main"] * 300 + ["other"] * 300
    mixed = dataset_of(VOCABULARY, rows + silent, labels + mostly_first, domains=domains)
    trained = train(mixed, validation, VOCABULARY, QUICK)
    logits = predict_logits(trained.network, dataset_of(VOCABULARY, silent))
    assert probabilities(logits, Calibration())[:, 0].mean() < 0.4  # about 0.8 as they stand


def test_logits_stand_in_the_order_of_the_texts(trained: TrainedNetwork, validation: Dataset):
    logits = predict_logits(trained.network, validation)
    assert logits.shape == (len(validation), len(LABELS))
    for row in (0, 7, 50):
        alone = trained.network(validation.inputs(np.array([row])))[0]
        np.testing.assert_allclose(logits[row], alone, atol=1e-5)


@pytest.mark.parametrize(
    ("examples", "epochs", "max_examples", "planned"),
    [
        (16_000, 8, 1_200_000, 8),
        (400_000, 8, 1_200_000, 3),  # as many as the limit allows
        (10_000_000, 8, 1_200_000, 2),  # but two at least
        (100, 1, 1_200_000, 10),  # a small corpus is passed over more often
        (2_000, 1, 1_200_000, 2),
    ],
)
def test_epochs_are_planned_by_the_size_of_the_corpus(
    examples: int, epochs: int, max_examples: int, planned: int
):
    limits = Hyperparameters(epochs=epochs, min_examples=1_000, max_examples=max_examples)
    assert planned_epochs(examples, limits) == planned


@pytest.mark.parametrize(
    ("examples", "planned"),
    [
        (1_000_000, 512),  # as set
        (30_000, 100),  # smaller, for 300 steps
        (7, 1),
    ],
)
def test_batches_are_smaller_where_training_is_short(examples: int, planned: int):
    assert planned_batch_size(examples, Hyperparameters(batch_size=512)) == planned


def test_the_average_starts_at_the_weights_and_follows_their_changes(trained: TrainedNetwork):
    network = trained.network
    kept = network.get_weights()
    average = WeightAverage(network, steps=1_000)

    def moved() -> list[float]:
        pairs = zip(average.weights(), kept, strict=True)
        return [float((now - then).mean()) for now, then in pairs]

    network.set_weights([weight + 1 for weight in kept])
    for _ in range(10):
        average.update()
    soon = moved()
    for _ in range(1_000):
        average.update()
    late = moved()
    network.set_weights(kept)
    assert all(0 < each < 0.5 for each in soon)
    assert late == pytest.approx([1.0] * len(kept), abs=1e-3)
