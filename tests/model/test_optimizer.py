from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from emotion_tfx.model.optimizer import LazyAdam

ROWS, DIMENSIONS = 6, 3


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(3)


def table(generator: np.random.Generator) -> tf.Variable:
    return tf.Variable(generator.normal(size=(ROWS, DIMENSIONS)).astype(np.float32))


def slices(rows: list[int], values: np.ndarray) -> tf.IndexedSlices:
    return tf.IndexedSlices(tf.constant(values, tf.float32), tf.constant(rows, tf.int32))


def step(optimizer: LazyAdam, number: int, *gradients: tf.IndexedSlices) -> None:
    optimizer.apply(gradients, tf.constant(0.01), tf.constant(float(number)))


def test_it_is_adam_where_every_row_has_a_gradient_at_each_step(generator: np.random.Generator):
    tables = [table(generator), table(generator)]
    expected = [keras.Variable(each.numpy()) for each in tables]
    lazy, adam = LazyAdam(tables), keras.optimizers.Adam(learning_rate=0.01)
    for number in range(1, 21):
        gradients = generator.normal(size=(2, ROWS, DIMENSIONS)).astype(np.float32)
        order = generator.permutation(ROWS).tolist()
        step(lazy, number, *(slices(order, each[order]) for each in gradients))
        adam.apply([tf.constant(each) for each in gradients], expected)
    for each, other in zip(tables, expected, strict=True):
        np.testing.assert_allclose(each.numpy(), other.numpy(), atol=1e-6)


def test_rows_without_a_gradient_stay_as_they_are(generator: np.random.Generator):
    variable = table(generator)
    before = variable.numpy().copy()
    optimizer = LazyAdam([variable])
    for number in range(1, 6):
        step(optimizer, number, slices([4, 1], generator.normal(size=(2, DIMENSIONS))))
    moved = (variable.numpy() != before).any(axis=1)
    assert moved.tolist() == [False, True, False, False, True, False]


def test_a_row_remembers_its_moments_over_steps_it_is_absent_from(generator: np.random.Generator):
    """Two steps with a pause move it as two steps in a row: only the step's number differs."""
    first, second = generator.normal(size=(2, 1, DIMENSIONS))
    start = table(generator).numpy()
    paused, together = tf.Variable(start), tf.Variable(start)
    lazy_paused, lazy_together = LazyAdam([paused]), LazyAdam([together])
    step(lazy_paused, 1, slices([2], first))
    step(lazy_paused, 2, slices([0], first))
    step(lazy_paused, 3, slices([2], second))
    step(lazy_together, 1, slices([2], first))
    step(lazy_together, 3, slices([2], second))
    np.testing.assert_array_equal(paused.numpy()[2], together.numpy()[2])


def test_the_gradients_of_a_repeated_row_are_summed(generator: np.random.Generator):
    start = table(generator).numpy()
    repeated, summed = tf.Variable(start), tf.Variable(start)
    lazy_repeated, lazy_summed = LazyAdam([repeated]), LazyAdam([summed])
    # Another number of times at each step: Adam would not notice a factor that stays.
    for number, times in enumerate([2, 1, 3], start=1):
        gradients = generator.normal(size=(times, DIMENSIONS))
        other = generator.normal(size=(1, DIMENSIONS))
        values = np.concatenate([gradients[:1], other, gradients[1:]])
        step(lazy_repeated, number, slices([5, 2, *[5] * (times - 1)], values))
        total = np.concatenate([other, gradients.sum(axis=0, keepdims=True)])
        step(lazy_summed, number, slices([2, 5], total))
    np.testing.assert_allclose(repeated.numpy(), summed.numpy(), atol=1e-6)


def test_the_gradients_of_a_lookup_can_be_applied(generator: np.random.Generator):
    """As they come from a tape, for ids of any shape, and within a compiled step."""
    variable = table(generator)
    before = variable.numpy().copy()
    optimizer = LazyAdam([variable])

    @tf.function
    def train(ids: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.gather(variable, ids))
        step(optimizer, 1, tape.gradient(loss, variable))

    train(tf.constant([[[0, 3], [3, 3]]]))
    # Adam's first step is as long as the learning rate, whatever the gradient.
    difference = before - variable.numpy()
    assert difference[[0, 3]] == pytest.approx(0.01, abs=1e-5)
    assert not difference[[1, 2, 4, 5]].any()
