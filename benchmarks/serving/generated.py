"""Generated requests, most of them wrong: none may end in a 5xx, a crash, or another's answer.

Bodies come from hypothesis and go out several at a time; among them are texts whose answers are
known. A last part comes from the OpenAPI document, by schemathesis.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import httpx
import schemathesis
import typer
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from load import rss_mib, running, texts

from emotion_tfx.model.locate import shipped_base

_PORT = 18671
_ADDRESS = f"http://127.0.0.1:{_PORT}"
_TOGETHER = 25
_ALLOWED = {200, 400, 404, 405, 413, 415, 501}
_LARGEST = 20  # The large ones are slow: so many of each.

Call = tuple[str, bytes]

_TEXTS = st.text(max_size=30) | st.sampled_from(
    ["", "\0", "😀" * 20, "so " * 300, "ﬁ\u202e\u0301", "<b>&amp;</b>", "a" * 500]
)
_NUMBERS = (
    st.integers()
    | st.floats()
    | st.sampled_from([2**63, -(2**63) - 1, 10**400, 1e308, 5e-324, float("nan")])
)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXTS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["b64", "text", "examples", "name", "data"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)
_SIGNATURES = st.sampled_from(
    ["classify_text", "serving_default", "explain_text", "transform_features", "nope", ""]
)
_PREDICT = st.builds(
    lambda name, key, value: {"signature_name": name, key: value},
    _SIGNATURES,
    st.sampled_from(["instances", "inputs", "examples"]),
    st.lists(_TEXTS, max_size=5) | st.lists(st.fixed_dictionaries({"text": _TEXTS})) | _VALUES,
)
_PEOPLE = st.fixed_dictionaries(
    {},
    optional={
        "text": _TEXTS | _VALUES,
        "texts": st.lists(_TEXTS, max_size=4) | _VALUES,
        "explain": st.booleans() | _VALUES,
    },
)
_TENSOR = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["text", "examples", "x"]),
        "shape": st.lists(st.integers(-1, 3), max_size=2) | _VALUES,
        "datatype": st.sampled_from(["BYTES", "FP32", "INT64", "?"]),
        "data": st.lists(_TEXTS, max_size=3) | _VALUES,
    }
)
_INFER = st.fixed_dictionaries({"inputs": st.lists(_TENSOR, max_size=2) | _VALUES})


def _encoded(document: object) -> bytes:
    return json.dumps(document).encode()


def _cut(body: bytes, place: int) -> bytes:
    return body[: place % (len(body) + 1)]


_CALLS: st.SearchStrategy[Call] = st.one_of(
    st.tuples(
        st.sampled_from(
            [
                "/v1/models/emotion:predict",
                "/v1/models/emotion:classify",
                "/v1/models/emotion:regress",
                "/v1/models/emotion/versions/1:predict",
                "/v1/models/emotion/labels/x:predict",
            ]
        ),
        _PREDICT.map(_encoded),
    ),
    st.tuples(st.just("/v1/emotions"), _PEOPLE.map(_encoded)),
    st.tuples(st.just("/v2/models/emotion/infer"), _INFER.map(_encoded)),
    st.tuples(
        st.sampled_from(["/v1/emotions", "/v1/models/emotion:predict", "/v2/models/emotion/infer"]),
        st.binary(max_size=60)
        | st.builds(_cut, (_PREDICT | _PEOPLE).map(_encoded), st.integers(0, 10_000)),
    ),
)


def _large() -> list[Call]:
    """Bodies that hypothesis would take too long to make."""
    predict, people = "/v1/models/emotion:predict", "/v1/emotions"
    classify = {"signature_name": "classify_text"}
    deep = b"[" * 100_000 + b"]" * 100_000
    return [
        (predict, _encoded({**classify, "instances": ["so happy"] * 10_000})),
        (predict, _encoded({**classify, "instances": ["so happy"] * 4096})),
        (predict, _encoded({**classify, "instances": ["happy " * 170_000]})),
        (predict, _encoded({**classify, "instances": []})),
        (predict, b'{"signature_name": "classify_text", "instances": ' + deep + b"}"),
        (predict, b'{"signature_name": "classify_text", "inputs": ["' + b"\xff" * 1000 + b'"]}'),
        (predict, b'{"signature_name": "classify_text", "inputs": ["\\ud800"]}'),
        (predict, b'{"signature_name": "classify_text", "inputs": [' + b"9" * 10_000 + b"]}"),
        (people, _encoded({"texts": ["so happy"] * 10_000})),
        (people, _encoded({"texts": ["so happy"] * 200, "explain": True})),
        (people, _encoded({"text": "happy " * 170_000})),
        (people, _encoded({"text": "happy " * 1_600, "explain": True})),
        (people, b'{"text": ' + deep + b"}"),
    ]


class _Checker:
    """Sends requests and keeps count of what comes back."""

    def __init__(self, client: httpx.Client, expected: dict[str, Any]) -> None:
        self._client = client
        self._expected = list(expected.items())
        self.statuses: Counter[int] = Counter()

    def send(self, call: Call) -> None:
        """Sends a body; the reply must be one that the contract has."""
        path, body = call
        reply = self._client.post(path, content=body)
        self.statuses[reply.status_code] += 1
        assert reply.status_code in _ALLOWED, (reply.status_code, path, body[:500])
        assert reply.status_code == 200 or reply.json().keys() == {"error"}, (path, body[:500])

    def ask(self, number: int) -> None:
        """Asks about a text whose answer is known."""
        text, expected = self._expected[number % len(self._expected)]
        reply = self._client.post("/v1/emotions", json={"text": text})
        self.statuses[reply.status_code] += 1
        answer = reply.json()
        assert answer["label"] == expected["label"], (text, answer)
        assert abs(answer["confidence"] - expected["confidence"]) < 1e-4, (text, answer)


def main(
    requests: Annotated[int, typer.Option(help="How many, at least.")] = 100_000,
    seed: Annotated[int, typer.Option(help="Of what is generated.")] = 0,
) -> None:
    """Send generated requests to a server of the shipped model. Takes some ten minutes."""
    command = [
        str(Path(sys.executable).parent / "emotion"),
        "serve",
        f"--model-base={shipped_base()}",
        f"--rest-port={_PORT}",
        "--grpc-port=0",
    ]
    with (
        tempfile.TemporaryDirectory() as scratch,
        running(command, f"{_ADDRESS}/v2/health/ready", log=Path(scratch) / "log") as (server, _),
        httpx.Client(base_url=_ADDRESS, timeout=120) as client,
        ThreadPoolExecutor(8) as pool,
    ):
        begin = time.monotonic()
        expected = {
            text: client.post("/v1/emotions", json={"text": text}).json() for text in texts(100)
        }
        checker = _Checker(client, expected)
        large = _large() * _LARGEST
        list(pool.map(checker.send, large))
        from_document = _from_document(requests // 20)
        left = requests - len(large) - from_document

        @settings(
            max_examples=left // (_TOGETHER + 1) + 1,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(_CALLS, min_size=_TOGETHER, max_size=_TOGETHER), st.integers(0, 99))
        def check(calls: list[Call], number: int) -> None:
            known = pool.submit(checker.ask, number)
            list(pool.map(checker.send, calls))
            known.result()

        from hypothesis import seed as seeded

        seeded(seed)(check)()
        log = (Path(scratch) / "log").read_text(errors="replace")
        assert server.poll() is None, "the server has ended"
        assert "Traceback" not in log
        assert "Unexpected" not in log
        total = checker.statuses.total() + from_document
        print(
            f"{total} requests in {time.monotonic() - begin:.0f} s, of them {from_document} from "
            f"the OpenAPI document; statuses {dict(sorted(checker.statuses.items()))}; "
            f"resident memory {rss_mib(server.pid):.0f} MiB"
        )


def _from_document(count: int) -> int:
    """Requests that schemathesis makes from the OpenAPI document, right ones and wrong ones."""
    document = httpx.get(f"{_ADDRESS}/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    operations = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]
    sent = 0

    for operation in operations:
        modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
        for mode in modes:
            strategy = operation.as_strategy(generation_mode=mode)

            @settings(
                max_examples=max(1, count // len(operations) // len(modes)),
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(strategy)
            def check(case: schemathesis.Case) -> None:
                nonlocal sent
                reply = case.call(base_url=_ADDRESS)
                sent += 1
                assert reply.status_code in _ALLOWED, (reply.status_code, case)

            try:
                check()
            except Exception as error:
                if type(error).__name__ not in ("Unsatisfiable", "SkipTest"):
                    raise  # Some operations have nothing that could be wrong.
    return sent


if __name__ == "__main__":
    typer.run(main)
