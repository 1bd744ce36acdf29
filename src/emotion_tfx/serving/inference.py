"""The Open Inference Protocol, version 2, over HTTP: ``/v2/...``.

With the extension for binary tensors that Triton's own clients use. Sources:
https://github.com/kserve/open-inference-protocol (``specification/protocol/inference_rest.md``)
and ``docs/protocol/extension_binary_data.md`` of triton-inference-server/server.
"""

from __future__ import annotations

import asyncio
import json
import math
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from urllib.parse import unquote

import numpy as np

from .calls import Calls
from .json_tensor import (
    Document,
    TensorSpec,
    as_strings,
    as_text,
    converter,
    parse_document,
    short_floats,
)
from .messages import JSON, LARGE, Request, Response, json_response, not_allowed
from .model import DEFAULT_SIGNATURE, LoadedModel, Signature
from .models import Models, ModelSpec
from .status import Code, ServingError, invalid_argument
from .versions import not_found

_PATH = re.compile(r"/v2/models/([^/]+)(?:/versions/([^/]+))?(?:/(infer|ready))?")
_JSON_LENGTH = b"inference-header-content-length"
_PLATFORM = "tensorflow_savedmodel"

#: The protocol's names of TensorFlow's types.
_DATATYPES = {
    "bool": "BOOL",
    "string": "BYTES",
    "float16": "FP16",
    "float32": "FP32",
    "float64": "FP64",
    **{
        f"{sign}int{bits}": f"{sign}int{bits}".upper()
        for sign in ("", "u")
        for bits in (8, 16, 32, 64)
    },
}


class InferenceApi:
    """Answers requests under ``/v2``, other than those for the server's own health.

    Args:
        models: The models that are served.
        calls: Counts the calls.
    """

    def __init__(self, models: Models, calls: Calls) -> None:
        self._models = models
        self._calls = calls

    async def answer(self, request: Request) -> Response:
        """Answers one request; errors become replies as well."""
        if request.path.rstrip("/") == "/v2":
            return _server() if request.method in ("GET", "HEAD") else not_allowed("GET", "HEAD")
        match = _PATH.fullmatch(request.path)
        if match is None:
            return json_response(404, {"error": "Not Found"})
        name, action = unquote(match[1]), match[3]
        infer = action == "infer"
        if infer and request.method != "POST":
            return not_allowed("POST")
        if not infer and request.method not in ("GET", "HEAD"):
            return not_allowed("GET", "HEAD")
        work = self._reply(request, ModelSpec(name), match[2], action)
        return await self._calls.answer(name, "infer" if infer else "", work)

    async def _reply(
        self, request: Request, spec: ModelSpec, digits: str | None, action: str | None
    ) -> Response:
        if digits is not None:
            if not re.fullmatch(r"[0-9]{1,18}", digits):
                raise invalid_argument("A version is a number")
            spec = spec._replace(version=int(digits))
        if action == "infer":
            return await self._infer(request, spec)
        if action == "ready":
            return self._ready(spec)
        return self._metadata(spec)

    def _ready(self, spec: ModelSpec) -> Response:
        try:
            with self._models.serving(spec):
                return json_response(200, {"name": spec.name, "ready": True})
        except ServingError:
            if spec.name not in self._models:
                raise not_found(spec.name, spec.version) from None
            return json_response(503, {"name": spec.name, "ready": False})

    def _metadata(self, spec: ModelSpec) -> Response:
        with self._models.serving(spec) as servable:
            signature = _default(servable.model)
            return json_response(
                200,
                {
                    "name": spec.name,
                    "versions": [str(number) for number in self._models.versions(spec.name)],
                    "platform": _PLATFORM,
                    "inputs": _tensors(signature.inputs),
                    "outputs": _tensors(signature.outputs),
                },
            )

    async def _infer(self, request: Request, spec: ModelSpec) -> Response:
        large = len(request.body) >= LARGE
        question = await asyncio.to_thread(_read, request) if large else _read(request)
        with self._models.serving(spec) as servable:
            signature = _wanted(servable.model, question)
            inputs = {
                tensor.name: tensor.array(signature.inputs[tensor.name])
                for tensor in question.inputs
            }
            outputs = await servable.batcher.run(signature, inputs)
            about = {"model_name": spec.name, "model_version": str(servable.model.version)}
        if question.id is not None:
            about["id"] = question.id
        chosen = question.outputs or dict.fromkeys(outputs, question.binary)
        if sum(array.size for array in outputs.values()) < LARGE // 8:
            return _write(about, outputs, chosen)
        return await asyncio.to_thread(_write, about, outputs, chosen)


def _server() -> Response:
    about = {
        "name": "emotion-tfx",
        "version": version("emotion-tfx"),
        "extensions": ["binary_tensor_data"],
    }
    return json_response(200, about)


def _tensors(specs: Mapping[str, TensorSpec]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "datatype": _DATATYPES.get(spec.dtype, spec.dtype.upper()),
            "shape": [-1] if spec.shape is None else list(spec.shape),
        }
        for name, spec in specs.items()
    ]


# Requests.


@dataclass(frozen=True)
class _Tensor:
    """An input as it came.

    Attributes:
        name: The input's name.
        datatype: The protocol's name of its type.
        shape: Its sizes.
        data: Its values, as JSON or packed.
    """

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | bytes

    def array(self, spec: TensorSpec) -> np.ndarray:
        """The input as a tensor of a signature."""
        wanted = _DATATYPES.get(spec.dtype)
        if self.datatype != wanted:
            raise invalid_argument(
                f"input '{self.name}' has the datatype {self.datatype}, but the model takes "
                f"{wanted or spec.dtype}"
            )
        if isinstance(self.data, bytes):
            values = _unpacked(self.name, self.data, spec.dtype)
        else:
            values = _converted(self.data, spec.dtype)
        if len(values) != math.prod(self.shape):
            raise invalid_argument(
                f"input '{self.name}' has {len(values)} values, but its shape asks for "
                f"{math.prod(self.shape)}"
            )
        return values.reshape(self.shape)


@dataclass(frozen=True)
class _Question:
    """A request as it came.

    Attributes:
        id: What the client calls it.
        signature: The signature it names, if any.
        inputs: Its inputs.
        outputs: For each output it asks for, whether packed; empty stands for all.
        binary: Whether outputs are packed if it does not say so for each.
    """

    id: str | None
    signature: str
    inputs: list[_Tensor]
    outputs: dict[str, bool]
    binary: bool


def _read(request: Request) -> _Question:
    head, tail = request.body, b""
    if _JSON_LENGTH in request.headers:
        digits = request.headers[_JSON_LENGTH]
        if not re.fullmatch(rb"[0-9]{1,18}", digits) or int(digits) > len(request.body):
            raise invalid_argument("Inference-Header-Content-Length is not the JSON's length")
        head, tail = request.body[: int(digits)], request.body[int(digits) :]
    document = parse_document(head)
    parameters = _get(document, "parameters", dict, {})
    binary = _get(parameters, "binary_data_output", bool, False)
    entries = _objects(_get(document, "inputs", list, None), "inputs")
    outputs = _objects(_get(document, "outputs", list, []), "outputs")
    if not entries:
        raise invalid_argument("'inputs' is empty")
    inputs = []
    for entry in entries:
        tensor, tail = _input(entry, tail)
        inputs.append(tensor)
    names = [tensor.name for tensor in inputs]
    if len(set(names)) != len(names):
        raise invalid_argument("Two inputs have the same name")
    if tail:
        raise invalid_argument(f"{len(tail)} bytes follow the last input")
    return _Question(
        _get(document, "id", str, None) if "id" in document else None,
        _get(parameters, "signature_name", str, ""),
        inputs,
        {_get(entry, "name", str, None): _is_binary(entry, binary) for entry in outputs},
        binary,
    )


def _input(entry: Document, tail: bytes) -> tuple[_Tensor, bytes]:
    """An input, and what is left of the packed data."""
    name, datatype = _get(entry, "name", str, None), _get(entry, "datatype", str, None)
    shape = _get(entry, "shape", list, None)
    if not all(type(size) is int and size >= 0 for size in shape):
        raise invalid_argument(f"input '{name}' has a shape that is not one of whole numbers")
    if len(shape) > 32:
        raise invalid_argument(f"input '{name}' has too many dimensions")
    parameters = _get(entry, "parameters", dict, {})
    if "binary_data_size" not in parameters:
        return _Tensor(name, datatype, shape, _flat(_get(entry, "data", list, None))), tail
    size = _get(parameters, "binary_data_size", int, None)
    if not 0 <= size <= len(tail):
        raise invalid_argument(f"input '{name}' is longer than the body")
    return _Tensor(name, datatype, shape, tail[:size]), tail[size:]


def _is_binary(entry: Document, default: bool) -> bool:
    parameters = _get(entry, "parameters", dict, {})
    if parameters.get("classification"):
        raise ServingError(Code.UNIMPLEMENTED, "The classification extension is not supported")
    return _get(parameters, "binary_data", bool, default)


def _get(document: Document, key: str, kind: type, default: Any) -> Any:  # noqa: ANN401
    """A value of this kind; without a default it must be there."""
    value = document.get(key, default)
    if type(value) is not kind:
        word = {dict: "an object", list: "an array", str: "a string", int: "a whole number"}
        raise invalid_argument(f"'{key}' must be {word.get(kind, 'true or false')}")
    return value


def _objects(values: list[Any], key: str) -> list[Document]:
    if not all(isinstance(value, dict) for value in values):
        raise invalid_argument(f"'{key}' must be an array of objects")
    return values


def _flat(values: list[Any]) -> list[Any]:
    """The values in row-major order, however they are nested."""
    while any(type(value) is list for value in values):
        values = [
            inner for value in values for inner in (value if type(value) is list else [value])
        ]
    return values


def _converted(values: list[Any], dtype: str) -> np.ndarray:
    convert = converter("float32" if dtype == "float16" else dtype)
    ready = [convert(value) for value in values]
    return as_strings(ready) if dtype == "string" else np.array(ready, dtype)


def _unpacked(name: str, data: bytes, dtype: str) -> np.ndarray:
    if dtype != "string":
        try:
            return np.frombuffer(data, np.dtype(dtype).newbyteorder("<"))
        except ValueError:
            raise invalid_argument(f"input '{name}' is not a whole number of values") from None
    values, place = [], 0
    while place < len(data):
        start = place + 4
        place = start + int.from_bytes(data[place:start], "little")
        if start > len(data) or place > len(data):
            raise invalid_argument(f"input '{name}' ends within a value")
        values.append(data[start:place])
    return as_strings(values)


# Signatures.


def _default(model: LoadedModel) -> Signature:
    """The signature that stands for the model: the default one, or the first that has inputs."""
    if DEFAULT_SIGNATURE in model.signatures:
        return model.signature("")
    callable_ones = [one for one in model.signatures.values() if one.inputs]
    return callable_ones[0] if callable_ones else model.signature("")


def _wanted(model: LoadedModel, question: _Question) -> Signature:
    """The signature named, or the first that takes these inputs and has these outputs."""
    names = {tensor.name for tensor in question.inputs}
    if question.signature:
        candidates: Iterable[Signature] = [model.signature(question.signature)]
    else:
        candidates = [_default(model), *model.signatures.values()]
    taking = [one for one in candidates if one.inputs and one.inputs.keys() == names]
    if not taking:
        expected = ", ".join(_default(model).inputs)
        raise invalid_argument(f"The inputs are not those of the model: it takes {expected}")
    for signature in taking:
        if signature.outputs.keys() >= question.outputs.keys():
            return signature
    raise invalid_argument(f"The model has no such outputs: it has {', '.join(taking[0].outputs)}")


# Replies.


def _write(
    about: dict[str, str], outputs: Mapping[str, np.ndarray], chosen: Mapping[str, bool]
) -> Response:
    entries: list[dict[str, Any]] = []
    packed: list[bytes] = []
    for name, binary in chosen.items():
        array = outputs[name]
        dtype = "string" if array.dtype == object else array.dtype.name
        if dtype not in _DATATYPES:
            raise ServingError(Code.UNIMPLEMENTED, f"Outputs of {dtype} have no datatype")
        entry: dict[str, Any] = {
            "name": name,
            "datatype": _DATATYPES[dtype],
            "shape": list(array.shape),
        }
        if binary:
            data = _pack(array)
            entry["parameters"] = {"binary_data_size": len(data)}
            packed.append(data)
        else:
            entry["data"] = _json_values(array)
        entries.append(entry)
    text = json.dumps({**about, "outputs": entries}, ensure_ascii=False)
    head = text.encode("utf-8", "surrogateescape")
    if not packed:
        return Response(200, [JSON], head)
    headers = [(JSON[0], b"application/octet-stream"), (_JSON_LENGTH, str(len(head)).encode())]
    return Response(200, headers, head + b"".join(packed))


def _json_values(array: np.ndarray) -> list[Any]:
    flat = array.ravel()
    if flat.dtype == object:
        return [as_text(value) for value in flat.tolist()]
    return short_floats(flat) if flat.dtype.name in ("float16", "float32") else flat.tolist()


def _pack(array: np.ndarray) -> bytes:
    if array.dtype != object:
        return array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
    values = array.ravel().tolist()
    return b"".join(struct.pack("<I", len(value)) + value for value in values)
