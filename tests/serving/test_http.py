from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emotion_tfx.serving import Limits, ServerSettings

from .conftest import MODEL, ModelBase, free_port, running_server, wait_until


@pytest.fixture(scope="module")
def client(
    saved_models: dict[int, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A server of version 2 of the toy model, with small limits."""
    base = ModelBase(tmp_path_factory.mktemp("http") / "models", saved_models)
    base.push(2)
    limits = Limits(max_body_bytes=20_000, max_instances=50)
    with running_server(ServerSettings(base.path, rest_port=free_port(), limits=limits)) as client:
        yield client


def predict(client: httpx.Client, signature_name: str = "classify_text", **body: object) -> Any:  # noqa: ANN401
    reply = client.post(f"{MODEL}:predict", json={"signature_name": signature_name, **body})
    assert reply.status_code == 200, reply.text
    return reply.json()


def tf_example(text: bytes) -> bytes:
    import tensorflow as tf

    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
    features = tf.train.Features(feature={"text": feature})
    return tf.train.Example(features=features).SerializeToString()


def test_the_classic_client_gets_its_class(client: httpx.Client):
    example = base64.b64encode(tf_example(b"one")).decode()
    body = json.dumps({"instances": [{"examples": {"b64": example}}]})
    reply = client.post(f"{MODEL}:predict", content=body)
    prediction = reply.json()["predictions"][0]
    assert prediction.index(max(prediction)) == 3


X = '"signature_name": "half_plus_two"'
TWO = '"signature_name": "two_inputs"'
TEXT = '"signature_name": "classify_text"'

#: One row per line of the contract: path after the model's, body, status, reply.
PREDICT_CONTRACT = [
    (":predict", f'{{{X}, "instances": [1.0, 2.0, 5.0]}}', 200, {"predictions": [2.5, 3.0, 4.5]}),
    (":predict", f'{{{X}, "inputs": [1, 2]}}', 200, {"outputs": [2.5, 3.0]}),
    (":predict", f'{{{X}, "inputs": {{"x": 1}}}}', 200, {"outputs": 2.5}),
    (
        ":predict",
        f'{{{X}, "instances": [[[1.0]], [[2.0]]]}}',
        200,
        {"predictions": [[[2.5]], [[3.0]]]},
    ),
    ("/versions/2:predict", f'{{{X}, "instances": [1.0]}}', 200, {"predictions": [2.5]}),
    (":PREDICT", f'{{{X}, "instances": [1.0]}}', 200, {"predictions": [2.5]}),
    (
        ":predict",
        f'{{{TWO}, "instances": [{{"number": 1, "pair": [1, 2]}}]}}',
        200,
        {"predictions": [{"number": 1, "pair": [1.0, 2.0]}]},
    ),
    (
        ":predict",
        f'{{{TWO}, "inputs": {{"number": [1], "pair": [[1, 2]]}}}}',
        200,
        {"outputs": {"number": [1], "pair": [[1.0, 2.0]]}},
    ),
    (
        ":predict",
        '{"signature_name": "total", "inputs": ["one", "two"]}',
        200,
        {"outputs": 6},
    ),
    (
        ":predict",
        '{"signature_name": "total", "instances": ["one"]}',
        400,
        {"error": "Tensor name: total has no shape information "},
    ),
    (":predict", "", 400, {"error": "JSON Parse error: The document is empty"}),
    (
        ":predict",
        "{",
        400,
        {"error": "JSON Parse error: Missing a name for object member. at offset: 1"},
    ),
    (":predict", "[]", 400, {"error": "JSON Value: [] Is not object"}),
    (":predict", f"{{{X}}}", 400, {"error": "Missing 'inputs' or 'instances' key"}),
    (
        ":predict",
        '{"signature_name": "nope", "instances": [1]}',
        400,
        {"error": 'Serving signature name: "nope" not found in signature def'},
    ),
    (
        ":predict",
        f'{{{X}, "instances": ["a"]}}',
        400,
        {
            "error": "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
            'JSON Value: "a" Type: String is not of expected type: float'
        },
    ),
    (
        "/versions/1:predict",
        f'{{{X}, "instances": [1]}}',
        404,
        {"error": "Servable not found for request: Specific(emotion, 1)"},
    ),
    (
        "/versions/18446744073709551615:predict",
        "{}",
        400,
        {"error": "Failed to convert version: 18446744073709551615 to numeric."},
    ),
    ("x:predict", "{}", 404, {"error": "Servable not found for request: Latest(emotionx)"}),
    ("x:predict", "", 400, {"error": "JSON Parse error: The document is empty"}),
    (
        "x/versions/7:predict",
        "{}",
        404,
        {"error": "Servable not found for request: Specific(emotionx, 7)"},
    ),
]


@pytest.mark.parametrize(("path", "body", "status", "reply"), PREDICT_CONTRACT)
def test_predict_keeps_the_contract(
    client: httpx.Client, path: str, body: str, status: int, reply: dict[str, Any]
):
    answer = client.post(MODEL + path, content=body)
    assert (answer.status_code, answer.json()) == (status, reply)
    assert answer.headers["content-type"] == "application/json"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models/emotion:predict"),
        ("POST", "/v1/models/emotion"),
        ("POST", "/v1/models"),
        ("POST", "/v1/models/emotion/version/2:predict"),
        ("POST", "/v1/models/emotion/versions/two:predict"),
        ("POST", "/v1/models/emotion/versions/2/metadata"),
        ("GET", "/v1/models/emotion/metadata/more"),
        ("GET", "/v1/foo"),
        ("DELETE", "/v1/models/emotion"),
        ("PUT", "/v1/models/emotion:predict"),
    ],
)
def test_other_verbs_and_paths_are_malformed_requests(client: httpx.Client, method: str, path: str):
    answer = client.request(method, path)
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": f"Malformed request: {method} {path}"},
    )


def test_the_query_and_percent_signs_in_the_name_make_no_difference(client: httpx.Client):
    assert client.get("/v1/models/%65motion?verbose=1").status_code == 200


STATUS = {
    "model_version_status": [
        {
            "version": "2",
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
    ]
}


@pytest.mark.parametrize(
    ("path", "status", "reply"),
    [
        ("/v1/models/emotion", 200, STATUS),
        ("/v1/models/emotion/versions/2", 200, STATUS),
        (
            "/v1/models/emotion/versions/9",
            404,
            {"error": "Could not find version 9 of model emotion"},
        ),
        ("/v1/models/foo", 404, {"error": "Could not find any versions of model foo"}),
        ("/v1/models/foo/versions/1", 404, {"error": "Could not find version 1 of model foo"}),
        ("/v1/models", 400, {"error": "Missing model name in request."}),
        (
            "/v1/models/foo/metadata",
            404,
            {"error": "Servable not found for request: Latest(foo)"},
        ),
        (
            "/v1/models/emotion/versions/9/metadata",
            404,
            {"error": "Servable not found for request: Specific(emotion, 9)"},
        ),
    ],
)
def test_status_keeps_the_contract(
    client: httpx.Client, path: str, status: int, reply: dict[str, Any]
):
    answer = client.get(path)
    assert (answer.status_code, answer.json()) == (status, reply)


@pytest.mark.parametrize("path", ["/metadata", "/versions/2/metadata"])
def test_metadata_keeps_the_contract(client: httpx.Client, path: str):
    metadata = client.get(MODEL + path).json()
    assert metadata["model_spec"] == {"name": "emotion", "signature_name": "", "version": "2"}
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    signature = signatures["serving_default"]
    assert signature["method_name"] == "tensorflow/serving/predict"
    assert signature["inputs"]["examples"] == {
        "name": "serving_default_examples:0",
        "dtype": "DT_STRING",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
    }


def test_every_byte_of_a_text_arrives(client: httpx.Client):
    texts = ["", "so happy 😄", '\u0000\n"\\', "naïve"]
    rows = predict(client, instances=texts)["predictions"]
    assert [row["text"] for row in rows] == texts
    decoded = [base64.b64decode(row["raw_bytes"]["b64"]) for row in rows]
    assert decoded == [text.encode() for text in texts]


def test_a_text_that_is_not_utf8_comes_back_as_it_went(client: httpx.Client):
    body = b'{"signature_name": "classify_text", "inputs": ["caf\xe9"]}'
    assert b'"text": ["caf\xe9"]' in client.post(f"{MODEL}:predict", content=body).content


def test_nan_goes_in_and_comes_out(client: httpx.Client):
    body = f'{{{X}, "inputs": [NaN, Infinity, -Infinity]}}'
    reply = client.post(f"{MODEL}:predict", content=body)
    assert reply.text == '{"outputs": [NaN, Infinity, -Infinity]}'


def test_what_the_graph_refuses_is_a_bad_request(client: httpx.Client):
    body = {"signature_name": "to_number", "instances": ["abc"]}
    reply = client.post(f"{MODEL}:predict", json=body)
    assert reply.status_code == 400
    assert reply.json()["error"].startswith("StringToNumberOp could not correctly convert string")


def test_concurrent_requests_get_their_own_answers(client: httpx.Client):
    def ask(number: int) -> bool:
        texts = [f"text {number} {i}" for i in range(number % 4 + 1)]
        rows = predict(client, instances=texts)["predictions"]
        return [row["text"] for row in rows] == texts

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(300)))


def test_a_bad_request_harms_none_of_those_it_is_batched_with(client: httpx.Client):
    def ask(number: int) -> bool:
        text = "not a number" if number % 5 == 0 else str(number)
        body = {"signature_name": "to_number", "instances": [text]}
        reply = client.post(f"{MODEL}:predict", json=body)
        if number % 5 == 0:
            return reply.status_code == 400
        return reply.json()["predictions"][0]["number"] == number

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(300)))


def test_a_body_over_the_limit_is_refused(client: httpx.Client):
    body = b"x" * 20_001
    declared = client.post(f"{MODEL}:predict", content=body)
    streamed = client.post(f"{MODEL}:predict", content=iter([body[:10_000], body[10_000:]]))
    for reply in (declared, streamed):
        assert reply.status_code == 413
        assert reply.json() == {"error": "Request body is larger than 20000 bytes"}
    assert client.get("/v2/health/ready").status_code == 200


@pytest.mark.parametrize("key", ["instances", "inputs"])
def test_more_instances_than_allowed_are_refused(client: httpx.Client, key: str):
    body = {"signature_name": "half_plus_two", key: [1.0] * 51}
    reply = client.post(f"{MODEL}:predict", json=body)
    assert (reply.status_code, reply.json()) == (
        400,
        {"error": "Task size 51 is larger than maximum input batch size 50"},
    )


def test_health_of_a_serving_server(client: httpx.Client):
    live, ready = client.get("/v2/health/live"), client.get("/v2/health/ready")
    assert (live.status_code, live.json()) == (200, {"live": True})
    assert (ready.status_code, ready.json()) == (200, {"ready": True})
    assert client.head("/v2/health/ready").status_code == 200


def test_a_server_without_a_version_is_alive_but_not_ready(model_base: ModelBase):
    settings = ServerSettings(model_base.path, rest_port=free_port(), poll_seconds=0.02)
    with running_server(settings, ready=False) as client:
        ready = client.get("/v2/health/ready")
        assert (ready.status_code, ready.json()) == (503, {"ready": False})
        status = client.get(MODEL)
        assert (status.status_code, status.json()) == (
            404,
            {"error": "Could not find any versions of model emotion"},
        )
        answer = client.post(f"{MODEL}:predict", json={"instances": ["a"]})
        assert (answer.status_code, answer.json()) == (
            404,
            {"error": "Servable not found for request: Latest(emotion)"},
        )
        page = client.get("/monitoring/prometheus/metrics").text
        assert 'emotion_ready_versions{model_name="emotion"} 0\n' in page
        assert 'request_count{model_name="emotion",status="INTERNAL"} 0\n' in page
        assert "emotion_model_version{" not in page


def test_pages_that_are_not_there(client: httpx.Client):
    missing = client.get("/index.html")
    assert (missing.status_code, missing.json()) == (404, {"error": "Not Found"})
    wrong_verb = client.post("/v2/health/live")
    assert wrong_verb.status_code == 405
    assert wrong_verb.headers["allow"] == "GET, HEAD"


METRICS = "/monitoring/prometheus/metrics"


def metric(client: httpx.Client, line: str) -> int:
    found = re.search(rf"^{re.escape(line)} (\d+)$", client.get(METRICS).text, flags=re.MULTILINE)
    return int(found[1]) if found else 0


def test_requests_are_counted_by_status_and_successes_are_timed(client: httpx.Client):
    ok = ':tensorflow:serving:request_count{model_name="emotion",status="OK"}'
    bad = ':tensorflow:serving:request_count{model_name="emotion",status="INVALID_ARGUMENT"}'
    strange = ':tensorflow:serving:request_count{model_name="",status="NOT_FOUND"}'
    labels = '{model_name="emotion",API="predict",entrypoint="REST"}'
    timed = f":tensorflow:serving:request_latency_count{labels}"
    lines = (ok, bad, strange, timed, ":tensorflow:core:graph_runs{}")
    before = [metric(client, line) for line in lines]
    predict(client, instances=["a"])
    client.post(f"{MODEL}:predict", content="{")
    client.get("/v1/models/somebody-elses")
    after = [metric(client, line) for line in lines]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1] * len(lines)
    assert "somebody-elses" not in client.get(METRICS).text


def test_the_metrics_page_is_prometheus_text(client: httpx.Client):
    reply = client.get(METRICS)
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    line = re.compile(r"# TYPE [\w:]+ (counter|gauge|histogram)|[\w:]+\{.*\} [-+.e\d]+")
    assert all(line.fullmatch(text) for text in reply.text.splitlines())


def test_each_request_has_a_line_in_the_access_log_without_its_text(
    client: httpx.Client, capfd: pytest.CaptureFixture[str]
):
    predict(client, instances=["my deepest secret"])
    client.post(f"{MODEL}:predict?text=my+deepest+secret", content='{"instances": ["my secret')
    client.get("/my/deepest/secret")
    lines: list[str] = []

    def written() -> bool:
        lines.extend(line for line in capfd.readouterr().err.splitlines() if line[:1] == "{")
        return len(lines) >= 3

    wait_until(written)
    entries = [json.loads(line) for line in lines[-3:]]
    assert [(entry["path"], entry["status"]) for entry in entries] == [
        ("/v1/models/emotion:predict", 200),
        ("/v1/models", 400),
        ("-", 404),
    ]
    keys = {"time", "client", "method", "path", "status", "bytes", "milliseconds"}
    assert all(entry.keys() == keys for entry in entries)
    assert "secret" not in "".join(lines)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["text", "x", "b64"]), inner, max_size=2)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(
    ["serving_default", "classify_text", "half_plus_two", "two_inputs", "total"]
)
BODIES = st.binary(max_size=50) | st.builds(
    lambda name, key, value: json.dumps({"signature_name": name, key: value}).encode(),
    NAMES,
    st.sampled_from(["instances", "inputs"]),
    JSON_VALUES,
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=BODIES)
@example(body=b'{"signature_name": "classify_text", "inputs": []}')
@example(body=b'{"signature_name": "classify_text", "inputs": "scalar"}')
@example(body=b'{"signature_name": "two_inputs", "inputs": {"number": [], "pair": [1]}}')
def test_no_body_makes_the_server_fail(client: httpx.Client, body: bytes):
    reply = client.post(f"{MODEL}:predict", content=body)
    assert reply.status_code < 500
    assert reply.status_code == 200 or reply.json().keys() == {"error"}


@settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(method=st.sampled_from(["GET", "POST", "PUT"]), path=st.text(max_size=20))
def test_no_path_makes_the_server_fail(client: httpx.Client, method: str, path: str):
    url = f"/v1/models/{quote(path, safe='/:')}"
    assert client.request(method, url, content=b"{}").status_code < 500
