"""Runs an exported model in a process that has imported nothing but TensorFlow.

Usage: python fresh_process.py SAVED_MODEL TEXTS ANSWERS, the texts as a JSON list of base64. Writes
what both signatures answer to the texts, in batches as they come, and the names of all ops.
"""

from __future__ import annotations

import base64
import json
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry

BATCH = 96


def foreign_ops(folder: str) -> list[str]:
    """The ops of the graph and of its functions that TensorFlow alone does not know."""
    model = saved_model_pb2.SavedModel.FromString(Path(folder, "saved_model.pb").read_bytes())
    foreign = set()
    for meta in model.meta_graphs:
        library = meta.graph_def.library
        ops = {node.op for node in meta.graph_def.node}
        ops |= {node.op for function in library.function for node in function.node_def}
        ops -= {function.signature.name for function in library.function}
        foreign |= {op for op in ops if op_def_registry.get(op) is None}
    return sorted(foreign)


def example(text: bytes) -> bytes:
    feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[text]))
    return tf.train.Example(
        features=tf.train.Features(feature={"text": feature})
    ).SerializeToString()


def main(folder: str, texts_file: str, answers_file: str) -> None:
    foreign = foreign_ops(folder)
    texts = [base64.b64decode(text) for text in json.loads(Path(texts_file).read_text())]
    signatures = tf.saved_model.load(folder).signatures
    by_example, by_text, uncertain = [], [], []
    for start in range(0, len(texts), BATCH):
        part = texts[start : start + BATCH]
        (answered,) = signatures["serving_default"](
            examples=tf.constant([example(text) for text in part])
        ).values()
        by_example.append(answered.numpy())
        answers = signatures["classify_text"](text=tf.constant(part))
        by_text.append(answers["probabilities"].numpy())
        uncertain.append(answers["is_uncertain"].numpy())
    np.savez(
        answers_file,
        serving_default=np.concatenate(by_example),
        classify_text=np.concatenate(by_text),
        is_uncertain=np.concatenate(uncertain),
        foreign=np.array(foreign, dtype=str),
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
