from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import apache_beam as beam
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform import beam as tft_beam

from emotion_tfx.data import read_csv
from emotion_tfx.labels import LABELS
from emotion_tfx.model.calibration import probabilities
from emotion_tfx.model.dataset import Dataset
from emotion_tfx.model.training import predict_logits

from ..command import SAMPLE, environment
from ..conftest import SampleRun
from .conftest import SmallModel
from .fresh_process import example

FRESH_PROCESS = Path(__file__).with_name("fresh_process.py")
EDGE_CASES = (
    b"",
    b" \t\n ",
    b"\x00",
    b"\xff\xfe\x00i",
    b"\xf0\x9f\x98",  # an emoji cut short
    "😀😭❤️‍🔥👍🏽".encode(),
    "ｉ ｆｅｅｌ ﬁｎｅ".encode(),
    "I’M SO HAPPYYYY!!! :-) :'( <3".encode(),
    b"https://example.com/?q=joy&x=%20 @someone #sohappy www.example.org",
    b"<b>so</b> &amp; &quot;angry&quot; &#39;",
    "мне страшно 怖い خائف φοβάμαι i am scared".encode(),
    "a\u0301 e\u0301 \u200b\u200d\ufeff \u202eesrever".encode(),
    b"the of and a an",
    b"happy " * 5_000,
    b"x" * 50_000,
    b"don't dont can't cannot won't isnt",
    b"1234567890 3.14 100% $5 12:30",
    b"fnord blorp qwrtz zzkrk",
)
PIECES = (
    "i", "feel", "sooooo", "HAPPY", "not", "don't", "scared", "love", "loved", "qzxv", "😡", ":(",
    "é", "ﬀ", "ß", "愛", "привет", "!!!", "...", ",", "<br>", "&lt;", "@you", "#joyful", "\t", "\n",
    "\u00a0", "\u200b", "https://t.co/a1", "42", "'", '"', "\\", "%", "_", "-", "İ", "ǅ", "e\u0301",
)  # fmt: skip


def odd_texts(count: int) -> list[bytes]:
    """Words, signs and single code points of all scripts in any order, the same each time."""
    generator = random.Random(0)

    def piece() -> str:
        if generator.random() < 0.8:
            return generator.choice(PIECES)
        point = generator.choice([generator.randrange(1, 0x3000), generator.randrange(0x10000)])
        return chr(0x1F600 + point % 80 if 0xD800 <= point < 0xE000 else point)

    def text() -> str:
        return generator.choice(["", " "]).join(piece() for _ in range(generator.randrange(1, 40)))

    return [text().encode() for _ in range(count)]


@pytest.fixture(scope="session")
def raw_texts() -> list[bytes]:
    ordinary = [row.text.encode() for row in read_csv(SAMPLE / "emotions.csv")[:500]]
    return [*EDGE_CASES, *odd_texts(1_000 - len(EDGE_CASES) - len(ordinary)), *ordinary]


@pytest.fixture(scope="session")
def fresh_answers(
    small_model: SmallModel, raw_texts: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, np.ndarray]:
    """What the exported model answers in a process of its own."""
    folder = tmp_path_factory.mktemp("fresh")
    texts, answers = folder / "texts.json", folder / "answers.npz"
    texts.write_text(json.dumps([base64.b64encode(text).decode() for text in raw_texts]))
    subprocess.run(
        [sys.executable, FRESH_PROCESS, small_model.saved_model, texts, answers],
        env=environment(),
        check=True,
    )
    return dict(np.load(answers))


@pytest.fixture(scope="session")
def signatures(small_model: SmallModel) -> Mapping[str, object]:
    return tf.saved_model.load(str(small_model.saved_model)).signatures


def classify(signatures: Mapping[str, object], *texts: str) -> dict[str, np.ndarray]:
    answers = signatures["classify_text"](text=tf.constant(list(texts), tf.string))
    return {name: values.numpy() for name, values in answers.items()}


def as_in_training(
    run: SampleRun, model: SmallModel, texts: Sequence[bytes], folder: Path
) -> np.ndarray:
    """Probabilities by the way of the training: Transform in Beam, files, Dataset, network."""
    transform = tft.TFTransformOutput(str(run.transform_graph))
    # Beam keeps no order: the weight, which is only passed on, carries each text's number.
    rows = [
        {
            "text": [text],
            "label": [0],
            "source": [b""],
            "weight": [float(number)],
            "domain": [b"main"],
        }
        for number, text in enumerate(texts)
    ]
    with beam.Pipeline() as pipeline, tft_beam.Context(temp_dir=str(folder / "temporary")):
        corpus = pipeline | beam.Create(rows)
        graph = pipeline | tft_beam.ReadTransformFn(str(run.transform_graph))
        prepared, metadata = ((corpus, transform.raw_metadata), graph) | tft_beam.TransformDataset()
        coder = tft.coders.ExampleProtoCoder(metadata.schema)
        examples = prepared | beam.Map(coder.encode)
        examples | beam.io.WriteToTFRecord(str(folder / "prepared"), file_name_suffix=".gz")
    files = [str(file) for file in folder.glob("prepared*.gz")]
    dataset = Dataset.read(files, transform.transformed_feature_spec())
    logits = np.empty((len(texts), len(LABELS)))
    logits[dataset.weights.astype(int)] = predict_logits(model.network, dataset)
    return probabilities(logits, model.calibration)


def test_training_and_both_signatures_give_the_same_probabilities(
    sample_run: SampleRun,
    small_model: SmallModel,
    raw_texts: list[bytes],
    fresh_answers: Mapping[str, np.ndarray],
    tmp_path: Path,
):
    assert len(raw_texts) == 1_000
    trained = as_in_training(sample_run, small_model, raw_texts, tmp_path)
    np.testing.assert_allclose(fresh_answers["serving_default"], trained, rtol=0, atol=1e-6)
    np.testing.assert_allclose(fresh_answers["classify_text"], trained, rtol=0, atol=1e-6)


def test_every_answer_is_a_share_of_one(fresh_answers: Mapping[str, np.ndarray]):
    shares = fresh_answers["classify_text"]
    assert (shares >= 0).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-5)


def test_every_op_is_one_of_tensorflows_own(fresh_answers: Mapping[str, np.ndarray]):
    assert list(fresh_answers["foreign"]) == []


def test_the_vocabulary_is_not_read_again_in_each_call(signatures: Mapping[str, object]):
    graph = signatures["classify_text"].graph.as_graph_def()
    nodes = [*graph.node, *(node for each in graph.library.function for node in each.node_def)]
    assert not [node.op for node in nodes if node.op.startswith("InitializeTable")]


def test_texts_without_a_known_word_are_uncertain(
    raw_texts: list[bytes], fresh_answers: Mapping[str, np.ndarray]
):
    unknown = {b"", b" \t\n ", b"x" * 50_000, b"fnord blorp qwrtz zzkrk", b"the of and a an"}
    marks = dict(zip(raw_texts, fresh_answers["is_uncertain"], strict=True))
    assert {text for text in unknown if not marks[text]} == set()


def test_answers_below_the_threshold_of_the_calibration_are_uncertain(
    small_model: SmallModel, signatures: Mapping[str, object]
):
    answers = classify(signatures, "i feel so happy", "i am scared", "what a day", "i love you")
    below = answers["confidence"] < small_model.calibration.uncertain_below
    np.testing.assert_array_equal(answers["is_uncertain"], below)


def test_the_signatures_are_those_of_the_contract(signatures: Mapping[str, object]):
    def inputs(name: str) -> dict[str, tuple[tf.DType, list[int | None]]]:
        _, named = signatures[name].structured_input_signature
        return {key: (spec.dtype, spec.shape.as_list()) for key, spec in named.items()}

    def outputs(name: str) -> dict[str, tuple[tf.DType, int]]:
        named = signatures[name].structured_outputs
        return {key: (spec.dtype, spec.shape.rank) for key, spec in named.items()}

    assert set(signatures) == {
        "serving_default",
        "classify_text",
        "explain_text",
        "transform_features",
    }
    strings = (tf.string, [None])
    assert inputs("serving_default") == {"examples": strings}
    assert inputs("classify_text") == {"text": strings}
    assert inputs("explain_text") == {"text": strings}
    assert inputs("transform_features") == {"examples": strings}
    assert list(outputs("serving_default").values()) == [(tf.float32, 2)]
    assert outputs("classify_text") == {
        "label": (tf.string, 1),
        "confidence": (tf.float32, 1),
        "probabilities": (tf.float32, 2),
        "labels": (tf.string, 2),
        "is_uncertain": (tf.bool, 1),
    }
    assert outputs("explain_text") == {
        "tokens": (tf.string, 2),
        "contributions": (tf.float32, 2),
        "label": (tf.string, 1),
    }
    assert set(outputs("transform_features")) == {"word_ids", "stem_ids", "subword_ids"}


def test_label_confidence_and_probabilities_belong_together(signatures: Mapping[str, object]):
    texts = ["i feel so happy", "i am scared", "leave me alone, i hate you", ""]
    answers = classify(signatures, *texts)
    assert answers["labels"].astype(str).tolist() == [list(LABELS)] * len(texts)
    best = answers["probabilities"].argmax(axis=1)
    assert answers["label"].astype(str).tolist() == [LABELS[index] for index in best]
    np.testing.assert_array_equal(answers["confidence"], answers["probabilities"].max(axis=1))


def test_an_answer_does_not_depend_on_its_neighbours_in_the_batch(
    signatures: Mapping[str, object],
):
    text = "i feel rather calm about it all"
    alone = classify(signatures, text)["probabilities"][0]
    others = ["", "😡", "i am so very scared of the dark " * 40, "no"]
    together = classify(signatures, *others, text, *others)["probabilities"][len(others)]
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-6)


def test_no_texts_give_no_answers(signatures: Mapping[str, object]):
    answers = classify(signatures)
    assert answers["probabilities"].shape == (0, len(LABELS))
    assert answers["label"].shape == (0,)


def explain(signatures: Mapping[str, object], *texts: str) -> list[list[tuple[str, float]]]:
    result = signatures["explain_text"](text=tf.constant(list(texts)))
    tokens, values = result["tokens"].numpy(), result["contributions"].numpy()
    assert tokens.shape == values.shape
    assert not values[tokens == b""].any()
    return [
        [(token.decode(), float(value)) for token, value in zip(*row, strict=True) if token]
        for row in zip(tokens, values, strict=True)
    ]


def test_a_contribution_is_what_the_probability_loses_without_the_token(
    signatures: Mapping[str, object],
):
    words = ["happy", "garden", "wonderful", "rain", "music"]
    (pairs,) = explain(signatures, " ".join(words))
    assert [token for token, _ in pairs] == words
    answer = classify(signatures, " ".join(words))
    predicted = answer["probabilities"][0].argmax()
    for index, (_, contribution) in enumerate(pairs):
        rest = " ".join(words[:index] + words[index + 1 :])
        left = classify(signatures, rest)["probabilities"][0, predicted]
        lost = answer["confidence"][0] - left
        assert contribution == pytest.approx(lost, abs=1e-6)


def test_explanations_do_not_depend_on_longer_neighbours(signatures: Mapping[str, object]):
    texts = ["happy garden", "", "happy", "scared of the storm and the dark and the wind at sea"]
    together = explain(signatures, *texts)
    for text, pairs in zip(texts, together, strict=True):
        (alone,) = explain(signatures, text)
        assert [token for token, _ in pairs] == [token for token, _ in alone]
        np.testing.assert_allclose(
            [value for _, value in pairs], [value for _, value in alone], rtol=0, atol=1e-6
        )


def test_the_only_token_contributes_all_above_an_empty_text(signatures: Mapping[str, object]):
    (((_, contribution),),) = explain(signatures, "happy")
    answers = classify(signatures, "happy", "")
    predicted = answers["probabilities"][0].argmax()
    expected = answers["confidence"][0] - answers["probabilities"][1, predicted]
    assert contribution == pytest.approx(expected, abs=1e-6)


def test_transformed_features_are_the_ids_that_the_network_reads(
    small_model: SmallModel, signatures: Mapping[str, object]
):
    texts = ["i feel so happy", "", "what a lovely, lovely day it was"]
    features = {
        name: values.numpy()
        for name, values in signatures["transform_features"](
            examples=tf.constant([example(text.encode()) for text in texts])
        ).items()
    }
    used = features["word_ids"] != 0
    positions = np.zeros(used.shape, np.int32)
    positions[used] = np.arange(used.sum()) + 1
    inputs = {name: values[used] for name, values in features.items()}
    logits = small_model.network(inputs | {"positions": positions.T}).numpy()
    np.testing.assert_allclose(
        probabilities(logits, small_model.calibration),
        classify(signatures, *texts)["probabilities"],
        rtol=0,
        atol=1e-6,
    )


def test_warm_up_requests_can_be_replayed_on_the_signatures_they_name(
    small_model: SmallModel, signatures: Mapping[str, object]
):
    from tensorflow_serving.apis import prediction_log_pb2

    file = small_model.saved_model / "assets.extra" / "tf_serving_warmup_requests"
    replayed = set()
    for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        name = request.model_spec.signature_name
        inputs = {key: tf.constant(tf.make_ndarray(value)) for key, value in request.inputs.items()}
        outputs = signatures[name](**inputs)
        (size,) = {len(values) for values in inputs.values()}
        assert {len(values) for values in outputs.values()} == {size}
        replayed.add((name, size))
    assert {name for name, _ in replayed} == {"serving_default", "classify_text"}
    assert len({size for _, size in replayed}) > 1


def test_the_facts_of_the_training_go_with_the_model(small_model: SmallModel):
    file = small_model.saved_model / "assets.extra" / "training.json"
    facts = json.loads(file.read_text(encoding="utf-8"))
    assert facts["corpus"] == "bundled sample"
    assert facts["history"][0]["epoch"] == 1
