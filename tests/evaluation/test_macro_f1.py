from __future__ import annotations

import pandas as pd
import pytest
import tensorflow_model_analysis as tfma

from emotion_tfx.evaluation import Predictions, compute_metrics
from emotion_tfx.evaluation.macro_f1 import MacroF1

from .examples import answers, many_answers


def measured(rows: Predictions) -> float:
    """What TensorFlow Model Analysis says."""
    metric = tfma.MetricConfig(class_name=MacroF1.__name__, module=MacroF1.__module__)
    result = tfma.analyze_raw_data(
        pd.DataFrame({"label": rows.labels, "prediction": list(rows.probabilities)}),
        tfma.EvalConfig(
            model_specs=[tfma.ModelSpec(label_key="label", prediction_key="prediction")],
            slicing_specs=[tfma.SlicingSpec()],
            metrics_specs=[tfma.MetricsSpec(metrics=[metric])],
        ),
    )
    return result.get_metrics_for_all_slices()[()]["macro_f1"]["doubleValue"]


@pytest.mark.parametrize(
    "rows",
    [
        many_answers(),
        answers([0, 1, 2], [0, 1, 1], [0.3, 0.9, 0.5]),  # classes absent, and low confidence
        answers([3, 3], [4, 4]),  # nothing right
    ],
    ids=["many", "absent classes", "all wrong"],
)
def test_it_is_the_macro_f1_of_the_report(rows: Predictions):
    assert measured(rows) == pytest.approx(compute_metrics(rows).macro.f1, abs=1e-9)
