"""emotion-tfx: which of six emotions a short English text expresses, how sure that is, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emotion_tfx.model.classifier import Answer, EmotionClassifier

__all__ = ["Answer", "EmotionClassifier"]


def __getattr__(name: str) -> Any:  # noqa: ANN401
    # Loading TensorFlow takes seconds: only who uses the classifier waits for it.
    if name in __all__:
        from emotion_tfx.model import classifier

        return getattr(classifier, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
