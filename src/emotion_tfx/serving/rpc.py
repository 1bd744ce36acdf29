"""TensorFlow Serving's gRPC interface, and the standard health service beside it.

``PredictionService`` and ``ModelService`` with the official stubs of ``tensorflow-serving-api``.
Words and codes follow ``servables/tensorflow/predict_util.cc``, ``get_model_metadata_impl.cc`` and
``model_servers/model_service_impl.cc``. The stubs import TensorFlow, so the port opens first, and
calls that come before it is there are answered with UNAVAILABLE.
"""

from __future__ import annotations

import hmac
import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any

import grpc
import numpy as np
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from ..errors import UserError
from .calls import Calls, log_unexpected
from .examples import (
    check_classification,
    check_regression,
    classifications,
    regressions,
    with_context,
)
from .heavy import import_tensorflow
from .json_tensor import as_strings
from .metrics import ServingMetrics
from .model import DEFAULT_SIGNATURE, Signature
from .models import Models, ModelSpec
from .settings import Limits
from .status import Code, ServingError, invalid_argument
from .versions import Servable, State

logger = logging.getLogger(__name__)

_THREADS = 64
_HEALTH_SECONDS = 0.25
_LONGEST_WAIT = 24 * 3600.0
_MAX_WAITING_CALLS = 1024
_SIGNATURE_DEF = "signature_def"
_HEALTH = "/grpc.health.v1.Health/"
_OUR_SERVICES = ("tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")

#: Changes which models are served; takes a ``ModelServerConfig`` message.
Reload = Callable[[Any], None]


class GrpcServer:
    """The gRPC interface on a port of its own.

    Args:
        models: The models that are served.
        reload: Changes which.
        limits: Largest request, and most elements of a tensor.
        metrics: Where calls are counted.
        api_key: What clients must show in their metadata, as ``authorization: Bearer KEY`` or
            ``x-api-key: KEY``, if anything.
    """

    def __init__(
        self,
        models: Models,
        reload: Reload,
        limits: Limits,
        metrics: ServingMetrics,
        api_key: str | None = None,
    ) -> None:
        self._models = models
        self._limits = limits
        self._services = _Services(models, reload, limits, Calls(models, metrics))
        self._health = health.HealthServicer()
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._api_key = api_key
        self._server: grpc.Server | None = None

    def start(self, host: str, port: int, *, shared: bool = False, loaded: bool = False) -> int:
        """Opens the port.

        Args:
            host: Address to listen on.
            port: The port; 0 takes any free one.
            shared: Whether other processes may open it as well, to share the calls.
            loaded: Whether to open it only once calls can be answered, rather than refuse them
                until then.

        Returns:
            The port.

        Raises:
            UserError: It cannot be opened.
        """
        if loaded:
            self._services.load()
        largest = self._limits.max_body_bytes
        self._server = grpc.server(
            ThreadPoolExecutor(_THREADS, thread_name_prefix="grpc"),
            handlers=[self._services],
            interceptors=[_KeyCheck(self._api_key)] if self._api_key else [],
            options=[
                ("grpc.so_reuseport", int(shared)),
                ("grpc.max_receive_message_length", largest),
                ("grpc.max_send_message_length", -1),
            ],
            maximum_concurrent_rpcs=_MAX_WAITING_CALLS,
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            opened = self._server.add_insecure_port(address)
        except RuntimeError:
            opened = 0
        if not opened:
            raise UserError(
                f"Port {port} on {host} cannot be opened for gRPC",
                "Stop the program that uses it, or choose another port with --grpc-port.",
            )
        self._server.start()
        background = [self._tell_health] if loaded else [self._services.load, self._tell_health]
        for work in background:
            thread = threading.Thread(target=work, name="grpc-background", daemon=True)
            thread.start()
            self._threads.append(thread)
        return opened

    def stop(self) -> None:
        """Takes no new calls, and ends once those taken on are answered."""
        self._stop.set()
        self._health.enter_graceful_shutdown()
        if self._server is not None:
            self._server.stop(self._limits.drain_seconds).wait()
        for thread in self._threads:
            thread.join()

    def _tell_health(self) -> None:
        serving = health_pb2.HealthCheckResponse.SERVING
        not_serving = health_pb2.HealthCheckResponse.NOT_SERVING
        while not self._stop.is_set():
            status = serving if self._models.ready else not_serving
            for service in ("", *_OUR_SERVICES):
                self._health.set(service, status)
            self._stop.wait(_HEALTH_SECONDS)


class _KeyCheck(grpc.ServerInterceptor):
    """Refuses calls that do not show the key, but for those that ask for health."""

    def __init__(self, key: str) -> None:
        self._key = key.encode()
        self._refusal = _refusal(grpc.StatusCode.UNAUTHENTICATED, "The API key is missing or wrong")

    def intercept_service(self, continuation: Any, details: Any) -> Any:  # noqa: ANN401
        if details.method.startswith(_HEALTH) or self._shown(details.invocation_metadata):
            return continuation(details)
        return self._refusal

    def _shown(self, metadata: Iterable[tuple[str, str | bytes]]) -> bool:
        values = {key: str(value) for key, value in metadata}
        scheme, _, shown = values.get("authorization", "").partition(" ")
        shown = values.get("x-api-key") or (shown if scheme.lower() == "bearer" else "")
        return hmac.compare_digest(shown.encode(), self._key)


def _refusal(code: grpc.StatusCode, message: str) -> grpc.RpcMethodHandler:
    def refuse(_request: object, context: grpc.ServicerContext) -> None:
        context.abort(code, message)

    return grpc.unary_unary_rpc_method_handler(refuse)


class _Services(grpc.GenericRpcHandler):
    """Both services, once they are loaded."""

    _STARTING = _refusal(grpc.StatusCode.UNAVAILABLE, "The server is starting")

    def __init__(self, models: Models, reload: Reload, limits: Limits, calls: Calls) -> None:
        self._parts = models, reload, limits, calls
        self._handlers: list[grpc.GenericRpcHandler] | None = None

    def load(self) -> None:
        """Imports TensorFlow and the stubs."""
        import_tensorflow()
        from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

        models, reload, limits, calls = self._parts
        collector = _Collector()
        # The stubs register with a server; here they do with a list, as the server runs already.
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _prediction_service(models, limits, calls), collector
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            _model_service(models, reload, calls), collector
        )
        self._handlers = collector.handlers

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:  # noqa: ANN401
        method = handler_call_details.method
        if not method.startswith(tuple(f"/{name}/" for name in _OUR_SERVICES)):
            return None
        if self._handlers is None:
            return self._STARTING
        found = (handler.service(handler_call_details) for handler in self._handlers)
        return next((handler for handler in found if handler is not None), None)


class _Collector:
    """Takes what the stubs mean for a server."""

    def __init__(self) -> None:
        self.handlers: list[grpc.GenericRpcHandler] = []

    def add_generic_rpc_handlers(self, handlers: Iterable[grpc.GenericRpcHandler]) -> None:
        self.handlers.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        """The same handlers once more, as newer stubs give them."""


def _answered(
    calls: Calls, context: grpc.ServicerContext, name: str, api: str, work: Callable[[], Any]
) -> Any:  # noqa: ANN401
    """Does the work of a call; what goes wrong becomes the call's status."""
    start = time.perf_counter()
    try:
        reply = work()
    except ServingError as error:
        calls.count(name, error.code)
        _abort(context, error.code, error.message)
    except FutureTimeoutError:
        calls.count(name, Code.DEADLINE_EXCEEDED)
        _abort(context, Code.DEADLINE_EXCEEDED, "Deadline Exceeded")
    except Exception as error:
        calls.count(name, Code.INTERNAL)
        log_unexpected(error)
        _abort(context, Code.INTERNAL, "Internal error")
    calls.count(name, Code.OK)
    if api:
        calls.time(name, api, "GRPC", start)
    return reply


def _abort(context: grpc.ServicerContext, code: Code, message: str) -> None:
    # What a request held need not be valid text.
    text = message.encode("utf-8", "replace").decode()
    context.abort(grpc.StatusCode[code.name], text)


def _prediction_service(models: Models, limits: Limits, calls: Calls) -> Any:  # noqa: ANN401
    from tensorflow_serving.apis import prediction_service_pb2_grpc

    class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
        def Predict(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
            work = lambda: _predict(models, limits, request, context)  # noqa: E731
            return _answered(calls, context, request.model_spec.name, "predict", work)

        def Classify(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
            work = lambda: _classify(models, request, context)  # noqa: E731
            return _answered(calls, context, request.model_spec.name, "classify", work)

        def Regress(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
            work = lambda: _regress(models, request, context)  # noqa: E731
            return _answered(calls, context, request.model_spec.name, "regress", work)

        def GetModelMetadata(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
            work = lambda: _metadata(models, request)  # noqa: E731
            return _answered(calls, context, request.model_spec.name, "", work)

    return PredictionService()


def _model_service(models: Models, reload: Reload, calls: Calls) -> Any:  # noqa: ANN401
    from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc

    class ModelService(model_service_pb2_grpc.ModelServiceServicer):
        def GetModelStatus(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
            work = lambda: _status(models, request)  # noqa: E731
            return _answered(calls, context, request.model_spec.name, "", work)

        def HandleReloadConfigRequest(self, request: Any, context: Any) -> Any:  # noqa: ANN401, N802
            work = lambda: reload(request.config)  # noqa: E731
            _answered(calls, context, "", "", work)
            return model_management_pb2.ReloadConfigResponse()

    return ModelService()


def _predict(models: Models, limits: Limits, request: Any, context: Any) -> Any:  # noqa: ANN401
    from tensorflow_serving.apis import predict_pb2

    with models.serving(_spec(request)) as servable:
        name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        signature = servable.model.signatures.get(name)
        if signature is None:
            raise ServingError(
                Code.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
            )
        _check_names(set(request.inputs), set(signature.inputs))
        chosen = _chosen(request.output_filter, signature)
        inputs = {
            alias: _array(request.inputs[alias], alias, spec.dtype, limits)
            for alias, spec in signature.inputs.items()
        }
        outputs = _run(servable, signature, inputs, context)
        response = predict_pb2.PredictResponse()
        for alias in chosen:
            _fill(response.outputs[alias], outputs[alias])
        _tell_model(response.model_spec, request, servable)
    return response


def _classify(models: Models, request: Any, context: Any) -> Any:  # noqa: ANN401
    from tensorflow_serving.apis import classification_pb2

    with models.serving(_spec(request)) as servable:
        signature = check_classification(servable.model, request.model_spec.signature_name)
        examples = _examples(request.input)
        outputs = _run(servable, signature, {"inputs": as_strings(examples)}, context)
        response = classification_pb2.ClassificationResponse()
        for classes in classifications(outputs, len(examples)):
            result = response.result.classifications.add()
            for label, score in classes:
                result.classes.add(label=label.decode("utf-8", "replace"), score=score)
        _tell_model(response.model_spec, request, servable)
    return response


def _regress(models: Models, request: Any, context: Any) -> Any:  # noqa: ANN401
    from tensorflow_serving.apis import regression_pb2

    with models.serving(_spec(request)) as servable:
        signature = check_regression(servable.model, request.model_spec.signature_name)
        examples = _examples(request.input)
        outputs = _run(servable, signature, {"inputs": as_strings(examples)}, context)
        response = regression_pb2.RegressionResponse()
        for value in regressions(outputs, len(examples)):
            response.result.regressions.add(value=value)
        _tell_model(response.model_spec, request, servable)
    return response


def _metadata(models: Models, request: Any) -> Any:  # noqa: ANN401
    from tensorflow_serving.apis import get_model_metadata_pb2

    spec = _spec(request)
    if not request.metadata_field:
        raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != _SIGNATURE_DEF:
            raise invalid_argument(f"Metadata field {field} is not supported")
    signatures = get_model_metadata_pb2.SignatureDefMap()
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    with models.serving(spec) as servable:
        for name, definition in servable.model.definitions.items():
            signatures.signature_def[name].CopyFrom(definition)
        response.metadata[_SIGNATURE_DEF].Pack(signatures)
        response.model_spec.name = spec.name
        response.model_spec.version.value = servable.model.version
    return response


def _status(models: Models, request: Any) -> Any:  # noqa: ANN401
    from tensorflow_serving.apis import get_model_status_pb2

    states = get_model_status_pb2.ModelVersionStatus.State
    response = get_model_status_pb2.GetModelStatusResponse()
    for status in models.statuses(_spec(request)):
        response.model_version_status.add(
            version=status.version,
            state=states.Value(State(status.state).value),
            status={"error_code": int(status.code), "error_message": status.message},
        )
    return response


def _spec(request: Any) -> ModelSpec:  # noqa: ANN401
    if not request.HasField("model_spec"):
        raise invalid_argument("Missing ModelSpec")
    spec = request.model_spec
    if not spec.name:
        raise invalid_argument("ModelSpec has no name specified.")
    choice = spec.WhichOneof("version_choice")
    version = spec.version.value if choice == "version" else None
    label = spec.version_label if choice == "version_label" else None
    return ModelSpec(spec.name, version, label)


def _tell_model(spec: Any, request: Any, servable: Servable) -> None:  # noqa: ANN401
    spec.name = request.model_spec.name
    spec.signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    spec.version.value = servable.model.version


def _check_names(given: set[str], wanted: set[str]) -> None:
    if given == wanted:
        return
    raise invalid_argument(
        f"input size does not match signature: {len(given)}!={len(wanted)} "
        f"len({{{_listed(given)}}}) != len({{{_listed(wanted)}}}). "
        f"Sent extra: {{{_listed(given - wanted)}}}. "
        f"Missing but required: {{{_listed(wanted - given)}}}."
    )


def _chosen(output_filter: Iterable[str], signature: Signature) -> list[str]:
    """The outputs to reply with: those asked for, or all."""
    names = list(output_filter)
    for name in names:
        if name not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {name} Outputs expected to be in "
                f"the set {{{_listed(signature.outputs)}}}."
            )
        if names.count(name) > 1:
            raise invalid_argument(f"duplicate output tensor alias: {name}")
    return names or list(signature.outputs)


def _listed(names: Iterable[str]) -> str:
    return ",".join(sorted(names))


def _run(
    servable: Servable,
    signature: Signature,
    inputs: Mapping[str, np.ndarray],
    context: grpc.ServicerContext,
) -> dict[str, np.ndarray]:
    outcome = servable.batcher.submit(signature, inputs)
    left = context.time_remaining()
    try:
        # Without a deadline, more may be left than a lock can wait.
        return outcome.result(left if left is not None and left < _LONGEST_WAIT else None)
    finally:
        outcome.cancel()


def _examples(message: Any) -> list[bytes]:  # noqa: ANN401 - Input
    kind = message.WhichOneof("kind")
    if kind == "example_list_with_context":
        content = message.example_list_with_context
        examples = with_context(content.context, list(content.examples))
    else:
        examples = with_context(None, list(message.example_list.examples))
    if not examples:
        raise invalid_argument("Input is empty.")
    return examples


def _array(proto: Any, alias: str, dtype: str, limits: Limits) -> np.ndarray:  # noqa: ANN401
    """The tensor that a message holds, which must be of this type."""
    from tensorflow import as_dtype, make_ndarray

    try:
        given = as_dtype(proto.dtype).name
    except TypeError:
        raise _unreadable(alias) from None
    if given != dtype:
        raise invalid_argument(f"Expects arg[0] to be {dtype} but {given} is provided")
    sizes = [dim.size for dim in proto.tensor_shape.dim]
    # A message may promise any number of elements with a single value.
    if proto.tensor_shape.unknown_rank or min(sizes, default=0) < 0 or len(sizes) > 32:
        raise _unreadable(alias)
    if math.prod(sizes) > limits.max_body_bytes:
        raise invalid_argument(f"tensor too large: {alias}")
    try:
        return make_ndarray(proto)
    except (TypeError, ValueError):
        raise _unreadable(alias) from None


def _unreadable(alias: str) -> ServingError:
    return invalid_argument(f"tensor parsing error: {alias}")


#: The field of a TensorProto that holds values of each type.
_FIELDS = {
    "bool": "bool_val",
    "float32": "float_val",
    "float64": "double_val",
    "int64": "int64_val",
    "uint32": "uint32_val",
    "uint64": "uint64_val",
    **dict.fromkeys(("int8", "int16", "int32", "uint8", "uint16"), "int_val"),
}


def _fill(proto: Any, array: np.ndarray) -> None:  # noqa: ANN401 - TensorProto
    """Writes a tensor value by value, as clients of TensorFlow Serving read it."""
    from tensorflow import as_dtype, make_tensor_proto

    strings = array.dtype == object
    field = "string_val" if strings else _FIELDS.get(array.dtype.name)
    if field is None:
        proto.CopyFrom(make_tensor_proto(array))
        return
    proto.dtype = as_dtype("string" if strings else array.dtype.name).as_datatype_enum
    proto.tensor_shape.SetInParent()
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    getattr(proto, field).extend(array.ravel().tolist())
