from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotion_tfx.serving.batching import Batcher
from emotion_tfx.serving.json_tensor import TensorSpec
from emotion_tfx.serving.metrics import ServingMetrics
from emotion_tfx.serving.model import Signature
from emotion_tfx.serving.settings import Limits
from emotion_tfx.serving.status import Code, ServingError, invalid_argument

from .conftest import wait_until

DOUBLE = Signature(
    "double",
    {"x": TensorSpec("float32", (-1, -1))},
    {"y": TensorSpec("float32", (-1, 1))},
)

Outputs = dict[str, np.ndarray]


class Doubler:
    """A model whose runs wait at a gate. It cannot bear negative numbers."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.batches: list[int] = []

    def run(self, signature_name: str, inputs: Mapping[str, np.ndarray]) -> Outputs:
        x = inputs["x"]
        self.batches.append(len(x))
        self.gate.wait(60)
        if (x < 0).any():
            raise invalid_argument("negative")
        y = x * 2
        return {"y": y.sum(axis=0, keepdims=True) if signature_name == "sum" else y}


@pytest.fixture
def model() -> Iterator[Doubler]:
    doubler = Doubler()
    yield doubler
    doubler.gate.set()


def batcher(model: Doubler, **limits: int) -> Batcher:
    return Batcher(model, "toy", Limits(**limits), ServingMetrics())


def rows(*values: float) -> Outputs:
    return {"x": np.array([[value] for value in values], np.float32)}


def keep_busy(queue: Batcher, model: Doubler) -> Future[Outputs]:
    """Occupies the model, so that what comes next has to wait."""
    first = queue.submit(DOUBLE, rows(0))
    wait_until(lambda: model.batches == [1])
    return first


def values(answer: Future[Outputs]) -> list[float]:
    return answer.result(60)["y"].ravel().tolist()


def test_a_lone_request_runs_at_once(model: Doubler):
    model.gate.set()
    assert values(batcher(model).submit(DOUBLE, rows(1, 2))) == [2, 4]
    assert model.batches == [2]


def test_requests_that_wait_run_together_and_each_gets_its_own_rows(model: Doubler):
    queue = batcher(model)
    first = keep_busy(queue, model)
    waiting = [queue.submit(DOUBLE, rows(n, n + 0.5)) for n in range(5)]
    model.gate.set()
    assert values(first) == [0]
    assert [values(answer) for answer in waiting] == [[2 * n, 2 * n + 1] for n in range(5)]
    assert model.batches == [1, 10]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=5), min_size=1, max_size=12))
def test_whatever_is_merged_each_request_gets_its_own_rows(requests: list[list[int]]):
    model = Doubler()
    queue = batcher(model, max_batch_rows=8)
    answers = [queue.submit(DOUBLE, rows(*request)) for request in requests]
    model.gate.set()
    assert [values(answer) for answer in answers] == [[2 * x for x in r] for r in requests]
    queue.close()


def test_a_batch_holds_no_more_rows_than_allowed(model: Doubler):
    queue = batcher(model, max_batch_rows=4)
    keep_busy(queue, model)
    waiting = [queue.submit(DOUBLE, rows(n, n)) for n in range(5)]
    model.gate.set()
    assert [values(answer) for answer in waiting] == [[2 * n, 2 * n] for n in range(5)]
    assert model.batches == [1, 4, 4, 2]


def test_one_request_may_be_larger_than_a_batch(model: Doubler):
    model.gate.set()
    queue = batcher(model, max_batch_rows=2, max_queued_rows=2)
    assert values(queue.submit(DOUBLE, rows(1, 2, 3))) == [2, 4, 6]


def test_a_bad_request_harms_no_other(model: Doubler):
    queue = batcher(model)
    keep_busy(queue, model)
    good, bad, other = (queue.submit(DOUBLE, rows(n)) for n in (1, -1, 2))
    model.gate.set()
    assert (values(good), values(other)) == ([2], [4])
    with pytest.raises(ServingError, match="negative"):
        bad.result(60)
    assert model.batches == [1, 3, 1, 1, 1]


def test_only_requests_of_one_signature_and_shape_are_merged(model: Doubler):
    queue = batcher(model)
    keep_busy(queue, model)
    other_name = Signature("other", DOUBLE.inputs, DOUBLE.outputs)
    wide = {"x": np.ones((1, 2), np.float32)}
    answers = [
        queue.submit(DOUBLE, rows(1)),
        queue.submit(other_name, rows(2)),
        queue.submit(DOUBLE, wide),
        queue.submit(DOUBLE, rows(3)),
    ]
    model.gate.set()
    assert [values(answer) for answer in answers] == [[2], [4], [2, 2], [6]]
    assert model.batches == [1, 2, 1, 1]


@pytest.mark.parametrize(
    ("input_shape", "output_shape"),
    [((1, 1), (-1, 1)), ((-1, 1), (1, 1)), ((-1, 1), ()), (None, (-1, 1)), ((-1, 1), None)],
)
def test_signatures_that_do_not_promise_rows_are_not_merged(
    model: Doubler, input_shape: tuple[int, ...] | None, output_shape: tuple[int, ...] | None
):
    signature = Signature(
        "fixed",
        {"x": TensorSpec("float32", input_shape)},
        {"y": TensorSpec("float32", output_shape)},
    )
    queue = batcher(model)
    keep_busy(queue, model)
    answers = [queue.submit(signature, rows(n)) for n in (1, 2)]
    model.gate.set()
    assert [values(answer) for answer in answers] == [[2], [4]]
    assert model.batches == [1, 1, 1]


def test_a_model_that_breaks_its_promise_of_rows_is_asked_again_one_by_one(model: Doubler):
    signature = Signature("sum", DOUBLE.inputs, DOUBLE.outputs)
    queue = batcher(model)
    keep_busy(queue, model)
    answers = [queue.submit(signature, rows(n)) for n in (1, 2)]
    model.gate.set()
    assert [values(answer) for answer in answers] == [[2], [4]]


def test_a_full_queue_refuses_what_comes_next(model: Doubler):
    queue = batcher(model, max_queued_rows=3)
    keep_busy(queue, model)
    waiting = queue.submit(DOUBLE, rows(1, 2))
    with pytest.raises(ServingError, match=r"batch scheduling queue .* is full") as caught:
        queue.submit(DOUBLE, rows(3, 4))
    assert caught.value.code is Code.UNAVAILABLE
    last = queue.submit(DOUBLE, rows(5))
    model.gate.set()
    assert (values(waiting), values(last)) == ([2, 4], [10])


def test_a_request_given_up_while_it_waits_is_passed_over(model: Doubler):
    queue = batcher(model)
    keep_busy(queue, model)
    given_up, kept = queue.submit(DOUBLE, rows(1)), queue.submit(DOUBLE, rows(2))
    assert given_up.cancel()
    model.gate.set()
    assert values(kept) == [4]
    assert model.batches == [1, 1]


def test_closing_finishes_what_waits_and_takes_nothing_more(model: Doubler):
    queue = batcher(model)
    keep_busy(queue, model)
    waiting = queue.submit(DOUBLE, rows(1))
    closing = threading.Thread(target=queue.close)
    closing.start()
    model.gate.set()
    closing.join(60)
    assert values(waiting) == [2]
    with pytest.raises(ServingError, match="being unloaded"):
        queue.submit(DOUBLE, rows(1))


def test_runs_and_waiting_are_counted(model: Doubler):
    metrics = ServingMetrics()
    model.gate.set()
    queue = Batcher(model, "toy", Limits(), metrics)
    for n in range(3):
        queue.submit(DOUBLE, rows(n)).result(60)
    queue.close()
    page = metrics.text()
    assert ":tensorflow:core:graph_runs{} 3\n" in page
    assert ':runtime_latency_count{model_name="toy",API="Predict",runtime="TF1"} 3\n' in page
    assert ':batching_session:queuing_latency_count{thread_pool_name="toy"} 3\n' in page


def test_no_request_is_lost_when_many_threads_ask_at_once():
    model = Doubler()
    model.gate.set()
    queue = batcher(model, max_batch_rows=3, max_queued_requests=10_000)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda n: queue.submit(DOUBLE, rows(n)), range(4000)))
    assert [values(answer) for answer in answers] == [[2 * n] for n in range(4000)]
    queue.close()


def test_a_large_request_is_cut_and_a_small_one_comes_in_between(model: Doubler):
    queue = batcher(model, max_batch_rows=2)
    keep_busy(queue, model)
    large = queue.submit(DOUBLE, rows(*range(8)))
    small = queue.submit(DOUBLE, rows(9))
    model.gate.set()
    assert values(small) == [18]
    assert values(large) == [2 * n for n in range(8)]
    assert sorted(model.batches[:3]) == [1, 1, 2]


def test_what_fails_in_a_piece_fails_the_request(model: Doubler):
    model.gate.set()
    queue = batcher(model, max_batch_rows=2)
    with pytest.raises(ServingError, match="negative"):
        queue.submit(DOUBLE, rows(1, 2, 3, -1, 5)).result(60)
    assert values(queue.submit(DOUBLE, rows(1))) == [2]


def test_more_rows_than_allowed_are_refused(model: Doubler):
    with pytest.raises(ServingError, match="Task size 3 is larger") as caught:
        batcher(model, max_instances=2).submit(DOUBLE, rows(1, 2, 3))
    assert caught.value.code is Code.INVALID_ARGUMENT
