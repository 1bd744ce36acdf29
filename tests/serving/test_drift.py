from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotion_tfx.labels import LABELS
from emotion_tfx.monitoring.drift import MIN_TEXTS
from emotion_tfx.monitoring.reference import FILE, Reference
from emotion_tfx.serving.drift import DriftWindow, drift_lines
from emotion_tfx.serving.metrics import OwnValues, SharedValues, Values, forget

from ..monitoring.examples import answers, reference

DISTANCE = 'emotion_drift_distance{model_name="m",feature="%s"}'


def folder(path: Path, kept: Reference | None) -> Path:
    (path / "assets.extra").mkdir(parents=True, exist_ok=True)
    if kept is not None:
        (path / "assets.extra" / FILE).write_text(kept.to_json(), encoding="utf-8")
    return path


def window(path: Path, values: Values, size: int = 5000, version: int = 1) -> DriftWindow:
    return DriftWindow("m", version, path, LABELS, size, values)


def told(values: Values, *windows: DriftWindow) -> dict[str, float]:
    lines = [line for line in drift_lines(windows, values) if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def add(to: DriftWindow, texts: int, seed: int = 0) -> None:
    observed, _ = answers(texts, seed)
    to.add({"label": observed.predicted, "confidence": observed.confidence})
    to.add({"length": observed.length, "unknown_words": observed.unknown_words})


def test_answers_like_those_it_was_judged_on_are_no_drift(tmp_path: Path):
    values, kept = OwnValues(), reference(2000)
    seen = window(folder(tmp_path, kept), values)
    add(seen, 2000, seed=1)
    figures = told(values, seen)
    assert figures['emotion_drift_texts{model_name="m"}'] == 2000
    assert figures['emotion_reference_accuracy{model_name="m"}'] == pytest.approx(kept.accuracy)
    assert figures['emotion_estimated_accuracy{model_name="m"}'] == pytest.approx(
        kept.accuracy, abs=0.02
    )
    for feature in ("label", "confidence", "length", "unknown_words"):
        assert figures[DISTANCE % feature] < 0.05


def test_other_answers_are(tmp_path: Path):
    values = OwnValues()
    seen = window(folder(tmp_path, reference(2000)), values)
    seen.add({"label": np.full(600, 3), "confidence": np.full(600, 0.45)})
    figures = told(values, seen)
    assert figures[DISTANCE % "label"] > 0.5
    assert figures[DISTANCE % "confidence"] > 0.5
    assert figures['emotion_estimated_accuracy{model_name="m"}'] < 0.6


def test_few_texts_tell_nothing(tmp_path: Path):
    values = OwnValues()
    seen = window(folder(tmp_path, reference(2000)), values)
    add(seen, MIN_TEXTS - 1)
    assert not [name for name in told(values, seen) if "distance" in name or "estimated" in name]
    add(seen, 1)
    assert len([name for name in told(values, seen) if "distance" in name]) == 4


@given(st.lists(st.lists(st.integers(0, 5), max_size=12), max_size=12), st.integers(1, 15))
def test_the_window_holds_the_last_texts_and_no_more(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[int]], size: int
):
    path = tmp_path_factory.mktemp("version")
    values = OwnValues()
    seen = window(folder(path, reference(100)), values, size)
    for batch in batches:
        seen.add({"label": np.array(batch, dtype=int)})
    last = [label for batch in batches for label in batch][-size:]
    counts = seen.counts(values.items())["label"].counts if seen.reference else ()
    assert list(counts) == [Counter(last)[label] for label in range(6)]
    seen.close()
    assert set(seen.counts(values.items())["label"].counts) == {0}


def test_the_windows_of_several_processes_add_up_until_one_ends(tmp_path: Path):
    import os
    import subprocess
    import sys

    path, shared = folder(tmp_path / "1", reference(2000)), tmp_path / "windows"
    shared.mkdir()
    code = (
        "import sys, pathlib, numpy as np; from emotion_tfx.labels import LABELS; "
        "from emotion_tfx.serving.drift import *; from emotion_tfx.serving.metrics import *; "
        "path, shared = map(pathlib.Path, sys.argv[1:]); "
        "seen = DriftWindow('m', 1, path, LABELS, 5000, SharedValues(shared)); "
        "seen.add({'label': np.full(400, 2)}); import os; print(os.getpid())"
    )
    other = subprocess.run(
        [sys.executable, "-c", code, path, shared], check=True, capture_output=True, text=True
    )
    values = SharedValues(shared)
    seen = window(path, values)
    seen.add({"label": np.full(200, 2)})
    assert told(values, seen)['emotion_drift_texts{model_name="m"}'] == 600
    assert DISTANCE % "label" in told(values, seen)
    assert int(other.stdout) != os.getpid()
    forget(shared, int(other.stdout))
    assert told(values, seen)['emotion_drift_texts{model_name="m"}'] == 200


def test_a_version_without_a_reference_tells_nothing_until_it_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from emotion_tfx.serving import drift

    monkeypatch.setattr(drift, "_LOOK_SECONDS", 0.0)
    values = OwnValues()
    seen = window(folder(tmp_path, None), values)
    add(seen, 600)
    assert told(values, seen) == {}
    (tmp_path / "assets.extra" / FILE).write_text("{", encoding="utf-8")  # being written
    assert told(values, seen) == {}
    folder(tmp_path, reference(2000))
    add(seen, 600)
    assert told(values, seen)['emotion_drift_texts{model_name="m"}'] == 600


def test_a_reference_of_another_model_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    values = OwnValues()
    seen = DriftWindow("m", 1, folder(tmp_path, reference(100)), ["good", "bad"], 5000, values)
    seen.add({"label": np.array([0, 1])})
    assert told(values, seen) == {}
    assert "other labels" in caplog.text
