from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from emotion_tfx.serving.json_tensor import (
    Format,
    TensorSpec,
    parse_document,
    read_inputs,
    signature_name,
    write_outputs,
)
from emotion_tfx.serving.status import Code, ServingError

NUMBER_TYPES = (
    "int8",
    "uint8",
    "int16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "float32",
    "float64",
    "bool",
)


def read(body: str | bytes, **dtypes: str) -> dict[str, np.ndarray]:
    body = body.encode() if isinstance(body, str) else body
    specs = {name: TensorSpec(dtype, None) for name, dtype in dtypes.items()}
    return read_inputs(parse_document(body), specs)[1]


def refusal(body: str | bytes, **dtypes: str) -> ServingError:
    with pytest.raises(ServingError) as caught:
        read(body, **dtypes)
    return caught.value


def test_rows_are_batched_along_a_new_first_dimension():
    inputs = read('{"instances": [[1, 2], [3, 4], [5, 6]]}', x="int32")
    np.testing.assert_array_equal(inputs["x"], [[1, 2], [3, 4], [5, 6]])
    assert inputs["x"].dtype == np.int32


def test_rows_may_name_several_inputs():
    body = """{"instances": [
        {"number": [[1, 2], [3, 4]], "text": ["foo", "bar"], "real": [1.0, NaN]},
        {"number": [[5, 6], [7, 8]], "text": ["baz", "bat"], "real": [-Infinity, Infinity]}
    ]}"""
    inputs = read(body, number="int32", text="string", real="float32")
    np.testing.assert_array_equal(inputs["number"], [[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    assert inputs["text"].tolist() == [[b"foo", b"bar"], [b"baz", b"bat"]]
    np.testing.assert_array_equal(inputs["real"], [[1, np.nan], [-np.inf, np.inf]])


def test_a_single_input_may_be_named_all_the_same():
    assert read('{"instances": [{"x": "a"}, {"x": "b"}]}', x="string")["x"].tolist() == [b"a", b"b"]


def test_columns_keep_the_shape_they_come_in():
    body = '{"inputs": {"number": [[[1, 2]]], "text": ["a", "b"], "scalar": {"b64": "aGVsbG8="}}}'
    inputs = read(body, number="int32", text="string", scalar="string")
    assert inputs["number"].shape == (1, 1, 2)
    assert inputs["text"].tolist() == [b"a", b"b"]
    assert inputs["scalar"].shape == ()
    assert inputs["scalar"].item() == b"hello"


@pytest.mark.parametrize("value", ["[[1, 2]]", '{"x": [[1, 2]]}'])
def test_a_single_column_needs_no_name(value: str):
    assert read(f'{{"inputs": {value}}}', x="int64")["x"].tolist() == [[1, 2]]


def test_columns_that_no_input_asks_for_are_passed_over():
    assert read('{"inputs": {"x": [1], "other": "?"}}', x="int64")["x"].tolist() == [1]


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("aGVsbG8=", b"hello"),
        ("aGVsbG8", b"hello"),  # Padding may be missing,
        (" aGVs\nbG8= ", b"hello"),  # and blanks may stand in it.
        ("", b""),
        ("/+8=", b"\xff\xef"),
    ],
)
def test_base64_is_decoded(text: str, data: bytes):
    body = json.dumps({"instances": [{"b64": text}]})
    assert read(body, x="string")["x"].tolist() == [data]


@pytest.mark.parametrize("text", ["aGVsbG8==", "aGVsbG8=x", "a", "_-8=", "é", "=", "aGVs===="])
def test_bad_base64_is_refused(text: str):
    body = json.dumps({"instances": [{"b64": text}]})
    assert "Unable to base64 decode" in refusal(body, x="string").message


def test_request_strings_pass_byte_for_byte_even_if_not_utf8():
    assert read(b'{"instances": ["caf\xe9"]}', x="string")["x"].tolist() == [b"caf\xe9"]


def test_escaped_emoji_are_read_as_utf8():
    text = "so happy 😄 \\ud83d"
    body = json.dumps({"instances": [text]}, ensure_ascii=True)
    assert read(body, x="string")["x"].tolist() == [text.encode()]


def test_a_byte_order_mark_is_skipped():
    assert read(b'\xef\xbb\xbf{"instances": [1]}', x="int32")["x"].tolist() == [1]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("", "The document is empty"),
        ("  ", "The document is empty. at offset: 2"),
        ("instances = [1]", "Invalid value. at offset: 0"),
        ('{"instances": [1]} x', "The document root must not be followed by other values. at"),
        ("{instances: 1}", "Missing a name for object member. at offset: 1"),
        ('{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        ('{"a": [1] "b": 2}', "Missing a comma or } after an object member. at offset: 10"),
        ('{"a": [1 2]}', "Missing a comma or ] after an array element. at offset: 9"),
        ('{"é]": ["[" 2]}', "Missing a comma or ] after an array element. at offset: 13"),
        ('{"a": "b', "Missing a closing quotation mark in string. at offset: 6"),
        ('{"a": "\\x"}', "Invalid escape character in string. at offset: 7"),
        ('{"a": "\\u12g4"}', "Incorrect hex digit after \\u escape in string. at offset:"),
        ('{"a": "\\ud800"}', "The surrogate pair in string is invalid. at offset: 7"),
        ('{"a": "\\udc00\\ud800"}', "The surrogate pair in string is invalid. at offset: 7"),
        ('{"a": "\n"}', "Invalid encoding in string. at offset: 7"),
        ('{"instances": [' + "9" * 5000 + "]}", "Number too big to be stored in double."),
        ('{"instances": [1e999]}', "Number too big to be stored in double."),
        ('{"instances": [1' + "0" * 400 + "]}", "Number too big to be stored in double."),
        ("[" * 100_000, "The document is nested too deeply."),
    ],
)
def test_bad_json_is_refused_in_rapidjsons_words(body: str, reason: str):
    error = refusal(body, x="float64")
    assert error.code is Code.INVALID_ARGUMENT
    assert f"JSON Parse error: {reason}" in error.message


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[1]", "JSON Value: [1] Is not object"),
        ("{}", "Missing 'inputs' or 'instances' key"),
        (
            '{"instances": [1], "inputs": [1]}',
            'JSON Value: {"instances": [1], "inputs": [1]} Not formatted correctly expecting only '
            "one of 'inputs' or 'instances' keys to exist ",
        ),
        (
            '{"instances": 1}',
            "JSON Value: {\"instances\": 1} Excepting 'instances' to be an list/array",
        ),
        ('{"instances": []}', "JSON Value: {\"instances\": []} No values in 'instances' array"),
        (
            '{"instances": [1, [1]]}',
            "Failed to process element: 1 of 'instances' list. "
            "Error: INVALID_ARGUMENT: Expecting shape [] but got: [1]",
        ),
        (
            '{"instances": [[1, 2], [3]]}',
            "Failed to process element: 1 of 'instances' list. "
            "Error: INVALID_ARGUMENT: Expecting tensor size: 2 but got: 1",
        ),
        (
            '{"instances": [[1, 2], [[3, 4]]]}',
            "Failed to process element: 1 of 'instances' list. "
            "Error: INVALID_ARGUMENT: Expecting shape [2] but got: [1,2]",
        ),
        (
            '{"instances": [1, {"x": 1}]}',
            "Expecting value/list but got object at item 1 of input list",
        ),
        (
            '{"instances": [{"x": 1}, [1]]}',
            "Expecting object but got list at item 1 of input list",
        ),
        (
            '{"instances": [{"y": 1}]}',
            "Failed to process element: 0 key: y of 'instances' list. "
            "Error: INVALID_ARGUMENT: JSON object: does not have named input: y",
        ),
        (
            '{"instances": [{}]}',
            "Failed to process element: 0 of 'instances' list. "
            "JSON object: {} keys must be equal to: x",
        ),
        (
            '{"instances": ["a"]}',
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: "
            'JSON Value: "a" Type: String is not of expected type: int32',
        ),
        ('{"inputs": {}}', "Missing named input: x in 'inputs' object."),
        (
            '{"inputs": [[1, 2], [3]]}',
            "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
        ),
        ('{"inputs": [1, [2]]}', "Encountered list at unexpected level: 1 expected < 1"),
        (
            '{"inputs": [[1], 2]}',
            "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        (
            '{"inputs": {"x": {"b64": "aGVsbG8="}}}',
            'JSON Value: {"b64": "aGVsbG8="} Type: Object is not of expected type: int32',
        ),
        ('{"inputs": [null]}', "JSON Value: null Type: Null is not of expected type: int32"),
        ('{"inputs": [true]}', "JSON Value: true Type: True is not of expected type: int32"),
        ('{"inputs": [1.0]}', "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        ('{"inputs": ' + "[" * 40 + "1" + "]" * 40 + "}", "tensor parsing error: x"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_in_tensorflow_servings_words(body: str, words: str):
    error = refusal(body, x="int32")
    assert (error.code, error.message) == (Code.INVALID_ARGUMENT, words)


def test_several_inputs_cannot_go_without_names():
    dtypes = {"x": "int32", "y": "int32"}
    assert "instances is a plain list" in refusal('{"instances": [1]}', **dtypes).message
    assert "inputs is a plain value/list" in refusal('{"inputs": [1]}', **dtypes).message
    error = refusal('{"instances": [{"x": 1}]}', **dtypes)
    assert error.message.endswith('JSON object: {"x": 1} keys must be equal to: x,y')


@pytest.mark.parametrize(
    "value", ['{"b64": "YQ==", "more": 1}', '{"b64": 1}', '{"B64": "YQ=="}', '{"b64": ["YQ=="]}']
)
def test_b64_counts_only_as_the_sole_key_with_a_string(value: str):
    error = refusal(f'{{"inputs": [{value}]}}', x="string")
    assert error.message.endswith("not formatted correctly for base64 data")


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        ("int8", "128"),
        ("uint8", "-1"),
        ("uint8", "256"),
        ("int16", "-32769"),
        ("int32", "2147483648"),
        ("uint32", "4294967296"),
        ("int64", "9223372036854775808"),
        ("uint64", "18446744073709551616"),
        ("uint64", "-1"),
        ("bool", "1"),
        ("bool", '"true"'),
        ("float32", '"1"'),
        ("float32", "true"),
        ("string", "1"),
        ("string", "true"),
    ],
)
def test_a_value_outside_its_type_is_refused(dtype: str, value: str):
    word = {"float32": "float"}.get(dtype, dtype)
    error = refusal(f'{{"inputs": [{value}]}}', x=dtype)
    assert error.message.endswith(f" is not of expected type: {word}")


@pytest.mark.parametrize(
    ("dtype", "value", "word"),
    [
        ("float32", "16777216", "float"),
        ("float32", "-16777217", "float"),
        ("float32", "1e39", "float"),
        ("float32", "1" + "0" * 39, "float"),
        ("float64", "9007199254740993", "double"),
    ],
)
def test_a_number_that_a_float_cannot_hold_is_refused(dtype: str, value: str, word: str):
    error = refusal(f'{{"inputs": [{value}]}}', x=dtype)
    assert error.message.endswith(f" to {word} without loss of precision.")


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("float32", "16777215"), ("float64", "-9007199254740991"), ("float64", "1" + "0" * 300)],
)
def test_a_whole_number_that_a_float_can_hold_is_read(dtype: str, value: str):
    assert read(f'{{"inputs": [{value}]}}', x=dtype)["x"].tolist() == [float(value)]


def test_a_type_that_json_cannot_carry_is_not_implemented():
    error = refusal('{"inputs": [1]}', x="float16")
    assert (error.code, error.message) == (
        Code.UNIMPLEMENTED,
        "Conversion of JSON Value: 1 to type: half",
    )


def test_an_error_repeats_only_the_beginning_of_a_long_value():
    body = json.dumps({"inputs": ["x" * 10_000]})
    assert len(refusal(body, x="int32").message) < 500


def test_the_signature_name_is_optional_and_a_string():
    assert signature_name({}) == ""
    assert signature_name({"signature_name": "classify_text"}) == "classify_text"
    with pytest.raises(ServingError, match="'signature_name' key must be a string value"):
        signature_name({"signature_name": 5})


def reply(layout: Format, **outputs: object) -> Any:  # noqa: ANN401
    arrays = {
        name: np.asarray(value, None if isinstance(value, np.ndarray) else object)
        for name, value in outputs.items()
    }
    return json.loads(write_outputs(arrays, layout))


def test_a_single_output_goes_without_its_name():
    array = np.array([[1, 2], [3, 4]])
    assert reply(Format.ROW, y=array) == {"predictions": [[1, 2], [3, 4]]}
    assert reply(Format.COLUMN, y=array) == {"outputs": [[1, 2], [3, 4]]}


def test_several_outputs_go_by_name_row_by_row_or_column_by_column():
    outputs = {
        "score": np.array([0.5, 0.25], np.float32),
        "label": [b"joy", b"fear"],
        "image_bytes": [b"\xff", b"\x00"],
    }
    assert reply(Format.ROW, **outputs) == {
        "predictions": [
            {"score": 0.5, "label": "joy", "image_bytes": {"b64": "/w=="}},
            {"score": 0.25, "label": "fear", "image_bytes": {"b64": "AA=="}},
        ]
    }
    assert reply(Format.COLUMN, **outputs) == {
        "outputs": {
            "score": [0.5, 0.25],
            "label": ["joy", "fear"],
            "image_bytes": [{"b64": "/w=="}, {"b64": "AA=="}],
        }
    }


def test_float32_is_written_with_its_own_digits_and_always_as_a_decimal():
    array = np.array([0.2, 3.0, 9000000, 555557.5, 3e-05], np.float32)
    text = write_outputs({"y": array}, Format.COLUMN).decode()
    assert text == '{"outputs":[0.2,3.0,9000000.0,555557.5,0.00003]}'


def test_nan_and_infinities_are_written_as_tokens():
    array = np.array([np.nan, np.inf, -np.inf], np.float32)
    assert write_outputs({"y": array}, Format.ROW) == b'{"predictions": [NaN, Infinity, -Infinity]}'


def test_half_floats_are_written_as_the_float32_they_are():
    (value,) = reply(Format.ROW, y=np.array([0.1], np.float16))["predictions"]
    assert value == 0.099975586  # and not 0.1, though that rounds to the same half


def test_an_output_string_that_is_not_utf8_is_written_as_it_is():
    array = np.array([b"caf\xe9"], object)
    assert write_outputs({"y": array}, Format.ROW) == b'{"predictions": ["caf\xe9"]}'


def test_an_empty_batch_has_no_predictions():
    assert reply(Format.ROW, x=np.empty((0, 2)), y=np.empty(0)) == {"predictions": []}


def test_a_scalar_output_has_a_place_in_columns_only():
    assert reply(Format.COLUMN, y=np.array(5)) == {"outputs": 5}
    with pytest.raises(ServingError, match="Tensor name: y has no shape information"):
        reply(Format.ROW, y=np.array(5))


def test_rows_need_one_batch_size():
    outputs = {"x": np.zeros(2), "y": np.zeros(3)}
    with pytest.raises(
        ServingError, match="Tensor name: y has inconsistent batch size: 3 expecting: 2"
    ):
        write_outputs(outputs, Format.ROW)
    assert reply(Format.COLUMN, **outputs) == {"outputs": {"x": [0.0] * 2, "y": [0.0] * 3}}


def test_no_outputs_and_unknown_types_cannot_be_written():
    with pytest.raises(ServingError, match="Cannot convert empty tensor map to JSON"):
        write_outputs({}, Format.ROW)
    with pytest.raises(ServingError, match="Failed to write JSON value for tensor type: complex64"):
        write_outputs({"y": np.zeros(1, np.complex64)}, Format.ROW)


SHAPES = npst.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4)


@given(st.sampled_from(NUMBER_TYPES).flatmap(lambda dtype: npst.arrays(dtype, SHAPES)))
def test_numbers_come_back_from_a_reply_as_they_were(array: np.ndarray):
    values = json.loads(write_outputs({"x": array}, Format.COLUMN))["outputs"]
    body = json.dumps({"inputs": values})
    if array.dtype.kind == "f":
        # A whole number must stay a decimal, or it would be held to an integer's precision.
        assert all(isinstance(value, float) for value in _flat(values))
    back = read(body, x=array.dtype.name)["x"]
    np.testing.assert_array_equal(back.ravel(), array.ravel())
    assert back.dtype == array.dtype
    if array.size:
        assert back.shape == array.shape


@given(npst.arrays(object, SHAPES, elements=st.binary(max_size=8)))
def test_any_bytes_come_back_from_a_reply_as_they_were(array: np.ndarray):
    document = parse_document(write_outputs({"x_bytes": array}, Format.COLUMN))
    back = read_inputs({"inputs": document["outputs"]}, {"x": TensorSpec("string", None)})[1]["x"]
    assert back.ravel().tolist() == array.ravel().tolist()


@given(st.lists(st.text(), min_size=1))
def test_text_is_read_as_utf8(texts: list[str]):
    body = json.dumps({"instances": texts})
    assert read(body, x="string")["x"].tolist() == [text.encode() for text in texts]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["x", "y", "b64"]), inner, max_size=2)
    ),
    max_leaves=8,
)


def outcome(body: bytes, dtype: str) -> tuple[Format, dict[str, np.ndarray]] | Code:
    try:
        return read_inputs(parse_document(body), {"x": TensorSpec(dtype, None)})
    except ServingError as error:
        return error.code


@given(
    st.dictionaries(st.sampled_from(["instances", "inputs", "signature_name"]), JSON_VALUES),
    st.sampled_from([*NUMBER_TYPES, "string", "float16"]),
)
def test_any_request_is_read_or_refused(document: dict[str, Any], dtype: str):
    result = outcome(json.dumps(document).encode(), dtype)
    if isinstance(result, Code):
        assert result in (Code.INVALID_ARGUMENT, Code.UNIMPLEMENTED)
        return
    layout, inputs = result
    assert inputs.keys() == {"x"}
    if layout is Format.ROW:
        assert len(inputs["x"]) == len(document["instances"])


@given(st.binary())
def test_bytes_that_are_no_request_are_refused(body: bytes):
    assert outcome(body, "string") is Code.INVALID_ARGUMENT


@given(st.binary())
def test_base64_with_and_without_padding(data: bytes):
    text = base64.b64encode(data).decode()
    for given_text in (text, text.rstrip("=")):
        body = json.dumps({"instances": [{"b64": given_text}]})
        assert read(body, x="string")["x"].tolist() == [data]


def _flat(values: object) -> list[object]:
    if not isinstance(values, list):
        return [values]
    return [leaf for value in values for leaf in _flat(value)]
