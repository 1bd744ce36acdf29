"""JSON requests to tensors and tensors to JSON replies, for the predict call.

Pure functions on numpy arrays that follow TensorFlow Serving's ``util/json_tensor.cc`` in what
they accept, what they refuse and in the words of each refusal. Two formats:

* row: ``{"instances": [...]}`` is answered with ``{"predictions": [...]}``;
* column: ``{"inputs": ...}`` is answered with ``{"outputs": ...}``.

Strings are ``object`` arrays of ``bytes``. A request's strings pass through byte for byte, also
where they are not valid UTF-8, and so do a model's string outputs, as TensorFlow Serving does.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any

import numpy as np
import orjson

from .status import Code, ServingError, invalid_argument

Document = dict[str, Any]


@dataclass(frozen=True)
class TensorSpec:
    """The type of a tensor in a signature.

    Attributes:
        dtype: TensorFlow's name of the element type, such as ``string`` or ``float32``.
        shape: Sizes of the dimensions, -1 where free; None when not even the rank is known.
    """

    dtype: str
    shape: tuple[int, ...] | None


class Format(Enum):
    """The layout of a request; the value is the key of the reply."""

    ROW = "predictions"
    COLUMN = "outputs"


def parse_document(body: bytes) -> Document:
    """Reads a request body.

    Args:
        body: UTF-8 JSON; NaN, Infinity and -Infinity count as numbers.

    Returns:
        The top-level object. Bytes that are not UTF-8 become lone surrogates (PEP 383).

    Raises:
        ServingError: INVALID_ARGUMENT, the body is not JSON or not an object.
    """
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    if not text:
        raise _syntax_error("The document is empty")
    try:
        document = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise _syntax_error(*_reason(text, error)) from None
    except RecursionError:
        raise _syntax_error("The document is nested too deeply.") from None
    except ValueError:  # Python refuses to build integers of more than 4,300 digits.
        raise number_too_big() from None
    _check_surrogates(text)
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {show(document)} Is not object")
    return document


def signature_name(document: Document) -> str:
    """The signature a request asks for; empty when it leaves the choice to the server.

    Raises:
        ServingError: INVALID_ARGUMENT, ``signature_name`` is not a string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid_argument(
            f"JSON Value: {show(document)} not formatted correctly. "
            "'signature_name' key must be a string value."
        )
    return name


def read_inputs(
    document: Document, specs: Mapping[str, TensorSpec]
) -> tuple[Format, dict[str, np.ndarray]]:
    """Turns a request into the input tensors of a signature.

    Args:
        document: The request, from :func:`parse_document`.
        specs: The signature's inputs by name, at least one.

    Returns:
        The request's format, and one array for each input. In the row format the first
        dimension is the number of instances.

    Raises:
        ServingError: INVALID_ARGUMENT, the request does not fit the inputs; UNIMPLEMENTED, an
            input has a type that JSON cannot carry.
    """
    if "instances" in document and "inputs" in document:
        raise _format_error(
            document,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        )
    if "instances" in document:
        instances = document["instances"]
        if not isinstance(instances, list):
            raise _format_error(document, "Excepting 'instances' to be an list/array")
        if not instances:
            raise _format_error(document, "No values in 'instances' array")
        return Format.ROW, _read_rows(instances, specs)
    if "inputs" in document:
        return Format.COLUMN, _read_columns(document["inputs"], specs)
    raise invalid_argument("Missing 'inputs' or 'instances' key")


def write_outputs(outputs: Mapping[str, np.ndarray], layout: Format) -> bytes:
    """Turns a model's outputs into a reply.

    Strings of outputs named ``*_bytes`` are written as ``{"b64": ...}``. A single output goes
    without its name.

    Args:
        outputs: The output tensors by name.
        layout: The format of the request.

    Returns:
        The reply's body.

    Raises:
        ServingError: INVALID_ARGUMENT, there is no output, JSON cannot carry its type, or in the
            row format the outputs do not share one first dimension.
    """
    if not outputs:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    if layout is Format.ROW:
        _check_batch(outputs)
    with suppress(_SlowOnlyError, orjson.JSONEncodeError, UnicodeDecodeError):
        return _write_fast(outputs, layout)
    columns = {name: _to_lists(name, array) for name, array in outputs.items()}
    reply: Any
    if len(columns) == 1:
        (reply,) = columns.values()
    elif layout is Format.COLUMN:
        reply = columns
    else:
        rows = zip(*columns.values(), strict=True)
        reply = [dict(zip(columns, row, strict=True)) for row in rows]
    return _ENCODER.encode({layout.value: reply}).encode("utf-8", "surrogateescape")


class _SlowOnlyError(Exception):
    """There is something that the fast encoder does not write, or not as it must be."""


def _write_fast(outputs: Mapping[str, np.ndarray], layout: Format) -> bytes:
    """The reply, many times faster, if all is finite numbers, valid text and the like."""
    columns = {name: _plain(name, array) for name, array in outputs.items()}
    reply: Any
    if len(columns) == 1:
        (reply,) = columns.values()
    elif layout is Format.COLUMN:
        reply = columns
    else:
        reply = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
    text = orjson.dumps({layout.value: reply}, option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in text:  # As it stands for NaN.
        raise _SlowOnlyError
    return text


def _plain(name: str, array: np.ndarray) -> Any:  # noqa: ANN401 - an array or nested lists
    if array.dtype == object:
        if name.endswith("_bytes"):
            raise _SlowOnlyError
        return _map(bytes.decode, array)
    if array.dtype.kind not in "biuf" or array.itemsize == 2:  # Not all encoders know halves.
        raise _SlowOnlyError
    return np.ascontiguousarray(array) if array.ndim else array[()]


# Reading: documents.


class _NonFinite(float):
    """NaN or an infinity that stood in the request as such, unlike the overflow of ``1e999``."""


_DECODER = json.JSONDecoder(parse_constant=_NonFinite)
_ENCODER = json.JSONEncoder(ensure_ascii=False)

#: Python's words for a syntax error, and RapidJSON's, which TensorFlow Serving passes on.
_SYNTAX_WORDS = {
    "Expecting value": "Invalid value.",
    "Extra data": "The document root must not be followed by other values.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Illegal trailing comma before end of array": "Invalid value.",
}

#: A valid pair of escaped surrogates, a lone one (group 1), or any other escape.
_ESCAPES = re.compile(
    r"\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(\\u[dD][89a-fA-F]..)|\\.", flags=re.DOTALL
)

_STRINGS_AND_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', flags=re.DOTALL)


def _reason(text: str, error: json.JSONDecodeError) -> tuple[str, int]:
    """RapidJSON's words for a syntax error, and its offset in bytes."""
    offset = len(text[: error.pos].encode("utf-8", "surrogateescape"))
    if not text.strip(" \t\r\n"):
        return "The document is empty.", offset
    if error.msg == "Expecting ',' delimiter":
        inside_object = _innermost_bracket(text[: error.pos]) == "{"
        closing, what = ("}", "object member") if inside_object else ("]", "array element")
        return f"Missing a comma or {closing} after an {what}.", offset
    return _SYNTAX_WORDS.get(error.msg, "Unspecific syntax error."), offset


def _innermost_bracket(prefix: str) -> str:
    open_brackets = [""]
    for token in _STRINGS_AND_BRACKETS.findall(prefix):
        if token in ("[", "{"):
            open_brackets.append(token)
        elif token in ("]", "}"):
            open_brackets.pop()
    return open_brackets[-1]


def _check_surrogates(text: str) -> None:
    """Refuses an escaped half of a surrogate pair, which Python's parser lets pass."""
    if "\\ud" not in text and "\\uD" not in text:
        return
    for match in _ESCAPES.finditer(text):
        if match[1]:
            offset = len(text[: match.start()].encode("utf-8", "surrogateescape"))
            raise _syntax_error("The surrogate pair in string is invalid.", offset)


def _syntax_error(reason: str, offset: int | None = None) -> ServingError:
    where = "" if offset is None else f" at offset: {offset}"
    return invalid_argument(f"JSON Parse error: {reason}{where}")


def number_too_big() -> ServingError:
    """The error for a number beyond every type."""
    return _syntax_error("Number too big to be stored in double.")


# Reading: tensors.


def _read_rows(instances: list[Any], specs: Mapping[str, TensorSpec]) -> dict[str, np.ndarray]:
    first = instances[0]
    if not isinstance(first, dict) and len(specs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    columns = {name: _Column.of(spec) for name, spec in specs.items()}
    named = _is_named(first)
    add = _add_named if named else _add_unnamed
    for index, instance in enumerate(instances):
        if _is_named(instance) != named:
            expected, got = ("object", "list") if named else ("value/list", "object")
            raise invalid_argument(
                f"Expecting {expected} but got {got} at item {index} of input list"
            )
        add(instance, index, columns)
    return {name: column.array(name, len(instances)) for name, column in columns.items()}


def _add_named(instance: dict[str, Any], index: int, columns: dict[str, _Column]) -> None:
    for name, value in instance.items():
        try:
            if name not in columns:
                raise invalid_argument(f"JSON object: does not have named input: {name}")
            columns[name].add(value)
        except ServingError as error:
            raise invalid_argument(
                f"Failed to process element: {index} key: {name} of 'instances' list. "
                f"Error: {error}"
            ) from None
    if len(instance) != len(columns):
        raise invalid_argument(
            f"Failed to process element: {index} of 'instances' list. JSON object: "
            f"{show(instance)} keys must be equal to: {','.join(sorted(columns))}"
        )


def _add_unnamed(instance: object, index: int, columns: dict[str, _Column]) -> None:
    (column,) = columns.values()
    try:
        column.add(instance)
    except ServingError as error:
        raise invalid_argument(
            f"Failed to process element: {index} of 'instances' list. Error: {error}"
        ) from None


def _read_columns(value: object, specs: Mapping[str, TensorSpec]) -> dict[str, np.ndarray]:
    if isinstance(value, dict) and not is_base64(value):
        missing = [name for name in specs if name not in value]
        if missing:
            raise invalid_argument(f"Missing named input: {missing[0]} in 'inputs' object.")
        return {name: _read_tensor(name, value[name], spec) for name, spec in specs.items()}
    if len(specs) > 1:
        raise invalid_argument(
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            "required as per tensorinfo_map"
        )
    ((name, spec),) = specs.items()
    return {name: _read_tensor(name, value, spec)}


def _read_tensor(name: str, value: object, spec: TensorSpec) -> np.ndarray:
    column = _Column.of(spec)
    column.add(value)
    return column.array(name)


#: numpy arrays have at most 32 dimensions before numpy 2.
_MAX_RANK = 32


@dataclass
class _Column:
    """The values of one input, gathered instance by instance."""

    spec: TensorSpec
    convert: Callable[[Any], Any]
    shape: list[int] | None = None
    values: list[Any] = field(default_factory=list)

    @classmethod
    def of(cls, spec: TensorSpec) -> _Column:
        return cls(spec, converter(spec.dtype))

    def add(self, value: object) -> None:
        """Adds one instance, which must have the shape of those before it."""
        shape = _dense_shape(value)
        before = len(self.values)
        self._fill(value, 0, shape)
        if self.shape is None:
            self.shape = shape
            return
        size = len(self.values) - before
        if size != math.prod(self.shape):
            raise invalid_argument(
                f"Expecting tensor size: {math.prod(self.shape)} but got: {size}"
            )
        if shape != self.shape:
            raise invalid_argument(
                f"Expecting shape {_show_shape(self.shape)} but got: {_show_shape(shape)}"
            )

    def _fill(self, value: object, level: int, shape: list[int]) -> None:
        """Adds the scalars of a nested list, which must have exactly this shape."""
        if not isinstance(value, list):
            if level != len(shape):
                raise invalid_argument(
                    f"JSON Value: {show(value)} found at incorrect level: {level + 1} "
                    f"in the JSON DOM. Expected at level: {len(shape)}"
                )
            self.values.append(self.convert(value))
            return
        if level >= len(shape):
            raise invalid_argument(
                f"Encountered list at unexpected level: {level} expected < {len(shape)}"
            )
        if len(value) != shape[level]:
            raise invalid_argument(
                f"Encountered list at unexpected size: {len(value)} at level: {level} "
                f"expected size: {shape[level]}"
            )
        if level == len(shape) - 1 and list not in set(map(type, value)):
            self.values.extend(map(self.convert, value))
            return
        for element in value:
            self._fill(element, level + 1, shape)

    def array(self, name: str, *batch: int) -> np.ndarray:
        """All values as one tensor, with the batch dimension, if any, in front."""
        shape = [*batch, *(self.shape or [])]
        if len(shape) > _MAX_RANK:
            raise invalid_argument(f"tensor parsing error: {name}")
        array = np.empty(len(self.values), _numpy_type(self.spec.dtype))
        array[:] = self.values
        return array.reshape(shape)


#: Number types that JSON can carry, by their common name in TensorFlow and numpy.
_NUMBERS = re.compile(r"bool|float(32|64)|u?int(8|16|32|64)")


def _numpy_type(dtype: str) -> np.dtype:
    return np.dtype(dtype if _NUMBERS.fullmatch(dtype) else object)


def _dense_shape(value: object) -> list[int]:
    """The shape that the first element on each level suggests."""
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return shape


def converter(dtype: str) -> Callable[[Any], Any]:
    """The function that turns a JSON scalar into an element of this type."""
    if dtype == "string":
        return _to_bytes
    if dtype == "bool":
        return _to_bool
    if dtype in ("float32", "float64"):
        return float_converter(dtype)
    if re.fullmatch(r"u?int(8|16|32|64)", dtype):
        return _int_converter(dtype)
    return partial(_unsupported, dtype=dtype)


def _to_bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, dict):
        if not is_base64(value):
            raise _format_error(value, "not formatted correctly for base64 data")
        return decode_base64(value["b64"])
    raise _type_error(value, "string")


def _to_bool(value: object) -> bool:
    if not isinstance(value, bool):
        raise _type_error(value, "bool")
    return value


def _int_converter(dtype: str) -> Callable[[object], int]:
    limits = np.iinfo(dtype)
    lowest, highest = limits.min, limits.max

    def convert(value: object) -> int:
        if type(value) is not int or not lowest <= value <= highest:
            raise _type_error(value, dtype)
        return value

    return convert


def float_converter(dtype: str) -> Callable[[object], float]:
    """The function that turns a JSON scalar into a number of this type, or refuses to."""
    limits = np.finfo(dtype)
    # In its shortest form, as a reply writes it, which as a double is a little larger.
    highest = float(str(limits.max))
    inexact = 2 ** (limits.nmant + 1)

    def convert(value: object) -> float:
        if isinstance(value, _NonFinite):
            return value
        if type(value) is int:
            # Beyond 64 bits a JSON number is a double, whatever it looks like.
            if -(2**63) <= value < 2**64 and abs(value) >= inexact:
                raise _lossy_error(value, dtype)
            try:
                value = float(value)
            except OverflowError:
                raise number_too_big() from None
        elif type(value) is not float:
            raise _type_error(value, dtype)
        if math.isinf(value):
            raise number_too_big()
        if abs(value) > highest:
            raise _lossy_error(value, dtype)
        return value

    return convert


def _unsupported(value: object, dtype: str) -> object:
    raise ServingError(
        Code.UNIMPLEMENTED,
        f"Conversion of JSON Value: {show(value)} to type: {_type_word(dtype)}",
    )


def is_base64(value: object) -> bool:
    """Whether a JSON value stands for bytes."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def _is_named(value: object) -> bool:
    return isinstance(value, dict) and not is_base64(value)


def decode_base64(text: str) -> bytes:
    """Decodes as ``absl::Base64Unescape`` does: padding may be missing, blanks may stand in it."""
    packed = "".join(text.split())
    digits = packed.rstrip("=")
    padded = len(packed) > len(digits)
    if padded and len(packed) != len(digits) + -len(digits) % 4:
        raise invalid_argument("Unable to base64 decode")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid_argument("Unable to base64 decode") from None


# Reading: the words of a refusal.

#: Longest piece of a request that an error repeats to its sender.
_MAX_SHOWN = 256


def show(value: object) -> str:
    """A JSON value as an error repeats it to its sender, cut if it is long."""
    try:
        text = _ENCODER.encode(value)
    except RecursionError:
        return "..."
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _show_shape(shape: list[int]) -> str:
    return f"[{','.join(map(str, shape))}]"


def _type_word(dtype: str) -> str:
    """TensorFlow's C++ name of a type."""
    return {"float16": "half", "float32": "float", "float64": "double"}.get(dtype, dtype)


def json_type(value: object) -> str:
    """RapidJSON's word for the type of a JSON value."""
    if value is None:
        return "Null"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, dict):
        return "Object"
    if isinstance(value, list):
        return "Array"
    return "String" if isinstance(value, str) else "Number"


def _type_error(value: object, dtype: str) -> ServingError:
    return invalid_argument(
        f"JSON Value: {show(value)} Type: {json_type(value)} "
        f"is not of expected type: {_type_word(dtype)}"
    )


def _format_error(value: object, problem: str) -> ServingError:
    return invalid_argument(f"JSON Value: {show(value)} {problem}")


def _lossy_error(value: object, dtype: str) -> ServingError:
    return invalid_argument(
        f"Cannot convert JSON value: {show(value)} to {_type_word(dtype)} "
        "without loss of precision."
    )


# Writing.


def _check_batch(outputs: Mapping[str, np.ndarray]) -> None:
    batch_size: int | None = None
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid_argument(f"Tensor name: {name} has no shape information ")
        if batch_size is not None and len(array) != batch_size:
            raise invalid_argument(
                f"Tensor name: {name} has inconsistent batch size: {len(array)} "
                f"expecting: {batch_size}"
            )
        batch_size = len(array)


def _to_lists(name: str, array: np.ndarray) -> Any:  # noqa: ANN401 - nested lists or a scalar
    """The array as nested lists of what JSON can carry."""
    if array.dtype == object:
        return _map(_bytes_object if name.endswith("_bytes") else as_text, array)
    if array.dtype in (np.float16, np.float32):
        return short_floats(array)
    if array.dtype.kind in "biu" or array.dtype == np.float64:
        return array.tolist()
    raise invalid_argument(
        f"Failed to write JSON value for tensor type: {_type_word(array.dtype.name)}"
    )


def short_floats(array: np.ndarray) -> Any:  # noqa: ANN401 - nested lists or a scalar
    """The array, float32 or float16 of any shape, as lists of the shortest numbers that mean it.

    A float32 of 0.2 is 0.20000000298023224 otherwise.
    """
    return array.astype(np.float32).astype("U").astype(np.float64).tolist()


def _map(function: Callable[[Any], object], array: np.ndarray) -> Any:  # noqa: ANN401
    boxes = np.empty(array.size, object)
    boxes[:] = [function(value) for value in array.ravel().tolist()]
    return boxes.reshape(array.shape).tolist()


def as_strings(values: Sequence[bytes]) -> np.ndarray:
    """Strings as a tensor, ``object`` [N]."""
    array = np.empty(len(values), object)
    array[:] = values
    return array


def as_text(value: bytes | str) -> str:
    """Bytes, whatever they are, as text that encodes to them again with ``surrogateescape``."""
    if isinstance(value, str):
        return value
    return value.decode("utf-8", "surrogateescape")


def _bytes_object(value: bytes) -> dict[str, str]:
    return {"b64": base64.b64encode(value).decode("ascii")}
