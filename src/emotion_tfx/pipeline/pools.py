"""A Beam engine whose work is done by processes on other machines: Beam's own worker pools.

Beam's local runner plans the job and holds what passes between its stages; every function runs in
worker processes that it asks a pool for, by the protocol that Flink and Spark use as well.
"""

from __future__ import annotations

from threading import Thread, Timer
from typing import TYPE_CHECKING

import grpc
from apache_beam.options.pipeline_options import PortableOptions
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_fn_api_pb2, beam_runner_api_pb2
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
    ControlFuture,
    ExternalWorkerHandler,
    WorkerHandler,
)
from apache_beam.runners.runner import PipelineRunner
from apache_beam.transforms.environments import ExternalEnvironment
from apache_beam.utils.sentinel import Sentinel

if TYPE_CHECKING:
    from apache_beam import Pipeline
    from apache_beam.options.pipeline_options import PipelineOptions
    from apache_beam.runners.runner import PipelineResult


class WorkerPools(PipelineRunner):
    """``--runner=emotion_tfx.pipeline.pools.WorkerPools``.

    Options: ``--environment_config=HOST:PORT``, where a pool listens (``python -m
    apache_beam.runners.worker.worker_pool_main --service_port=PORT``; behind one name there may be
    several), and ``--direct_num_workers=N``, how many workers to ask for.
    """

    def run_pipeline(self, pipeline: Pipeline, options: PipelineOptions) -> PipelineResult:  # noqa: D102
        environment = ExternalEnvironment.from_options(options.view_as(PortableOptions))
        return FnApiRunner(default_environment=environment).run_pipeline(pipeline, options)


#: Seconds that a worker may take to start; it gives up itself after trying to reach us for 60.
_PATIENCE = 120


@WorkerHandler.register_environment(
    common_urns.environments.EXTERNAL.urn, beam_runner_api_pb2.ExternalPayload
)
class _WatchedWorker(ExternalWorkerHandler):
    """A worker whose end ends the job. Beam's own would be waited for forever.

    What it was asked is answered with an error in its place, as it tells of errors itself.
    """

    def start_worker(self) -> None:
        connection = self.control_conn
        self._read, self._push = connection._read, connection.push
        self._pool = self._external_payload.endpoint.url
        connection._read_thread = Thread(target=self._watch, name="watch", daemon=True)
        late = (
            f"A worker of the pool at {self._pool} did not come within {_PATIENCE} s. It has to "
            f"reach any port of this machine as {self.host_from_worker()!r}: see that this name is "
            "known there, and look at what the pool says."
        )
        self._waiting = Timer(_PATIENCE, self._end, [late])
        self._waiting.daemon = True
        try:
            super().start_worker()
        except grpc.RpcError as error:
            raise RuntimeError(
                f"No worker pool answers at {self._pool}. Start one there: python -m "
                "apache_beam.runners.worker.worker_pool_main --service_port=PORT."
            ) from error
        self._waiting.start()

    def _watch(self) -> None:
        self._waiting.cancel()
        try:
            self._read()
        except grpc.RpcError:
            pass  # It has ended, at the end of the job too: then there is nothing left to answer.
        finally:
            self._end(
                f"A worker of the pool at {self._pool} ended before its work was done. Look at "
                "what the pool says; if that is nothing, its machine may have run out of memory."
            )

    def _end(self, reason: str) -> None:
        def answer(request_id: str) -> beam_fn_api_pb2.InstructionResponse:
            return beam_fn_api_pb2.InstructionResponse(instruction_id=request_id, error=reason)

        def push(request: beam_fn_api_pb2.InstructionRequest | Sentinel) -> ControlFuture | None:
            if request is Sentinel.sentinel:  # Nothing is asked: the connection is to be closed.
                return self._push(request)
            return ControlFuture(request.instruction_id, answer(request.instruction_id))

        self.control_conn.push = push
        for request_id, future in list(self.control_conn._futures_by_id.items()):
            future.set(answer(request_id))
