from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.http as triton

from emotion_tfx.serving import ServerSettings

from .conftest import ModelBase, free_port, running_server

INFER = "/v2/models/emotion/infer"


@pytest.fixture(scope="module")
def client(
    saved_models: dict[int, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    base = ModelBase(tmp_path_factory.mktemp("inference") / "models", saved_models)
    base.push(2)
    with running_server(ServerSettings(base.path, rest_port=free_port())) as client:
        yield client


@pytest.fixture
def triton_client(client: httpx.Client) -> Iterator[triton.InferenceServerClient]:
    found = triton.InferenceServerClient(f"{client.base_url.host}:{client.base_url.port}")
    yield found
    found.close()


def strings(*values: str) -> np.ndarray:
    return np.array(values, object)


def tensor(name: str, array: np.ndarray, datatype: str, *, binary: bool) -> triton.InferInput:
    found = triton.InferInput(name, list(array.shape), datatype)
    found.set_data_from_numpy(array, binary_data=binary)
    return found


def test_the_health_and_the_metadata_that_tritons_client_asks_for(
    triton_client: triton.InferenceServerClient,
):
    assert triton_client.is_server_live()
    assert triton_client.is_server_ready()
    assert triton_client.is_model_ready("emotion")
    assert triton_client.is_model_ready("emotion", "2")
    assert not triton_client.is_model_ready("emotion", "7")
    assert not triton_client.is_model_ready("other")
    assert triton_client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    assert triton_client.get_model_metadata("emotion") == {
        "name": "emotion",
        "versions": ["2"],
        "platform": "tensorflow_savedmodel",
        "inputs": [{"name": "examples", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [{"name": "output_0", "datatype": "FP32", "shape": [-1, 6]}],
    }


@pytest.mark.parametrize("binary", [True, False])
def test_tritons_client_infers_from_texts(
    triton_client: triton.InferenceServerClient, binary: bool
):
    inputs = [tensor("text", strings("one", "naïve 😄"), "BYTES", binary=binary)]
    result = triton_client.infer("emotion", inputs, request_id="7", model_version="2")
    assert result.as_numpy("text").tolist() == [b"one", "naïve 😄".encode()]
    assert result.as_numpy("probabilities").argmax(axis=1).tolist() == [3, 5]
    assert result.as_numpy("version").tolist() == [2, 2]
    response = result.get_response()
    assert (response["model_name"], response["model_version"], response["id"]) == (
        "emotion",
        "2",
        "7",
    )


def test_tritons_client_chooses_outputs_and_how_they_come(
    triton_client: triton.InferenceServerClient,
):
    inputs = [
        tensor("number", np.array([5]), "INT64", binary=True),
        tensor("pair", np.array([[1, np.nan]], np.float32), "FP32", binary=True),
    ]
    outputs = [
        triton.InferRequestedOutput("pair", binary_data=True),
        triton.InferRequestedOutput("number", binary_data=False),
    ]
    result = triton_client.infer("emotion", inputs, outputs=outputs)
    np.testing.assert_array_equal(result.as_numpy("pair"), [[1, np.nan]])
    assert result.get_response()["outputs"][1]["data"] == [5]


def test_tritons_client_may_pack_what_it_sends_and_gets(
    triton_client: triton.InferenceServerClient,
):
    inputs = [tensor("text", strings(*["one"] * 200), "BYTES", binary=True)]
    result = triton_client.infer(
        "emotion",
        inputs,
        request_compression_algorithm="gzip",
        response_compression_algorithm="gzip",
    )
    assert len(result.as_numpy("text")) == 200


def test_a_request_may_name_its_signature(client: httpx.Client):
    body = {
        "parameters": {"signature_name": "half_plus_two"},
        "inputs": [{"name": "x", "shape": [2, 1], "datatype": "FP32", "data": [[1], [2]]}],
    }
    (output,) = client.post(INFER, json=body).json()["outputs"]
    assert output == {"name": "y", "datatype": "FP32", "shape": [2, 1], "data": [2.5, 3.0]}


TEXT = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["one"]}


def text(**changes: object) -> dict[str, Any]:
    return {"inputs": [{**TEXT, **changes}]}


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        (INFER, {}, 400, "'inputs' must be an array"),
        (INFER, {"inputs": []}, 400, "'inputs' is empty"),
        (INFER, {"inputs": [1]}, 400, "'inputs' must be an array of objects"),
        (INFER, {"inputs": [TEXT, TEXT]}, 400, "Two inputs have the same name"),
        (INFER, text(name=None), 400, "'name' must be a string"),
        (INFER, text(name="nope"), 400, "The inputs are not those of the model: it takes examples"),
        (INFER, text(datatype="FP32"), 400, "input 'text' has the datatype FP32, but the model"),
        (INFER, text(shape=[-1]), 400, "input 'text' has a shape that is not one of whole"),
        (INFER, text(shape=[10**30]), 400, "input 'text' has 1 values, but its shape asks for"),
        (INFER, text(shape=[1] * 40), 400, "input 'text' has too many dimensions"),
        (INFER, text(data=[1]), 400, "JSON Value: 1 Type: Number is not of expected type: string"),
        (
            INFER,
            text(parameters={"binary_data_size": 9}),
            400,
            "input 'text' is longer than the body",
        ),
        (
            INFER,
            {**text(), "outputs": [{"name": "nope"}]},
            400,
            "The model has no such outputs: it has batch",
        ),
        (
            INFER,
            {**text(), "outputs": [{"name": "text", "parameters": {"classification": 3}}]},
            501,
            "The classification extension is not supported",
        ),
        ("/v2/models/x/infer", text(), 404, "Servable not found for request: Latest(x)"),
        ("/v2/models/emotion/versions/x/infer", text(), 400, "A version is a number"),
        ("/v2/models/emotion/versions/9/infer", text(), 404, "Servable not found"),
        ("/v2/nonsense", text(), 404, "Not Found"),
    ],
)
def test_what_is_wrong_is_told(
    client: httpx.Client, path: str, body: dict[str, Any], status: int, error: str
):
    reply = client.post(path, json=body)
    assert (reply.status_code, reply.json()["error"][: len(error)]) == (status, error)


@pytest.mark.parametrize(
    ("head", "tail", "error"),
    [
        (b"x", b"", "Inference-Header-Content-Length is not the JSON's length"),
        (b"999999", b"", "Inference-Header-Content-Length is not the JSON's length"),
        (None, b"\x03\0\0\0on", "input 'text' ends within a value"),
        (None, b"\x03\0", "input 'text' ends within a value"),
        (None, b"\x03\0\0\0one!", "input 'text' ends within a value"),
    ],
)
def test_packed_data_that_is_not_right_is_told(
    client: httpx.Client, head: bytes | None, tail: bytes, error: str
):
    import json

    entry = {k: v for k, v in TEXT.items() if k != "data"}
    entry["parameters"] = {"binary_data_size": len(tail)}
    document = json.dumps({"inputs": [entry]}).encode()
    length = str(len(document)).encode() if head is None else head
    headers = {b"Inference-Header-Content-Length": length}
    reply = client.post(INFER, content=document + tail, headers=headers)
    assert (reply.status_code, reply.json()["error"]) == (400, error)


def test_verbs_are_checked(client: httpx.Client):
    assert client.get(INFER).status_code == 405
    assert client.post("/v2/models/emotion").status_code == 405
    assert client.get("/v2").json()["name"] == "emotion-tfx"
