"""With the official stubs of tensorflow-serving-api, as its users have them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from emotion_tfx.errors import UserError
from emotion_tfx.serving import Limits, Server, ServerSettings

from .conftest import ModelBase, free_port, running_server, wait_until

ADDRESS = "127.0.0.1"


class Rpc:
    """Both services and health on one channel, and the REST interface of the same server."""

    def __init__(self, channel: grpc.Channel, rest: httpx.Client, base: ModelBase) -> None:
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        self.model = model_service_pb2_grpc.ModelServiceStub(channel)
        self.health = health_pb2_grpc.HealthStub(channel)
        self.rest = rest
        self.base = base


@pytest.fixture(scope="module")
def rpc(saved_models: dict[int, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rpc]:
    base = ModelBase(tmp_path_factory.mktemp("rpc") / "models", saved_models)
    base.push(2)
    port = free_port()
    settings = ServerSettings(
        base.path,
        rest_port=free_port(),
        grpc_port=port,
        limits=Limits(max_instances=50),
        poll_seconds=0.05,
    )
    with (
        running_server(settings) as rest,
        grpc.insecure_channel(f"{ADDRESS}:{port}") as channel,
    ):
        found = Rpc(channel, rest, base)
        wait_until(lambda: is_serving(found))
        yield found


def is_serving(rpc: Rpc) -> bool:
    reply = rpc.health.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True)
    return reply.status == health_pb2.HealthCheckResponse.SERVING


def predict_request(signature: str, **inputs: object) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "emotion"
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def refused(call: Callable[..., object], request: object) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, wait_for_ready=True)
    return caught.value.code(), caught.value.details()


def text_example(text: bytes) -> tf.train.Example:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
    return tf.train.Example(features=tf.train.Features(feature={"text": feature}))


def test_predict_answers_value_by_value_as_clients_read_it(rpc: Rpc):
    request = predict_request("", examples=[text_example(b"one").SerializeToString()])
    reply = rpc.prediction.Predict(request)
    assert list(reply.outputs["output_0"].float_val) == [0, 0, 0, 1, 0, 0]
    assert (reply.model_spec.name, reply.model_spec.version.value) == ("emotion", 2)
    assert reply.model_spec.signature_name == "serving_default"


def test_every_type_comes_back_as_the_tensor_it_is(rpc: Rpc):
    reply = rpc.prediction.Predict(predict_request("classify_text", text=[b"one", b"\xff"]))
    arrays = {name: tf.make_ndarray(value) for name, value in reply.outputs.items()}
    assert arrays["text"].tolist() == [b"one", b"\xff"]
    assert arrays["word"].tolist() == [1, -1]
    assert arrays["version"].dtype == np.int32
    assert arrays["probabilities"].shape == (2, 6)
    scalar = rpc.prediction.Predict(predict_request("half_plus_two", x=np.float32(1)))
    assert tf.make_ndarray(scalar.outputs["y"]) == np.float32(2.5)


def test_an_output_filter_chooses(rpc: Rpc):
    request = predict_request("classify_text", text=["one"])
    request.output_filter.append("version")
    assert set(rpc.prediction.Predict(request).outputs) == {"version"}


def broken_tensor(**fields: object) -> predict_pb2.PredictRequest:
    request = predict_request("half_plus_two")
    request.inputs["x"].CopyFrom(tf.make_tensor_proto([1.0]))
    for name, value in fields.items():
        setattr(request.inputs["x"], name, value)
    return request


def huge() -> predict_pb2.PredictRequest:
    request = broken_tensor()
    request.inputs["x"].tensor_shape.dim[0].size = 2**40
    return request


def filtered(*names: str) -> predict_pb2.PredictRequest:
    request = predict_request("classify_text", text=["one"])
    request.output_filter.extend(names)
    return request


def named(name: str, version: int | None = None, label: str = "") -> predict_pb2.PredictRequest:
    request = predict_request("classify_text", text=["one"])
    request.model_spec.name = name
    if version is not None:
        request.model_spec.version.value = version
    if label:
        request.model_spec.version_label = label
    return request


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (predict_pb2.PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (named(""), "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        (named("x"), "NOT_FOUND", "Servable not found for request: Latest(x)"),
        (named("emotion", 9), "NOT_FOUND", "Servable not found for request: Specific(emotion, 9)"),
        (
            named("emotion", label="none"),
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: none",
        ),
        (
            predict_request("nope"),
            "FAILED_PRECONDITION",
            'Serving signature key "nope" not found.',
        ),
        (
            predict_request("two_inputs", number=[1], other=[2]),
            "INVALID_ARGUMENT",
            "input size does not match signature: 2!=2 len({number,other}) != "
            "len({number,pair}). Sent extra: {other}. Missing but required: {pair}.",
        ),
        (
            predict_request("half_plus_two", x=["text"]),
            "INVALID_ARGUMENT",
            "Expects arg[0] to be float32 but string is provided",
        ),
        (broken_tensor(tensor_content=b"abc"), "INVALID_ARGUMENT", "tensor parsing error: x"),
        (broken_tensor(dtype=99), "INVALID_ARGUMENT", "tensor parsing error: x"),
        (huge(), "INVALID_ARGUMENT", "tensor too large: x"),
        (
            filtered("nope"),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: nope Outputs expected to be in the set "
            "{batch,probabilities,raw_bytes,text,version,word}.",
        ),
        (
            filtered("text", "text"),
            "INVALID_ARGUMENT",
            "duplicate output tensor alias: text",
        ),
        (
            predict_request("half_plus_two", x=np.ones(51, np.float32)),
            "INVALID_ARGUMENT",
            "Task size 51 is larger than maximum input batch size 50",
        ),
    ],
)
def test_predict_refuses_as_tensorflow_serving_does(
    rpc: Rpc, request_: predict_pb2.PredictRequest, code: str, message: str
):
    assert refused(rpc.prediction.Predict, request_) == (grpc.StatusCode[code], message)


def test_classify(rpc: Rpc):
    request = classification_pb2.ClassificationRequest()
    request.model_spec.name = "emotion"
    request.model_spec.signature_name = "classify"
    code, message = refused(rpc.prediction.Classify, request)
    assert (code, message) == (grpc.StatusCode.INVALID_ARGUMENT, "Input is empty.")
    with_context = request.input.example_list_with_context
    with_context.examples.append(text_example(b"one"))
    with_context.context.features.feature["weight"].float_list.value.append(0.25)
    reply = rpc.prediction.Classify(request)
    (result,) = reply.result.classifications
    assert [(one.label, one.score) for one in result.classes] == [("one", 3.0), ("one!", 0.25)]
    assert reply.model_spec.version.value == 2


def test_regress(rpc: Rpc):
    request = regression_pb2.RegressionRequest()
    request.model_spec.name = "emotion"
    request.model_spec.signature_name = "regress"
    example = request.input.example_list.examples.add()
    example.features.feature["x"].float_list.value.extend([1.5, 2.0])
    (result,) = rpc.prediction.Regress(request).result.regressions
    assert result.value == 3.5


def test_metadata(rpc: Rpc):
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = "emotion"
    _, message = refused(rpc.prediction.GetModelMetadata, request)
    assert message == "GetModelMetadataRequest must specify at least one metadata_field"
    request.metadata_field.append("signature_def")
    reply = rpc.prediction.GetModelMetadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert reply.metadata["signature_def"].Unpack(signatures)
    signature = signatures.signature_def["two_inputs"]
    assert signature.inputs["pair"].dtype == tf.float32.as_datatype_enum
    assert reply.model_spec.version.value == 2


def test_what_the_contract_does_not_have_is_unimplemented(rpc: Rpc):
    from tensorflow_serving.apis import inference_pb2

    code, _ = refused(rpc.prediction.MultiInference, inference_pb2.MultiInferenceRequest())
    assert code is grpc.StatusCode.UNIMPLEMENTED


def status(rpc: Rpc, name: str = "emotion") -> list[tuple[int, int]]:
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = name
    reply = rpc.model.GetModelStatus(request)
    return [(one.version, one.state) for one in reply.model_version_status]


def test_status(rpc: Rpc):
    available = get_model_status_pb2.ModelVersionStatus.AVAILABLE
    assert status(rpc) == [(2, available)]
    request = get_model_status_pb2.GetModelStatusRequest()
    request.model_spec.name = "x"
    assert refused(rpc.model.GetModelStatus, request) == (
        grpc.StatusCode.NOT_FOUND,
        "Could not find any versions of model x",
    )


def reload_request(name: str, base: object) -> model_management_pb2.ReloadConfigRequest:
    request = model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.config.add(name=name, base_path=str(base))
    return request


def test_the_configuration_is_changed_by_message(rpc: Rpc):
    request = reload_request("emotion", rpc.base.path)
    other = request.config.model_config_list.config.add(name="other", base_path="models")
    other.version_labels["stable"] = 2
    assert rpc.model.HandleReloadConfigRequest(request).status.error_code == 0
    assert rpc.prediction.Predict(named("other", label="stable")).model_spec.version.value == 2
    assert rpc.rest.get("/v1/models/other").status_code == 200
    rpc.model.HandleReloadConfigRequest(reload_request("emotion", rpc.base.path))
    assert refused(rpc.prediction.Predict, named("other"))[0] is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("base", ["/", "/etc", "..", "models/../../.."])
def test_no_message_makes_the_server_read_outside_of_its_folders(rpc: Rpc, base: str):
    code, message = refused(rpc.model.HandleReloadConfigRequest, reload_request("other", base))
    assert code is grpc.StatusCode.PERMISSION_DENIED
    assert str(rpc.base.path.parent) not in message


def test_calls_are_counted_with_their_entrypoint(rpc: Rpc):
    rpc.prediction.Predict(predict_request("classify_text", text=["one"]))
    page = rpc.rest.get("/monitoring/prometheus/metrics").text
    labels = '{model_name="emotion",API="predict",entrypoint="GRPC"}'
    assert f":tensorflow:serving:request_latency_count{labels}" in page


def test_without_a_version_it_is_not_serving(model_base: ModelBase):
    port = free_port()
    settings = ServerSettings(model_base.path, rest_port=free_port(), grpc_port=port)
    with (
        running_server(settings, ready=False) as rest,
        grpc.insecure_channel(f"{ADDRESS}:{port}") as channel,
    ):
        found = Rpc(channel, rest, model_base)
        assert not is_serving(found)
        code, _ = refused(found.prediction.Predict, named("emotion"))
        assert code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNAVAILABLE)


def test_the_key_must_be_shown_but_for_health(model_base: ModelBase):
    model_base.push(1)
    port = free_port()
    settings = ServerSettings(
        model_base.path, rest_port=free_port(), grpc_port=port, api_key="s3cret"
    )
    with (
        running_server(settings) as rest,
        grpc.insecure_channel(f"{ADDRESS}:{port}") as channel,
    ):
        found = Rpc(channel, rest, model_base)
        wait_until(lambda: is_serving(found))
        request = named("emotion")
        assert refused(found.prediction.Predict, request) == (
            grpc.StatusCode.UNAUTHENTICATED,
            "The API key is missing or wrong",
        )
        for metadata in (("authorization", "Bearer s3cret"), ("x-api-key", "s3cret")):
            reply = found.prediction.Predict(request, metadata=[metadata])
            assert reply.model_spec.version.value == 1


def test_a_port_in_use_is_told(model_base: ModelBase, rpc: Rpc):
    import socket

    with socket.socket() as other:
        other.bind((ADDRESS, 0))
        other.listen()
        port = other.getsockname()[1]
        settings = ServerSettings(model_base.path, rest_port=free_port(), grpc_port=port)
        with pytest.raises(UserError, match=f"Port {port} on {ADDRESS} cannot be opened for gRPC"):
            Server(settings).run()
