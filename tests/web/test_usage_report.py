"""Who sees which usage over HTTP."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from typing import Any

import httpx
import pytest
from tests.support.commands import aquilon
from tests.support.server import RunningServer

MODEL = "smollm2-135m"
QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}


@pytest.fixture(scope="module")
def server(own_organization: RunningServer) -> RunningServer:
    return own_organization


def make(server: RunningServer, *arguments: str) -> str:
    return aquilon(server.home, *arguments, "--org", server.organization)


@pytest.fixture(scope="module")
def zoe(server: RunningServer) -> httpx.Client:
    """A developer without an administrator's rights."""
    make(server, "users", "create", "zoe-usage", "--role", "developer")
    make(server, "members", "set", "zoe-usage", "--workspace", "general", "--role", "developer")
    key = make(server, "keys", "create", "--name", "zoe's", "--user", "zoe-usage")
    return httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {key}"}, timeout=60)


def test_a_user_reads_their_own_usage_without_being_an_administrator(zoe: httpx.Client, http: httpx.Client) -> None:
    assert http.post("/v1/chat/completions", json=QUESTION).status_code == 200
    usage = [zoe.post("/v1/chat/completions", json=QUESTION).json()["usage"] for _ in range(2)]
    report = zoe.get("/v1/usage", params={"by": "model,key,member"}).json()
    assert (report["object"], report["span"]) == ("list", "day")
    [entry] = report["data"]
    assert (entry["model"], entry["key"], entry["member"], entry["requests"]) == (MODEL, "zoe's", "zoe-usage", 2)
    assert entry["prompt_tokens"] == sum(answer["prompt_tokens"] for answer in usage)
    assert entry["completion_tokens"] == sum(answer["completion_tokens"] for answer in usage)
    refused = zoe.get("/v1/organization/usage")
    assert (refused.status_code, refused.json()["code"]) == (403, "role_missing")


def test_an_administrator_reads_everybody_s_usage_as_json_and_csv(server: RunningServer, http: httpx.Client) -> None:
    assert http.post("/v1/chat/completions", json=QUESTION).status_code == 200
    report: dict[str, Any] = http.get("/v1/organization/usage", params={"span": "hour", "by": "key"}).json()
    answer = http.get("/v1/organization/usage", params={"span": "hour", "by": "key", "format": "csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [int(row["requests"]) for row in rows] == [entry["requests"] for entry in report["data"]]
    with sqlite3.connect(server.home / "aquilon.db") as database:
        query = "SELECT count(*) FROM usage_events JOIN organizations o ON o.id = organization_id WHERE o.name = ?"
        [events] = database.execute(query, (server.organization,)).fetchone()
    assert sum(entry["requests"] for entry in report["data"]) == events
    shown = json.loads(make(server, "usage", "--hourly", "--by", "key", "--json"))
    assert shown == report["data"]


@pytest.mark.parametrize("query", [{"span": "year"}, {"since": "x"}, {"by": "x"}, {"format": "pdf"}])
def test_an_invalid_query_is_a_400(http: httpx.Client, query: dict[str, str]) -> None:
    refused = http.get("/v1/usage", params=query)
    assert (refused.status_code, refused.json()["type"]) == (400, "invalid_request_error")
