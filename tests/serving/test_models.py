from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from emotion_tfx.errors import UserError
from emotion_tfx.serving import ServerSettings
from emotion_tfx.serving.model_config import ModelConfig, VersionPolicy, read_model_config
from emotion_tfx.serving.models import Models, ModelSpec
from emotion_tfx.serving.status import Code, ServingError

from .conftest import ModelBase, free_port, running_server, wait_until

Start = Callable[..., Models]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as stack:

        def start_models(*configs: ModelConfig) -> Models:
            models = Models(configs, poll_seconds=0.02)
            models.start()
            stack.callback(models.stop)
            wait_until(lambda: models.ready)
            return models

        yield start_models


def serving(models: Models, name: str, **wanted: object) -> int:
    with models.serving(ModelSpec(name, **wanted)) as servable:
        return servable.model.version


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (VersionPolicy(), [3]),
        (VersionPolicy(newest=2), [3, 2]),
        (VersionPolicy(newest=None), [3, 2, 1]),
        (VersionPolicy(only=frozenset([1, 2])), [2, 1]),
        (VersionPolicy(only=frozenset([2, 9])), [2]),
    ],
)
def test_a_policy_says_which_versions_serve(
    model_base: ModelBase, start: Start, policy: VersionPolicy, expected: list[int]
):
    for version in (1, 2, 3):
        model_base.push(version)
    models = start(ModelConfig("toy", model_base.path, policy))
    wait_until(lambda: models.versions("toy") == expected)
    assert serving(models, "toy") == expected[0]
    assert [serving(models, "toy", version=number) for number in expected] == expected


def test_a_label_stands_for_a_version_and_moves_when_the_configuration_does(
    model_base: ModelBase, start: Start
):
    model_base.push(1)
    model_base.push(2)
    both = VersionPolicy(newest=None)
    config = ModelConfig("toy", model_base.path, both, {"stable": 1, "canary": 2})
    models = start(config)
    wait_until(lambda: models.versions("toy") == [2, 1])
    assert serving(models, "toy", label="stable") == 1
    assert serving(models, "toy", label="canary") == 2
    with pytest.raises(ServingError, match="Unrecognized servable version label: none") as caught:
        serving(models, "toy", label="none")
    assert caught.value.code is Code.INVALID_ARGUMENT
    # Rolled back by label, while both versions go on serving.
    models.reconfigure([ModelConfig("toy", model_base.path, both, {"stable": 1, "canary": 1})])
    assert serving(models, "toy", label="canary") == 1


def test_models_come_and_go_with_the_configuration(model_base: ModelBase, start: Start):
    model_base.push(1)
    models = start(ModelConfig("one", model_base.path))
    models.reconfigure([ModelConfig("two", model_base.path)])
    assert models.names == ["two"]
    assert serving(models, "two") == 1
    with pytest.raises(ServingError, match=r"Servable not found for request: Latest\(one\)"):
        serving(models, "one")
    with pytest.raises(ServingError, match="Could not find any versions of model one"):
        models.statuses(ModelSpec("one"))


def test_a_label_for_a_version_that_does_not_serve_is_refused_and_the_old_one_stays(
    model_base: ModelBase, start: Start
):
    model_base.push(1)
    models = start(ModelConfig("toy", model_base.path, labels={"stable": 1}))
    with pytest.raises(ServingError, match="Request to assign label to version 7") as caught:
        models.reconfigure([ModelConfig("toy", model_base.path, labels={"stable": 7})])
    assert caught.value.code is Code.FAILED_PRECONDITION
    assert serving(models, "toy", label="stable") == 1


CONFIG = """
model_config_list {
  config {
    name: "toy"
    base_path: "models"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 1 versions: 2 } }
    version_labels { key: "stable" value: 1 }
  }
  config { name: "all" base_path: "/models" model_version_policy { all {} } }
  config { name: "two" base_path: "/models" model_version_policy { latest { num_versions: 2 } } }
}
"""


def test_a_file_of_configuration_is_read(tmp_path: Path):
    file = tmp_path / "models.pbtxt"
    file.write_text(CONFIG)
    assert read_model_config(file) == [
        ModelConfig(
            "toy", tmp_path / "models", VersionPolicy(only=frozenset([1, 2])), {"stable": 1}
        ),
        ModelConfig("all", Path("/models"), VersionPolicy(newest=None)),
        ModelConfig("two", Path("/models"), VersionPolicy(newest=2)),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("model_config_list {", "no model configuration: 1:19"),
        ("custom_model_config {}", "expected a model_config_list"),
        ('model_config_list { config { name: "../x" base_path: "b" } }', "cannot be a model's"),
        ('model_config_list { config { name: "x" } }', "Invalid base path for model x"),
        (
            'model_config_list { config { name: "x" base_path: "b" } '
            'config { name: "x" base_path: "c" } }',
            "Illegal to list model x multiple times",
        ),
        (
            'model_config_list { config { name: "x" base_path: "b" model_platform: "caffe" } }',
            "Unsupported model platform: caffe",
        ),
        ("\xff", "is not text"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_not_right_is_told(tmp_path: Path, text: str | None, problem: str):
    file = tmp_path / "models.pbtxt"
    if text is not None:
        file.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=problem) as caught:
        read_model_config(file)
    assert str(file) in str(caught.value)


def test_labels_work_over_rest_and_follow_the_file(model_base: ModelBase):
    model_base.push(1)
    model_base.push(2)
    file = model_base.path.parent / "models.pbtxt"
    file.write_text(CONFIG.partition("  config { name")[0] + "}")
    settings = ServerSettings(
        Path("unused"), model_config=file, rest_port=free_port(), poll_seconds=0.05
    )

    def version(client: httpx.Client, path: str) -> int:
        body = {"signature_name": "classify_text", "instances": ["one"]}
        reply = client.post(f"/v1/models/toy{path}:predict", json=body)
        return reply.json()["predictions"][0]["version"] if reply.is_success else 0

    with running_server(settings) as client:
        wait_until(lambda: version(client, "") == 2 and version(client, "/versions/1") == 1)
        assert version(client, "/labels/stable") == 1
        status = client.get("/v1/models/toy/labels/stable").json()["model_version_status"]
        assert [entry["version"] for entry in status] == ["1"]
        assert client.get("/v1/models/toy/labels/stable/metadata").status_code == 200
        unknown = client.post("/v1/models/toy/labels/none:predict", json={"instances": ["a"]})
        assert (unknown.status_code, unknown.json()) == (
            400,
            {"error": "Unrecognized servable version label: none"},
        )
        file.write_text("nonsense")
        file.write_text(file.read_text() + "{")
        assert version(client, "/labels/stable") == 1
        file.write_text(
            CONFIG.partition("  config { name")[0].replace("value: 1", "value: 2") + "}"
        )
        wait_until(lambda: version(client, "/labels/stable") == 2)
