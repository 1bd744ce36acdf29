"""What every call has in common, whichever interface it comes by: counting, timing, errors."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable

from .messages import JSON, Response, error_response, json_response
from .metrics import ServingMetrics
from .models import Models
from .status import Code, ServingError

logger = logging.getLogger(__name__)


class Calls:
    """Counts calls and turns what goes wrong into replies.

    Args:
        models: The models whose names may stand in metrics.
        metrics: Where calls are counted.
    """

    def __init__(self, models: Models, metrics: ServingMetrics) -> None:
        self._models = models
        self._metrics = metrics

    async def answer(self, model: str, api: str, work: Awaitable[bytes | Response]) -> Response:
        """Does the work of a call over HTTP.

        Args:
            model: The model that the call names.
            api: What is timed, such as ``predict``; empty for calls that are only counted.
            work: Gives the reply, or only its JSON body; may raise ServingError.

        Returns:
            The reply, whatever happens.
        """
        start = time.perf_counter()
        try:
            reply = await work
        except ServingError as error:
            self.count(model, error.code)
            return error_response(error)
        except Exception as error:
            self.count(model, Code.INTERNAL)
            log_unexpected(error)
            return json_response(500, {"error": "Internal error"})
        self.count(model, Code.OK)
        if api:
            self.time(model, api, "REST", start)
        return reply if isinstance(reply, Response) else Response(200, [JSON], reply)

    def count(self, model: str, code: Code) -> None:
        """Counts a call that has ended."""
        self._metrics.request_count.add(self._label(model), code.name)

    def time(self, model: str, api: str, entrypoint: str, start: float) -> None:
        """Takes the time of a call that went well, since ``start`` of ``time.perf_counter()``."""
        microseconds = int((time.perf_counter() - start) * 1e6)
        self._metrics.request_latency.observe(microseconds, self._label(model), api, entrypoint)

    def _label(self, model: str) -> str:
        # Only names of served models become labels: a client must not fill the metrics.
        return model if model in self._models else ""


def log_unexpected(error: Exception) -> None:
    """Logs where in the code an error arose: enough to find it, and nothing of the request."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"in {trace.tb_frame.f_code.co_name}, line {trace.tb_lineno}" if trace else "somewhere"
    logger.error("Unexpected %s %s", type(error).__name__, place)
