from __future__ import annotations

import dataclasses

import pytest

from emotion_tfx.app.telemetry import Drift, Snapshot, TelemetryError, changes, summarise

TEXT = """\
# TYPE :tensorflow:serving:request_count counter
:tensorflow:serving:request_count{model_name="emotion",status="OK"} 8
:tensorflow:serving:request_count{model_name="emotion",status="INVALID_ARGUMENT"} 2
# TYPE :tensorflow:serving:request_latency histogram
:tensorflow:serving:request_latency_bucket{API="emotions",entrypoint="REST",le="1000"} 4
:tensorflow:serving:request_latency_bucket{API="emotions",entrypoint="REST",le="3000"} 6
:tensorflow:serving:request_latency_bucket{API="emotions",entrypoint="REST",le="+Inf"} 8
:tensorflow:serving:request_latency_sum{API="emotions",entrypoint="REST"} 20000
:tensorflow:serving:request_latency_count{API="emotions",entrypoint="REST"} 8
# TYPE :tensorflow:core:graph_runs counter
:tensorflow:core:graph_runs{} 4
# TYPE :tensorflow:core:graph_run_time_usecs counter
:tensorflow:core:graph_run_time_usecs{} 6000
# TYPE emotion_predictions_total counter
emotion_predictions_total{model_name="emotion",label="joy"} 6
emotion_predictions_total{model_name="emotion",label="fear"} 2
# TYPE emotion_judged_texts_total counter
emotion_judged_texts_total{model_name="emotion",uncertain="true"} 2
emotion_judged_texts_total{model_name="emotion",uncertain="false"} 6
# TYPE emotion_drift_texts gauge
emotion_drift_texts{model_name="emotion"} 900
# TYPE emotion_drift_distance gauge
emotion_drift_distance{model_name="emotion",feature="label"} 0.25
emotion_drift_distance{model_name="emotion",feature="length"} 0.02
# TYPE emotion_estimated_accuracy gauge
emotion_estimated_accuracy{model_name="emotion"} 0.7
# TYPE emotion_reference_accuracy gauge
emotion_reference_accuracy{model_name="emotion"} 0.9
"""


def test_the_figures_are_those_of_the_server():
    summary = summarise(Snapshot.parse(TEXT))
    assert summary.requests == {"OK": 8, "INVALID_ARGUMENT": 2}
    assert (summary.graph_runs, summary.graph_run_mean) == (4, 1500)
    assert summary.classes["joy"] == 6
    assert summary.classes["love"] == 0
    assert summary.unsure_share == 0.25
    assert summary.unknown_share is None
    assert summary.drift == Drift(900, {"label": 0.25, "length": 0.02}, 0.7, 0.9)
    assert summarise(Snapshot.parse("")).drift is None


def test_quantiles_are_those_of_prometheus():
    latency = summarise(Snapshot.parse(TEXT)).latency
    assert (latency.count, latency.mean) == (8, 2500)
    assert latency.quantile(0.25) == 500
    assert latency.quantile(0.625) == 2000
    assert latency.quantile(0.99) == 3000  # Beyond the last finite bound nothing is known.
    assert [count for _, _, count in latency.buckets()] == [4, 2, 2]


def test_a_server_that_has_answered_nothing_has_no_shares():
    summary = summarise(Snapshot.parse(""))
    assert summary.latency.quantile(0.5) is None
    assert summary.graph_run_mean is None
    assert summary.unsure_share is None


def test_what_is_no_metrics_is_told():
    with pytest.raises(TelemetryError):
        Snapshot.parse("<html>\n{not metrics}")


def test_changes_are_rates_and_a_restart_is_left_out():
    first = dataclasses.replace(Snapshot.parse(TEXT), taken_at=100.0)
    more = TEXT.replace('status="OK"} 8', 'status="OK"} 28').replace("runs{} 4", "runs{} 14")
    second = dataclasses.replace(Snapshot.parse(more), taken_at=110.0)
    panels = changes([first, second])
    requests = panels["monitoring.requests_per_second"]
    assert requests["line"].tolist() == ["OK", "INVALID_ARGUMENT"] * 2
    assert requests["value"].tolist() == [2.0, 0.0] * 2
    assert panels["monitoring.graph_runs_per_second"]["value"].tolist() == [1.0, 1.0]
    assert changes([second, first]) == {}
