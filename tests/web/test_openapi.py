"""What the API documents is what it does: generated requests on a real server, none with a 5xx."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode, checks

from tests.web.conftest import Served, served
from tests.web.made_run import make_run

N_EXAMPLES = 15
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    database = tmp_path_factory.mktemp("openapi") / "run.db"
    make_run(database)
    with served("serve", "--database", database) as started:
        yield started


def headers(server: Served) -> dict[str, str]:
    return {"Authorization": f"Bearer {server.token}"}


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_answer_is_one_that_is_documented(server: Served, mode: GenerationMode) -> None:
    """Requests that keep to the document, and ones that do not."""
    address = f"{server.base}/api/v1/openapi.json"
    schema = schemathesis.openapi.from_url(address, headers=headers(server))
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 10
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and not list(operation.iter_parameters()):
            continue  # nothing can be sent wrongly

        @settings(max_examples=N_EXAMPLES, deadline=None, database=None, derandomize=True,
                  suppress_health_check=list(HealthCheck))  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def answer(case: Any) -> None:
            if mode is GenerationMode.POSITIVE and "experiment_id" in case.path_parameters:
                case.path_parameters["experiment_id"] = 1  # the one that there is
            case.call_and_validate(headers=headers(server), checks=CHECKS, timeout=300)

        answer()


def test_every_route_documents_its_refusals_as_problems(server: Served) -> None:
    address = f"{server.base}/api/v1/openapi.json"
    with urllib.request.urlopen(urllib.request.Request(address, headers=headers(server))) as answer:
        document = json.load(answer)
    routes = [
        (path, method, route)
        for path, methods in document["paths"].items()
        for method, route in methods.items()
    ]
    assert len(routes) > 10
    for path, method, route in routes:
        for status in ("400", "401", "403", "404", "422", "503"):
            content = route["responses"][status]["content"]
            assert list(content) == ["application/problem+json"], (path, method, status)


@pytest.mark.parametrize(
    ("sent", "status"),
    [({}, 401), ({"Origin": "https://evil.example"}, 403), ({"Host": "evil.example"}, 400)],
)
def test_refusals_are_problem_documents(server: Served, sent: dict[str, str], status: int) -> None:
    asked = urllib.request.Request(
        f"{server.base}/api/v1/experiments/1/events", b"{}", sent, method="POST"
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(asked)
    assert refused.value.code == status
    assert refused.value.headers["Content-Type"] == "application/problem+json"
    assert json.load(refused.value)["status"] == status
    refused.value.close()
