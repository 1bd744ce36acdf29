"""What the web app asks, asked of TensorFlow Serving by that program's own contract.

Source: ``tensorflow/serving``, ``g3doc/api_rest.md``.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from typing import Any

import httpx
import numpy as np

from emotion_tfx.app.client import About, Answer, Answers, EmotionServer, ServerError, Word
from emotion_tfx.labels import LABELS

_MODEL_ADDRESS = re.compile(r"(https?://[^/]+.*)/v1/models/([^/:\s]+)/?")


def server_at(
    address: str, api_key: str | None = None, identity: httpx.Auth | None = None
) -> EmotionServer:
    """The server at an address: TensorFlow Serving if it is that of a model, or else our own.

    Args:
        address: As in ``http://127.0.0.1:8501``, or ``http://127.0.0.1:8501/v1/models/emotion``.
        api_key: What it wants to be shown, if anything.
        identity: Adds to each request who asks, if it wants to know.
    """
    found = _MODEL_ADDRESS.fullmatch(address)
    if found is None:
        return EmotionServer(address, api_key, identity)
    return TensorFlowServing(found[1], found[2], api_key, identity)


class TensorFlowServing(EmotionServer):
    """A TensorFlow Serving with a model of ours; safe to use from any thread.

    It tells less than our server: nothing about the model but its name and version.

    Args:
        address: With its scheme, as in ``http://127.0.0.1:8501``.
        model: The model's name.
        api_key: What a proxy in front of it wants to be shown, if anything.
        identity: Adds to each request who asks, if it wants to know.
    """

    def __init__(
        self,
        address: str,
        model: str,
        api_key: str | None = None,
        identity: httpx.Auth | None = None,
    ) -> None:
        super().__init__(address, api_key, identity)
        self._name = model

    def answer(self, text: str) -> Answer:
        """See the base class."""
        version = self._version()
        try:
            (found,) = self._predict("classify_text", [text])
            (reasons,) = self._predict("explain_text", [text])
            return Answer(
                label=str(found["label"]),
                confidence=float(found["confidence"]),
                uncertain=bool(found["is_uncertain"]),
                probabilities=dict(zip(LABELS, _in_order(found), strict=True)),
                words=tuple(
                    Word(str(token), float(contribution))
                    for token, contribution in zip(
                        reasons["tokens"], reasons["contributions"], strict=True
                    )
                    if token
                ),
                model_name=self._name,
                model_version=version,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ServerError("strange", repr(error)) from error

    def answers(self, texts: Sequence[str], stop: threading.Event | None = None) -> Answers:
        """See the base class."""
        version = self._version()
        rows = self._patiently(
            lambda: self._predict("classify_text", list(texts)), stop or threading.Event()
        )
        try:
            probabilities = np.array([_in_order(row) for row in rows], np.float32)
            uncertain = np.array([row["is_uncertain"] for row in rows], bool)
            return Answers(
                probabilities.reshape(len(texts), len(LABELS)),
                uncertain.reshape(len(texts)),
                f"{self._name} {version}",
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ServerError("strange", repr(error)) from error

    def about(self) -> About:
        """Name and version, which is all that there is."""
        return About(self._name, self._version(), card=None, metrics=None, training=None)

    def check_ready(self) -> None:
        """See the base class."""
        self._version()

    def _version(self) -> str:
        """The newest version that serves.

        Raises:
            ServerError: There is none, or the server does not tell.
        """
        reply = self._json(self._request("GET", f"/v1/models/{self._name}", timeout=3.0))
        try:
            serving = [
                int(each["version"])
                for each in reply["model_version_status"]
                if each["state"] == "AVAILABLE"
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise ServerError("strange", repr(error)) from error
        if not serving:
            raise ServerError("starting")
        return str(max(serving))

    def _predict(self, signature: str, texts: list[str]) -> list[dict[str, Any]]:
        """The outputs of a signature, for each text."""
        if not texts:
            return []
        body = {"signature_name": signature, "instances": texts}
        path = f"/v1/models/{self._name}:predict"
        rows = self._json(self._request("POST", path, json=body)).get("predictions")
        if not isinstance(rows, list) or len(rows) != len(texts):
            raise ServerError("strange", "the answers are not as many as the texts")
        return rows


def _in_order(row: dict[str, Any]) -> list[float]:
    """The probabilities in label order."""
    found = dict(zip(row["labels"], row["probabilities"], strict=True))
    return [float(found[name]) for name in LABELS]
