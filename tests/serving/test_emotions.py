from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emotion_tfx.labels import LABELS
from emotion_tfx.model.locate import newest_version, shipped_base
from emotion_tfx.serving import Limits, ServerSettings

from .conftest import ModelBase, free_port, running_server

PATH = "/v1/emotions"


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """A server of the shipped model that takes at most 20 texts of 2,000 characters."""
    limits = Limits(max_instances=20, max_text_characters=2000)
    settings = ServerSettings(shipped_base(), rest_port=free_port(), limits=limits)
    with running_server(settings) as client:
        yield client


def ask(client: httpx.Client, **body: object) -> Any:  # noqa: ANN401
    reply = client.post(PATH, json=body)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_a_text_is_answered_with_its_emotion_and_the_model_that_says_so(client: httpx.Client):
    answer = ask(client, text="i feel wonderful and so happy today")
    assert answer["label"] == "joy"
    assert list(answer["probabilities"]) == list(LABELS)
    assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert answer["confidence"] == max(answer["probabilities"].values())
    assert answer["uncertain"] is False
    version = newest_version(shipped_base())
    assert version is not None
    assert answer["model"] == {"name": "emotion", "version": version.name}
    assert "words" not in answer


def test_the_words_that_mattered_come_in_their_order_with_their_share(client: httpx.Client):
    answer = ask(client, text="I feel wonderful today", explain=True)
    words = answer["words"]
    assert [word["word"] for word in words] == ["i", "feel", "wonderful", "today"]
    most = max(words, key=lambda word: word["contribution"])
    assert most["word"] == "wonderful"


def test_many_texts_are_answered_in_their_order_each_as_if_it_were_alone(client: httpx.Client):
    texts = ["i am so angry", "i am scared of the dark and of everything in it", "", "😀", "xyzzy"]
    reply = ask(client, texts=texts, explain=True)
    assert reply.keys() == {"answers", "model"}
    for text, answer in zip(texts, reply["answers"], strict=True):
        alone = ask(client, text=text, explain=True)
        assert alone.pop("model") == reply["model"]
        assert [w["word"] for w in alone["words"]] == [w["word"] for w in answer["words"]]
        assert alone["label"] == answer["label"]
        assert alone["confidence"] == pytest.approx(answer["confidence"], abs=1e-5)


def test_no_texts_have_no_answers(client: httpx.Client):
    assert ask(client, texts=[])["answers"] == []


def test_a_text_without_a_known_word_is_uncertain(client: httpx.Client):
    assert ask(client, text="")["uncertain"] is True


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"", 400, "Invalid JSON: EOF while parsing a value at line 1 column 0"),
        (b"[]", 400, "Input should be an object"),
        (b"{}", 400, "Give one of 'text', a string, and 'texts', a list of strings"),
        (b'{"text": "a", "texts": ["b"]}', 400, "Give one of 'text'"),
        (b'{"text": 7}', 400, "text: Input should be a valid string"),
        (b'{"texts": ["a", null]}', 400, "texts.1: Input should be a valid string"),
        (b'{"text": "a", "explain": "yes"}', 400, "explain: Input should be a valid boolean"),
        (b'{"text": "a", "my secret": 1}', 400, "Extra inputs are not permitted"),
        (b'{"text": "\\ud800"}', 400, "Invalid JSON: "),
        (b'{"text": "caf\xe9"}', 400, "Invalid JSON: "),
        (
            json.dumps({"texts": ["a"] * 21}).encode(),
            413,
            "21 texts are more than the 20 that one request may have",
        ),
        (
            json.dumps({"text": "a" * 2001}).encode(),
            413,
            "A text of 2001 characters is longer than the 2000 that a text may have",
        ),
    ],
)
def test_what_is_wrong_is_told_without_repeating_the_text(
    client: httpx.Client, body: bytes, status: int, error: str
):
    reply = client.post(PATH, content=body)
    assert reply.status_code == status
    assert reply.json()["error"].startswith(error)
    assert "secret" not in reply.text


def test_a_request_for_another_verb_is_refused(client: httpx.Client):
    assert client.get(PATH).status_code == 405
    assert client.post(f"{PATH}/model").status_code == 405


def test_the_model_tells_about_itself_from_its_own_folder(client: httpx.Client):
    about = client.get(f"{PATH}/model").json()
    version = newest_version(shipped_base())
    assert version is not None
    assert (about["name"], about["version"], about["labels"]) == (
        "emotion",
        version.name,
        list(LABELS),
    )
    assert about["card"] == (version / "README.md").read_text(encoding="utf-8")
    extra = version / "assets.extra"
    assert about["metrics"] == json.loads((extra / "metrics.json").read_text(encoding="utf-8"))
    assert about["training"] == json.loads((extra / "training.json").read_text(encoding="utf-8"))


def test_a_server_without_a_model_of_emotions_says_so(model_base: ModelBase):
    settings = ServerSettings(model_base.path, rest_port=free_port(), poll_seconds=0.02)
    with running_server(settings, ready=False) as client:
        waiting = client.post(PATH, json={"text": "a"})
        assert (waiting.status_code, waiting.json()) == (
            503,
            {"error": "No version of the model serves yet"},
        )
        assert waiting.headers["retry-after"] == "1"
    model_base.push(1)
    with running_server(settings) as client:
        for reply in (client.post(PATH, json={"text": "a"}), client.get(f"{PATH}/model")):
            assert reply.status_code == 503
            assert "lacks the signature classify_text" in reply.json()["error"]


def test_what_does_not_stand_beside_the_model_is_null(tmp_path: Path):
    from emotion_tfx.serving.emotions import _files

    (tmp_path / "assets.extra").mkdir()
    (tmp_path / "assets.extra" / "metrics.json").write_text("{")
    assert _files(tmp_path) == {"card": None, "metrics": None, "training": None}


BODIES = st.binary(max_size=30) | st.builds(
    lambda text, explain: json.dumps({"text": text, "explain": explain}).encode(),
    st.text(max_size=40) | st.integers() | st.none(),
    st.booleans(),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=BODIES)
@example(body=b'{"text": "\\u0000", "explain": true}')
@example(body=b'{"texts": ' + b"[" * 5000 + b"]" * 5000 + b"}")
def test_no_body_makes_the_server_fail(client: httpx.Client, body: bytes):
    reply = client.post(PATH, content=body)
    assert reply.status_code in (200, 400)
    assert reply.status_code == 200 or reply.json().keys() == {"error"}


def test_the_page_of_the_api_comes_whole_from_this_server(client: httpx.Client):
    page = client.get("/docs")
    assert page.status_code == 200
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js", "favicon-32x32.png"):
        assert name in page.text or name == "favicon-32x32.png"
        assert client.get(f"/docs/{name}").status_code == 200
    assert "http:" not in page.text
    assert "https:" not in page.text
    assert client.get("/docs/../settings.py").status_code == 404
    document = client.get("/openapi.json").json()
    one = document["components"]["schemas"]["One"]["properties"]["text"]
    assert one["maxLength"] == 2000
