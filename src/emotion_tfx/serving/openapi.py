"""What the server offers, as an OpenAPI document, and the page that shows it."""

from __future__ import annotations

import mimetypes
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .messages import JSON, Response, json_response
from .settings import Limits

_DOCUMENT_PATH = "/openapi.json"
_PAGE_PATH = "/docs"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Emotions: the API</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
<link rel="icon" href="docs/favicon-32x32.png">
</head>
<body>
<div id="page"></div>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({
  url: "openapi.json", dom_id: "#page", deepLinking: true, validatorUrl: null
});
"""
#: Everything comes from this server; Swagger UI sets styles of its own.
_POLICY = (
    b"content-security-policy",
    b"default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:",
)
_FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")


def page(path: str, limits: Limits, *, secured: bool) -> Response | None:
    """The page, a file of it, or the document; None where the path is none of them.

    Args:
        path: The path asked for.
        limits: What the document states.
        secured: Whether clients must show a key.
    """
    if path == _DOCUMENT_PATH:
        return json_response(200, document(limits, secured=secured))
    if path == _PAGE_PATH:
        return Response(200, [_content_type("text/html; charset=utf-8"), _POLICY], _PAGE.encode())
    if path == f"{_PAGE_PATH}/start.js":
        return Response(200, [_content_type("text/javascript; charset=utf-8")], _START.encode())
    name = path.removeprefix(f"{_PAGE_PATH}/")
    if name not in _FILES or name == path:
        return None
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = [_content_type(kind), (b"cache-control", b"max-age=86400")]
    return Response(200, headers, _file(name))


@cache
def _file(name: str) -> bytes:
    import swagger_ui_bundle

    return (Path(swagger_ui_bundle.swagger_ui_path) / name).read_bytes()


def _content_type(kind: str) -> tuple[bytes, bytes]:
    return JSON[0], kind.encode()


def document(limits: Limits, *, secured: bool) -> dict[str, Any]:
    """The OpenAPI document, version 3.0.

    Args:
        limits: Most texts in a request, and the longest text.
        secured: Whether clients must show a key.
    """
    content: dict[str, Any] = {
        "openapi": "3.0.3",
        "info": {
            "title": "Emotions",
            "version": version("emotion-tfx"),
            "description": "Which of six emotions a short English text expresses, how sure that "
            "is, and why. The same server answers clients of TensorFlow Serving and of the Open "
            "Inference Protocol.",
        },
        "paths": {
            "/v1/emotions": {"post": _classify(limits)},
            "/v1/emotions/model": {"get": _about()},
            "/v1/models/{model}": {"get": _status()},
            "/v1/models/{model}/metadata": {"get": _metadata()},
            "/v1/models/{model}:predict": {"post": _predict()},
            "/v2/health/live": {"get": _health("Whether the server is there.", "live", 200)},
            "/v2/health/ready": {"get": _health("Whether a model serves.", "ready", 200, 503)},
            "/v2/models/{model}/infer": {"post": _infer()},
        },
        "components": {"schemas": _schemas(limits)},
    }
    if secured:
        content["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        content["security"] = [{"key": []}]
    return content


def _schemas(limits: Limits) -> dict[str, Any]:
    text = {"type": "string", "maxLength": limits.max_text_characters}
    explain = {
        "type": "boolean",
        "default": False,
        "description": "Whether to tell how much each word adds to the answer.",
    }
    number = {"type": "number"}
    answer = {
        "label": {"type": "string", "description": "The most probable emotion."},
        "confidence": {**number, "minimum": 0, "maximum": 1},
        "uncertain": {"type": "boolean", "description": "Whether the model is not sure."},
        "probabilities": {"type": "object", "additionalProperties": number},
        "words": {
            "type": "array",
            "description": "Every word in its order, if asked for. A contribution is by how much "
            "the answer's probability falls without the word.",
            "items": _object({"word": {"type": "string"}, "contribution": number}),
        },
    }
    model = _object({"name": {"type": "string"}, "version": {"type": "string"}})
    required = ["label", "confidence", "uncertain", "probabilities"]
    return {
        "One": _closed({"text": text, "explain": explain}, ["text"]),
        "Many": _closed(
            {
                "texts": {"type": "array", "items": text, "maxItems": limits.max_instances},
                "explain": explain,
            },
            ["texts"],
        ),
        "Model": model,
        "Answer": _object(answer, required),
        "AnswerToOne": _object({**answer, "model": _ref("Model")}, [*required, "model"]),
        "AnswersToMany": _object(
            {"answers": {"type": "array", "items": _ref("Answer")}, "model": _ref("Model")}
        ),
        "About": _object(
            {
                "name": {"type": "string"},
                "version": {"type": "string"},
                "labels": {"type": "array", "items": {"type": "string"}},
                "card": {"type": "string", "nullable": True, "description": "Markdown."},
                "metrics": {"type": "object", "nullable": True},
                "training": {"type": "object", "nullable": True},
            }
        ),
        "Error": _object({"error": {"type": "string"}}),
    }


def _classify(limits: Limits) -> dict[str, Any]:
    return {
        "operationId": "classify",
        "summary": "The emotion of a text, or of many",
        "description": f"At most {limits.max_instances:,} texts of {limits.max_text_characters:,} "
        "characters each.",
        "requestBody": _body(
            {"oneOf": [_ref("One"), _ref("Many")]},
            one={"text": "i feel wonderful today", "explain": True},
            many={"texts": ["nobody came", "what a lovely surprise"]},
        ),
        "responses": {
            "200": _reply("The answer.", {"oneOf": [_ref("AnswerToOne"), _ref("AnswersToMany")]}),
            **_errors(400, 401, 413, 429, 503),
        },
    }


def _about() -> dict[str, Any]:
    return {
        "operationId": "about",
        "summary": "The model that answers: its card, its figures, how it was trained",
        "responses": {"200": _reply("The model.", _ref("About")), **_errors(401, 503)},
    }


def _status() -> dict[str, Any]:
    return {
        "operationId": "status",
        "summary": "TensorFlow Serving's status of a model's versions",
        "parameters": [_MODEL],
        "responses": {"200": _reply("The versions.", _ANY), **_errors(400, 401, 404)},
    }


def _metadata() -> dict[str, Any]:
    return {
        "operationId": "metadata",
        "summary": "TensorFlow Serving's metadata: the model's signatures",
        "parameters": [_MODEL],
        "responses": {"200": _reply("The signatures.", _ANY), **_errors(400, 401, 404)},
    }


def _predict() -> dict[str, Any]:
    properties = {
        "signature_name": {"type": "string", "default": "serving_default"},
        "instances": {"type": "array", "items": {}, "description": "Row by row."},
        "inputs": {"description": "Instead of it: one array, or an object of arrays by name."},
    }
    return {
        "operationId": "predict",
        "summary": "TensorFlow Serving's predict",
        "parameters": [_MODEL],
        "requestBody": _body(
            {"type": "object", "properties": properties},
            texts={"signature_name": "classify_text", "instances": ["i feel wonderful today"]},
        ),
        "responses": {
            "200": _reply("The predictions or outputs.", _ANY),
            **_errors(400, 401, 404, 413, 429, 501, 503),
        },
    }


def _infer() -> dict[str, Any]:
    tensor = _object(
        {
            "name": {"type": "string"},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
            "datatype": {"type": "string"},
            "data": {"type": "array", "items": {}},
        }
    )
    return {
        "operationId": "infer",
        "summary": "The Open Inference Protocol's infer",
        "parameters": [_MODEL],
        "requestBody": _body(
            _object({"inputs": {"type": "array", "items": tensor}}),
            texts={
                "inputs": [
                    {
                        "name": "text",
                        "shape": [1],
                        "datatype": "BYTES",
                        "data": ["i feel wonderful today"],
                    }
                ]
            },
        ),
        "responses": {
            "200": _reply("The outputs.", _ANY),
            **_errors(400, 401, 404, 413, 429, 501, 503),
        },
    }


def _health(summary: str, key: str, *statuses: int) -> dict[str, Any]:
    return {
        "operationId": key,
        "summary": summary,
        "security": [],
        "responses": {
            str(status): _reply(summary, _object({key: {"type": "boolean"}})) for status in statuses
        },
    }


_ANY = {"type": "object"}
_MODEL = {
    "name": "model",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": "^[^/:]+$"},
    "example": "emotion",
}
_REASONS = {
    400: "The request is not right.",
    401: "The key is missing or wrong.",
    404: "There is no such model.",
    413: "The request is too large.",
    429: "Too many requests.",
    501: "JSON cannot carry what the model takes.",
    503: "The server is busy, or no model serves yet.",
}


def _errors(*statuses: int) -> dict[str, Any]:
    return {str(status): _reply(_REASONS[status], _ref("Error")) for status in statuses}


def _reply(description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _body(schema: dict[str, Any], **examples: Any) -> dict[str, Any]:  # noqa: ANN401
    shown = {name: {"value": value} for name, value in examples.items()}
    content = {"application/json": {"schema": schema, "examples": shown}}
    return {"required": True, "content": content}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    needed = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": needed}


def _closed(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {**_object(properties, required), "additionalProperties": False}
