"""A Beam engine whose work is done by processes on other machines: Beam's own worker pools.

Beam's local runner plans the job and holds what passes between its stages; every function runs in
worker processes that it asks a pool for, by the protocol that Flink and Spark use as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from apache_beam.options.pipeline_options import PortableOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.runners.runner import PipelineRunner
from apache_beam.transforms.environments import ExternalEnvironment

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
