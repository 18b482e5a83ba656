"""A clock that jumps while the server runs: back by an hour, past the end of a period, by a month."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.commands import aquilon
from tests.support.polling import wait_until
from tests.support.server import RunningServer, start_server
from tests.support.upstream_server import Connection
from tests.support.upstream_stand_ins import stand_in

from aquilon.people.identity import KEY_SCOPES

HOUR, DAY = 3600, 86_400
MONTH = 31 * DAY
CENT = 10**6
QUESTION = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 5}


class Jumping:
    """A gateway with a priced upstream model and a clock that tests set."""

    def __init__(self, server: RunningServer, owner: httpx.Client, clock: Path) -> None:
        self.server = server
        self.owner = owner
        self._clock = clock

    def set_ahead(self, seconds: int) -> None:
        temporary = self._clock.with_suffix(".new")
        temporary.write_text(str(seconds))
        temporary.replace(self._clock)

    def key(self, **limits: Any) -> tuple[str, httpx.Client]:
        key = self.owner.post("/v1/organization/api_keys", json={"name": "a key", **limits}).raise_for_status().json()
        headers = {"authorization": f"Bearer {key['value']}"}
        return key["id"], httpx.Client(base_url=self.server.url, headers=headers, timeout=20)

    def budget(self, key_id: str, cents: int, period: str = "day") -> None:
        budget = {"key_id": key_id, "period": period, "limit_microcents": cents * CENT}
        self.owner.post("/v1/organization/budgets", json=budget).raise_for_status()

    def spent(self, key_id: str) -> int:
        """The cents on record in the database."""
        with closing(sqlite3.connect(self.server.home / "aquilon.db")) as database:
            query = "SELECT coalesce(sum(cost), 0) FROM usage_events WHERE api_key_id = ?"
            return int(database.execute(query, (key_id,)).fetchone()[0]) // CENT


def ask(client: httpx.Client, **more: Any) -> httpx.Response:
    return client.post("/v1/chat/completions", json=QUESTION | more)


async def upstream(connection: Connection) -> None:
    """One prompt token and one completion token: two cents."""
    await connection.begin()
    await connection.say("word")
    await connection.finish(usage={"prompt_tokens": 1, "completion_tokens": 1})
    await connection.end()


@pytest.fixture(scope="module")
def jumping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jumping]:
    folder = tmp_path_factory.mktemp("clock")
    (folder / "clock").write_text(str(-2 * MONTH))  # the price is valid from then on, at every time that a test sets
    environment = {"AQUILON_MODELS": "none", "CLOCK_FILE": str(folder / "clock")}
    with stand_in(upstream) as url:
        server = start_server(folder / "home", environment=environment, anew=True)
        scopes = [word for scope in KEY_SCOPES for word in ("--scope", scope)]
        secret = aquilon(server.home, "keys", "create", "--name", "o", *scopes)
        owner = httpx.Client(base_url=server.url, headers={"authorization": f"Bearer {secret}"}, timeout=20)
        upstream_fields = {"name": "there", "base_url": url, "models": [{"name": "m"}]}
        owner.post("/v1/server/upstreams", json=upstream_fields).raise_for_status()
        owner.post("/v1/server/prices/m", json={"input": 10**6, "output": 10**6}).raise_for_status()
        gateway = Jumping(server, owner, folder / "clock")
        gateway.set_ahead(0)
        key_id, client = gateway.key()
        wait_until(lambda: ask(client).status_code == 200 and gateway.spent(key_id) > 0)
        yield gateway
        assert server.stop() == 0
        assert "Traceback" not in server.log


@pytest.fixture(autouse=True)
def _back_again(jumping: Jumping) -> Iterator[None]:
    yield
    jumping.set_ahead(0)


@pytest.mark.slow
def test_a_key_expires_by_the_clock_and_is_valid_again_when_the_clock_is_corrected(jumping: Jumping) -> None:
    _, client = jumping.key(expires_at=int(time.time()) + DAY)
    statuses = []
    for ahead in (0, MONTH, 0, DAY - HOUR, DAY + 1, -HOUR):
        jumping.set_ahead(ahead)
        statuses.append(ask(client).status_code)
    assert statuses == [200, 401, 200, 200, 401, 200]


def test_a_rate_limit_does_not_depend_on_the_clock(jumping: Jumping) -> None:
    key_id, client = jumping.key()
    jumping.owner.post("/v1/organization/limits", json={"key_id": key_id, "requests_per_minute": 3}).raise_for_status()
    wait_until(lambda: "x-ratelimit-limit-requests" in ask(client).headers)
    for ahead in (HOUR, -HOUR, MONTH, -DAY):
        jumping.set_ahead(ahead)
        last = ask(client)
    assert last.status_code == 429
    assert 1 <= int(last.headers["retry-after"]) <= 200


def test_a_budget_is_renewed_with_its_period_and_not_again_when_the_clock_is_set_back(
    jumping: Jumping,
) -> None:
    key_id, client = jumping.key()
    jumping.budget(key_id, 200)
    wait_until(lambda: ask(client, max_tokens=1).status_code == 429)
    today = jumping.spent(key_id)
    jumping.set_ahead(DAY)
    assert ask(client, max_tokens=1).status_code == 200
    while ask(client, max_tokens=1).status_code == 200:
        pass
    tomorrow = jumping.spent(key_id) - today
    assert 0 < tomorrow <= 200
    for ahead in (0, DAY, 0, DAY):  # both days' money is spent, whatever the clock says
        jumping.set_ahead(ahead)
        assert ask(client, max_tokens=1).status_code == 429
    assert jumping.spent(key_id) == today + tomorrow


def test_prepaid_credit_is_not_renewed(jumping: Jumping) -> None:
    key_id, client = jumping.key()
    jumping.budget(key_id, 200, "once")
    wait_until(lambda: ask(client, max_tokens=1).status_code == 429)
    spent = jumping.spent(key_id)
    for ahead in (MONTH, -MONTH, 12 * MONTH):
        jumping.set_ahead(ahead)
        assert ask(client, max_tokens=1).status_code == 429
    assert jumping.spent(key_id) == spent


def test_every_request_is_recorded_once_in_the_month_of_the_clock(jumping: Jumping) -> None:
    key_id, client = jumping.key()
    aheads = [MONTH, 0, 2 * MONTH, -DAY, HOUR, MONTH, -HOUR]
    for ahead in aheads:
        jumping.set_ahead(ahead)
        assert ask(client).status_code == 200
        assert ask(client, stream=True).text.endswith("data: [DONE]\n\n")
    with closing(sqlite3.connect(jumping.server.home / "aquilon.db")) as database:
        months = database.execute(
            "SELECT strftime('%Y-%m', ended_at, 'unixepoch'), sum(cost) FROM usage_events GROUP BY 1"
        ).fetchall()
        [[count]] = database.execute("SELECT count(*) FROM usage_events WHERE api_key_id = ?", (key_id,)).fetchall()
    assert count == 2 * len(aheads)
    assert len(months) >= 3
    for month, cost in months:
        statement = jumping.owner.get(f"/v1/organization/statements/{month}").json()
        assert statement["cost_microcents"] == cost


def test_an_answer_during_a_jump_of_the_clock_is_paid_once(jumping: Jumping) -> None:
    key_id, client = jumping.key()
    with ThreadPoolExecutor(8) as threads:
        requests = [threads.submit(ask, client, stream=True) for _ in range(40)]
        for ahead in (HOUR, -HOUR, DAY, -DAY, 0):
            jumping.set_ahead(ahead)
            jumping.owner.get("/v1/organization").raise_for_status()
        answers = [request.result(20) for request in requests]
    assert {answer.status_code for answer in answers} == {200}
    with closing(sqlite3.connect(jumping.server.home / "aquilon.db")) as database:
        query = "SELECT count(*), cost, outcome FROM usage_events WHERE api_key_id = ? GROUP BY cost, outcome"
        assert database.execute(query, (key_id,)).fetchall() == [(40, 2 * CENT, "completed")]
