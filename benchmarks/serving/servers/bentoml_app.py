"""BentoML with its adaptive batching."""

from __future__ import annotations

import os
from typing import Any

import bentoml


@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Emotions:
    """Classifies texts."""

    def __init__(self) -> None:
        import tensorflow as tf

        self._tf = tf
        self._loaded = tf.saved_model.load(os.environ["MODEL"])
        self._classify = self._loaded.signatures["classify_text"]

    @bentoml.api(batchable=True, max_batch_size=64, max_latency_ms=1000)
    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        """Answers texts together."""
        outputs = self._classify(text=self._tf.constant(texts))
        labels = outputs["label"].numpy()
        rows = outputs["probabilities"].numpy().tolist()
        return [
            {"label": label.decode(), "probabilities": row}
            for label, row in zip(labels, rows, strict=True)
        ]
