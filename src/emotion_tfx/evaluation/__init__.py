"""How good a model is, told from its predictions: figures, gates, a report and a model card.

This room knows numpy arrays, not models: who evaluates brings :class:`Predictions`. Importing it
is cheap; scikit-learn, matplotlib and Jinja are loaded by the functions that need them.
"""

from emotion_tfx.evaluation.behaviour import Behaviour, check_behaviour, read_cases
from emotion_tfx.evaluation.card import record_behaviour, write_model_card
from emotion_tfx.evaluation.gates import Verdict, check_gates
from emotion_tfx.evaluation.metrics import (
    Metrics,
    Predictions,
    compute_metrics,
    present_class_macro_f1,
)
from emotion_tfx.evaluation.reasons import Reasons, measure_reasons
from emotion_tfx.evaluation.report import write_report
from emotion_tfx.evaluation.run import EvaluatedRun
from emotion_tfx.evaluation.slices import SliceMetrics, slice_metrics

__all__ = [
    "Behaviour",
    "EvaluatedRun",
    "Metrics",
    "Predictions",
    "Reasons",
    "SliceMetrics",
    "Verdict",
    "check_behaviour",
    "check_gates",
    "compute_metrics",
    "measure_reasons",
    "present_class_macro_f1",
    "read_cases",
    "record_behaviour",
    "slice_metrics",
    "write_model_card",
    "write_report",
]
