"""The server does what ``/openapi.json`` says: a small, seeded part of ``scripts/fuzz-api``, which sends thousands.

No answer is a 5xx, and none has a status, type or body that the document doesn't describe.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.schemas import BaseSchema
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.support.commands import aquilon
from tests.support.server import RunningServer, start_server
from tests.support.stored_models import store_model
from tests.support.tiny_checkpoint import tiny_checkpoint

from aquilon.people.identity import KEY_SCOPES

EXAMPLES = 2
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def tiny_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("schema")
    store_model(home / "models", "tiny", tiny_checkpoint(fills=True, context=64))
    running = start_server(home, environment={"AQUILON_MODELS": "tiny", "AQUILON_MODEL_ALIASES": '{"*": "tiny"}'})
    yield running
    running.stop()


@pytest.fixture(scope="module")
def api_schema(tiny_server: RunningServer) -> BaseSchema:
    return schemathesis.openapi.from_url(f"{tiny_server.url}/openapi.json")


@pytest.fixture(scope="module")
def key(tiny_server: RunningServer) -> str:
    """A key with all rights in a tenant's organization, so that it can't change what all organizations share."""
    scopes = [word for scope in KEY_SCOPES for word in ("--scope", scope)]
    for arguments in (["orgs", "create", "tenants"], ["keys", "create", "--name", "all", "--org", "tenants", *scopes]):
        secret = aquilon(tiny_server.home, *arguments)
    return secret


@pytest.mark.slow
def test_every_route_answers_as_the_document_says(api_schema: BaseSchema, key: str) -> None:
    problems = []
    for result in api_schema.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy())
        @settings(
            max_examples=EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def ask(case: schemathesis.Case) -> None:
            case.call_and_validate(headers={"authorization": f"Bearer {key}"}, checks=CHECKS, timeout=250)

        try:
            ask()
        except FailureGroup as group:
            problems += [f"{operation.label}: {failure}" for failure in group.exceptions]
        except (Failure, OSError) as error:
            problems.append(f"{operation.label}: {error}")
    assert not problems, "\n\n".join(problems)
