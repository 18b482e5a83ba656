"""Prices, budgets and statements over HTTP: who may read and set them, and what they say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pypdfium2
import pytest
from tests.support.commands import aquilon
from tests.support.polling import until
from tests.support.server import RunningServer

MODEL = "smollm2-135m"
QUESTION = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}], "max_tokens": 2}
MICROCENTS = 10**6


@pytest.fixture(scope="module")
def server(own_server: RunningServer) -> RunningServer:
    return own_server


def make(home: Path, *arguments: str) -> str:
    return aquilon(home, *arguments)


def eventually(condition: Callable[[], bool]) -> None:
    """A change of prices or budgets counts within a second."""
    asyncio.run(until(condition))


class House:
    """One server; its operator, and another organization's owner and plain member."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        everything = [word for scope in ("inference", "usage", "administration") for word in ("--scope", scope)]
        self.operator = self.client(make(server.home, "keys", "create", "--name", "operator's", *everything))
        make(server.home, "orgs", "create", "acme", "--owner", "olga")
        make(server.home, "users", "create", "max", "--org", "acme", "--role", "member")
        self.owner = self.client(
            make(server.home, "keys", "create", "--name", "o", "--org", "acme", "--user", "olga", *everything)
        )
        self.member = self.client(
            make(server.home, "keys", "create", "--name", "m", "--org", "acme", "--user", "max", *everything)
        )

    def client(self, key: str) -> httpx.Client:
        return httpx.Client(base_url=self.server.url, headers={"authorization": f"Bearer {key}"}, timeout=60)


@pytest.fixture(scope="module")
def house(server: RunningServer) -> House:
    return House(server)


def test_the_operator_sets_prices_and_everybody_reads_them(house: House) -> None:
    price_body = {"input": 10, "cached_input": 4, "output": 30, "batch_discount": 50}
    refused = house.owner.post("/v1/server/prices/free-model", json=price_body)
    assert (refused.status_code, refused.json()["code"]) == (403, "not_the_operator")
    later = int(time.time()) + 10**6
    [now] = house.operator.post("/v1/server/prices/free-model", json=price_body).json()["prices"]
    assert (now["input"], now["holds"]) == (10, True)
    house.operator.post("/v1/server/prices/free-model", json={"input": 12, "output": 36, "starts_at": later})
    price_lists = house.member.get("/v1/organization/prices").json()
    assert price_lists["currency"] == "EUR"
    [mine] = [prices for prices in price_lists["data"] if prices["model"] == "free-model"]
    assert [(price["input"], price["starts_at"] == later, price["holds"]) for price in mine["prices"]] == [
        (10, False, True),
        (12, True, False),
    ]
    entry = house.operator.get("/v1/organization/audit_logs").json()["data"][0]
    assert (entry["type"], entry["target"]["name"], entry["detail"]["output"]) == ("price.set", "free-model", 36)


def test_a_price_list_with_a_gap_is_refused_and_changes_nothing(house: House) -> None:
    day = 86_400
    tomorrow = (int(time.time()) // day + 1) * day
    gap = [
        {"input": 1, "output": 1, "starts_at": tomorrow, "ends_at": tomorrow + day},
        {"input": 2, "output": 2, "starts_at": tomorrow + 2 * day},
    ]
    refused = house.operator.put("/v1/server/prices/gappy", json={"periods": gap})
    assert (refused.status_code, "has a gap: no price from" in refused.json()["message"]) == (400, True)
    assert "gappy" not in {prices["model"] for prices in house.operator.get("/v1/organization/prices").json()["data"]}
    whole = [gap[0] | {"ends_at": tomorrow + 2 * day}, gap[1]]
    assert len(house.operator.put("/v1/server/prices/gappy", json={"periods": whole}).json()["prices"]) == 2
    past = house.operator.post("/v1/server/prices/gappy", json={"input": 1, "output": 1, "starts_at": 10**9})
    assert (past.status_code, "in the past" in past.json()["message"]) == (400, True)


def test_an_organization_sets_budgets_for_its_keys_but_not_for_itself(house: House) -> None:
    whole = house.owner.post("/v1/organization/budgets", json={"limit_microcents": 10**12})
    assert (whole.status_code, whole.json()["code"]) == (403, "not_the_operator")
    make(house.server.home, "budgets", "set", "50", "--org", "acme")
    keys = {key["name"]: key for key in house.owner.get("/v1/organization/api_keys").json()["data"]}
    created = house.owner.post(
        "/v1/organization/budgets",
        json={"key_id": keys["m"]["id"], "period": "day", "limit_microcents": 200 * MICROCENTS},
    ).json()
    assert (created["scope"], created["name"], created["spent_microcents"]) == ("key", "m", 0)
    assert created["remaining_microcents"] == 200 * MICROCENTS
    assert created["resets_at"] > time.time()
    listed = house.owner.get("/v1/organization/budgets").json()["data"]
    organizations = [budget for budget in listed if budget["scope"] == "organization"]
    refused = house.owner.delete(f"/v1/organization/budgets/{organizations[0]['id']}")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_the_operator")
    [own] = house.member.get("/v1/organization/budgets").json()["data"]
    assert own["id"] == created["id"]  # a member sees the budgets of their own keys, nobody else's
    assert house.member.delete(f"/v1/organization/budgets/{created['id']}").status_code == 403
    assert house.operator.get(f"/v1/organization/budgets/{created['id']}").status_code == 404
    assert house.operator.delete(f"/v1/organization/budgets/{created['id']}").status_code == 404
    assert house.owner.delete(f"/v1/organization/budgets/{created['id']}").json()["deleted"] is True
    unknown = house.owner.post("/v1/organization/budgets", json={"key_id": "key_x", "limit_microcents": 1})
    assert (unknown.status_code, unknown.json()["code"]) == (404, "API_key_not_found")


def test_a_budget_of_zero_stops_a_priced_model_but_not_a_free_one(house: House) -> None:
    key = make(house.server.home, "keys", "create", "--name", "zero", "--org", "acme", "--user", "olga")
    [key_id] = [
        row["id"] for row in house.owner.get("/v1/organization/api_keys").json()["data"] if row["name"] == "zero"
    ]
    house.owner.post("/v1/organization/budgets", json={"key_id": key_id, "period": "once", "limit_microcents": 0})
    client = house.client(key)
    assert client.post("/v1/chat/completions", json=QUESTION).status_code == 200
    house.operator.post(f"/v1/server/prices/{MODEL}", json={"input": 100, "output": 100})
    eventually(lambda: client.post("/v1/chat/completions", json=QUESTION).status_code == 429)  # within a second
    refused = client.post("/v1/chat/completions", json=QUESTION)
    assert refused.json()["type"] == "budget_exceeded"
    assert "prepaid credit is 0 cents" in refused.json()["message"]


def test_a_statement_sums_up_this_month_s_usage(house: House) -> None:
    house.operator.post(f"/v1/server/prices/{MODEL}", json={"input": 100, "output": 100})
    path = f"/v1/organization/statements/{time.strftime('%Y-%m', time.gmtime())}"

    def costs_something() -> bool:
        assert house.owner.post("/v1/chat/completions", json=QUESTION).status_code == 200
        return bool(house.owner.get(path).json()["cost_microcents"])

    eventually(costs_something)
    before = house.owner.get(path).json()["cost_microcents"]
    usage = house.owner.post("/v1/chat/completions", json=QUESTION).json()["usage"]
    statement = house.owner.get(path).json()
    assert statement["cost_microcents"] == before + 100 * usage["total_tokens"]
    assert statement["cost_microcents"] == sum(line["cost_microcents"] for line in statement["lines"])
    assert (statement["customer"], statement["final"], statement["currency"]) == ("acme", False, "EUR")
    pdf = house.owner.get(path, params={"format": "pdf", "language": "fr"})
    assert pdf.headers["content-type"] == "application/pdf"
    assert "Relevé" in pypdfium2.PdfDocument(pdf.content)[0].get_textpage().get_text_range()
    assert house.member.get(path).status_code == 403
    for wrong in ("2026-13", "x"):
        assert house.owner.get(f"/v1/organization/statements/{wrong}").status_code == 400


def test_a_workspace_s_administrator_reads_only_that_workspace_s_usage(house: House) -> None:
    home = house.server.home
    make(home, "workspaces", "create", "lab", "--org", "acme")
    make(home, "workspaces", "create", "shop", "--org", "acme")
    make(home, "users", "create", "lena", "--org", "acme", "--role", "member")
    make(home, "members", "set", "lena", "--org", "acme", "--workspace", "lab", "--role", "administrator")
    lena = house.client(
        make(home, "keys", "create", "--name", "l", "--org", "acme", "--user", "lena", "--workspace", "lab")
    )
    assert lena.post("/v1/chat/completions", json=QUESTION).status_code == 200
    [day] = lena.get("/v1/organization/usage", params={"workspace": "lab", "by": "member"}).json()["data"]
    assert (day["member"], day["requests"]) == ("lena", 1)
    assert lena.get("/v1/organization/usage").status_code == 403
    assert lena.get("/v1/organization/usage", params={"workspace": "shop"}).status_code == 404
    assert house.operator.get("/v1/organization/usage", params={"workspace": "lab"}).status_code == 404


def test_vat_on_statements_has_the_operator_s_rate_and_the_customer_s_number(house: House) -> None:
    path = f"/v1/organization/statements/{time.strftime('%Y-%m', time.gmtime())}"
    acme = house.owner.post("/v1/organization", json={"vat_number": "FR 12345678901"}).json()
    assert (acme["vat_number"], acme["vat_percent"]) == ("FR 12345678901", None)
    rate = {"vat_percent": "5.5"}
    changed = house.operator.post(f"/v1/server/organizations/{acme['id']}", json=rate).json()
    assert changed["vat_percent"] == "5.5"
    assert house.owner.post("/v1/organization", json=rate).status_code == 422  # its own rate is the operator's
    assert house.owner.post(f"/v1/server/organizations/{acme['id']}", json=rate).status_code == 403
    statement = house.owner.get(path).json()
    assert (statement["customer_vat_number"], statement["vat_percent"]) == ("FR 12345678901", "5.5")
    assert statement["total_cents"] == statement["net_cents"] + statement["vat_cents"]
    for wrong in ("101", "-1", "5,5", "5.555"):
        refused = house.operator.post(f"/v1/server/organizations/{acme['id']}", json={"vat_percent": wrong})
        assert refused.status_code == 422, wrong
    unset = {"vat_percent": None}
    assert house.operator.post(f"/v1/server/organizations/{acme['id']}", json=unset).json()["vat_percent"] is None
