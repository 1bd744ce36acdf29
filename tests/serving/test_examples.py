from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from emotion_tfx.serving import ServerSettings

from .conftest import MODEL, ModelBase, free_port, running_server

X = "Expected classification signature method_name to be tensorflow/serving/classify. Was: "
CLASSIFY = {"signature_name": "classify"}
REGRESS = {"signature_name": "regress"}
NAN = float("nan")


@pytest.fixture(scope="module")
def client(
    saved_models: dict[int, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    base = ModelBase(tmp_path_factory.mktemp("examples") / "models", saved_models)
    base.push(2)
    with running_server(ServerSettings(base.path, rest_port=free_port())) as client:
        yield client


#: One row per line of the contract: call, body, status, reply.
CONTRACT: list[tuple[str, Any, int, Any]] = [
    (
        "classify",
        {**CLASSIFY, "examples": [{"text": "one"}, {"text": ["three"], "weight": 0.25}]},
        200,
        {"results": [[["one", 3.0], ["one!", 0.5]], [["three", 5.0], ["three!", 0.25]]]},
    ),
    (
        "classify",
        {
            **CLASSIFY,
            "context": {"weight": 0.125, "text": "from the context"},
            "examples": [{"text": "one"}, {"weight": 2.0}],
        },
        200,
        {
            "results": [
                [["one", 3.0], ["one!", 0.125]],
                [["from the context", 16.0], ["from the context!", 2.0]],
            ]
        },
    ),
    (
        "classify",
        {**CLASSIFY, "examples": [{"text": {"b64": base64.b64encode(b"one").decode()}}]},
        200,
        {"results": [[["one", 3.0], ["one!", 0.5]]]},
    ),
    ("regress", {**REGRESS, "examples": [{"x": [1.5, 2.0]}]}, 200, {"results": [3.5]}),
    (
        "classify",
        {"examples": [{"text": "one"}]},
        400,
        {"error": X + "tensorflow/serving/predict"},
    ),
    (
        "classify",
        {**REGRESS, "examples": [{"text": "one"}]},
        400,
        {"error": X + "tensorflow/serving/regress"},
    ),
    (
        "regress",
        {"signature_name": "nope", "examples": [{"x": 1.0}]},
        400,
        {"error": "No signature was found with the name: nope"},
    ),
    (
        "classify",
        CLASSIFY,
        400,
        {
            "error": 'JSON Value: {"signature_name": "classify"} When method is classify, key '
            "'examples' is expected and was not found"
        },
    ),
    (
        "classify",
        {"examples": 1},
        400,
        {"error": "JSON Value: {\"examples\": 1} Expecting 'examples' value to be an list/array"},
    ),
    (
        "classify",
        {"examples": []},
        400,
        {"error": "JSON Value: {\"examples\": []} 'examples' value is an empty array"},
    ),
    (
        "classify",
        {"examples": ["one"]},
        400,
        {"error": "Example must be JSON object but got JSON String"},
    ),
    (
        "classify",
        {"examples": [{"text": None}]},
        400,
        {"error": "Feature: text has element with unexpected JSON type: Null"},
    ),
    (
        "classify",
        {"examples": [{"text": [["one"]]}]},
        400,
        {"error": "Feature: text has element with unexpected JSON type: Array"},
    ),
    (
        "classify",
        {"examples": [{"text": ["one", 1]}]},
        400,
        {"error": "Unexpected element type in feature: text expecting type: bytes"},
    ),
    (
        "classify",
        {"examples": [{"n": 2**64 - 1}]},
        400,
        {"error": "Feature: n has uint64 element. Only int64 is supported."},
    ),
    (
        "regress",
        {**REGRESS, "examples": [{"x": [1, 2]}]},
        400,
        "Data types don't match",
    ),
    ("classify", b"{", 400, "JSON Parse error: Missing a name for object member."),
]


@pytest.mark.parametrize(("call", "body", "status", "reply"), CONTRACT)
def test_classify_and_regress_keep_the_contract(
    client: httpx.Client, call: str, body: object, status: int, reply: object
):
    content = {"content": body} if isinstance(body, bytes) else {"json": body}
    answer = client.post(f"{MODEL}:{call}", **content)
    assert answer.status_code == status
    if isinstance(reply, str):
        assert reply in answer.json()["error"]
    else:
        assert answer.json() == reply


def test_a_model_that_does_not_serve_cannot_classify(client: httpx.Client):
    body = {"examples": [{"text": "one"}]}
    answer = client.post(f"{MODEL}x/versions/3:classify", json=body)
    assert (answer.status_code, answer.json()) == (
        404,
        {"error": "Servable not found for request: Specific(emotionx, 3)"},
    )


def test_both_calls_are_timed_under_their_own_names(client: httpx.Client):
    client.post(f"{MODEL}:classify", json={**CLASSIFY, "examples": [{"text": "one"}]})
    client.post(f"{MODEL}:regress", json={**REGRESS, "examples": [{"x": [1.0, 2.0]}]})
    page = client.get("/monitoring/prometheus/metrics").text
    for api in ("classify", "regress"):
        labels = f'{{model_name="emotion",API="{api}",entrypoint="REST"}}'
        assert f":tensorflow:serving:request_latency_count{labels}" in page
