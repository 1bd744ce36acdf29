"""LitServe with batching, as its documentation advises for throughput."""

import os
import sys
from typing import Any

import litserve as ls


class Emotions(ls.LitAPI):
    """Classifies texts."""

    def setup(self, device: str) -> None:
        """Loads the model in the worker process."""
        import tensorflow as tf

        self._tf = tf
        self._loaded = tf.saved_model.load(os.environ["MODEL"])
        self._classify = self._loaded.signatures["classify_text"]

    def decode_request(self, request: dict[str, Any]) -> str:
        """The text of a request."""
        return request["text"]

    def batch(self, inputs: list[str]) -> list[str]:
        """Texts stay a list."""
        return inputs

    def predict(self, texts: list[str]) -> list[dict[str, Any]]:
        """Answers texts together."""
        outputs = self._classify(text=self._tf.constant(texts))
        labels = outputs["label"].numpy()
        rows = outputs["probabilities"].numpy().tolist()
        return [
            {"label": label.decode(), "probabilities": row}
            for label, row in zip(labels, rows, strict=True)
        ]

    def unbatch(self, output: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """One answer a text."""
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """Answers are JSON already."""
        return output


if __name__ == "__main__":
    api = Emotions(max_batch_size=64, batch_timeout=0.001)
    ls.LitServer(api, accelerator="cpu").run(
        host="127.0.0.1", port=int(sys.argv[1]), generate_client_file=False, log_level="warning"
    )
