"""The interface for people: a text in, its emotion out, with reasons.

``POST /v1/emotions`` and ``GET /v1/emotions/model``, for models with the signatures
``classify_text`` and ``explain_text``. Described in :mod:`.openapi`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, StrictBool, StrictStr, ValidationError

from .calls import Calls
from .json_tensor import as_strings
from .messages import LARGE, Request, Response, json_response, not_allowed
from .models import Models, ModelSpec
from .settings import Limits
from .status import Code, ServingError, invalid_argument
from .versions import Servable

_CLASSIFY, _EXPLAIN = "classify_text", "explain_text"
_CLASSIFY_OUTPUTS = {"label", "confidence", "probabilities", "labels", "is_uncertain"}
_EXPLAIN_OUTPUTS = {"tokens", "contributions"}

#: Texts explained in one run: it takes as long as classifying each text once per word, and who
#: comes in between must not wait long.
_EXPLAINED_TOGETHER = 4

_DIGITS = 6


class _Question(BaseModel):
    """The body of a request: one text, or several."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    text: StrictStr | None = None
    texts: list[StrictStr] | None = None
    explain: StrictBool = False


class EmotionsApi:
    """Answers requests under ``/v1/emotions``.

    Args:
        models: The models that are served.
        model: The name of the one that answers here.
        limits: Most texts in a request, and the longest text.
        calls: Counts the calls.
    """

    def __init__(self, models: Models, model: str, limits: Limits, calls: Calls) -> None:
        self._models = models
        self._model = model
        self._limits = limits
        self._calls = calls

    async def answer(self, request: Request) -> Response:
        """Answers one request; errors become replies as well."""
        if request.path == "/v1/emotions":
            if request.method != "POST":
                return not_allowed("POST")
            work = self._answers(request.body)
            return await self._calls.answer(self._model, "emotions", work)
        if request.method not in ("GET", "HEAD"):
            return not_allowed("GET", "HEAD")
        return await self._calls.answer(self._model, "", self._about())

    async def _answers(self, body: bytes) -> Response:
        read = self._question
        question = read(body) if len(body) < LARGE else await asyncio.to_thread(read, body)
        texts = question.texts if question.text is None else [question.text]
        assert texts is not None  # The question has one of both.
        with self._serving() as servable:
            encoded = as_strings([text.encode() for text in texts])
            answers = await _classified(servable, encoded) if texts else []
            if question.explain:
                for start in range(0, len(texts), _EXPLAINED_TOGETHER):
                    end = start + _EXPLAINED_TOGETHER
                    words = await _explained(servable, encoded[start:end])
                    for answer, reasons in zip(answers[start:end], words, strict=True):
                        answer["words"] = reasons
            about = {"name": self._model, "version": str(servable.model.version)}
        if question.texts is None:
            return json_response(200, {**answers[0], "model": about})
        reply = {"answers": answers, "model": about}
        if len(answers) < LARGE // 1024:
            return json_response(200, reply)
        return await asyncio.to_thread(json_response, 200, reply)

    def _question(self, body: bytes) -> _Question:
        """Reads a body; the errors tell where and what, and repeat nothing of it."""
        try:
            question = _Question.model_validate_json(body)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            raise invalid_argument(_problem(first["loc"], first["msg"])) from None
        if (question.text is None) == (question.texts is None):
            raise invalid_argument("Give one of 'text', a string, and 'texts', a list of strings")
        texts = question.texts if question.text is None else [question.text]
        assert texts is not None
        if len(texts) > self._limits.max_instances:
            raise _too_large(
                f"{len(texts)} texts are more than the {self._limits.max_instances} "
                "that one request may have"
            )
        longest = max(map(len, texts), default=0)
        if longest > self._limits.max_text_characters:
            raise _too_large(
                f"A text of {longest} characters is longer than the "
                f"{self._limits.max_text_characters} that a text may have"
            )
        return question

    async def _about(self) -> Response:
        with self._serving() as servable:
            outputs = await _run(servable, _CLASSIFY, as_strings([b""]))
            files = await asyncio.to_thread(_files, servable.path)
            labels = [label.decode("utf-8", "replace") for label in outputs["labels"][0].tolist()]
            about = {
                "name": self._model,
                "version": str(servable.model.version),
                "labels": labels,
                **files,
            }
        return json_response(200, about)

    @contextmanager
    def _serving(self) -> Iterator[Servable]:
        """Holds the version that serves, which must be a model of emotions."""
        with ExitStack() as stack:
            try:
                servable = stack.enter_context(self._models.serving(ModelSpec(self._model)))
            except ServingError:
                raise ServingError(Code.UNAVAILABLE, "No version of the model serves yet") from None
            _check_model(servable)
            yield servable


def _too_large(message: str) -> ServingError:
    return ServingError(Code.INVALID_ARGUMENT, message, http_status=413)


def _problem(place: Sequence[int | str], message: str) -> str:
    """Where and what, from the words of a validation error."""
    # A key that is not known is the sender's text.
    known = [str(part) for part in place if isinstance(part, int) or part in _Question.model_fields]
    where = ".".join(known)
    return f"{where}: {message}" if where else message


def _check_model(servable: Servable) -> None:
    signatures = servable.model.signatures
    for name, outputs in ((_CLASSIFY, _CLASSIFY_OUTPUTS), (_EXPLAIN, _EXPLAIN_OUTPUTS)):
        signature = signatures.get(name)
        if (
            signature is None
            or list(signature.inputs) != ["text"]
            or not outputs <= signature.outputs.keys()
        ):
            raise ServingError(
                Code.UNAVAILABLE,
                f"The served model is not one of emotions: it lacks the signature {name}",
            )


async def _run(servable: Servable, name: str, texts: np.ndarray) -> dict[str, np.ndarray]:
    signature = servable.model.signatures[name]
    return await servable.batcher.run(signature, {"text": texts})


async def _classified(servable: Servable, texts: np.ndarray) -> list[dict[str, Any]]:
    outputs = await _run(servable, _CLASSIFY, texts)
    labels = [name.decode("utf-8", "replace") for name in outputs["labels"][0].tolist()]
    return [
        {
            "label": label.decode("utf-8", "replace"),
            "confidence": confidence,
            "uncertain": uncertain,
            "probabilities": dict(zip(labels, row, strict=True)),
        }
        for label, confidence, uncertain, row in zip(
            outputs["label"].tolist(),
            _rounded(outputs["confidence"]),
            outputs["is_uncertain"].tolist(),
            _rounded(outputs["probabilities"]),
            strict=True,
        )
    ]


async def _explained(servable: Servable, texts: np.ndarray) -> list[list[dict[str, Any]]]:
    outputs = await _run(servable, _EXPLAIN, texts)
    return [
        [
            {"word": token.decode("utf-8", "replace"), "contribution": contribution}
            for token, contribution in zip(tokens, contributions, strict=True)
            if token
        ]
        for tokens, contributions in zip(
            outputs["tokens"].tolist(), _rounded(outputs["contributions"]), strict=True
        )
    ]


def _rounded(array: np.ndarray) -> list[Any]:
    return array.astype(np.float64).round(_DIGITS).tolist()


def _files(version: Path) -> dict[str, Any]:
    """What stands beside the model about it; None for what does not, or cannot be read."""
    extra = version / "assets.extra"
    return {
        "card": _text_of(version / "README.md"),
        "metrics": _json_of(extra / "metrics.json"),
        "training": _json_of(extra / "training.json"),
    }


def _text_of(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _json_of(file: Path) -> Any:  # noqa: ANN401
    try:
        return json.loads(_text_of(file) or "null")
    except (ValueError, RecursionError):
        return None
