"""MLServer with a runtime of its own for the SavedModel, and its adaptive batching."""

from __future__ import annotations

import os

from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Emotions(MLModel):
    """Classifies texts."""

    async def load(self) -> bool:
        """Loads the model in the worker process."""
        import tensorflow as tf

        self._tf = tf
        self._loaded = tf.saved_model.load(os.environ["MODEL"])
        self._classify = self._loaded.signatures["classify_text"]
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Answers the texts of a request."""
        texts = StringCodec.decode_input(payload.inputs[0])
        outputs = self._classify(text=self._tf.constant(texts))
        labels = [label.decode() for label in outputs["label"].numpy()]
        return InferenceResponse(
            model_name=self.name,
            outputs=[
                StringCodec.encode_output("label", labels),
                NumpyCodec.encode_output("probabilities", outputs["probabilities"].numpy()),
            ],
        )
