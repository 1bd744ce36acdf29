"""Adam that touches only the embedding rows a batch uses."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

_BETA_1, _BETA_2, _EPSILON = 0.9, 0.999, 1e-7


class LazyAdam(tf.Module):
    """Adam for embeddings: rows absent from a batch, and their moments, stay as they are.

    A batch of short texts uses a few hundred of tens of thousands of rows; updating the others as
    well takes longer than the rest of the training step.

    Source: Kingma, Ba, Adam: A Method for Stochastic Optimization, ICLR 2015; the lazy variant as
    in TensorFlow's ``tf.contrib.opt.LazyAdamOptimizer``.

    Args:
        tables: The embeddings, float32 [rows, dimensions].
    """

    def __init__(self, tables: Sequence[tf.Variable]) -> None:
        super().__init__()
        self._tables = list(tables)
        self._means = [tf.Variable(tf.zeros_like(table)) for table in tables]
        self._variances = [tf.Variable(tf.zeros_like(table)) for table in tables]

    def apply(
        self, gradients: Sequence[tf.IndexedSlices], learning_rate: tf.Tensor, step: tf.Tensor
    ) -> None:
        """Updates the rows that have a gradient.

        Args:
            gradients: One for each table.
            learning_rate: float32, scalar.
            step: float32, scalar, counted from 1.
        """
        rate = learning_rate * tf.sqrt(1.0 - _BETA_2**step) / (1.0 - _BETA_1**step)
        for table, mean, variance, gradient in zip(
            self._tables, self._means, self._variances, gradients, strict=True
        ):
            rows, position = tf.unique(tf.reshape(gradient.indices, [-1]))
            summed = tf.math.unsorted_segment_sum(gradient.values, position, tf.size(rows))
            new_mean = _BETA_1 * tf.gather(mean, rows) + (1 - _BETA_1) * summed
            new_variance = _BETA_2 * tf.gather(variance, rows) + (1 - _BETA_2) * summed**2
            update = rate * new_mean / (tf.sqrt(new_variance) + _EPSILON)
            mean.scatter_update(tf.IndexedSlices(new_mean, rows))
            variance.scatter_update(tf.IndexedSlices(new_variance, rows))
            table.scatter_sub(tf.IndexedSlices(update, rows))
