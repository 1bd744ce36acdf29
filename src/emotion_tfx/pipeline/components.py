"""The components of our own: stop at bad data, report in pictures, push a model only once."""

# TFX reads the annotations of its components at run time: no postponed evaluation here.
import json
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import types
from tfx import v1 as tfx
from tfx.components.pusher import executor as pusher
from tfx.types import artifact_utils
from tfx.utils import path_utils, proto_utils

from emotion_tfx.errors import UserError
from emotion_tfx.evaluation import gates
from emotion_tfx.evaluation.behaviour import check_behaviour, read_cases
from emotion_tfx.evaluation.card import write_model_card
from emotion_tfx.evaluation.files import write_atomically
from emotion_tfx.evaluation.gates import check_gates
from emotion_tfx.evaluation.metrics import Metrics, Predictions, compute_metrics
from emotion_tfx.evaluation.reasons import measure_reasons
from emotion_tfx.evaluation.report import write_report
from emotion_tfx.evaluation.run import EvaluatedRun
from emotion_tfx.features.preprocessing import LABEL, SOURCE, TEXT
from emotion_tfx.labels import LABELS
from emotion_tfx.model.classifier import EmotionClassifier
from emotion_tfx.model.locate import FACTS
from emotion_tfx.monitoring import reference
from emotion_tfx.storage import fetched, sent

CARD = "README.md"
_TEST_SPLIT = "test"


@tfx.dsl.components.component
def RequireNoAnomalies(  # noqa: N802
    anomalies: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ExampleAnomalies],
) -> None:
    """Ends the run where ExampleValidator found the data not to be as the schema says.

    Raises:
        UserError: With every anomaly in words.
    """
    found = []
    for split in artifact_utils.decode_split_names(anomalies.split_names):
        with fetched(artifact_utils.get_split_uri([anomalies], split)) as folder:
            read = anomalies_pb2.Anomalies.FromString((folder / "SchemaDiff.pb").read_bytes())
        for name, info in read.anomaly_info.items():
            found.append(f"{split} data, column {name}: {info.description}")
    if found:
        raise UserError(
            "The data are not as the schema says: " + "; ".join(found),
            "Mend the data, or the schema if the data are right.",
        )


@tfx.dsl.components.component
def Reporter(  # noqa: N802
    examples: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Examples],
    model: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model],
    blessing: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.ModelBlessing],
    pushed: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.PushedModel],
    report: tfx.dsl.components.OutputArtifact[tfx.types.standard_artifacts.ModelEvaluation],
    data_report: tfx.dsl.components.Parameter[str],
    min_accuracy: tfx.dsl.components.Parameter[float],
    max_drop: tfx.dsl.components.Parameter[float],
    evaluation: tfx.dsl.components.Parameter[str],
    code: tfx.dsl.components.Parameter[str],
    baseline: tfx.dsl.components.InputArtifact[tfx.types.standard_artifacts.Model] = None,
) -> None:
    """Evaluates the exported model on the test texts and the written cases, and writes it down.

    It is asked for its reasons, too, and writes the reference with which the answers in service
    are compared.

    The decision that it tells is the Evaluator's, the version the Pusher's; ``baseline`` is the
    model that was in service before. In the folder ``report`` come ``report.html``, the figures as
    JSON, plots and the model card. ``evaluation`` is a fingerprint of the evaluation, so that a
    run after a change of it, or of the cases, is not taken for a repeated one; ``code`` and
    ``data_report`` tell the store what the model was made with and from.
    """
    test = artifact_utils.get_split_uri([examples], _TEST_SPLIT)
    with fetched(_exported(model)) as folder:
        facts = json.loads((folder / "assets.extra" / FACTS).read_text(encoding="utf-8"))
        classifier = EmotionClassifier(folder)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        predictions = _predict(classifier, test)
        behaviour = check_behaviour(read_cases(), classifier.predict_arrays)
    in_service = None
    if baseline is not None:
        with fetched(_exported(baseline)) as folder:
            in_service = compute_metrics(_predict(EmotionClassifier(folder), test))
    verdict = check_gates(
        compute_metrics(predictions), in_service, min_accuracy=min_accuracy, max_drop=max_drop
    )
    blessed = bool(blessing.get_int_custom_property("blessed"))
    history = facts.pop("history")
    version = pushed.get_string_custom_property("pushed_version")
    if version:
        facts = {"model version": version, **facts}
    run = EvaluatedRun(
        predictions=predictions,
        verdict=replace(verdict, passed=blessed),
        history=history,
        facts={**facts, "size on disk (MB)": round(size / 1e6, 1)},
        data_report=json.loads(data_report),
        baseline=None if baseline is not None and baseline.uri == model.uri else in_service,
        behaviour=behaviour,
        reasons=measure_reasons(
            predictions.texts, classifier.explain_many, classifier.predict_arrays
        ),
    )
    gate = json.dumps(_gate(run, min_accuracy, max_drop), indent=2) + "\n"
    report.set_string_custom_property("gate", gate)
    with sent(report.uri) as out:
        write_report(out, run)
        write_atomically(out / gates.FILE, gate.encode())
        write_model_card(out / CARD, run)
        write_atomically(out / reference.FILE, _reference(classifier, run).to_json().encode())


def _gate(run: EvaluatedRun, min_accuracy: float, max_drop: float) -> dict[str, Any]:
    """What the gate was told, looked at and found."""

    def figures(metrics: Metrics | None) -> dict[str, float] | None:
        if metrics is None:
            return None
        return {"accuracy": metrics.accuracy, "macro_f1": metrics.macro.f1}

    return {
        "passed": run.verdict.passed,
        "reasons": list(run.verdict.reasons),
        "rows": run.metrics.n,
        "model": figures(run.metrics),
        "in_service": figures(run.baseline),
        "min_accuracy": min_accuracy,
        "max_drop": max_drop,
    }


def _reference(classifier: EmotionClassifier, run: EvaluatedRun) -> reference.Reference:
    """What the answers to the test texts looked like, for drift to be measured against."""
    told = run.predictions
    observed = reference.Observed.of(told.probabilities, *classifier.count_words(told.texts))
    source = f"the test split of {run.facts['corpus']}"
    return reference.Reference.make(observed, told.correct, LABELS, source)


def _exported(model: types.Artifact) -> str:
    return path_utils.serving_model_path(model.uri)


def _predict(classifier: EmotionClassifier, examples: str) -> Predictions:
    files = tf.io.gfile.glob(f"{examples}/*")
    spec = {
        TEXT: tf.io.FixedLenFeature([], tf.string),
        SOURCE: tf.io.FixedLenFeature([], tf.string),
        LABEL: tf.io.FixedLenFeature([], tf.int64),
    }
    records = tf.data.TFRecordDataset(sorted(files), compression_type="GZIP").batch(1024)
    rows = [tf.io.parse_example(batch, spec) for batch in records]
    texts = [text.decode() for row in rows for text in row[TEXT].numpy()]
    predicted = classifier.predict_arrays(texts)
    return Predictions(
        texts=texts,
        labels=np.concatenate([row[LABEL].numpy() for row in rows]),
        probabilities=predicted.probabilities,
        uncertain=predicted.uncertain,
        sources=[source.decode() for row in rows for source in row[SOURCE].numpy()],
    )


class PushOnce(pusher.Executor):
    """Pusher's own executor, except that the model already in service is not pushed again.

    A repeated run evaluates the unchanged model once more, now against itself; that would
    otherwise make a new version of the same bytes.
    """

    def Do(  # noqa: D102, N802
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        destination = tfx.proto.PushDestination()
        proto_utils.json_to_proto(exec_properties["push_destination"], destination)
        newest = _newest_version(destination.filesystem.base_directory)
        blessed = self.CheckBlessing(input_dict)
        if blessed and newest is not None and _same_model(newest, self.GetModelPath(input_dict)):
            pushed = artifact_utils.get_single_instance(output_dict["pushed_model"])
            self._MarkPushed(pushed, newest, _number(newest))
            return
        super().Do(input_dict, output_dict, exec_properties)


def _newest_version(base: str) -> str | None:
    """As ``model.locate`` finds it, at an address as well."""
    files = tf.io.gfile.glob(f"{base}/*/saved_model.pb")
    versions = [file.removesuffix("/saved_model.pb") for file in files]
    numbered = [version for version in versions if _number(version).isdecimal()]
    return max(numbered, key=lambda version: int(_number(version)), default=None)


def _number(version: str) -> str:
    return version.rpartition("/")[2]


def _same_model(one: str, other: str) -> bool:
    names = ("saved_model.pb", "variables/variables.data-00000-of-00001")
    return all(_read(f"{one}/{name}") == _read(f"{other}/{name}") for name in names)


def _read(file: str) -> bytes:
    with tf.io.gfile.GFile(file, "rb") as opened:
        return opened.read()
