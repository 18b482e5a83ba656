"""Each vendor's clients get errors in the shape that they read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from aquilon.api.errors import error_response
from aquilon.conversations.dialects.dialect import dialect_of
from aquilon.conversations.dialects.error_bodies import REQUEST_ID, error_frame
from aquilon.errors import ApiError, ErrorType, not_found, overloaded

WRONG_FIELD = ApiError(
    422, "invalid_request_error", "n: too few", detail=[{"loc": ["body", "n"], "msg": "too few", "type": "less"}]
)
MISTRAL = {"user-agent": "mistral-client-python/3.7.0"}


def answer(error: ApiError, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope.setdefault("state", {})[REQUEST_ID] = "req_1"
        await error_response(error)(scope, receive, send)

    response = TestClient(app).post(path, headers=headers)
    return response.status_code, response.json()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/chat/completions", {}, 400),
        ("/v1/chat/completions", MISTRAL, 422),
        ("/v1/responses", {"user-agent": "OpenAI/Python 3.5"}, 400),
        ("/v1/fim/completions", {}, 422),
        ("/v1/organization/members", {}, 422),
        ("/v1/messages", {}, 400),
        ("/api/chat", {}, 400),
    ],
)
def test_a_wrong_field_has_the_status_that_the_clients_vendor_uses(
    path: str, headers: dict[str, str], status: int
) -> None:
    assert answer(WRONG_FIELD, path, **headers)[0] == status


def test_wrong_fields_are_listed_with_400_too() -> None:
    assert answer(WRONG_FIELD, "/v1/chat/completions")[1]["detail"][0]["loc"] == ["body", "n"]


def test_another_error_with_422_keeps_its_status() -> None:
    assert answer(ApiError(422, "invalid_request_error", "reused"), "/v1/chat/completions")[0] == 422


@pytest.mark.parametrize(
    ("error", "status", "type_"),
    [
        (not_found("no such model"), 404, "not_found_error"),
        (overloaded("busy", retry_after=1), 529, "overloaded_error"),
        (ApiError(413, "invalid_request_error", "too large"), 413, "request_too_large"),
        (ApiError(429, "budget_exceeded", "spent"), 429, "billing_error"),
        (ApiError(500, "server_error", "broken"), 500, "api_error"),
    ],
)
def test_anthropics_clients_get_anthropics_types(error: ApiError, status: int, type_: ErrorType) -> None:
    body = {"error": {"type": type_, "message": error.message}, "request_id": "req_1", "type": "error"}
    assert answer(error, "/v1/messages") == (status, body)


def test_ollamas_clients_get_a_message_alone() -> None:
    assert answer(not_found("no such model"), "/api/chat") == (404, {"error": "no such model"})


def test_the_list_of_models_is_anthropics_where_its_header_asks_for_it() -> None:
    scope: Scope = {"type": "http", "path": "/v1/models", "headers": [(b"anthropic-version", b"2023-06-01")]}
    assert dialect_of(scope) == "anthropic"
    assert dialect_of({**scope, "headers": []}) == "openai"


def test_an_error_in_mid_stream_is_an_event_or_a_line_of_ollamas() -> None:
    scope: Scope = {"type": "http", "path": "/v1/messages", "headers": [], "state": {REQUEST_ID: "req_1"}}
    name, data, *_ = error_frame(not_found("gone"), scope).decode().split("\n")
    assert (name, json.loads(data.removeprefix("data: "))["error"]["message"]) == ("event: error", "gone")
    assert error_frame(not_found("gone"), {**scope, "path": "/api/chat"}) == b'{"error":"gone"}\n'
