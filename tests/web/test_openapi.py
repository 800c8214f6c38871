"""What the API documents is what it does: generated requests on a real server, none answered 5xx."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import checks

from tests.web.conftest import Served, served
from tests.web.made_run import make_run

CHECKS = (
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    database = tmp_path_factory.mktemp("openapi") / "run.db"
    make_run(database)
    with served("serve", "--database", database) as started:
        yield started
