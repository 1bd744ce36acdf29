"""Raw connections: what no well-behaved client sends, and what some do."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from emotion_tfx.serving import Limits, ServerSettings

from .conftest import MODEL, ModelBase, free_port, running_server

RECEIVE_SECONDS = 1.0


@pytest.fixture(scope="module")
def client(
    saved_models: dict[int, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    """A server that is impatient and takes few connections and small bodies."""
    base = ModelBase(tmp_path_factory.mktemp("connections") / "models", saved_models)
    base.push(2)
    limits = Limits(
        max_body_bytes=200_000,
        max_buffered_bytes=300_000,
        max_connections=40,
        receive_seconds=RECEIVE_SECONDS,
    )
    settings = ServerSettings(base.path, rest_port=free_port(), limits=limits)
    with running_server(settings) as client:
        yield client


def connect(client: httpx.Client) -> socket.socket:
    url = client.base_url
    return socket.create_connection((url.host, url.port or 80), timeout=30)


def post(text: str, path: str = f"{MODEL}:predict") -> bytes:
    body = json.dumps({"signature_name": "classify_text", "instances": [text]}).encode()
    return b"POST %s HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%s" % (
        path.encode(),
        len(body),
        body,
    )


def read_replies(connection: socket.socket, count: int) -> list[bytes]:
    """Bodies of replies that come one after another on a connection."""
    stream = connection.makefile("rb")
    bodies = []
    for _ in range(count):
        assert stream.readline().startswith(b"HTTP/1.1 200")
        length = 0
        while (line := stream.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            if name == b"content-length":
                length = int(value)
        bodies.append(stream.read(length))
    return bodies


def ended(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    received = b""
    while True:
        try:
            chunk = connection.recv(65536)
        except ConnectionResetError:
            return received
        if not chunk:
            return received
        received += chunk


def test_the_head_of_a_reply_and_its_body_come_in_one_piece(client: httpx.Client):
    with connect(client) as connection:
        for _ in range(20):
            connection.sendall(post("in one"))
            head, _, body = connection.recv(65536).partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200")
            assert json.loads(body)


def test_a_client_that_asks_first_is_told_to_send_its_body(client: httpx.Client):
    head, _, body = post("may i?").partition(b"\r\n\r\n")
    with connect(client) as connection:
        connection.sendall(head + b"\r\nexpect: 100-continue\r\n\r\n")
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert len(read_replies(connection, 1)) == 1


def test_requests_sent_one_behind_the_other_are_answered_in_their_order(client: httpx.Client):
    texts = [f"text {number}" for number in range(20)]
    with connect(client) as connection:
        connection.sendall(b"".join(map(post, texts)))
        replies = [json.loads(body) for body in read_replies(connection, len(texts))]
    assert [reply["predictions"][0]["text"] for reply in replies] == texts


def test_a_connection_is_kept_for_the_next_request(client: httpx.Client):
    with connect(client) as connection:
        for number in range(3):
            connection.sendall(post(f"text {number}"))
            (body,) = read_replies(connection, 1)
            assert json.loads(body)["predictions"][0]["text"] == f"text {number}"


@pytest.mark.parametrize(
    "sent",
    [b"", b"POST /v1/models/emo", post("one")[:-5], b"GET / HTTP/1.1\r\nx: y"],
    ids=["nothing", "half a line", "half a body", "half a header"],
)
def test_a_client_that_stops_midway_is_cut_off_and_harms_nobody(client: httpx.Client, sent: bytes):
    with connect(client) as connection:
        connection.sendall(sent)
        assert client.get("/v2/health/ready").status_code == 200
        assert ended(connection) == b""


def test_a_header_without_end_is_cut_off(client: httpx.Client):
    with connect(client) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nx: ")
        try:
            for _ in range(40):
                connection.sendall(b"y" * 8192)
        except (BrokenPipeError, ConnectionResetError):
            return
        assert ended(connection).startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))


def test_what_is_not_http_is_refused(client: httpx.Client):
    with connect(client) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        assert ended(connection).startswith(b"HTTP/1.1 400")


def test_more_connections_than_allowed_are_told_so(client: httpx.Client):
    connections = [connect(client) for _ in range(60)]
    try:
        refused = connections[-1].recv(200)
        assert refused.startswith(b"HTTP/1.1 503")
    finally:
        for connection in connections:
            connection.close()


def refusals(client: httpx.Client, status: int) -> float:
    while not (reply := client.get("/monitoring/prometheus/metrics")).is_success:
        time.sleep(0.01)  # Connections that others have just closed still count.
    start = f'emotion_refused_requests_total{{status="{status}"}} '
    return sum(
        float(line.removeprefix(start))
        for line in reply.text.splitlines()
        if line.startswith(start)
    )


def test_refusals_are_counted_though_no_interface_sees_them(client: httpx.Client):
    before = {status: refusals(client, status) for status in (413, 503)}
    assert client.post(f"{MODEL}:predict", content=b" " * 300_000).status_code == 413
    connections = [connect(client) for _ in range(41)]
    try:
        assert connections[-1].recv(200).startswith(b"HTTP/1.1 503")
    finally:
        for connection in connections:
            connection.close()
    after = {status: refusals(client, status) for status in (413, 503)}
    assert after[413] == before[413] + 1
    assert after[503] > before[503]


def test_large_bodies_at_a_time_are_bounded_together(client: httpx.Client):
    half = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 150000\r\n\r\n" + b" " * 140_000
    with connect(client) as one, connect(client) as other, connect(client) as third:
        for connection in (one, other):
            connection.sendall(half)
        third.sendall(half)
        # One of them is refused at once, before its body is complete.
        found = [peek(connection) for connection in (one, other, third)]
        assert any(reply.startswith(b"HTTP/1.1 503") for reply in found)


def peek(connection: socket.socket) -> bytes:
    connection.settimeout(0.3)
    try:
        return connection.recv(200)
    except (TimeoutError, ConnectionResetError):
        return b""


def test_a_packed_body_is_unpacked_and_a_large_reply_packed(client: httpx.Client):
    body = json.dumps({"signature_name": "classify_text", "instances": ["one"] * 50}).encode()
    headers = {"content-encoding": "gzip", "accept-encoding": "gzip"}
    reply = client.post(f"{MODEL}:predict", content=gzip.compress(body), headers=headers)
    assert reply.headers["content-encoding"] == "gzip"
    assert len(reply.json()["predictions"]) == 50
    plain = client.post(f"{MODEL}:predict", content=body, headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.json() == reply.json()


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (gzip.compress(b" " * 10_000_000), "gzip", 413),
        (b"no gzip at all", "gzip", 400),
        (gzip.compress(b"{}")[:-4], "gzip", 400),
        (b"{}", "br", 415),
    ],
    ids=["a bomb", "not packed", "cut off", "another way"],
)
def test_bodies_packed_badly_are_refused(
    client: httpx.Client, body: bytes, encoding: str, status: int
):
    headers = {"content-encoding": encoding}
    reply = client.post(f"{MODEL}:predict", content=body, headers=headers)
    assert reply.status_code == status
    assert reply.json().keys() == {"error"}


def test_slow_and_broken_clients_do_not_delay_the_others(client: httpx.Client):
    slow = [connect(client) for _ in range(20)]
    try:
        for connection in slow:
            connection.sendall(post("one")[:-5])
        with ThreadPoolExecutor(4) as pool:
            asked = {"signature_name": "classify_text", "instances": ["one"]}
            replies = pool.map(lambda _: client.post(f"{MODEL}:predict", json=asked), range(40))
            assert {reply.status_code for reply in replies} == {200}
    finally:
        for connection in slow:
            connection.close()


def test_the_key_must_be_shown(model_base: ModelBase):
    model_base.push(1)
    settings = ServerSettings(model_base.path, rest_port=free_port(), api_key="s3cret")
    asked = {"signature_name": "classify_text", "instances": ["one"]}
    with running_server(settings) as client:
        refused = client.post(f"{MODEL}:predict", json=asked)
        assert (refused.status_code, refused.json()) == (
            401,
            {"error": "The API key is missing or wrong"},
        )
        assert refused.headers["www-authenticate"] == "Bearer"
        for path in ("/monitoring/prometheus/metrics", MODEL, "/v2", "/v1/emotions/model"):
            assert client.get(path).status_code == 401
        for headers in (
            {"authorization": "Bearer wrong"},
            {"authorization": "s3cret"},
            {"x-api-key": "s3cretly"},
        ):
            assert client.get(MODEL, headers=headers).status_code == 401
        for headers in (
            {"authorization": "Bearer s3cret"},
            {"authorization": "bearer s3cret"},
            {"x-api-key": "s3cret"},
        ):
            assert client.post(f"{MODEL}:predict", json=asked, headers=headers).is_success
        for path in ("/docs", "/openapi.json"):
            assert client.get(path).status_code == 200
        assert client.get("/openapi.json").json()["security"] == [{"key": []}]


def test_no_origin_is_allowed_to_read_from_a_page_of_another(client: httpx.Client):
    reply = client.get(MODEL, headers={"origin": "http://evil.example"})
    assert not [name for name in reply.headers if name.startswith("access-control")]
