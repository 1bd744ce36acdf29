"""How TensorFlow shares the machine's cores."""

from __future__ import annotations

import os

import pytest

from emotion_tfx.cores import INTRAOP_THREADS, training_threads, usable_cores


def test_an_operation_is_split_over_half_the_cores_while_training(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(INTRAOP_THREADS, raising=False)
    with training_threads():
        assert os.environ[INTRAOP_THREADS] == str(max(1, usable_cores() // 2))
    assert INTRAOP_THREADS not in os.environ


def test_what_the_user_wants_comes_first(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(INTRAOP_THREADS, "7")
    with training_threads():
        assert os.environ[INTRAOP_THREADS] == "7"
    assert os.environ[INTRAOP_THREADS] == "7"
