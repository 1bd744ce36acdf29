"""The queue in front of a model: requests that wait together run together.

Nobody waits for company: an idle model takes a lone request at once. While it is busy, requests
gather, and its next run takes all of them that fit together. So the batch grows with the load by
itself, and there is no delay to tune. A large request is cut into pieces of a batch's size, and
the pieces take turns with the small requests, so that nobody waits for the whole of it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from .metrics import ServingMetrics
from .model import Signature
from .settings import Limits
from .status import Code, ServingError, invalid_argument

logger = logging.getLogger(__name__)

Tensors = Mapping[str, np.ndarray]
Outputs = dict[str, np.ndarray]

#: What requests must have in common to run as one.
_Key = tuple[object, ...]

#: Told of every run that succeeded: the signature's name, the inputs, the outputs.
Observer = Callable[[str, Tensors, Outputs], None]


class Runnable(Protocol):
    """What the queue needs of a model: see :class:`.model.LoadedModel`."""

    def run(self, signature_name: str, inputs: Tensors) -> Outputs:
        """Runs one signature; raises ServingError."""
        ...


class _Outcome(Protocol):
    """What a task ends in: a future of threads, or one of an event loop."""

    def set_running_or_notify_cancel(self) -> bool:
        """Says that the task begins; False if nobody waits for it any more."""
        ...

    def set_result(self, result: Outputs) -> None:
        """Ends well."""
        ...

    def set_exception(self, exception: BaseException) -> None:
        """Ends badly."""
        ...


class _Mailbox:
    """Brings outcomes to an event loop: all that come at about the same time in one go."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._letters: deque[tuple[asyncio.Future[Outputs], Outputs | BaseException]] = deque()
        self._called = False

    def put(self, future: asyncio.Future[Outputs], content: Outputs | BaseException) -> None:
        """Posts an outcome; from any thread."""
        self._letters.append((future, content))
        if not self._called:
            self._called = True
            self.loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._called = False
        while self._letters:
            future, content = self._letters.popleft()
            if future.done():
                continue
            if isinstance(content, BaseException):
                future.set_exception(content)
            else:
                future.set_result(content)


class _LoopOutcome:
    """See :class:`_Outcome`; many times cheaper than a future of threads wrapped for a loop."""

    __slots__ = ("_mailbox", "future")

    def __init__(self, mailbox: _Mailbox) -> None:
        self._mailbox = mailbox
        self.future: asyncio.Future[Outputs] = mailbox.loop.create_future()

    def set_running_or_notify_cancel(self) -> bool:
        return not self.future.cancelled()

    def set_result(self, result: Outputs) -> None:
        self._mailbox.put(self.future, result)

    def set_exception(self, exception: BaseException) -> None:
        self._mailbox.put(self.future, exception)


@dataclass(eq=False)
class _Task:
    """One request that waits or runs.

    Attributes:
        key: Requests with the same key may be merged; None means that this one runs alone.
        rows: Its share of a batch, at least 1.
        size: Bytes of its strings.
    """

    signature: Signature
    inputs: Tensors
    key: _Key | None
    rows: int
    size: int
    outcome: _Outcome
    queued_at: float = field(default_factory=time.perf_counter)


class Batcher:
    """Runs requests on a model in threads of its own, merging those that wait.

    Requests are merged along the first dimension when their signature leaves it free in every
    input and output and all other dimensions agree. A merged run that fails is done over request
    by request, so that a bad request harms no other.

    Args:
        model: Runs the requests; must allow calls from several threads.
        model_name: The name under which times are counted.
        limits: Most rows in a request, a batch and the queue, and the number of threads.
        metrics: Where waiting and running times are counted.
        observe: Told of every run that succeeded, once its requests are answered.
    """

    def __init__(
        self,
        model: Runnable,
        model_name: str,
        limits: Limits,
        metrics: ServingMetrics,
        observe: Observer | None = None,
    ) -> None:
        self._model = model
        self._model_name = model_name
        self._limits = limits
        self._metrics = metrics
        self._observe = observe
        self._mailbox: _Mailbox | None = None
        self._queue: deque[_Task] = deque()
        self._pieces: deque[_Task] = deque()
        self._pieces_next = False
        self._queued_rows = 0
        self._closed = False
        self._work = threading.Condition()
        self._threads = [
            threading.Thread(target=self._serve, name=f"{model_name}-{i}", daemon=True)
            for i in range(limits.model_threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, signature: Signature, inputs: Tensors) -> Future[Outputs]:
        """Queues a request.

        Args:
            signature: The signature to run.
            inputs: One array for each of its inputs.

        Returns:
            The outputs to come, or the request's own ServingError.

        Raises:
            ServingError: UNAVAILABLE, the queue is full or closed; INVALID_ARGUMENT, the request
                has too many rows.
        """
        key, sizes, ends = self._plan(signature, inputs)
        if len(ends) > 1:
            return self._submit_pieces(signature, inputs, key, sizes, ends)
        outcome: Future[Outputs] = Future()
        self._enqueue([_Task(signature, inputs, key, len(sizes), sum(sizes), outcome)])
        return outcome

    async def run(self, signature: Signature, inputs: Tensors) -> Outputs:
        """Queues a request and waits for its outputs; see :meth:`submit`."""
        key, sizes, ends = self._plan(signature, inputs)
        if len(ends) > 1:
            return await asyncio.wrap_future(
                self._submit_pieces(signature, inputs, key, sizes, ends)
            )
        loop = asyncio.get_running_loop()
        if self._mailbox is None or self._mailbox.loop is not loop:
            self._mailbox = _Mailbox(loop)
        outcome = _LoopOutcome(self._mailbox)
        self._enqueue([_Task(signature, inputs, key, len(sizes), sum(sizes), outcome)])
        return await outcome.future

    def _plan(
        self, signature: Signature, inputs: Tensors
    ) -> tuple[_Key | None, list[int], list[int]]:
        """With what a request may be merged, the size of each row, and where its pieces end."""
        rows = max([1, *(len(array) for array in inputs.values() if array.ndim)])
        if rows > self._limits.max_instances:
            raise invalid_argument(
                f"Task size {rows} is larger than maximum input batch size "
                f"{self._limits.max_instances}"
            )
        key = _merge_key(signature, inputs)
        sizes = _row_sizes(inputs, rows)
        return key, sizes, [rows] if key is None else self._cuts(sizes)

    def _submit_pieces(
        self,
        signature: Signature,
        inputs: Tensors,
        key: _Key | None,
        sizes: Sequence[int],
        ends: Sequence[int],
    ) -> Future[Outputs]:
        parts: list[Future[Outputs]] = [Future() for _ in ends]
        tasks = [
            _Task(
                signature,
                {name: array[start:end] for name, array in inputs.items()},
                key,
                end - start,
                sum(sizes[start:end]),
                part,
            )
            for start, end, part in zip([0, *ends[:-1]], ends, parts, strict=True)
        ]
        self._enqueue(tasks)
        return _joined(parts)

    def _cuts(self, sizes: Sequence[int]) -> list[int]:
        """Where the pieces of a request end: each as large as a run may be, the last the rest."""
        ends: list[int] = []
        start, total = 0, 0
        for row, size in enumerate(sizes):
            too_many = row - start == self._limits.max_batch_rows
            if row > start and (too_many or total + size > self._limits.max_batch_bytes):
                ends.append(row)
                start, total = row, 0
            total += size
        return [*ends, len(sizes)]

    def _enqueue(self, tasks: list[_Task]) -> None:
        """Queues a request, whole or in pieces."""
        rows = sum(task.rows for task in tasks)
        with self._work:
            # An empty queue takes even a request larger than itself, or it would never run.
            waiting = len(self._queue) + len(self._pieces)
            if waiting and (
                self._queued_rows + rows > self._limits.max_queued_rows
                or waiting >= self._limits.max_queued_requests
            ):
                raise ServingError(
                    Code.UNAVAILABLE,
                    "The batch scheduling queue to which this task was submitted is full",
                )
            if self._closed:
                raise ServingError(Code.UNAVAILABLE, "The model is being unloaded")
            # The queue is another one after each batch: it must be looked up under the lock.
            (self._queue if len(tasks) == 1 else self._pieces).extend(tasks)
            self._queued_rows += rows
            self._work.notify(len(tasks))

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
                while not self._queue and not self._pieces:
                    if self._closed:
                        return []
                    self._work.wait()
                taken = self._take()
                self._queued_rows -= sum(task.rows for task in taken)
            # From here on a task cannot be cancelled any more.
            batch = [task for task in taken if task.outcome.set_running_or_notify_cancel()]
        now = time.perf_counter()
        waited = [int((now - task.queued_at) * 1e6) for task in batch]
        self._metrics.queuing_latency.observe_all(waited, self._model_name)
        return batch

    def _take(self) -> list[_Task]:
        """Takes the oldest task off a queue, and those after it that fit into its batch."""
        pieces = self._pieces and (self._pieces_next or not self._queue)
        self._pieces_next = not pieces
        if pieces:
            return [self._pieces.popleft()]
        first = self._queue.popleft()
        batch, left, rows, size = [first], deque[_Task](), first.rows, first.size
        if first.key is None:
            return batch
        for task in self._queue:
            if (
                task.key == first.key
                and rows + task.rows <= self._limits.max_batch_rows
                and size + task.size <= self._limits.max_batch_bytes
            ):
                batch.append(task)
                rows += task.rows
                size += task.size
            else:
                left.append(task)
        self._queue = left
        return batch

    def _run(self, batch: Sequence[_Task]) -> None:
        if len(batch) > 1:
            try:
                inputs = _merged(batch)
                outputs = self._run_counted(batch, inputs)
                results = _dealt_out(batch, outputs)
            except Exception:
                logger.info("A batch of %d requests failed; each runs alone", len(batch))
            else:
                for task, result in zip(batch, results, strict=True):
                    task.outcome.set_result(result)
                self._tell(batch[0].signature, inputs, outputs)
                return
        for task in batch:
            try:
                result = self._run_counted([task], task.inputs)
            except Exception as error:
                task.outcome.set_exception(error)
            else:
                task.outcome.set_result(result)
                self._tell(task.signature, task.inputs, result)

    def _tell(self, signature: Signature, inputs: Tensors, outputs: Outputs) -> None:
        if self._observe is None:
            return
        try:
            self._observe(signature.name, inputs, outputs)
        except Exception as error:
            logger.error("A run could not be counted: %s", type(error).__name__)

    def _run_counted(self, batch: Sequence[_Task], inputs: Tensors) -> Outputs:
        start = time.perf_counter()
        outputs = self._model.run(batch[0].signature.name, inputs)
        microseconds = int((time.perf_counter() - start) * 1e6)
        self._metrics.graph_run(microseconds)
        self._metrics.runtime_latency.observe(
            microseconds, self._model_name, "Predict", "TF1", times=len(batch)
        )
        return outputs


def _merged(batch: Sequence[_Task]) -> Tensors:
    names = batch[0].inputs
    return {name: np.concatenate([task.inputs[name] for task in batch]) for name in names}


def _dealt_out(batch: Sequence[_Task], outputs: Outputs) -> list[Outputs]:
    """Each task's own rows."""
    ends = np.cumsum([task.rows for task in batch]).tolist()
    if any(len(array) != ends[-1] for array in outputs.values()):
        raise ValueError("the model does not answer row by row")
    starts = [0, *ends[:-1]]
    return [
        {name: array[start:end] for name, array in outputs.items()}
        for start, end in zip(starts, ends, strict=True)
    ]


def _merge_key(signature: Signature, inputs: Tensors) -> _Key | None:
    """What two requests must have in common to run as one; None where a request runs alone.

    Rows of outputs must have a known shape: where it depends on the data, as where texts are
    filled up to the longest, an answer would change with the company it had.
    """
    specs = [*signature.inputs.values(), *signature.outputs.values()]
    if not all(spec.shape and spec.shape[0] == -1 for spec in specs):
        return None
    if any(-1 in (spec.shape or ())[1:] for spec in signature.outputs.values()):
        return None
    shapes = {name: array.shape for name, array in inputs.items()}
    if not all(_fits(shapes[name], spec.shape or ()) for name, spec in signature.inputs.items()):
        return None
    rows = {shape[0] for shape in shapes.values()}
    if len(rows) != 1 or rows == {0}:
        return None
    return signature.name, *(shapes[name][1:] for name in signature.inputs)


def _row_sizes(inputs: Tensors, rows: int) -> list[int]:
    """Bytes of the strings in each row; strings that stand in no row count to the first."""
    sizes = [0] * rows
    for array in inputs.values():
        if array.dtype == object and array.ndim == 1:
            sizes = [size + len(value) for size, value in zip(sizes, array.tolist(), strict=False)]
        elif array.dtype == object:
            sizes[0] += sum(map(len, array.ravel().tolist()))
    return sizes


def _joined(parts: Sequence[Future[Outputs]]) -> Future[Outputs]:
    """The outputs of all parts as one, or the error of one of them; cancels them if cancelled."""
    joined: Future[Outputs] = Future()
    left = len(parts)
    lock = threading.Lock()

    def finish(part: Future[Outputs]) -> None:
        nonlocal left
        with lock:
            left -= 1
            last = left == 0
        if part.cancelled() or part.exception() is not None:
            for other in parts:
                other.cancel()
        if not last or not joined.set_running_or_notify_cancel():
            return
        errors = [one.exception() for one in parts if not one.cancelled()]
        error = next((error for error in errors if error is not None), None)
        if error is not None:
            joined.set_exception(error)
            return
        results = [one.result() for one in parts]
        names = results[0]
        joined.set_result({n: np.concatenate([one[n] for one in results]) for n in names})

    def cancel(whole: Future[Outputs]) -> None:
        if whole.cancelled():
            for part in parts:
                part.cancel()

    joined.add_done_callback(cancel)
    for part in parts:
        part.add_done_callback(finish)
    return joined


def _fits(shape: Sequence[int], pattern: Sequence[int]) -> bool:
    """Whether a shape agrees with a signature's, in which -1 stands for any size."""
    if len(shape) != len(pattern):
        return False
    return all(want in (-1, size) for size, want in zip(shape, pattern, strict=True))
