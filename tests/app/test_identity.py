"""What a private service on Cloud Run is shown, beside a metadata server like Google's."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from .small_server import SmallServer

ASK = """
import sys
from emotion_tfx.app.client import EmotionServer, ServerError
from emotion_tfx.app.identity import GoogleIdentity
server = EmotionServer(sys.argv[1], "the key", GoogleIdentity(sys.argv[1]))
try:
    for text in sys.argv[2:]:
        print(server.answers([text]).model)
except ServerError as error:
    print(error.reason, error.detail)
"""


def token(audience: str, lives: float, number: int) -> str:
    """A token in the form of Google's, with a signature that nobody here looks at."""
    parts = (
        {"alg": "RS256", "typ": "JWT"},
        {"aud": audience, "exp": int(time.time() + lives), "n": number},
    )
    written = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in parts]
    return ".".join([*(part.rstrip("=") for part in written), "c2ln"])


class Metadata(ThreadingHTTPServer):
    """A metadata server; ``asked`` has the audiences it was asked tokens for."""

    def __init__(self, lives: float) -> None:
        self.asked: list[str] = []
        self.lives = lives
        super().__init__(("127.0.0.1", 0), Answering)


class Answering(BaseHTTPRequestHandler):
    server: Metadata

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        body, kind = "", "application/text"
        if address.path.endswith("/service-accounts/default/"):
            body, kind = json.dumps({"email": "app@example.iam", "scopes": []}), "application/json"
        elif address.path.endswith("/service-accounts/default/identity"):
            (audience,) = parse_qs(address.query)["audience"]
            self.server.asked.append(audience)
            body = token(audience, self.server.lives, len(self.server.asked))
        self.send_response(200)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=[3600.0])
def metadata(request: pytest.FixtureRequest) -> Iterator[Metadata]:
    with Metadata(request.param) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(address: str, host: str, *texts: str) -> str:
    environment = {
        **os.environ,
        "GCE_METADATA_HOST": host,
        "GCE_METADATA_IP": host,
        "GCE_METADATA_DETECT_RETRIES": "1",
    }
    environment.pop("GOOGLE_APPLICATION_CREDENTIALS", None)
    ended = subprocess.run(
        [sys.executable, "-c", ASK, address, *texts],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return ended.stdout


def shown(small: SmallServer) -> list[str]:
    return [headers.get("Authorization", "").removeprefix("Bearer ") for headers in small.headers]


def number(shown_token: str) -> int:
    part = shown_token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["n"]


def test_requests_show_a_token_meant_for_the_server_and_ask_for_it_once(
    small: SmallServer, metadata: Metadata
):
    ask(small.address, f"127.0.0.1:{metadata.server_port}", "one", "two")
    assert metadata.asked == [small.address]
    assert [number(each) for each in shown(small)] == [1, 1]
    assert small.headers[0]["X-API-Key"] == "the key", "the two do not get in each other's way"


@pytest.mark.parametrize("metadata", [1.0], indirect=True)
def test_a_token_about_to_expire_is_replaced(small: SmallServer, metadata: Metadata):
    ask(small.address, f"127.0.0.1:{metadata.server_port}", "one", "two")
    assert [number(each) for each in shown(small)] == [1, 2]


def test_where_nobody_gives_a_token_the_error_says_so_and_nothing_is_sent(small: SmallServer):
    told = ask(small.address, "127.0.0.1:9", "one")
    assert told.startswith("key no Google identity")
    assert not small.headers
