"""Writes the rules and alerts of `emotion monitor` as the Prometheus operator takes them.

Run it when they have changed: python deploy/kubernetes/monitoring/rules.py > .../rules.yaml
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from emotion_tfx import monitoring

rules = Path(*monitoring.__path__) / "prometheus" / "rules"
groups = [
    group
    for file in sorted(rules.glob("*.yml"))
    for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
]
manifest = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "PrometheusRule",
    "metadata": {
        "name": "emotion",
        "labels": {"app.kubernetes.io/name": "emotion", "app.kubernetes.io/component": "server"},
    },
    "spec": {"groups": groups},
}
sys.stdout.write("# Made by rules.py out of the rules of `emotion monitor`.\n")
yaml.safe_dump(manifest, sys.stdout, sort_keys=False, width=100, allow_unicode=True)
