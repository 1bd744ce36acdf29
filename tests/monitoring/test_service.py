"""Drift as a real server tells it, on the texts of real corpora."""

from __future__ import annotations

import time

import httpx
import pytest

from emotion_tfx.app.telemetry import Snapshot
from emotion_tfx.data import Row
from emotion_tfx.labels import LABELS
from emotion_tfx.model.locate import shipped_base
from emotion_tfx.monitoring.drift import DRIFT_FROM
from emotion_tfx.monitoring.reference import FEATURES
from emotion_tfx.serving import Limits, ServerSettings

from ..serving.conftest import free_port, running_server, wait_until
from .conftest import IN_DOMAIN, OTHER_DOMAINS, Corpus

WINDOW = 1000


def ask(client: httpx.Client, rows: list[Row]) -> list[str]:
    """The labels of the answers, asked for a little at a time so that words are looked at too."""
    labels = []
    for start in range(0, len(rows), 200):
        texts = [row.text for row in rows[start : start + 200]]
        reply = client.post("/v1/emotions", json={"texts": texts})
        labels += [answer["label"] for answer in reply.json()["answers"]]
        time.sleep(0.3)
    return labels


class Watched:
    """What the server tells of drift."""

    def __init__(self, client: httpx.Client) -> None:
        snapshot = Snapshot.parse(client.get("/monitoring/prometheus/metrics").text)
        self.texts = snapshot.total("emotion_drift_texts")
        self.distances = snapshot.by("emotion_drift_distance", "feature")
        self.estimated = snapshot.total("emotion_estimated_accuracy", model_name="emotion")
        self.reference = snapshot.total("emotion_reference_accuracy", model_name="emotion")


def test_texts_of_the_corpus_are_no_drift_and_those_of_others_are(corpus: Corpus):
    rows = corpus(IN_DOMAIN, WINDOW)
    settings = ServerSettings(
        shipped_base(), rest_port=free_port(), limits=Limits(drift_window=WINDOW)
    )
    with running_server(settings) as client:
        labels = ask(client, rows)

        def all_told() -> bool:
            complete = set(Watched(client).distances) == set(FEATURES)
            if not complete:
                ask(client, rows[:200])
            return complete

        wait_until(all_told)
        seen = Watched(client)
        assert seen.texts == WINDOW
        assert max(seen.distances.values()) < DRIFT_FROM
        right = sum(label == LABELS[row.label] for label, row in zip(labels, rows, strict=True))
        assert seen.estimated == pytest.approx(right / len(rows), abs=0.03)
        assert seen.reference == pytest.approx(right / len(rows), abs=0.03)

        for name in OTHER_DOMAINS:
            ask(client, corpus(name, WINDOW))
            seen = Watched(client)
            assert seen.texts == WINDOW
            assert seen.distances["confidence"] > 2 * DRIFT_FROM
            assert seen.distances["label"] > DRIFT_FROM
            assert seen.estimated < seen.reference - 0.1
