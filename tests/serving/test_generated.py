"""Requests made from the OpenAPI document, right ones and wrong ones.

``benchmarks/serving/generated.py`` sends a hundred thousand.
"""

from __future__ import annotations

import unittest
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from emotion_tfx.model.locate import shipped_base
from emotion_tfx.serving import ServerSettings

from .conftest import free_port, running_server


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    with running_server(ServerSettings(shipped_base(), rest_port=free_port())) as client:
        yield client


#: A reply that the document does not have to have: it leaves out verbs that there are not.
NO_VERB = 405


@pytest.mark.parametrize(
    "mode", [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
)
def test_every_reply_is_one_that_the_document_has(
    client: httpx.Client, mode: schemathesis.GenerationMode
):
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    for result in schema.get_all_operations():
        # Some operations have nothing that could be wrong.
        with suppress(Unsatisfiable, unittest.SkipTest):
            check(result.ok(), mode, str(client.base_url))


def check(
    operation: schemathesis.APIOperation, mode: schemathesis.GenerationMode, address: str
) -> None:
    statuses = {*map(int, operation.responses.status_codes), NO_VERB}

    @settings(
        max_examples=10,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def replies(case: schemathesis.Case) -> None:
        reply = case.call(base_url=address)
        assert reply.status_code in statuses - {500, 503}
        assert reply.status_code == 200 or reply.json().keys() == {"error"}

    replies()
