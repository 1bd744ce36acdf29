"""Asked of our own server, which keeps that contract and has one of its own to compare with."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from emotion_tfx.app.client import EmotionServer, ServerError
from emotion_tfx.app.tensorflow_serving import TensorFlowServing, server_at

from .browser import serving
from .small_server import SmallServer

TEXTS = ["nobody came to my birthday", "what a lovely surprise!!", "", "😀 zzqx"]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("served") / "server.log") as address:
        yield address


def test_the_address_tells_how_a_server_is_asked(served: str):
    assert type(server_at(served)) is EmotionServer
    assert type(server_at(f"{served}/v1/models/emotion")) is TensorFlowServing
    assert (
        server_at("https://a.example/behind/v1/models/mine/").address == "https://a.example/behind"
    )


@pytest.mark.parametrize("text", TEXTS[:2])
def test_a_text_gets_the_same_answer_either_way(served: str, text: str):
    ours = server_at(served).answer(text)
    theirs = server_at(f"{served}/v1/models/emotion").answer(text)
    assert (theirs.label, theirs.uncertain) == (ours.label, ours.uncertain)
    assert (theirs.model_name, theirs.model_version) == (ours.model_name, ours.model_version)
    assert theirs.confidence == pytest.approx(ours.confidence, abs=1e-4)
    assert theirs.probabilities == pytest.approx(ours.probabilities, abs=1e-4)
    assert [each.word for each in theirs.words] == [each.word for each in ours.words]
    np.testing.assert_allclose(
        [each.contribution for each in theirs.words],
        [each.contribution for each in ours.words],
        atol=1e-4,
    )


@pytest.mark.parametrize("texts", [TEXTS, []])
def test_many_texts_do_too(served: str, texts: list[str]):
    ours = server_at(served).answers(texts)
    theirs = server_at(f"{served}/v1/models/emotion").answers(texts)
    np.testing.assert_allclose(theirs.probabilities, ours.probabilities, atol=1e-4)
    assert theirs.uncertain.tolist() == ours.uncertain.tolist()
    assert theirs.model == ours.model


def test_name_and_version_are_all_that_is_known_of_the_model(served: str):
    server = server_at(f"{served}/v1/models/emotion")
    server.check_ready()
    about = server.about()
    assert (about.name, about.version) == ("emotion", "1")
    assert (about.card, about.metrics, about.training) == (None, None, None)


def test_a_model_that_is_not_there_is_told(served: str):
    with pytest.raises(ServerError, match="Could not find any versions of model other") as caught:
        server_at(f"{served}/v1/models/other").check_ready()
    assert caught.value.reason == "strange"


def test_a_model_that_still_loads_is_starting(small: SmallServer):
    status = {"model_version_status": [{"version": "2", "state": "LOADING"}]}
    small.reply = lambda path: (200, status)
    with pytest.raises(ServerError) as caught:
        TensorFlowServing(small.address, "emotion").check_ready()
    assert caught.value.reason == "starting"


@pytest.mark.parametrize(
    "predictions", [None, [], [{}], [[1.0]], [{"labels": ["joy"], "probabilities": [1.0]}]]
)
def test_an_answer_in_another_form_is_strange_and_no_crash(small: SmallServer, predictions: object):
    status = {"model_version_status": [{"version": "2", "state": "AVAILABLE"}]}
    small.reply = lambda path: (
        (200, {"predictions": predictions}) if path.endswith(":predict") else (200, status)
    )
    server = TensorFlowServing(small.address, "emotion")
    for ask in (lambda: server.answer("hello"), lambda: server.answers(["hello"])):
        with pytest.raises(ServerError) as caught:
            ask()
        assert caught.value.reason == "strange"
