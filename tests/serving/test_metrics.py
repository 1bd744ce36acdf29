from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from emotion_tfx.serving.metrics import Counter, Histogram, ServingMetrics, exponential_bounds


def lines(metric: Counter | Histogram) -> list[str]:
    return list(metric.lines())


def test_a_counter_has_one_line_for_each_combination_of_labels():
    counter = Counter(":a:b", ("model_name", "status"))
    counter.add("emotion", "OK")
    counter.add("emotion", "OK", amount=2)
    counter.add("emotion", "NOT_FOUND")
    assert lines(counter) == [
        "# TYPE :a:b counter",
        ':a:b{model_name="emotion",status="OK"} 3',
        ':a:b{model_name="emotion",status="NOT_FOUND"} 1',
    ]


def test_a_counter_without_labels_starts_at_zero():
    assert lines(Counter(":a")) == ["# TYPE :a counter", ":a{} 0"]


def test_a_histogram_counts_up_to_and_including_each_bound():
    histogram = Histogram(":h", ("API",), [10, 20])
    for value in (10, 10.5, 20, 21):
        histogram.observe(value, "predict")
    assert lines(histogram) == [
        "# TYPE :h histogram",
        ':h_bucket{API="predict",le="10"} 1',
        ':h_bucket{API="predict",le="20"} 3',
        ':h_bucket{API="predict",le="+Inf"} 4',
        ':h_sum{API="predict"} 61.5',
        ':h_count{API="predict"} 4',
    ]


def test_a_histogram_without_labels_has_no_comma_before_its_bound():
    histogram = Histogram(":h", (), [1])
    histogram.observe(1)
    assert lines(histogram)[1] == ':h_bucket{le="1"} 1'


def test_label_values_are_escaped():
    counter = Counter(":a", ("path",))
    counter.add('C:\\models\n"x"')
    assert lines(counter)[1] == r':a{path="C:\\models\n\"x\""} 1'


def test_latency_bounds_are_tensorflow_servings():
    bounds = exponential_bounds(10, 1.8, 33)
    texts = [f"{bound:.6g}" for bound in bounds]
    assert texts[:6] == ["10", "18", "32.4", "58.32", "104.976", "188.957"]
    assert texts[-2:] == ["8.19309e+08", "1.47476e+09"]


def test_every_metric_of_the_contract_has_its_type_line():
    page = ServingMetrics().text()
    assert page.endswith("\n")
    for name, kind in {
        ":tensorflow:serving:request_count": "counter",
        ":tensorflow:serving:request_latency": "histogram",
        ":tensorflow:serving:runtime_latency": "histogram",
        ":tensorflow:serving:batching_session:queuing_latency": "histogram",
        ":tensorflow:core:graph_runs": "counter",
        ":tensorflow:core:graph_run_time_usecs": "counter",
        ":tensorflow:core:graph_run_time_usecs_histogram": "histogram",
        ":tensorflow:cc:saved_model:load_attempt_count": "counter",
        ":tensorflow:cc:saved_model:load_latency": "counter",
    }.items():
        assert f"# TYPE {name} {kind}\n" in page


def test_nothing_is_lost_when_many_threads_count():
    metrics = ServingMetrics()
    with ThreadPoolExecutor(8) as pool:
        for _ in range(2000):
            pool.submit(metrics.graph_run, 1500)
    page = metrics.text()
    assert ":tensorflow:core:graph_runs{} 2000\n" in page
    assert ":tensorflow:core:graph_run_time_usecs{} 3000000\n" in page
    assert ':tensorflow:core:graph_run_time_usecs_histogram_bucket{le="2000"} 2000\n' in page
