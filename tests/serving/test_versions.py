from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from emotion_tfx.serving.json_tensor import TensorSpec
from emotion_tfx.serving.metrics import ServingMetrics
from emotion_tfx.serving.model import Signature
from emotion_tfx.serving.model_config import ModelConfig
from emotion_tfx.serving.status import Code, ServingError
from emotion_tfx.serving.versions import State, VersionManager, missing_for

from .conftest import ModelBase, wait_until

Start = Callable[..., VersionManager]


@pytest.fixture
def start(model_base: ModelBase) -> Iterator[Start]:
    """Starts a manager that looks at the model base fifty times a second."""
    with ExitStack() as stack:

        def start_manager(**options: object) -> VersionManager:
            config = ModelConfig("emotion", model_base.path)
            manager = VersionManager(config, poll_seconds=0.02, **options)
            manager.start()
            stack.callback(manager.stop)
            return manager

        yield start_manager


def states(manager: VersionManager) -> dict[int, State]:
    try:
        return {status.version: status.state for status in manager.statuses()}
    except ServingError:
        return {}


def answering_version(manager: VersionManager, version: int | None = None) -> int:
    with manager.serving(version) as servable:
        signature = servable.model.signature("classify_text")
        inputs = {"text": np.array([b"one"], object)}
        return int(servable.batcher.submit(signature, inputs).result(60)["version"][0])


def wait_for(manager: VersionManager, **expected: State) -> None:
    """Waits until the versions, written as v1, v2, stand exactly so."""
    wanted = {int(name[1:]): state for name, state in expected.items()}
    wait_until(lambda: states(manager) == wanted)


def test_the_newest_version_serves(model_base: ModelBase, start: Start):
    model_base.push(1)
    model_base.push(3)
    manager = start()
    wait_for(manager, v3=State.AVAILABLE)
    assert manager.ready
    assert answering_version(manager) == 3
    assert answering_version(manager, 3) == 3


def test_versions_are_ordered_as_numbers_and_may_have_leading_zeros(
    model_base: ModelBase, start: Start
):
    model_base.push(1, "9")
    model_base.push(2, "00000123")
    manager = start()
    wait_for(manager, v123=State.AVAILABLE)
    assert answering_version(manager, 123) == 2


def test_only_numbered_folders_with_a_saved_model_are_versions(model_base: ModelBase, start: Start):
    model_base.push(1)
    model_base.push(2, "2.tmp")
    model_base.push(3, "latest")
    (model_base.path / "7").mkdir()
    (model_base.path / "8").write_text("no folder")
    model_base.push(2, str(2**63))
    wait_for(start(), v1=State.AVAILABLE)


def test_a_new_version_takes_over_and_the_old_one_is_unloaded(model_base: ModelBase, start: Start):
    model_base.push(1)
    manager = start()
    wait_for(manager, v1=State.AVAILABLE)
    model_base.push(2)
    wait_for(manager, v2=State.AVAILABLE, v1=State.END)
    assert [status.version for status in manager.statuses()] == [2, 1]
    assert answering_version(manager) == 2
    with pytest.raises(ServingError) as caught:
        answering_version(manager, 1)
    assert caught.value.code is Code.NOT_FOUND
    assert caught.value.message == "Servable not found for request: Specific(emotion, 1)"


def test_the_old_version_finishes_its_requests_before_it_goes(model_base: ModelBase, start: Start):
    model_base.push(1)
    manager = start()
    wait_for(manager, v1=State.AVAILABLE)
    with manager.serving() as old:
        model_base.push(2)
        wait_for(manager, v2=State.AVAILABLE, v1=State.UNLOADING)
        assert answering_version(manager) == 2
        outputs = old.model.run("classify_text", {"text": np.array([b"one"], object)})
        assert outputs["version"].tolist() == [1]
        assert states(manager)[1] is State.UNLOADING
    wait_for(manager, v2=State.AVAILABLE, v1=State.END)


def test_a_version_that_cannot_be_loaded_replaces_none(model_base: ModelBase, start: Start):
    model_base.push(1)
    metrics = ServingMetrics()
    manager = start(metrics=metrics)
    wait_for(manager, v1=State.AVAILABLE)
    path = model_base.push(2, broken=True)
    wait_for(manager, v2=State.END, v1=State.AVAILABLE)
    assert answering_version(manager) == 1
    (status,) = manager.statuses(2)
    assert (status.code, status.message) == (
        Code.INTERNAL,
        "Cannot load the SavedModel (DecodeError)",
    )
    assert f'load_attempt_count{{model_path="{path}",status="fail"}} 1\n' in metrics.text()


def test_a_version_that_failed_is_tried_again_only_when_its_folder_changes(
    model_base: ModelBase, start: Start
):
    model_base.push(1)
    path = model_base.push(2, broken=True)
    metrics = ServingMetrics()
    manager = start(metrics=metrics)
    wait_for(manager, v2=State.END, v1=State.AVAILABLE)
    # A third version comes and goes: the folder has been looked at many times since.
    model_base.push(3)
    wait_for(manager, v3=State.AVAILABLE, v2=State.END, v1=State.END)
    assert f'load_attempt_count{{model_path="{path}",status="fail"}} 1\n' in metrics.text()
    model_base.remove(3)
    shutil.copyfile(model_base.saved[2] / "saved_model.pb", path / "saved_model.pb")
    wait_until(lambda: states(manager)[2] is State.AVAILABLE)
    assert answering_version(manager) == 2


def test_the_newest_loadable_version_serves_when_newer_ones_are_broken(
    model_base: ModelBase, start: Start
):
    model_base.push(1)
    model_base.push(2)
    model_base.push(3, broken=True)
    manager = start()
    wait_for(manager, v3=State.END, v2=State.AVAILABLE)
    wait_until(lambda: manager.failing == 1)
    model_base.remove(3)
    wait_until(lambda: manager.failing == 0)


def test_a_broken_version_that_another_has_outdone_fails_nobody(
    model_base: ModelBase, start: Start
):
    model_base.push(1, broken=True)
    manager = start()
    wait_until(lambda: manager.failing == 1)
    assert not manager.ready
    model_base.push(2)
    wait_until(lambda: manager.failing == 0)
    assert manager.ready


def test_deleting_the_newest_version_rolls_back_to_the_one_before(
    model_base: ModelBase, start: Start
):
    model_base.push(1)
    model_base.push(2)
    manager = start()
    wait_for(manager, v2=State.AVAILABLE)
    model_base.remove(2)
    wait_for(manager, v2=State.END, v1=State.AVAILABLE)
    assert answering_version(manager) == 1


def test_deleting_the_serving_version_leaves_it_serving_while_no_other_can_be_loaded(
    model_base: ModelBase, start: Start
):
    model_base.push(1, broken=True)
    model_base.push(2)
    manager = start()
    wait_for(manager, v2=State.AVAILABLE)
    model_base.remove(2)
    wait_for(manager, v2=State.AVAILABLE, v1=State.END)
    assert answering_version(manager) == 2


def test_deleting_the_last_version_takes_the_model_out_of_service(
    model_base: ModelBase, start: Start
):
    model_base.push(1)
    manager = start()
    wait_for(manager, v1=State.AVAILABLE)
    model_base.remove(1)
    wait_for(manager, v1=State.END)
    assert not manager.ready
    with pytest.raises(ServingError, match=r"not found for request: Latest\(emotion\)"):
        answering_version(manager)


def test_a_model_base_that_is_away_for_a_moment_changes_nothing(
    model_base: ModelBase, start: Start, caplog: pytest.LogCaptureFixture
):
    model_base.push(1)
    manager = start()
    wait_for(manager, v1=State.AVAILABLE)
    away = model_base.path.rename(model_base.path.with_name("away"))
    wait_until(lambda: "Cannot read the model base" in caplog.text)
    assert answering_version(manager) == 1
    away.rename(model_base.path)
    model_base.push(2)
    wait_for(manager, v2=State.AVAILABLE, v1=State.END)


def test_it_waits_for_a_first_version_and_says_so_once(
    model_base: ModelBase, start: Start, caplog: pytest.LogCaptureFixture
):
    model_base.path.mkdir()
    available = threading.Event()
    manager = start(on_available=available.set)
    wait_until(lambda: "No versions of model emotion found" in caplog.text)
    assert not manager.ready
    with pytest.raises(ServingError) as caught:
        manager.statuses()
    assert caught.value.message == "Could not find any versions of model emotion"
    model_base.push(1)
    assert available.wait(60)
    assert answering_version(manager) == 1
    assert caplog.text.count("No versions of model emotion found") == 1


def test_an_unknown_version_has_no_status(model_base: ModelBase, start: Start):
    model_base.push(1)
    manager = start()
    wait_for(manager, v1=State.AVAILABLE)
    with pytest.raises(ServingError) as caught:
        manager.statuses(5)
    assert (caught.value.code, caught.value.message) == (
        Code.NOT_FOUND,
        "Could not find version 5 of model emotion",
    )


def test_stopping_waits_for_the_requests_in_flight(model_base: ModelBase, start: Start):
    model_base.push(1)
    manager = start()
    wait_for(manager, v1=State.AVAILABLE)
    stopping = threading.Thread(target=manager.stop)
    with manager.serving() as servable:
        stopping.start()
        wait_for(manager, v1=State.UNLOADING)
        outputs = servable.model.run("classify_text", {"text": np.array([b"one"], object)})
        assert outputs["version"].tolist() == [1]
        assert stopping.is_alive()
    stopping.join(60)
    assert states(manager) == {1: State.END}


def test_the_path_of_a_loaded_version_stands_in_the_load_metrics(
    model_base: ModelBase, start: Start
):
    path: Path = model_base.push(1)
    metrics = ServingMetrics()
    wait_for(start(metrics=metrics), v1=State.AVAILABLE)
    page = metrics.text()
    assert f'load_attempt_count{{model_path="{path}",status="success"}} 1\n' in page
    assert f'saved_model:load_latency{{model_path="{path}"}} ' in page


A, B = TensorSpec("string", (-1,)), TensorSpec("float32", (-1,))
SERVING = {"s": Signature("s", {"x": A}, {"y": B})}


@pytest.mark.parametrize(
    ("successor", "problem"),
    [
        (SERVING, None),
        ({**SERVING, "more": Signature("more", {}, {})}, None),
        ({"s": Signature("s", {"x": A}, {"y": B, "z": A})}, None),
        ({}, "the signature s is missing"),
        ({"s": Signature("s", {"x": B}, {"y": B})}, "the inputs of the signature s have changed"),
        (
            {"s": Signature("s", {"x": A, "z": A}, {"y": B})},
            "the inputs of the signature s have changed",
        ),
        ({"s": Signature("s", {"x": A}, {"y": A})}, "outputs of the signature s are missing"),
    ],
)
def test_clients_of_a_version_need_its_signatures_in_the_next(
    successor: dict[str, Signature], problem: str | None
):
    assert missing_for(SERVING, successor) == problem


def test_a_newer_version_with_other_signatures_replaces_none_and_is_counted(
    model_base: ModelBase, start: Start
):
    model_base.push(1)
    metrics = ServingMetrics()
    manager = start(metrics=metrics)
    wait_for(manager, v1=State.AVAILABLE)
    staging = shutil.copytree(model_base.saved[2], model_base.path.parent / "other")
    file = staging / "saved_model.pb"
    saved_model = SavedModel.FromString(file.read_bytes())
    del saved_model.meta_graphs[0].signature_def["total"]
    file.write_bytes(saved_model.SerializeToString())
    path = staging.rename(model_base.path / "2")
    wait_for(manager, v2=State.END, v1=State.AVAILABLE)
    (status,) = manager.statuses(2)
    assert (status.code, status.message) == (
        Code.FAILED_PRECONDITION,
        "It cannot take the place of version 1: the signature total is missing",
    )
    assert f'load_attempt_count{{model_path="{path}",status="fail"}} 1\n' in metrics.text()
    assert answering_version(manager) == 1
