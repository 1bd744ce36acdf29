from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from emotion_tfx.config import Paths
from emotion_tfx.model.locate import newest_version

from .command import Ended, train

# A busy machine is no fault of what is tested.
settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")

#: Started first, so that nothing waits for them at the end.
LONGEST = ("pipeline/test_run.py", "pipeline/test_interrupted.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONGEST))
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONGEST[0]))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The corpora that are not ours to keep: beside the checkout, or where the environment says."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("EMOTION_SHARED_DATA", beside))
    if not (folder / "carer").is_dir():
        pytest.skip(f"the CARER corpus is not in {folder}")
    return folder


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
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[SampleRun, SampleRun]:
    """A run, made once for all workers of pytest-xdist, and a copy to read from."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    original, copy, told = root / "run" / "output", root / "copy" / "output", root / "ended.json"
    with (root / "run.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not told.exists():
            ended = train(original)
            shutil.copytree(original, copy)
            told.write_text(json.dumps(asdict(ended)), encoding="utf-8")
    ended = Ended(**json.loads(told.read_text(encoding="utf-8")))
    assert ended.code == 0, ended.errors
    return SampleRun(original, ended), SampleRun(copy, ended)


@pytest.fixture(scope="session")
def sample_run(finished_run: tuple[SampleRun, SampleRun]) -> SampleRun:
    """To be left as it is."""
    return finished_run[1]


@pytest.fixture
def sample_run_in_place(
    finished_run: tuple[SampleRun, SampleRun], tmp_path: Path
) -> Iterator[SampleRun]:
    """Where it was made, so that its cache holds, and put back as it was afterwards.

    Only for tests of one file: those of others may run at the same time.
    """
    run = finished_run[0]
    backup = tmp_path / "backup"
    shutil.copytree(run.output, backup)
    yield run
    shutil.rmtree(run.output)
    shutil.move(backup, run.output)
