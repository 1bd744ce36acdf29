"""The calls that take tf.Examples: classify and regress.

What is accepted, what is refused and in which words follows TensorFlow Serving:
``util/json_tensor.cc`` for requests and replies in JSON, ``servables/tensorflow/classifier.cc``
and ``regressor.cc`` for signatures and results.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from .json_tensor import (
    Document,
    as_text,
    decode_base64,
    float_converter,
    is_base64,
    json_type,
    short_floats,
    show,
)
from .model import DEFAULT_SIGNATURE, LoadedModel, Signature
from .status import Code, ServingError, invalid_argument

if TYPE_CHECKING:
    from tensorflow.train import Example, Feature

Classification = list[tuple[bytes, float]]

_to_float = float_converter("float32")

_CLASSIFY = "tensorflow/serving/classify"
_REGRESS = "tensorflow/serving/regress"


# Requests.


def read_examples(document: Document) -> list[bytes]:
    """The examples of a request, each serialized and with the request's context merged into it.

    Imports TensorFlow.

    Raises:
        ServingError: INVALID_ARGUMENT, there are none, or one holds what an Example cannot.
    """
    context = _example(document["context"]) if "context" in document else None
    examples = document.get("examples")
    if "examples" not in document:
        raise invalid_argument(
            f"JSON Value: {show(document)} When method is classify, key 'examples' is expected "
            "and was not found"
        )
    if not isinstance(examples, list):
        raise invalid_argument(
            f"JSON Value: {show(document)} Expecting 'examples' value to be an list/array"
        )
    if not examples:
        raise invalid_argument(f"JSON Value: {show(document)} 'examples' value is an empty array")
    return with_context(context, [_example(value) for value in examples])


def with_context(context: Example | None, examples: list[Example]) -> list[bytes]:
    """Serialized examples, to each of which the features of a context are added."""
    # Serialized messages put one after another are one message merged; the later ones win.
    prefix = b"" if context is None else context.SerializeToString()
    return [prefix + example.SerializeToString() for example in examples]


def _example(value: object) -> Example:
    from tensorflow.core.example.example_pb2 import Example

    if not isinstance(value, dict):
        raise invalid_argument(f"Example must be JSON object but got JSON {json_type(value)}")
    example = Example()
    for name, content in value.items():
        key = as_text(name)
        feature = example.features.feature[key]
        for element in content if isinstance(content, list) else [content]:
            _add(element, name, feature)
    return example


def _add(value: object, name: str, feature: Feature) -> None:
    if isinstance(value, bool):
        _list(feature, name, "int64_list").append(int(value))
    elif isinstance(value, str):
        values = _list(feature, name, "bytes_list")
        values.append(value.encode("utf-8", "surrogateescape"))
    elif is_base64(value):
        assert isinstance(value, dict)
        _list(feature, name, "bytes_list").append(decode_base64(value["b64"]))
    elif isinstance(value, int):
        _add_integer(value, name, feature)
    elif isinstance(value, float):
        _list(feature, name, "float_list").append(_to_float(value))
    else:
        raise invalid_argument(
            f"Feature: {name} has element with unexpected JSON type: {json_type(value)}"
        )


def _add_integer(value: int, name: str, feature: Feature) -> None:
    if -(2**63) <= value < 2**63:
        _list(feature, name, "int64_list").append(value)
    elif 0 <= value < 2**64:
        raise invalid_argument(f"Feature: {name} has uint64 element. Only int64 is supported.")
    else:  # Beyond 64 bits a JSON number is a double, whatever it looks like.
        _list(feature, name, "float_list").append(_to_float(value))


def _list(feature: Feature, name: str, kind: str) -> Any:  # noqa: ANN401 - a repeated field
    """The list of this kind in a feature, which must hold nothing of another kind."""
    present = feature.WhichOneof("kind")
    if present not in (None, kind):
        word = present.removesuffix("_list")
        raise invalid_argument(f"Unexpected element type in feature: {name} expecting type: {word}")
    return getattr(feature, kind).value


# Signatures.


def check_classification(model: LoadedModel, name: str) -> Signature:
    """The signature of this name, which must be one for classification.

    Raises:
        ServingError: It is not.
    """
    signature = _signature(model, name, _CLASSIFY, "classification")
    if len(signature.outputs) not in (1, 2):
        raise invalid_argument(
            f"Expected one or two output Tensors, found {len(signature.outputs)}"
        )
    if "inputs" not in signature.inputs:
        raise _precondition("No classification inputs found in SignatureDef")
    if not signature.outputs.keys() & {"classes", "scores"}:
        raise _precondition(
            'Expected classification signature outputs to contain at least one of "classes" or '
            '"scores"'
        )
    return signature


def check_regression(model: LoadedModel, name: str) -> Signature:
    """The signature of this name, which must be one for regression.

    Raises:
        ServingError: It is not.
    """
    signature = _signature(model, name, _REGRESS, "regression")
    if len(signature.outputs) != 1:
        raise invalid_argument("Expected one output Tensor.")
    if "inputs" not in signature.inputs:
        raise _precondition("No regression inputs found in SignatureDef")
    if "outputs" not in signature.outputs:
        raise _precondition("No regression outputs found in SignatureDef")
    return signature


def _signature(model: LoadedModel, name: str, method: str, word: str) -> Signature:
    signature = model.signatures.get(name or DEFAULT_SIGNATURE)
    if signature is None:
        raise invalid_argument(f"No signature was found with the name: {name or DEFAULT_SIGNATURE}")
    if signature.method_name != method:
        raise invalid_argument(
            f"Expected {word} signature method_name to be {method}. Was: {signature.method_name}"
        )
    if len(signature.inputs) != 1:
        raise invalid_argument("Expected one input Tensor.")
    return signature


def _precondition(message: str) -> ServingError:
    return ServingError(Code.FAILED_PRECONDITION, message)


# Results.


def classifications(outputs: Mapping[str, np.ndarray], rows: int) -> list[Classification]:
    """Label and score of each class, example by example.

    Args:
        outputs: Of a signature for classification: ``classes``, string [N, classes]; ``scores``,
            float32 [N, classes]; or one of them.
        rows: The number N of examples.

    Raises:
        ServingError: INVALID_ARGUMENT, the outputs are not of this form.
    """
    classes, scores = outputs.get("classes"), outputs.get("scores")
    for name, array, dtype in (
        ("classes", classes, np.dtype(object)),
        ("scores", scores, np.dtype(np.float32)),
    ):
        if array is None:
            continue
        if array.ndim != 2:
            raise invalid_argument(
                f"Expected Tensor shape: [batch_size num_{name}] but got {_shape(array)}"
            )
        if array.dtype != dtype:
            word = "DT_STRING" if name == "classes" else "DT_FLOAT"
            raise invalid_argument(f"Expected {name} Tensor of {word}")
        if len(array) != rows:
            raise invalid_argument(
                f"Expected {name} output batch size of {rows} but got {len(array)}"
            )
    if classes is not None and scores is not None and classes.shape != scores.shape:
        raise invalid_argument(
            "Tensors class and score should match in number of classes: "
            f"{classes.shape[1]} vs. {scores.shape[1]}"
        )
    labels = [[b""] * scores.shape[1]] * rows if classes is None else classes.tolist()  # type: ignore[union-attr]
    values = [[0.0] * len(row) for row in labels] if scores is None else scores.tolist()
    return [list(zip(*pair, strict=True)) for pair in zip(labels, values, strict=True)]


def regressions(outputs: Mapping[str, np.ndarray], rows: int) -> list[float]:
    """The value for each example.

    Args:
        outputs: Of a signature for regression: ``outputs``, float32 [N] or [N, 1].
        rows: The number N of examples.

    Raises:
        ServingError: INVALID_ARGUMENT, the output is not of this form.
    """
    values = outputs["outputs"]
    if not (values.ndim == 1 or (values.ndim == 2 and values.shape[1] == 1)):
        raise invalid_argument(
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            f"{_shape(values)}"
        )
    if len(values) != rows:
        raise invalid_argument(
            f"Input batch size did not match output batch size: {rows} vs. {len(values)}"
        )
    if values.dtype != np.float32:
        raise invalid_argument("Expected output Tensor of DT_FLOAT")
    return values.ravel().tolist()


def write_results(results: list[Classification] | list[float]) -> bytes:
    """The reply to classify or regress."""
    if results and isinstance(results[0], list):
        ready: list[Any] = [
            [[as_text(label), *_short(score)] for label, score in result] for result in results
        ]
    else:
        ready = _short(*results)
    return json.dumps({"results": ready}, ensure_ascii=False).encode("utf-8", "surrogateescape")


def _short(*values: float) -> list[float]:
    return short_floats(np.array(values, np.float32))


def _shape(array: np.ndarray) -> str:
    return f"[{','.join(map(str, array.shape))}]"
