from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from emotion_tfx.model.locate import newest_version, shipped_base
from emotion_tfx.serving.json_tensor import TensorSpec
from emotion_tfx.serving.model import LoadedModel, load_model
from emotion_tfx.serving.status import Code, ServingError


def texts(*values: bytes) -> np.ndarray:
    return np.array(values, object)


@pytest.fixture(scope="module")
def model(saved_models: dict[int, Path]) -> Iterator[LoadedModel]:
    loaded = load_model(saved_models[2], 2)
    yield loaded
    loaded.close()


@pytest.fixture
def version_folder(tmp_path: Path, saved_models: dict[int, Path]) -> Path:
    """A version that a test may damage."""
    return shutil.copytree(saved_models[1], tmp_path / "secret-home" / "1")


def load_error(path: Path) -> ServingError:
    with pytest.raises(ServingError) as caught:
        load_model(path, 1)
    return caught.value


def test_a_signature_answers_with_its_outputs_by_name(model: LoadedModel):
    outputs = model.run("classify_text", {"text": texts(b"one", b"\xff\x00", b"")})
    assert outputs["text"].tolist() == [b"one", b"\xff\x00", b""]
    assert outputs["probabilities"].dtype == np.float32
    assert outputs["probabilities"].argmax(axis=1).tolist() == [3, 2, 0]
    assert outputs["version"].tolist() == [2, 2, 2]


def test_variables_and_assets_come_from_the_folder_wherever_it_has_been_moved(version_folder: Path):
    loaded = load_model(version_folder, 1)
    outputs = loaded.run("classify_text", {"text": texts(b"two", b"three")})
    assert outputs["word"].tolist() == [2, -1]
    assert outputs["version"].tolist() == [1, 1]
    loaded.close()


def test_a_scalar_output_is_an_array_without_dimensions(model: LoadedModel):
    total = model.run("total", {"text": texts(b"one", b"three")})["total"]
    assert (total.shape, total.item()) == ((), 8)


def test_a_signature_knows_its_tensors(model: LoadedModel):
    signature = model.signature("two_inputs")
    assert signature.inputs == {
        "number": TensorSpec("int64", (-1,)),
        "pair": TensorSpec("float32", (-1, 2)),
    }
    assert model.signature("half_plus_two").inputs == {"x": TensorSpec("float32", None)}
    assert model.signature("classify_text").outputs["text"] == TensorSpec("string", (-1,))


def test_an_unnamed_signature_is_the_default_one(model: LoadedModel):
    assert model.signature("").name == "serving_default"


def test_an_unknown_signature_is_refused(model: LoadedModel):
    with pytest.raises(ServingError) as caught:
        model.signature("nope")
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.message == 'Serving signature name: "nope" not found in signature def'


def test_a_signature_without_inputs_cannot_be_called(model: LoadedModel):
    with pytest.raises(ServingError, match="Failed to get input map for signature: __saved_model"):
        model.signature("__saved_model_init_op")


def test_what_the_graph_refuses_is_told_in_its_own_words(model: LoadedModel):
    with pytest.raises(ServingError) as caught:
        model.run("to_number", {"text": texts(b"abc")})
    assert caught.value.code is Code.INVALID_ARGUMENT
    assert caught.value.message.startswith("StringToNumberOp could not correctly convert string")
    assert 'File "' not in caught.value.message


def test_metadata_has_the_form_of_tensorflow_serving(model: LoadedModel):
    signature = json.loads(json.dumps(model.metadata))["half_plus_two"]
    signature.pop("defaults", None)  # Newer than the oldest TensorFlow in use.
    assert signature == {
        "inputs": {
            "x": {
                "name": "half_plus_two_x:0",
                "dtype": "DT_FLOAT",
                "tensor_shape": {"dim": [], "unknown_rank": True},
            }
        },
        "outputs": {
            "y": {
                "name": signature["outputs"]["y"]["name"],
                "dtype": "DT_FLOAT",
                "tensor_shape": {"dim": [], "unknown_rank": True},
            }
        },
        "method_name": "tensorflow/serving/predict",
    }
    shape = model.metadata["two_inputs"]["inputs"]["pair"]["tensor_shape"]
    assert shape["dim"] == [{"size": "-1", "name": ""}, {"size": "2", "name": ""}]


def test_a_closed_model_runs_no_more(version_folder: Path):
    loaded = load_model(version_folder, 1)
    loaded.close()
    with pytest.raises(ServingError) as caught:
        loaded.run("classify_text", {"text": texts(b"one")})
    assert caught.value.code is Code.CANCELLED


@pytest.mark.parametrize(
    ("content", "code", "words"),
    [
        (b"\xff" * 20, Code.INTERNAL, "Cannot load the SavedModel (DecodeError)"),
        (b"", Code.NOT_FOUND, "Could not find meta graph def matching supplied tags: { serve }"),
        (None, Code.NOT_FOUND, "saved_model.pb: No such file or directory"),
    ],
)
def test_a_damaged_graph_does_not_load(
    version_folder: Path, content: bytes | None, code: Code, words: str
):
    (version_folder / "saved_model.pb").unlink()
    if content is not None:
        (version_folder / "saved_model.pb").write_bytes(content)
    error = load_error(version_folder)
    assert error.code is code
    assert error.message.startswith(words)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "variables" / "variables.index").write_bytes(b"junk" * 100),
        lambda folder: (folder / "variables" / "variables.data-00000-of-00001").unlink(),
        lambda folder: (folder / "assets" / "vocabulary.txt").unlink(),
    ],
    ids=["index", "data", "asset"],
)
def test_missing_parts_are_told_but_not_where_they_were_sought(
    version_folder: Path, damage: Callable[[Path], None]
):
    damage(version_folder)
    error = load_error(version_folder)
    assert error.code is not Code.OK
    assert "secret-home" not in error.message
    assert "\n" not in error.message


def warm_up_with(folder: Path, *records: bytes) -> None:
    import tensorflow as tf

    (folder / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(
        str(folder / "assets.extra" / "tf_serving_warmup_requests")
    ) as writer:
        for record in records:
            writer.write(record)


def predict_log(signature_name: str, **inputs: list[object]) -> bytes:
    import tensorflow as tf

    apis = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    log = apis.PredictionLog()
    request = log.predict_log.request
    request.model_spec.signature_name = signature_name
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return log.SerializeToString()


def test_warm_up_requests_are_run_before_the_model_serves(version_folder: Path):
    warm_up_with(version_folder, *[predict_log("count_calls", text=["a"])] * 3)
    loaded = load_model(version_folder, 1)
    assert loaded.run("count_calls", {"text": texts(b"a")})["calls"].tolist() == [4]
    loaded.close()


@pytest.mark.parametrize(
    ("signature_name", "inputs", "words"),
    [
        ("to_number", {"text": ["abc"]}, "StringToNumberOp could not correctly convert"),
        ("to_number", {"x": ["1"]}, "warmup inputs {x} do not match signature: {text}"),
        ("nope", {"text": ["1"]}, 'Serving signature name: "nope" not found'),
    ],
)
def test_a_model_whose_warm_up_fails_does_not_load(
    version_folder: Path, signature_name: str, inputs: dict[str, list[object]], words: str
):
    warm_up_with(version_folder, predict_log(signature_name, **inputs))
    assert load_error(version_folder).message.startswith(words)


def test_a_damaged_warm_up_file_is_an_error(version_folder: Path):
    warm_up_with(version_folder, b"\xff\xff\xff")
    assert load_error(version_folder).code is Code.DATA_LOSS
    shutil.rmtree(version_folder / "assets.extra")
    (version_folder / "assets.extra").mkdir()
    (version_folder / "assets.extra" / "tf_serving_warmup_requests").write_bytes(b"no records here")
    assert load_error(version_folder).code is Code.DATA_LOSS


def test_more_than_a_thousand_warm_up_requests_are_refused(version_folder: Path):
    warm_up_with(version_folder, *[predict_log("half_plus_two", x=[1.0])] * 1001)
    assert "exceeds the maximum (1000)" in load_error(version_folder).message


@pytest.mark.parametrize("kind", ["main_op", "legacy_init_op"])
def test_a_model_of_tensorflow_1_is_initialised(tmp_path: Path, kind: str):
    import tensorflow as tf

    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.string, [None], name="x")
        initializer = tf.lookup.KeyValueTensorInitializer(["one"], [1], tf.string, tf.int64)
        y = tf.lookup.StaticHashTable(initializer, -1).lookup(x)
        builder = v1.saved_model.Builder(str(tmp_path / "1"))
        builder.add_meta_graph_and_variables(
            session,
            ["serve"],
            {"serving_default": v1.saved_model.predict_signature_def({"x": x}, {"y": y})},
            **{kind: v1.tables_initializer()},
        )
        builder.save()
    loaded = load_model(tmp_path / "1", 1)
    outputs = loaded.run("serving_default", {"x": texts(b"one", b"two")})
    assert outputs["y"].tolist() == [1, -1]
    loaded.close()


def test_a_loaded_version_needs_its_folder_no_more(tmp_path: Path):
    """The shipped model's graph reads its words again in each run."""
    shipped = newest_version(shipped_base())
    assert shipped is not None
    folder = shutil.copytree(shipped, tmp_path / "1")
    loaded = load_model(folder, 1)
    before = loaded.run("classify_text", {"text": texts(b"i am happy")})
    shutil.rmtree(folder)
    after = loaded.run("classify_text", {"text": texts(b"i am happy")})
    assert after["label"].tolist() == before["label"].tolist() == [b"joy"]
    loaded.close()
