"""The queue in front of a model: requests that wait together run together.

Nobody waits for company: an idle model takes a lone request at once. While it is busy, requests
gather, and its next run takes all of them that fit together. So the batch grows with the load by
itself, and there is no delay to tune.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from .metrics import ServingMetrics
from .model import Signature
from .settings import Limits
from .status import Code, ServingError

logger = logging.getLogger(__name__)

Tensors = Mapping[str, np.ndarray]


class Runnable(Protocol):
    """What the queue needs of a model: see :class:`.model.LoadedModel`."""

    def run(self, signature_name: str, inputs: Tensors) -> dict[str, np.ndarray]:
        """Runs one signature; raises ServingError."""
        ...


@dataclass(eq=False)
class _Task:
    """One request that waits or runs.

    Attributes:
        key: Requests with the same key may be merged; None means that this one runs alone.
        rows: Its share of a batch, at least 1.
    """

    signature: Signature
    inputs: Tensors
    key: tuple[object, ...] | None
    rows: int
    queued_at: float = field(default_factory=time.perf_counter)
    outcome: Future[dict[str, np.ndarray]] = field(default_factory=Future)


class Batcher:
    """Runs requests on a model in threads of its own, merging those that wait.

    Requests are merged along the first dimension when their signature leaves it free in every
    input and output and all other dimensions agree. A merged run that fails is done over request
    by request, so that a bad request harms no other.

    Args:
        model: Runs the requests; must allow calls from several threads.
        model_name: The name under which times are counted.
        limits: Most rows in a batch and in the queue, and the number of threads.
        metrics: Where waiting and running times are counted.
    """

    def __init__(
        self, model: Runnable, model_name: str, limits: Limits, metrics: ServingMetrics
    ) -> None:
        self._model = model
        self._model_name = model_name
        self._limits = limits
        self._metrics = metrics
        self._queue: deque[_Task] = deque()
        self._queued_rows = 0
        self._closed = False
        self._work = threading.Condition()
        self._threads = [
            threading.Thread(target=self._serve, name=f"{model_name}-{i}", daemon=True)
            for i in range(limits.model_threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, signature: Signature, inputs: Tensors) -> Future[dict[str, np.ndarray]]:
        """Queues a request.

        Args:
            signature: The signature to run.
            inputs: One array for each of its inputs.

        Returns:
            The outputs to come, or the request's own ServingError.

        Raises:
            ServingError: UNAVAILABLE, the queue is full or closed.
        """
        key = _merge_key(signature, inputs)
        rows = max([1, *(len(array) for array in inputs.values() if array.ndim)])
        task = _Task(signature, inputs, key, rows)
        with self._work:
            # An empty queue takes even a request larger than itself, or it would never run.
            if self._queue and self._queued_rows + rows > self._limits.max_queued_rows:
                raise ServingError(
                    Code.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is full",
                )
            if self._closed:
                raise ServingError(Code.UNAVAILABLE, "The model is being unloaded")
            self._queue.append(task)
            self._queued_rows += rows
            self._work.notify()
        return task.outcome

    def close(self) -> None:
        """Finishes what is queued and ends the threads."""
        with self._work:
            self._closed = True
            self._work.notify_all()
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while batch := self._next_batch():
            self._run(batch)

    def _next_batch(self) -> list[_Task]:
        """Waits for work; an empty list means that there will be no more."""
        batch: list[_Task] = []
        while not batch:
            with self._work:
                while not self._queue:
                    if self._closed:
                        return []
                    self._work.wait()
                taken = self._take()
                self._queued_rows -= sum(task.rows for task in taken)
            # From here on a task cannot be cancelled any more.
            batch = [task for task in taken if task.outcome.set_running_or_notify_cancel()]
        now = time.perf_counter()
        for task in batch:
            self._metrics.queuing_latency.observe(
                int((now - task.queued_at) * 1e6), self._model_name
            )
        return batch

    def _take(self) -> list[_Task]:
        """Takes the oldest task off the queue, and those after it that fit into its batch."""
        first = self._queue.popleft()
        batch, left, rows = [first], deque[_Task](), first.rows
        if first.key is None:
            return batch
        for task in self._queue:
            if task.key == first.key and rows + task.rows <= self._limits.max_batch_rows:
                batch.append(task)
                rows += task.rows
            else:
                left.append(task)
        self._queue = left
        return batch

    def _run(self, batch: Sequence[_Task]) -> None:
        if len(batch) > 1:
            try:
                results = self._run_merged(batch)
            except Exception:
                logger.info("A batch of %d requests failed; each runs alone", len(batch))
            else:
                for task, result in zip(batch, results, strict=True):
                    task.outcome.set_result(result)
                return
        for task in batch:
            try:
                task.outcome.set_result(self._run_counted([task], task.inputs))
            except Exception as error:
                task.outcome.set_exception(error)

    def _run_merged(self, batch: Sequence[_Task]) -> list[dict[str, np.ndarray]]:
        """Runs the tasks as one and deals out the rows."""
        names = batch[0].inputs
        inputs = {name: np.concatenate([task.inputs[name] for task in batch]) for name in names}
        outputs = self._run_counted(batch, inputs)
        ends = np.cumsum([task.rows for task in batch]).tolist()
        if any(len(array) != ends[-1] for array in outputs.values()):
            raise ValueError("the model does not answer row by row")
        starts = [0, *ends[:-1]]
        return [
            {name: array[start:end] for name, array in outputs.items()}
            for start, end in zip(starts, ends, strict=True)
        ]

    def _run_counted(self, batch: Sequence[_Task], inputs: Tensors) -> dict[str, np.ndarray]:
        start = time.perf_counter()
        outputs = self._model.run(batch[0].signature.name, inputs)
        microseconds = int((time.perf_counter() - start) * 1e6)
        self._metrics.graph_run(microseconds)
        for _ in batch:
            self._metrics.runtime_latency.observe(microseconds, self._model_name, "Predict", "TF1")
        return outputs


def _merge_key(signature: Signature, inputs: Tensors) -> tuple[object, ...] | None:
    """What two requests must have in common to run as one; None where a request runs alone."""
    specs = [*signature.inputs.values(), *signature.outputs.values()]
    if not all(spec.shape and spec.shape[0] == -1 for spec in specs):
        return None
    shapes = {name: array.shape for name, array in inputs.items()}
    if not all(_fits(shapes[name], spec.shape or ()) for name, spec in signature.inputs.items()):
        return None
    rows = {shape[0] for shape in shapes.values()}
    if len(rows) != 1 or rows == {0}:
        return None
    return signature.name, *(shapes[name][1:] for name in signature.inputs)


def _fits(shape: Sequence[int], pattern: Sequence[int]) -> bool:
    """Whether a shape agrees with a signature's, in which -1 stands for any size."""
    if len(shape) != len(pattern):
        return False
    return all(want in (-1, size) for size, want in zip(shape, pattern, strict=True))
