from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from emotion_tfx.model.recurrence import by_doubling, step_by_step

SIZES = st.tuples(st.integers(1, 40), st.integers(1, 4), st.integers(1, 3))


def random_steps(shape: tuple[int, ...], seed: int = 0) -> tuple[tf.Tensor, tf.Tensor]:
    """What is kept, between 0 and 1, and what is added."""
    generator = np.random.default_rng(seed)
    keep, new = generator.uniform(size=shape), generator.normal(size=shape)
    return tf.constant(keep, tf.float32), tf.constant(new, tf.float32)


def plain(keep: tf.Tensor, new: tf.Tensor, *, reverse: bool) -> tf.Tensor:
    """The equation as it stands in the documentation."""
    state, states = tf.zeros_like(keep[0]), []
    order = range(len(keep))
    for t in reversed(order) if reverse else order:
        state = keep[t] * state + new[t]
        states.append(state)
    return tf.stack(states[::-1] if reverse else states)


@pytest.mark.parametrize("reverse", [False, True])
@given(SIZES)
def test_step_by_step_gives_the_states(reverse: bool, shape: tuple[int, ...]):
    steps = random_steps(shape)
    np.testing.assert_allclose(
        step_by_step(*steps, reverse=reverse), plain(*steps, reverse=reverse), rtol=0, atol=1e-6
    )


@given(SIZES)
def test_doubling_gives_the_same_states(shape: tuple[int, ...]):
    steps = random_steps(shape)
    np.testing.assert_allclose(by_doubling(*steps), plain(*steps, reverse=False), atol=2e-6)


@pytest.mark.parametrize("reverse", [False, True])
def test_the_gradient_is_that_of_a_plain_loop(reverse: bool):
    keep, new = random_steps((7, 4, 3))
    # A weight for each state, so that no error can cancel out.
    _, weights = random_steps((7, 4, 3), seed=1)
    found = []
    for states in (step_by_step, plain):
        with tf.GradientTape() as tape:
            tape.watch([keep, new])
            loss = tf.reduce_sum(states(keep, new, reverse=reverse) * weights)
        found.append(tape.gradient(loss, [keep, new]))
    for fast, expected in zip(*found, strict=True):
        np.testing.assert_allclose(fast, expected, rtol=1e-5, atol=1e-5)


def test_all_of_it_runs_in_a_graph_for_any_number_of_steps():
    """Traced once for shapes that are not known."""
    unknown = tf.TensorSpec([None, None, 3], tf.float32)

    @tf.function(input_signature=[unknown, unknown])
    def difference(keep: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
        walked = step_by_step(keep, new, reverse=False)
        return tf.reduce_max(tf.abs(walked - by_doubling(keep, new)))

    for time in (1, 2, 17):
        assert difference(*random_steps((time, 5, 3))) < 1e-5
