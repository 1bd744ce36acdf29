"""Plain FastAPI and TensorFlow, as most tutorials have it."""

from __future__ import annotations

import os

import tensorflow as tf
from fastapi import FastAPI
from pydantic import BaseModel

_loaded = tf.saved_model.load(os.environ["MODEL"])
_classify = _loaded.signatures["classify_text"]
app = FastAPI()


class Question(BaseModel):
    """A text."""

    text: str


@app.get("/ready")
def ready() -> bool:
    """Answers once the model is loaded."""
    return True


@app.post("/predict")
def predict(question: Question) -> dict[str, object]:
    """The emotion of a text; FastAPI runs this in a pool of threads."""
    outputs = _classify(text=tf.constant([question.text]))
    return {
        "label": outputs["label"].numpy()[0].decode(),
        "probabilities": outputs["probabilities"].numpy()[0].tolist(),
    }
