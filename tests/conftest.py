from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from emotion_tfx.config import Paths
from emotion_tfx.model.locate import newest_version

from .command import Ended, train


@dataclass(frozen=True)
class SampleRun:
    """A real run of the pipeline on the bundled sample."""

    output: Path
    ended: Ended

    @property
    def paths(self) -> Paths:
        return Paths(self.output / "sample")

    @property
    def model(self) -> Path:
        version = newest_version(self.paths.serving_model)
        assert version is not None
        return version

    @property
    def transform_graph(self) -> Path:
        (folder,) = (self.paths.artifacts / "Transform" / "transform_graph").iterdir()
        return folder


@pytest.fixture(scope="session")
def sample_run(tmp_path_factory: pytest.TempPathFactory) -> SampleRun:
    """Made once, and to be left as it is."""
    output = tmp_path_factory.mktemp("run") / "output"
    ended = train(output)
    assert ended.code == 0, ended.errors
    return SampleRun(output, ended)


@pytest.fixture
def sample_run_to_change(sample_run: SampleRun, tmp_path: Path) -> Iterator[SampleRun]:
    """The same in its place, where its cache holds, and put back as it was afterwards."""
    backup = tmp_path / "backup"
    shutil.copytree(sample_run.output, backup)
    yield sample_run
    shutil.rmtree(sample_run.output)
    shutil.move(backup, sample_run.output)
