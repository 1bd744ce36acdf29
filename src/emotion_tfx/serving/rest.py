"""TensorFlow Serving's REST interface, ``/v1/models/...``.

Paths, verbs and words are those of its ``http_rest_api_util.cc`` and ``http_rest_api_handler.cc``.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any
from urllib.parse import unquote

from .calls import Calls
from .examples import (
    check_classification,
    check_regression,
    classifications,
    read_examples,
    regressions,
    write_results,
)
from .json_tensor import (
    Document,
    as_strings,
    parse_document,
    read_inputs,
    signature_name,
    write_outputs,
)
from .messages import LARGE, Request, Response
from .models import Models, ModelSpec
from .status import invalid_argument
from .versions import Servable, VersionStatus, not_found

_NAME_AND_VERSION = r"/v1/models/([^/:]+)(?:/versions/([0-9]+)|/labels/([^/:]+))?"
_CALL_PATH = re.compile(rf"{_NAME_AND_VERSION}:(classify|regress|predict)", flags=re.IGNORECASE)
_MODEL_PATH = re.compile(
    r"/v1/models(?:/([^/:]+))?(?:/versions/([0-9]+)|/labels/([^/:]+))?(?:/(metadata))?",
    flags=re.IGNORECASE,
)


class RestApi:
    """Answers requests under ``/v1/``.

    Args:
        models: The models that are served.
        calls: Counts the calls.
    """

    def __init__(self, models: Models, calls: Calls) -> None:
        self._models = models
        self._calls = calls

    async def answer(self, request: Request) -> Response:
        """Answers one request; errors become replies as well."""
        post = request.method == "POST"
        pattern = _CALL_PATH if post else _MODEL_PATH
        match = pattern.fullmatch(request.path) if post or request.method == "GET" else None
        name = unquote(match[1] or "") if match else ""
        api = match[4].lower() if match and post else ""
        return await self._calls.answer(name, api, self._body(request, match, name, api))

    async def _body(
        self, request: Request, match: re.Match[str] | None, name: str, api: str
    ) -> bytes:
        if match is None:
            raise invalid_argument(f"Malformed request: {request.method} {request.path}")
        label = unquote(match[3]) if match[3] else None
        spec = ModelSpec(name, _version_number(match[2]), label)
        if api == "predict":
            return await self._predict(spec, request.body)
        if api:
            return await self._classify_or_regress(spec, api, request.body)
        if not name:
            raise invalid_argument("Missing model name in request.")
        return self._metadata(spec) if match[4] else self._status(spec)

    async def _predict(self, spec: ModelSpec, body: bytes) -> bytes:
        document = await _parsed(body)
        wanted = signature_name(document)
        with self._models.serving(spec) as servable:
            signature = servable.model.signature(wanted)
            if len(body) < LARGE:
                layout, inputs = read_inputs(document, signature.inputs)
            else:
                layout, inputs = await asyncio.to_thread(read_inputs, document, signature.inputs)
            outputs = await servable.batcher.run(signature, inputs)
        if sum(array.size for array in outputs.values()) < LARGE // 8:
            return write_outputs(outputs, layout)
        return await asyncio.to_thread(write_outputs, outputs, layout)

    async def _classify_or_regress(self, spec: ModelSpec, api: str, body: bytes) -> bytes:
        document = await _parsed(body)
        wanted = signature_name(document)
        if not self._models.ready and not self._models.served:
            raise not_found(spec.name, spec.version)  # Examples need TensorFlow, still on its way.
        examples = await asyncio.to_thread(read_examples, document)
        with self._models.serving(spec) as servable:
            results = await _results(servable, api, wanted, examples)
        return write_results(results)

    def _status(self, spec: ModelSpec) -> bytes:
        statuses = self._models.statuses(spec)
        return _pretty({"model_version_status": [_status_json(one) for one in statuses]})

    def _metadata(self, spec: ModelSpec) -> bytes:
        with self._models.serving(spec) as servable:
            model = servable.model
            model_spec = {"name": spec.name, "signature_name": "", "version": str(model.version)}
            # TensorFlow Serving nests the map in a message of the same name.
            signatures = {"signature_def": {"signature_def": model.metadata}}
        return _pretty({"model_spec": model_spec, "metadata": signatures})


async def _results(servable: Servable, api: str, wanted: str, examples: list[bytes]) -> list[Any]:
    check, read = (
        (check_classification, classifications)
        if api == "classify"
        else (check_regression, regressions)
    )
    signature = check(servable.model, wanted)
    (name,) = signature.inputs
    inputs = {name: as_strings(examples)}
    outputs = await servable.batcher.run(signature, inputs)
    return read(outputs, len(examples))


async def _parsed(body: bytes) -> Document:
    if len(body) < LARGE:
        return parse_document(body)
    return await asyncio.to_thread(parse_document, body)


def _version_number(digits: str | None) -> int | None:
    if digits is None:
        return None
    version = int(digits) if len(digits) < 20 else 2**63
    if version >= 2**63:
        raise invalid_argument(f"Failed to convert version: {digits[:40]} to numeric.")
    return version


def _status_json(status: VersionStatus) -> dict[str, Any]:
    return {
        "version": str(status.version),
        "state": status.state.value,
        "status": {"error_code": status.code.name, "error_message": status.message},
    }


def _pretty(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode("utf-8", "replace")
