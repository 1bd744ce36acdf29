"""The files for Docker, as far as they can be checked without an engine.

``deploy/docker/build-with-buildah.sh`` builds the images for real and tries them out.
"""

from __future__ import annotations

import inspect
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml
from docker.utils.build import exclude_paths
from dockerfile_parse import DockerfileParser

from emotion_tfx import cli
from emotion_tfx.config import Settings
from emotion_tfx.model.locate import newest_version
from emotion_tfx.monitoring.files import Watch, write_all

from ..app.browser import app, serving
from ..command import REPOSITORY

IMAGES = ("server", "app", "pipeline", "test")
COMPOSE = REPOSITORY / "compose.yaml"
OFFICIAL = REPOSITORY / "compose.tensorflow-serving.yaml"


def test_the_linters_have_nothing_to_say():
    docker = ["hadolint", "--config", ".hadolint.yaml", "Dockerfile"]
    scripts = [str(path) for path in (REPOSITORY / "deploy" / "docker").glob("*.sh")]
    assert scripts
    for command in (docker, ["shellcheck", *scripts]):
        ended = program(*command)
        assert ended.returncode == 0, ended.stdout


# The Dockerfile


def test_every_image_is_built_on_a_pinned_one():
    (base,) = [value for step, value in instructions() if step == "ARG" and "BASE=" in value]
    assert re.fullmatch(r"BASE=debian:trixie-\d{8}-slim@sha256:[0-9a-f]{64}", base)
    for name, stage in stages().items():
        _, value = stage[0]
        assert value.split(" ")[0] in {"${BASE}", *stages()} - {name}


@pytest.mark.parametrize("image", IMAGES)
def test_no_image_runs_as_root_nor_through_a_shell(image: str):
    steps = dict(stages()[image])
    # A number, so that Kubernetes can tell as well.
    assert steps["USER"] == "10001:10001"
    json.loads(steps["CMD"])
    json.loads(steps.get("ENTRYPOINT", "[]"))
    assert "title" in steps["LABEL"]


def test_what_is_copied_exists_and_is_not_ignored():
    kept = sent(REPOSITORY)
    sources = [source for stage in stages().values() for source in copied(stage)]
    assert "src" in sources
    for source in sources:
        folder = "" if source == "." else f"{source}/"
        assert any(path == source or path.startswith(folder) for path in kept), source


def test_nothing_private_is_sent_to_the_builder(tmp_path: Path):
    private = [
        ".env",
        ".git/config",
        ".venv/bin/python",
        "corpus.csv",
        "data/mine.csv",
        "deploy/cloud/terraform.tfstate",
        "deploy/cloud/secret.tfvars",
        "deploy/.env.production",
        "emotion.toml",
        "kaggle.json",
        "models/mine/1/saved_model.pb",
        "output/feedback.sqlite",
        "src/emotion_tfx/__pycache__/cli.cpython-313.pyc",
        "tests/.pytest_cache/README.md",
    ]
    for path in ("src/emotion_tfx/cli.py", "src/emotion_tfx/app/.streamlit/config.toml", *private):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    assert {path for path in sent(tmp_path) if (tmp_path / path).is_file()} == {
        "src/emotion_tfx/cli.py",
        "src/emotion_tfx/app/.streamlit/config.toml",
    }


def test_versions_agree_with_those_of_the_project():
    lock = (REPOSITORY / "uv.lock").read_text()
    full, without_gpu = (
        re.findall(rf'name = "{name}"\nversion = "([0-9.]+)"', lock)
        for name in ("tensorflow", "tensorflow-cpu")
    )
    # The images' Python is newer than 3.10, whose TensorFlow is the other one of the two.
    assert without_gpu == [full[-1]]
    makefile = (REPOSITORY / "Makefile").read_text()
    (uv,) = re.findall(r"ARG UV_VERSION=(\S+)", (REPOSITORY / "Dockerfile").read_text())
    assert f"UV_VERSION := {uv}\n" in makefile
    assert f"image.version={version('emotion-tfx')}" in dict(stages()["base"])["LABEL"]


@pytest.mark.parametrize(
    ("image", "extras"),
    [("server", ["serve"]), ("app", ["app"]), ("pipeline", ["kubeflow", "train"])],
)
def test_each_image_has_what_it_runs_and_no_more(image: str, extras: list[str]):
    steps = " ".join(value for _, value in stages()[f"{image}-environment"])
    assert sorted(re.findall(r"--extra=(\S+)", steps)) == extras


def test_ports_are_those_of_the_commands():
    assert dict(stages()["server"])["EXPOSE"] == f"{default('grpc_port')} {default('rest_port')}"
    assert dict(stages()["app"])["EXPOSE"] == str(default("port", cli.web_app))


def test_the_health_checks_tell_the_truth(tmp_path: Path):
    with serving(tmp_path / "server.log") as server:
        assert health("server", server).returncode == 0
        assert health("server", server, to="/v2/health/somewhere-else").returncode != 0
        assert official_health(server).returncode == 0
        with app(server, tmp_path / "app.log", {"EMOTION_OUTPUT": str(tmp_path)}) as address:
            assert health("app", address).returncode == 0
    assert health("server", server).returncode != 0
    assert official_health(server).returncode != 0


# compose.yaml


def test_compose_files_are_valid(tmp_path: Path):
    variant = tmp_path / "variant.json"
    variant.write_text(json.dumps({"name": "variant", "services": services(OFFICIAL.name)}))
    ended = program("check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE, variant)
    assert ended.returncode == 0, ended.stdout


@pytest.mark.parametrize("variant", ["compose.yaml", "compose.tensorflow-serving.yaml"])
def test_every_service_is_pinned_and_confined(variant: str):
    for name, service in services(variant).items():
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), name
        if "build" in service:
            assert service["image"] == f"emotion-tfx-{name}:{version('emotion-tfx')}"
            assert service["build"]["target"] in IMAGES
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["mem_limit"]
        assert "privileged" not in service
        # Nobody else's machine reaches it until its owner says so.
        assert all(
            port.startswith("${EMOTION_BIND:-127.0.0.1}:") for port in service.get("ports", [])
        )


def test_the_ports_that_are_opened():
    opened = {
        name: sorted(int(port.rpartition(":")[2]) for port in service.get("ports", []))
        for name, service in services().items()
    }
    assert opened == {
        "server": [default("grpc_port"), default("rest_port")],
        "app": [default("port", cli.web_app)],
        "prometheus": [9090],
        "grafana": [3000],
        "pipeline": [],
    }


def test_services_know_each_other_and_wait_for_each_other():
    started = services()
    settings = started["app"]["environment"]
    assert settings["EMOTION_SERVER"] == f"http://server:{default('rest_port')}"
    assert settings["EMOTION_PROMETHEUS"] == "http://prometheus:9090"
    for name in settings:
        assert name.removeprefix("EMOTION_").lower() in Settings.model_fields
    for name, others in {
        "app": ["server"],
        "prometheus": ["server"],
        "grafana": ["prometheus"],
    }.items():
        assert started[name]["depends_on"] == {
            other: {"condition": "service_healthy"} for other in others
        }
        assert all(has_health_check(started, other) for other in others)


@pytest.mark.parametrize("variant", ["compose.yaml", "compose.tensorflow-serving.yaml"])
def test_what_is_mounted_exists(variant: str):
    volumes = yaml.load(COMPOSE.read_text(), Loader)["volumes"]
    for service in services(variant).values():
        for source, _, _ in mounts(service):
            assert source in volumes or (REPOSITORY / source).exists(), source


def test_prometheus_and_grafana_are_told_what_emotion_monitor_tells(tmp_path: Path):
    watched = Watch([f"server:{default('rest_port')}"])
    write_all(tmp_path, watched, "http://prometheus:9090", Path("/etc/grafana/dashboards"))
    seen = {
        target: REPOSITORY / source
        for name in ("prometheus", "grafana")
        for source, target, _ in mounts(services()[name])
        if source.startswith("./")
    }
    written = {
        "/etc/prometheus/prometheus.yml": tmp_path / "prometheus" / "prometheus.yml",
        "/etc/prometheus/rules": tmp_path / "prometheus" / "rules",
        "/etc/grafana/provisioning": tmp_path / "grafana" / "provisioning",
        "/etc/grafana/dashboards": tmp_path / "grafana" / "dashboards",
    }
    assert {target: texts(path) for target, path in seen.items()} == {
        target: texts(path) for target, path in written.items()
    }


def test_only_the_pipeline_writes_models():
    may_write = {
        name: writable
        for name, service in services().items()
        for source, target, writable in mounts(service)
        if (source, target) == ("output", "/var/lib/emotion")
    }
    assert may_write == {"pipeline": True, "server": False}
    # Where the pipeline writes is where a server looks that is told no other place.
    (output,) = re.findall(r"EMOTION_OUTPUT=(\S+)", dict(stages()["base"])["ENV"])
    assert output.startswith("/var/lib/emotion/")


def test_the_official_image_finds_a_model_under_the_name_that_clients_ask_for():
    server = services(OFFICIAL.name)["server"]
    assert "build" not in server
    name = default("model_name")
    assert server["environment"]["MODEL_NAME"] == name
    (models,) = [source for source, target, _ in mounts(server) if target == f"/models/{name}"]
    assert newest_version(REPOSITORY / models)
    config = (REPOSITORY / "deploy/docker/tensorflow-serving-monitoring.config").read_text()
    assert 'path: "/monitoring/prometheus/metrics"' in config


# How the files are read


def instructions() -> Iterator[tuple[str, str]]:
    for step in DockerfileParser(path=str(REPOSITORY / "Dockerfile")).structure:
        if step["instruction"] != "COMMENT":
            yield step["instruction"], step["value"]


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage, by the stage's name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for step, value in instructions():
        if step == "FROM":
            found[value.split(" AS ")[1]] = []
        if found:
            list(found.values())[-1].append((step, value))
    return found


def copied(stage: list[tuple[str, str]]) -> list[str]:
    """What a stage copies from the repository."""
    values = [value.split() for step, value in stage if step == "COPY" and "--from" not in value]
    return [
        source.rstrip("/")
        for words in values
        for source in [word for word in words if not word.startswith("--")][:-1]
    ]


def sent(folder: Path) -> set[str]:
    """What Docker's own library would send to the builder."""
    ignore = (REPOSITORY / ".dockerignore").read_text().splitlines()
    return exclude_paths(str(folder), [line for line in ignore if not line.startswith("#")])


class Loader(yaml.SafeLoader):
    """Reads the two tags by which one file of Compose's changes another."""


Loader.add_constructor("!reset", lambda loader, node: ...)
Loader.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))


def services(variant: str = "compose.yaml") -> dict[str, Any]:
    """The services, those of a variant put over those of ``compose.yaml`` as Compose does it."""
    all_services: dict[str, Any] = yaml.load(COMPOSE.read_text(), Loader)["services"]
    if variant != COMPOSE.name:
        changes = yaml.load((REPOSITORY / variant).read_text(), Loader)["services"]
        for name, changed in changes.items():
            merged = {**all_services[name], **changed}
            all_services[name] = {key: value for key, value in merged.items() if value is not ...}
    return all_services


def mounts(service: dict[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Source, target and whether it may be written to, of each of a service's mounts."""
    for mount in service.get("volumes", []):
        if isinstance(mount, str):
            source, _, rest = mount.partition(":")
            if rest:  # Otherwise it is a folder for the container alone.
                yield source, rest.removesuffix(":ro"), not rest.endswith(":ro")
        else:
            source = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", mount["source"])
            yield source, mount["target"], not mount.get("read_only")


def texts(path: Path) -> dict[str, str]:
    """The files of a folder, or the one file."""
    files = [path] if path.is_file() else [each for each in path.rglob("*") if each.is_file()]
    return {str(file.relative_to(path)): file.read_text() for file in files}


def default(name: str, command: Callable[..., None] = cli.serve) -> int | str:
    """What a command takes for an option that is not given."""
    value: int | str = inspect.signature(command).parameters[name].default
    return value


def has_health_check(started: dict[str, Any], name: str) -> bool:
    return "healthcheck" in started[name] or "HEALTHCHECK" in dict(stages()[name])


def health(image: str, address: str, to: str | None = None) -> subprocess.CompletedProcess[bytes]:
    """Runs the command of an image's health check, against another port or path."""
    test = dict(stages()[image])["HEALTHCHECK"].partition("CMD ")[2]
    python, option, program = json.loads(test)
    assert (python, option) == ("python", "-c")
    program, replaced = re.subn(r"http://127\.0\.0\.1:\d+", address, program)
    assert replaced == 1
    if to:
        program = re.sub(rf"{address}[^']*", f"{address}{to}", program)
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)


def official_health(address: str) -> subprocess.CompletedProcess[bytes]:
    """Likewise for the official image, whose contract our server keeps."""
    _, *command = services(OFFICIAL.name)["server"]["healthcheck"]["test"]
    port = address.rpartition(":")[2]
    command = [word.replace(f"/{default('rest_port')}", f"/{port}") for word in command]
    assert port in shlex.join(command)
    return subprocess.run(command, capture_output=True, check=False)


def program(*command: object) -> subprocess.CompletedProcess[str]:
    """Runs a program of this environment in the repository."""
    name, *arguments = map(str, command)
    return subprocess.run(
        [str(Path(sys.executable).with_name(name)), *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
