from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from emotion_tfx.app.client import EmotionServer, ServerError

from .small_server import SmallServer, small_server


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (400, "refused"),
        (401, "key"),
        (413, "too_large"),
        (429, "busy"),
        (503, "busy"),
        (500, "strange"),
        (404, "strange"),
    ],
)
def test_each_way_of_failing_has_its_own_name_and_keeps_the_servers_words(
    small: SmallServer, status: int, reason: str
):
    small.reply = lambda path: (status, {"error": "no, since …"})
    with pytest.raises(ServerError) as caught:
        EmotionServer(small.address).answer("hello")
    assert (caught.value.reason, caught.value.detail) == (reason, "no, since …")


@pytest.mark.parametrize(
    "body", [b"<html>", b"[]", b"{}", b'{"label": "joy"}', b'{"label": 1, "probabilities": 2}']
)
def test_an_answer_in_another_form_is_strange_and_no_crash(small: SmallServer, body: bytes):
    small.reply = lambda path: (200, body)
    for ask in (
        lambda server: server.answer("hello"),
        lambda server: server.answers(["hello"]),
        lambda server: server.about(),
    ):
        with pytest.raises(ServerError) as caught:
            ask(EmotionServer(small.address))
        assert caught.value.reason == "strange"


def test_a_server_that_is_not_there_is_away():
    with small_server() as gone:
        pass
    with pytest.raises(ServerError) as caught:
        EmotionServer(gone.address).check_ready()
    assert caught.value.reason == "away"


def test_a_server_that_still_loads_is_starting(small: SmallServer):
    small.reply = lambda path: (503, {"error": "No version of the model serves yet"})
    with pytest.raises(ServerError) as caught:
        EmotionServer(small.address).check_ready()
    assert caught.value.reason == "starting"


def test_the_key_is_shown(small: SmallServer):
    EmotionServer(small.address, "secret").answers(["hello"])
    assert small.headers[0]["X-API-Key"] == "secret"


def test_a_busy_server_is_asked_again(small: SmallServer):
    busy = iter([(503, {"error": "busy"}), (429, {"error": "busy"})])
    small.reply = lambda path: next(busy, None)
    answers = EmotionServer(small.address).answers(["hello", "four"])
    np.testing.assert_allclose(answers.probabilities.sum(axis=1), 1.0, rtol=1e-6)
    assert answers.uncertain.tolist() == [False, True]
    assert answers.model == "small 3"


def test_who_stops_does_not_wait_for_a_busy_server(small: SmallServer):
    small.reply = lambda path: (503, {"error": "busy"})
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    with pytest.raises(ServerError):
        EmotionServer(small.address).answers(["hello"], stop)
    assert time.monotonic() - began < 3
