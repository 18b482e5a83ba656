"""Every path answers OPTIONS with its methods, and HEAD wherever it answers GET (RFC 9110, 9.3)."""

from __future__ import annotations

import re

import httpx
import pytest
from tests.support.server import RunningServer


def test_options_lists_the_methods_of_every_path(server: RunningServer, http: httpx.Client) -> None:
    documented = http.get("/openapi.json").json()["paths"]
    assert "/v1/chat/completions" in documented
    for path, operations in documented.items():
        answer = httpx.options(server.url + re.sub(r"\{\w+\}", "x", path))
        assert answer.status_code == 204, path
        assert answer.content == b""
        allowed = set(answer.headers["allow"].split(", "))
        assert {method.upper() for method in operations} | {"OPTIONS"} <= allowed, path
        assert ("HEAD" in allowed) == ("GET" in allowed), path


def test_a_preflight_request_is_answered_without_a_key(server: RunningServer) -> None:
    headers = {"origin": "http://app.example", "access-control-request-method": "POST"}
    answer = httpx.options(f"{server.url}/v1/chat/completions", headers=headers)
    assert answer.status_code == 204
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS, POST"


def test_pages_and_files_have_only_get_and_an_unknown_path_is_404(server: RunningServer) -> None:
    for path in ("/", "/console/keys", "/docs", "/openapi.json"):
        assert httpx.options(server.url + path).headers["allow"] == "GET, HEAD, OPTIONS"
    assert httpx.options(f"{server.url}/v1/nothing").status_code == 404


def test_the_answer_to_a_wrong_method_lists_all_allowed_methods(http: httpx.Client) -> None:
    for path, allowed in (
        ("/v1/files", "GET, HEAD, OPTIONS, POST"),
        ("/v1/models", "GET, HEAD, OPTIONS"),
        ("/v1/chat/completions", "GET, HEAD, OPTIONS, POST"),
    ):
        answer = http.request("PATCH", path)
        assert answer.status_code == 405
        assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/health", "/ready", "/metrics", "/v1/models", "/v1/models/smollm2-135m",
                                  "/v1/files", "/openapi.json", "/docs"])  # fmt: skip
def test_head_has_the_headers_of_get_and_no_body(http: httpx.Client, path: str) -> None:
    whole, head = http.get(path), http.head(path)
    assert head.status_code == whole.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == whole.headers["content-type"]
    if path != "/metrics":
        assert head.headers["content-length"] == whole.headers["content-length"]


def test_head_of_a_file_has_its_size(http: httpx.Client) -> None:
    uploaded = http.post("/v1/files", files={"file": ("a.txt", b"x" * 1000)}, data={"purpose": "user_data"}).json()
    head = http.head(f"/v1/files/{uploaded['id']}/content")
    assert (head.status_code, head.headers["content-length"], head.content) == (200, "1000", b"")
    http.delete(f"/v1/files/{uploaded['id']}")


def test_head_needs_the_same_rights_and_paths_as_get(server: RunningServer, http: httpx.Client) -> None:
    assert httpx.head(f"{server.url}/v1/models").status_code == 401
    assert http.head("/v1/models/nothing").status_code == 404
    assert http.head("/tokenize").status_code == 405
