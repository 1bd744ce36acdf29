"""Which code a model was made with."""

from __future__ import annotations

import importlib.metadata

import pytest
import tensorflow as tf

from emotion_tfx.pipeline import code


def test_versions_are_told_whatever_package_tensorflow_came_in(monkeypatch: pytest.MonkeyPatch):
    def version(name: str) -> str:
        if name == "tensorflow":
            raise importlib.metadata.PackageNotFoundError(name)
        return importlib.metadata.version(name)

    monkeypatch.setattr(code, "version", version)
    facts = code.package_facts()
    assert facts["tensorflow"] == tf.__version__
    assert facts["emotion-tfx"] == importlib.metadata.version("emotion-tfx")
