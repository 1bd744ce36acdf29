"""The macro-F1 as a metric of TensorFlow Model Analysis, for the Evaluator to gate on.

TensorFlow Model Analysis averages its own F1 over decisions at a threshold; what counts here is
the class that the model names, that of the highest probability.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow_model_analysis as tfma
from tensorflow_model_analysis.metrics.multi_class_confusion_matrix_metrics import (
    multi_class_confusion_matrices,
)

from emotion_tfx.labels import LABELS


class MacroF1(tfma.metrics.Metric):
    """The mean of the six F1 scores; a class that neither occurs nor is named counts as 0."""

    def __init__(self, name: str = "macro_f1") -> None:
        super().__init__(tfma.metrics.merge_per_key_computations(_computations), name=name)


def _computations(
    name: str = "macro_f1",
    eval_config: tfma.EvalConfig | None = None,
    model_name: str = "",
    output_name: str = "",
) -> list[Any]:
    key = tfma.metrics.MetricKey(name=name, model_name=model_name, output_name=output_name)
    matrices = multi_class_confusion_matrices(
        eval_config=eval_config, model_name=model_name, output_name=output_name
    )
    matrices_key = matrices[-1].keys[-1]

    def result(metrics: dict[Any, Any]) -> dict[Any, float]:
        ((_, entries),) = metrics[matrices_key].items()
        confusion = np.zeros((len(LABELS), len(LABELS)))
        for (actual, predicted), count in entries.items():
            confusion[actual, predicted] = count
        return {key: _macro_f1(confusion)}

    return [*matrices, tfma.metrics.DerivedMetricComputation(keys=[key], result=result)]


def _macro_f1(confusion: np.ndarray) -> float:
    """From a confusion matrix float64 [6, 6], true classes as rows."""
    named = confusion.sum(axis=0) + confusion.sum(axis=1)
    return float(np.mean(2 * np.diag(confusion) / np.maximum(named, 1)))
