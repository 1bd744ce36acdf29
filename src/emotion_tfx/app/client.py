"""The server's public interface, as the web app uses it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import httpx
import numpy as np

from emotion_tfx.labels import LABELS

_Reply = TypeVar("_Reply")

Reason = Literal["away", "starting", "key", "too_large", "busy", "refused", "strange"]

#: The server takes no longer text, in characters.
LONGEST_TEXT = 10_000

_REASONS: dict[int, Reason] = {
    400: "refused",
    401: "key",
    403: "key",
    413: "too_large",
    429: "busy",
    503: "busy",
}

#: Waits between the attempts of a request that the server is too busy for, in seconds.
_PATIENCE = (0.2, 0.5, 1.0, 2.0, 4.0)


class ServerError(Exception):
    """The server does not answer, or not as it should.

    Attributes:
        reason: Which of the ways of failing it is.
        detail: The server's own words, in English; may be empty.
    """

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail


@dataclass(frozen=True)
class Word:
    """A word as the model read it, and by how much it raised the probability of the label."""

    word: str
    contribution: float


@dataclass(frozen=True)
class Answer:
    """What the server says about one text.

    Attributes:
        label: The most probable emotion.
        confidence: Its probability.
        uncertain: Whether the model is not sure.
        probabilities: The probability of each emotion, in label order.
        words: In the order of the text.
        model_name: Which model answered.
        model_version: Which version of it.
    """

    label: str
    confidence: float
    uncertain: bool
    probabilities: dict[str, float]
    words: tuple[Word, ...]
    model_name: str
    model_version: str


@dataclass(frozen=True)
class Answers:
    """What the server says about N texts.

    Attributes:
        probabilities: float32 [N, 6], in label order.
        uncertain: bool [N].
        model: Name and version of the model that answered.
    """

    probabilities: np.ndarray
    uncertain: np.ndarray
    model: str


@dataclass(frozen=True)
class About:
    """The serving model's own files.

    Attributes:
        name: The model's name.
        version: The version that serves.
        card: The model card, Markdown, if there is one.
        metrics: The evaluation, as :class:`emotion_tfx.evaluation.Metrics` writes it, if there.
        training: How it was trained, if told.
    """

    name: str
    version: str
    card: str | None
    metrics: dict[str, Any] | None
    training: dict[str, Any] | None


class EmotionServer:
    """A server somewhere; safe to use from any thread.

    Args:
        address: With its scheme, as in ``http://127.0.0.1:8501``.
        api_key: What it wants to be shown, if anything.
        identity: Adds to each request who asks, if it wants to know.
    """

    def __init__(
        self, address: str, api_key: str | None = None, identity: httpx.Auth | None = None
    ) -> None:
        self.address = address.rstrip("/")
        self._http = httpx.Client(
            base_url=self.address,
            headers={"X-API-Key": api_key} if api_key else {},
            auth=identity,
            timeout=httpx.Timeout(60.0, connect=3.0),
            # A proxy of the environment is for the outside, which this app never asks.
            trust_env=False,
        )

    def answer(self, text: str) -> Answer:
        """The answer for one text, with the words that mattered.

        Raises:
            ServerError: There is none.
        """
        reply = self._post({"text": text, "explain": True})
        try:
            return Answer(
                label=str(reply["label"]),
                confidence=float(reply["confidence"]),
                uncertain=bool(reply["uncertain"]),
                probabilities={name: float(reply["probabilities"][name]) for name in LABELS},
                words=tuple(
                    Word(str(each["word"]), float(each["contribution"])) for each in reply["words"]
                ),
                model_name=str(reply["model"]["name"]),
                model_version=str(reply["model"]["version"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ServerError("strange", repr(error)) from error

    def answers(self, texts: Sequence[str], stop: threading.Event | None = None) -> Answers:
        """The answers for some texts, 4,096 at most; waits for a while if the server is busy.

        Args:
            texts: What to ask about.
            stop: Once set, a busy server is not waited for any more.

        Raises:
            ServerError: There are none.
        """
        body = {"texts": list(texts)}
        reply = self._patiently(lambda: self._post(body), stop or threading.Event())
        try:
            rows = [[each["probabilities"][name] for name in LABELS] for each in reply["answers"]]
            probabilities = np.array(rows, np.float32).reshape(len(texts), len(LABELS))
            uncertain = np.array([each["uncertain"] for each in reply["answers"]], bool)
            model = f"{reply['model']['name']} {reply['model']['version']}"
        except (KeyError, TypeError, ValueError) as error:
            raise ServerError("strange", repr(error)) from error
        return Answers(probabilities, uncertain, model)

    def about(self) -> About:
        """The serving model's own files.

        Raises:
            ServerError: The server does not tell.
        """
        reply = self._json(self._request("GET", "/v1/emotions/model"))
        try:
            return About(
                name=str(reply["name"]),
                version=str(reply["version"]),
                card=reply.get("card"),
                metrics=reply.get("metrics"),
                training=reply.get("training"),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise ServerError("strange", repr(error)) from error

    def check_ready(self) -> None:
        """Returns if the server can answer.

        Raises:
            ServerError: It cannot, or not yet.
        """
        try:
            self._request("GET", "/v2/health/ready", timeout=3.0)
        except ServerError as error:
            if error.reason == "busy":
                raise ServerError("starting") from error
            raise

    def metrics(self) -> str:
        """The server's metrics in Prometheus' text format.

        Raises:
            ServerError: It does not tell them.
        """
        return self._request("GET", "/monitoring/prometheus/metrics").text

    @staticmethod
    def _patiently(ask: Callable[[], _Reply], stop: threading.Event) -> _Reply:
        for wait in _PATIENCE:
            try:
                return ask()
            except ServerError as error:
                if error.reason != "busy" or stop.wait(wait):
                    raise
        return ask()

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        return self._json(self._request("POST", "/v1/emotions", json=body))

    def _request(self, method: str, path: str, **options: Any) -> httpx.Response:  # noqa: ANN401
        try:
            response = self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise ServerError("away", str(error)) from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServerError("strange", str(error)) from error
        if not response.is_success:
            reason = _REASONS.get(response.status_code, "strange")
            raise ServerError(reason, _detail(response))
        return response

    @staticmethod
    def _json(response: httpx.Response) -> dict[str, Any]:
        try:
            reply = response.json()
        except ValueError as error:
            raise ServerError("strange", "the answer is no JSON") from error
        if not isinstance(reply, dict):
            raise ServerError("strange", "the answer is no JSON object")
        return reply


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json()["error"])
    except (ValueError, KeyError, TypeError):
        return f"{response.status_code} {response.reason_phrase}"
