"""The manifests for Kubernetes: built by ``kubectl kustomize``, checked by Kubernetes' own schemas,
and held against the server, the web app and each other."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from emotion_tfx.serving.settings import Limits, ServerSettings

from ..command import REPOSITORY, emotion
from . import SCHEMAS

KUBERNETES = REPOSITORY / "deploy" / "kubernetes"
OVERLAYS = sorted(folder.name for folder in (KUBERNETES / "overlays").iterdir())
#: The oldest and the newest Kubernetes that is supported as this is written.
VERSIONS = ("1.34", "1.37")
RUN_BY_OTHERS = ("monitoring.coreos.com/v1",)

Manifest = dict[str, Any]


@cache
def built(overlay: str) -> list[Manifest]:
    kubectl = Path(sys.executable).with_name("kubectl")
    made = subprocess.run(
        [kubectl, "kustomize", KUBERNETES / "overlays" / overlay], capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr
    assert not made.stderr, "kustomize warns of what will not work any more"
    return list(yaml.safe_load_all(made.stdout))


def of_kind(overlay: str, kind: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in built(overlay) if each["kind"] == kind}


def inference_service() -> Manifest:
    return yaml.safe_load((KUBERNETES / "kserve" / "inference-service.yaml").read_text())


def pods(overlay: str) -> dict[str, Manifest]:
    """The templates of pods."""
    jobs = of_kind(overlay, "CronJob").items()
    return {
        **{name: each["spec"]["template"] for name, each in of_kind(overlay, "Deployment").items()},
        **{name: each["spec"]["jobTemplate"]["spec"]["template"] for name, each in jobs},
    }


def loader() -> Manifest:
    return yaml.safe_load((KUBERNETES / "loader.yaml").read_text())


def every_pod() -> list[tuple[str, Manifest]]:
    return [
        *(
            (f"{overlay}: {name}", pod)
            for overlay in OVERLAYS
            for name, pod in pods(overlay).items()
        ),
        ("kserve", {"spec": pod_part(inference_service()["spec"]["predictor"])}),
        ("loader", loader()),
    ]


every_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


class TestSchemas:
    @every_overlay
    @pytest.mark.parametrize("version", VERSIONS)
    def test_kubernetes_knows_every_field(self, overlay: str, version: str):
        for manifest in built(overlay):
            if manifest["apiVersion"] not in RUN_BY_OTHERS:
                kubernetes_validate.validate(manifest, version, strict=True)

    @pytest.mark.parametrize("version", VERSIONS)
    def test_kubernetes_knows_every_field_of_the_loader(self, version: str):
        kubernetes_validate.validate(loader(), version, strict=True)

    def test_the_prometheus_operator_knows_every_field(self):
        manifests = [each for each in built("full") if each["apiVersion"] in RUN_BY_OTHERS]
        assert manifests
        wrong = json.loads(json.dumps(manifests[0]).replace("interval", "intervall"))
        *read, wrong_read = as_the_operator_reads([*manifests, wrong])
        assert read == manifests
        assert wrong_read != wrong

    def test_kserve_knows_every_field(self):
        service = inference_service()
        assert service["spec"].keys() <= kserve_fields("inference_service_spec").keys()
        predictor = service["spec"]["predictor"]
        assert predictor.keys() <= kserve_fields("predictor_spec").keys()
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}}
        kubernetes_validate.validate(
            {**pod, "spec": pod_part(predictor)}, VERSIONS[-1], strict=True
        )

    def test_a_mistake_is_found(self):
        (deployment, *_) = of_kind("local", "Deployment").values()
        wrong = json.loads(json.dumps(deployment))
        wrong["spec"]["template"]["spec"]["containers"][0]["readynessProbe"] = {}
        with pytest.raises(kubernetes_validate.ValidationError, match="readynessProbe"):
            kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


READ = """
import json, sys
from cloudcoil.models.prometheus_operator import v1
told = {"by_alias": True, "exclude_unset": True, "mode": "json"}
manifests = [getattr(v1, each["kind"]).model_validate(each) for each in json.load(sys.stdin)]
print(json.dumps([each.model_dump(**told) for each in manifests]))
"""


def as_the_operator_reads(manifests: list[Manifest]) -> list[Manifest]:
    """The manifests without what the operator's definitions do not know."""
    if not SCHEMAS.is_dir():
        pytest.skip("the schemas are not installed (`make test` installs them)")
    read = subprocess.run(
        [sys.executable, "-c", READ],
        env={**os.environ, "PYTHONPATH": str(SCHEMAS)},
        input=json.dumps(manifests),
        capture_output=True,
        text=True,
    )
    assert read.returncode == 0, read.stderr
    return json.loads(read.stdout)


def kserve_fields(name: str) -> dict[str, str]:
    """The fields that KServe's own client has for a kind: name and type."""
    file = SCHEMAS / "kserve" / "models" / f"v1beta1_{name}.py"
    if not file.exists():
        pytest.skip("the schemas are not installed (`make test` installs them)")
    values = {
        statement.targets[0].id: ast.literal_eval(statement.value)
        for statement in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and statement.targets[0].id in ("openapi_types", "attribute_map")
    }
    types = values["openapi_types"]
    return {written: types[name] for name, written in values["attribute_map"].items()}


def pod_part(predictor: Manifest) -> Manifest:
    """What of a predictor is a pod's."""
    return {name: value for name, value in predictor.items() if "Replicas" not in name}


class TestParts:
    """The parts name each other rightly."""

    @every_overlay
    def test_selectors_find_pods(self, overlay: str):
        labels = [pod["metadata"]["labels"] for pod in pods(overlay).values()]
        for manifest in built(overlay):
            spec = manifest.get("spec", {})
            selectors = {
                "Service": spec.get("selector"),
                "NetworkPolicy": spec.get("podSelector", {}).get("matchLabels"),
                "PodDisruptionBudget": (spec.get("selector") or {}).get("matchLabels"),
                "PodMonitor": (spec.get("selector") or {}).get("matchLabels"),
                "Deployment": (spec.get("selector") or {}).get("matchLabels"),
            }
            selector = selectors.get(manifest["kind"])
            if selector is not None:
                found = [each for each in labels if selector.items() <= each.items()]
                assert len(found) == 1, f"{manifest['kind']} {manifest['metadata']['name']}"

    @every_overlay
    def test_named_ports_are_ports_of_the_selected_pods(self, overlay: str):
        for manifest in [
            *of_kind(overlay, "Service").values(),
            *of_kind(overlay, "PodMonitor").values(),
        ]:
            selector = manifest["spec"]["selector"]
            selector = selector.get("matchLabels", selector)
            (pod,) = (
                each
                for each in pods(overlay).values()
                if selector.items() <= each["metadata"]["labels"].items()
            )
            ports = {
                port["name"]: port["containerPort"]
                for container in pod["spec"]["containers"]
                for port in container["ports"]
            }
            for port in manifest["spec"].get("ports", []):
                assert ports[port["targetPort"]] == port["port"]
            for endpoint in manifest["spec"].get("podMetricsEndpoints", []):
                assert endpoint["port"] in ports

    @every_overlay
    def test_what_scales_and_guards_names_the_server(self, overlay: str):
        (scaler,) = of_kind(overlay, "HorizontalPodAutoscaler").values()
        target = scaler["spec"]["scaleTargetRef"]
        server = of_kind(overlay, target["kind"])[target["name"]]
        assert "replicas" not in server["spec"], "each apply would undo what the scaler did"
        cpu = next(each for each in scaler["spec"]["metrics"] if each["type"] == "Resource")
        (container,) = server["spec"]["template"]["spec"]["containers"]
        assert cpu["resource"]["name"] in container["resources"]["requests"]
        (budget,) = of_kind(overlay, "PodDisruptionBudget").values()
        assert budget["spec"]["selector"] == server["spec"]["selector"]
        assert budget["spec"]["maxUnavailable"] >= 1, "nodes could not be drained"

    @every_overlay
    def test_volumes_and_what_they_stand_for_are_there(self, overlay: str):
        there = {
            "persistentVolumeClaim": of_kind(overlay, "PersistentVolumeClaim"),
            "configMap": of_kind(overlay, "ConfigMap"),
        }
        for name, pod in pods(overlay).items():
            volumes = {each["name"]: each for each in pod["spec"]["volumes"]}
            for container in pod["spec"]["containers"]:
                mounted = {mount["name"] for mount in container["volumeMounts"]}
                assert mounted == volumes.keys(), name
            for volume in volumes.values():
                claim = volume.get("persistentVolumeClaim", {}).get("claimName")
                config = volume.get("configMap", {}).get("name")
                assert claim is None or claim in there["persistentVolumeClaim"]
                assert config is None or config in there["configMap"]
        used = {
            volume["persistentVolumeClaim"]["claimName"]
            for pod in pods(overlay).values()
            for volume in pod["spec"]["volumes"]
            if "persistentVolumeClaim" in volume
        }
        assert used == there["persistentVolumeClaim"].keys(), (
            "a volume that nobody uses is paid for"
        )

    @every_overlay
    def test_everything_is_in_the_namespace(self, overlay: str):
        (namespace,) = of_kind(overlay, "Namespace")
        for manifest in built(overlay):
            if manifest["kind"] != "Namespace":
                assert manifest["metadata"]["namespace"] == namespace

    def test_images_are_those_of_the_dockerfile(self):
        dockerfile = REPOSITORY / "Dockerfile"
        if not dockerfile.exists():
            pytest.skip("there is no Dockerfile")
        targets = set(re.findall(r"^FROM \S+ AS ([\w-]+)$", dockerfile.read_text(), re.MULTILINE))
        for name, pod in every_pod():
            for container in pod["spec"]["containers"]:
                repository = container["image"].partition(":")[0]
                target = re.split(r"[/-]", repository)[-1]
                assert target in targets, name
                assert re.fullmatch(r"[\w.-]+", container["image"].rpartition(":")[2])

    @every_overlay
    def test_containers_may_do_as_little_as_a_restricted_cluster_asks(self, overlay: str):
        (namespace,) = of_kind(overlay, "Namespace").values()
        enforced = "pod-security.kubernetes.io/enforce"
        assert namespace["metadata"]["labels"][enforced] == "restricted"
        for name, pod in every_pod():
            spec = pod["spec"]
            assert spec["automountServiceAccountToken"] is False, name
            assert spec["securityContext"]["runAsNonRoot"] is True, name
            assert spec["securityContext"]["runAsUser"] == 10001, name
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
            for container in spec["containers"]:
                assert container["securityContext"] == {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                }, name
                assert container["resources"]["requests"].keys() == {"cpu", "memory"}, name
                assert "memory" in container["resources"]["limits"], name

    @every_overlay
    def test_nobody_outside_is_let_in(self, overlay: str):
        assert not of_kind(overlay, "Ingress")
        for service in of_kind(overlay, "Service").values():
            assert service["spec"].get("type", "ClusterIP") == "ClusterIP"

    @every_overlay
    def test_the_server_cannot_change_models(self, overlay: str):
        spec = pods(overlay)["emotion-server"]["spec"]
        mounts = {each["name"]: each for each in spec["containers"][0]["volumeMounts"]}
        if overlay == "local":
            assert "models" not in mounts
        else:
            assert mounts["models"]["readOnly"] is True


@cache
def help_of(command: str) -> str:
    return emotion(command, "--help").output


class TestServer:
    """The manifests agree with what the server and the web app do."""

    @every_overlay
    def test_ports_are_the_servers_own(self, overlay: str):
        ports = {
            port["name"]: port["containerPort"]
            for port in pods(overlay)["emotion-server"]["spec"]["containers"][0]["ports"]
        }
        assert ports["http"] == ServerSettings.rest_port
        help_text = help_of("serve")
        assert re.search(rf"--grpc-port .*\[default: {ports['grpc']}\]", help_text)

    @every_overlay
    def test_a_pod_is_given_the_time_that_the_server_takes_to_end(self, overlay: str):
        spec = pods(overlay)["emotion-server"]["spec"]
        before = spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert spec["terminationGracePeriodSeconds"] >= before + Limits().drain_seconds + 5

    def test_commands_are_ones_that_emotion_knows(self):
        for _, pod in every_pod():
            for container in pod["spec"]["containers"]:
                if "command" in container:  # The script of the training has tests of its own.
                    continue
                command, *options = container["args"]
                known = help_of(command)
                for option in options:
                    assert not option.startswith("--") or option in known


class TestScaling:
    """Prometheus, the adapter and the autoscaler mean the same by a request a second."""

    rule = yaml.safe_load((KUBERNETES / "monitoring" / "prometheus-adapter.yaml").read_text())[
        "rules"
    ]["custom"][0]

    def test_the_autoscaler_asks_for_what_the_adapter_offers(self):
        (scaler,) = of_kind("full", "HorizontalPodAutoscaler").values()
        asked = [each["pods"]["metric"]["name"] for each in scaler["spec"]["metrics"][:1]]
        assert asked == [self.rule["name"]["as"]]
        assert len(scaler["spec"]["metrics"]) == 2, "without the adapter, CPUs are what counts"

    def test_the_adapter_finds_the_servers_metric(self):
        series = re.match(r"[^{]+", self.rule["seriesQuery"])[0]
        assert re.fullmatch(self.rule["name"]["matches"], series)

    def test_prometheus_answers_the_adapter_with_each_pods_requests_a_second(self, tmp_path: Path):
        if not shutil.which("promtool"):
            pytest.skip("promtool, of Debian's package prometheus, is not installed")
        query = self.rule["metricsQuery"]
        for placeholder, value in {
            "<<.Series>>": re.match(r"[^{]+", self.rule["seriesQuery"])[0],
            "<<.LabelMatchers>>": 'namespace="emotion",pod=~"one|two"',
            "<<.GroupBy>>": "pod",
        }.items():
            assert placeholder in query
            query = query.replace(placeholder, value)
        labels = 'namespace="emotion",model_name="emotion"'
        series = ":tensorflow:serving:request_count"
        (tmp_path / "rules.yml").write_text("groups: []")
        test = {
            "rule_files": ["rules.yml"],
            "evaluation_interval": "15s",
            "tests": [
                {
                    "interval": "15s",
                    "input_series": [
                        # Two kinds of answer in one pod, 100 and 20 a second; 1 in the other.
                        {
                            "series": f'{series}{{{labels},pod="one",status="OK"}}',
                            "values": "0+1500x20",
                        },
                        {
                            "series": f'{series}{{{labels},pod="one",status="X"}}',
                            "values": "0+300x20",
                        },
                        {
                            "series": f'{series}{{{labels},pod="two",status="OK"}}',
                            "values": "0+15x20",
                        },
                        {
                            "series": f'{series}{{{labels},pod="three",status="OK"}}',
                            "values": "0+15x20",
                        },
                    ],
                    "promql_expr_test": [
                        {
                            "expr": query,
                            "eval_time": "4m",
                            "exp_samples": [
                                {"labels": '{pod="one"}', "value": 120},
                                {"labels": '{pod="two"}', "value": 1},
                            ],
                        }
                    ],
                }
            ],
        }
        (tmp_path / "test.yml").write_text(yaml.safe_dump(test))
        checked = subprocess.run(
            ["promtool", "test", "rules", "test.yml"], cwd=tmp_path, capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr


class TestAlerts:
    def test_they_are_those_of_emotion_monitor(self):
        monitoring = KUBERNETES / "monitoring"
        if not importlib.util.find_spec("emotion_tfx.monitoring"):
            pytest.skip("there is no emotion_tfx.monitoring")
        made = subprocess.run(
            [sys.executable, monitoring / "rules.py"], capture_output=True, text=True, check=True
        )
        assert made.stdout == (monitoring / "rules.yaml").read_text(encoding="utf-8"), (
            "run deploy/kubernetes/monitoring/rules.py again"
        )

    def test_prometheus_understands_them(self, tmp_path: Path):
        if not shutil.which("promtool"):
            pytest.skip("promtool, of Debian's package prometheus, is not installed")
        (rules,) = of_kind("full", "PrometheusRule").values()
        file = tmp_path / "rules.yml"
        file.write_text(yaml.safe_dump(rules["spec"]))
        checked = subprocess.run(
            ["promtool", "check", "rules", str(file)], capture_output=True, text=True
        )
        assert checked.returncode == 0, checked.stderr

    def test_metrics_come_under_the_job_that_alerts_ask_for(self):
        (monitor,) = of_kind("full", "PodMonitor").values()
        labels = pods("full")["emotion-server"]["metadata"]["labels"]
        job = labels[monitor["spec"]["jobLabel"]]
        (rules,) = of_kind("full", "PrometheusRule").values()
        asked = set(re.findall(r'job="(\w+)"', json.dumps(rules).replace('\\"', '"')))
        assert asked == {job}
