"""The log of requests over HTTP: metadata of everybody's requests for those who may see it, of one's own for others."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pytest
from tests.support.commands import aquilon
from tests.support.polling import wait_until
from tests.support.server import RunningServer

from aquilon.money.refusals import MOST_A_MINUTE

LOG = "/v1/organization/requests"


@pytest.fixture(scope="module")
def logged(own_organization: RunningServer) -> httpx.Client:
    """The owner's client, after a few requests in the organization."""
    scopes = [word for scope in ("administration", "inference", "usage") for word in ("--scope", scope)]
    name = own_organization.organization
    secret = aquilon(own_organization.home, "keys", "create", "--name", "the owner's", "--org", name, *scopes)
    owner = httpx.Client(base_url=own_organization.url, headers={"authorization": f"Bearer {secret}"}, timeout=60)
    ask(owner, max_tokens=1)
    owner.post("/v1/embeddings", json={"model": "smollm2-135m", "input": "x"})
    owner.post("/v1/responses", json={"model": "smollm2-135m", "input": "A secret.", "max_output_tokens": 2})
    return owner


def ask(client: httpx.Client, **fields: Any) -> str:
    body = {"model": "smollm2-135m", "messages": [{"role": "user", "content": "A secret."}]} | fields
    answer = client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def test_a_request_is_logged_with_its_figures_and_without_its_text(logged: httpx.Client) -> None:
    id_ = ask(logged, max_tokens=3)
    answer = logged.get(LOG)
    [entry] = [entry for entry in answer.json()["data"] if entry["id"] == id_]
    assert (entry["route"], entry["model"]) == ("/v1/chat/completions", "smollm2-135m")
    assert (entry["key"], entry["outcome"], entry["error_code"]) == ("the owner's", "completed", None)
    assert 0 < entry["completion_tokens"] <= 3
    assert 0 < entry["first_token_ms"] <= entry["duration_ms"]
    assert answer.json()["everybody"]
    assert "secret" not in logged.get(LOG).text


def test_the_log_is_read_in_pages_and_as_csv(logged: httpx.Client) -> None:
    first = logged.get(LOG, params={"limit": 1}).json()
    rest = logged.get(LOG, params={"after": first["last_id"], "limit": 100}).json()
    assert first["has_more"]
    whole = logged.get(LOG, params={"limit": 100}).json()["data"]
    assert [entry["id"] for entry in whole] == [entry["id"] for entry in first["data"] + rest["data"]]
    assert {"/v1/responses", "/v1/chat/completions"} <= {entry["route"] for entry in whole}
    rows = list(csv.DictReader(io.StringIO(logged.get(LOG, params={"format": "csv"}).text)))
    assert [row["id"] for row in rows] == [entry["id"] for entry in whole]


def test_filters_choose_requests(logged: httpx.Client) -> None:
    assert logged.get(LOG, params={"model": "smollm2-135m", "outcome": "completed"}).json()["data"]
    for query in ({"model": "other"}, {"outcome": "cancelled"}, {"until": "2020-01-01"}, {"key_id": "key_none"}):
        assert logged.get(LOG, params=query).json()["data"] == []


def test_what_a_limit_refused_is_logged_so_often_a_minute_and_counts_in_no_total(
    own_organization: RunningServer, logged: httpx.Client
) -> None:
    """The clock may begin a new minute meanwhile."""
    name = own_organization.organization
    secret = aquilon(own_organization.home, "keys", "create", "--name", "refused", "--org", name)
    refused = httpx.Client(base_url=own_organization.url, headers={"authorization": f"Bearer {secret}"}, timeout=60)
    keys = logged.get("/v1/organization/api_keys").json()["data"]
    [key] = [key["id"] for key in keys if key["name"] == "refused"]
    limit = logged.post("/v1/organization/limits", json={"key_id": key, "requests_per_minute": 0})
    assert limit.status_code == 200, limit.text
    body = {"model": "smollm2-135m", "messages": [{"role": "user", "content": "A secret."}]}
    for _ in range(2 * MOST_A_MINUTE + 1):
        assert refused.post("/v1/chat/completions", json=body).status_code == 429

    chosen = {"key_id": key, "outcome": "refused", "limit": 100}
    wait_until(lambda: len(logged.get(LOG, params=chosen).json()["data"]) >= MOST_A_MINUTE)
    entries = logged.get(LOG, params=chosen).json()["data"]
    assert len(entries) <= 2 * MOST_A_MINUTE
    assert {(entry["route"], entry["error_code"], entry["cost_microcents"]) for entry in entries} == {
        ("/v1/chat/completions", "rate_limit_exceeded", 0)
    }
    usage = logged.get("/v1/organization/usage", params={"group_by": "key"}).json()
    assert key not in str(usage)


@pytest.mark.parametrize("query", [{"outcome": "lost"}, {"since": "yesterday"}, {"limit": "x"}, {"format": "xml"}])
def test_a_question_that_makes_no_sense_is_refused(logged: httpx.Client, query: dict[str, str]) -> None:
    assert logged.get(LOG, params=query).status_code == 400


def test_a_member_sees_their_own_requests_alone(logged: httpx.Client, own_organization: RunningServer) -> None:
    name = own_organization.organization
    user = logged.post("/v1/organization/users", json={"name": "mia", "role": "member"}).json()
    workspace = logged.get("/v1/organization/workspaces").json()["data"][0]["id"]
    logged.post(f"/v1/organization/workspaces/{workspace}/users", json={"user_id": user["id"], "role": "member"})
    secret = aquilon(own_organization.home, "keys", "create", "--name", "mia's", "--user", "mia", "--org", name)
    mia = httpx.Client(base_url=str(logged.base_url), headers={"authorization": f"Bearer {secret}"}, timeout=60)
    own = ask(mia, max_tokens=1)
    answer = mia.get(LOG).json()
    assert ([entry["id"] for entry in answer["data"]], answer["everybody"]) == ([own], False)
    assert mia.get(LOG, params={"workspace": workspace}).status_code == 403
    assert own in [entry["id"] for entry in logged.get(LOG, params={"user_id": user["id"]}).json()["data"]]
