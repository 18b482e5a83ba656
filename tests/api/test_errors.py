"""The errors that clients get for a database's errors, and for a limit that was reached."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError

from aquilon.api.errors import api_error
from aquilon.conversations.dialects.error_bodies import error_body
from aquilon.conversations.run import RunError
from aquilon.conversations.runs import run_error
from aquilon.errors import ApiError, invalid
from aquilon.generation.prompts import too_long
from aquilon.money.budgets import Budget, budget_exceeded
from aquilon.money.limits import Limit, Window, all_slots_taken, quotas, rate_exceeded
from aquilon.people.store import accounts
from aquilon.storage import Database


async def test_a_nul_character_in_a_name_is_refused_with_400(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    """SQLite has no such user, PostgreSQL refuses the query: neither means that the database is away."""
    refusals: list[ApiError | RunError] = []
    try:
        async with database.reading() as session:
            assert (await accounts.claimants(session, "a\0b")).users == ()
    except DBAPIError as error:
        refusals = [api_error(error), run_error(error)]
    assert {(refusal.status, refusal.code) for refusal in refusals} <= {(400, "invalid_characters")}
    assert caplog.records == []


class TestALimitThatWasReached:
    """Its numbers stand beside the message, which is for people."""

    LIMIT = Limit(
        id="limit_1",
        subject_kind="key",
        subject_id="key_1",
        model="small",
        requests_per_minute=2,
        tokens_per_minute=100,
        parallel_requests=1,
    )

    def test_a_rate_says_which_number_it_is_what_remains_and_when_there_is_room(self) -> None:
        refused = rate_exceeded(quotas([self.LIMIT])[1], Window(0, 0.0, 90, 100.0), 20)
        assert read(refused) == {
            "kind": "tokens_per_minute",
            "limit": 100,
            "remaining": 10,
            "needed": 20,
            "scope": "key",
            "model": "small",
            "reset_in": refused.retry_after,
        }

    def test_what_never_fits_names_no_moment(self) -> None:
        assert read(rate_exceeded(quotas([self.LIMIT])[1], Window(0, 0.0, 0, 0.0), 101))["reset_in"] is None

    def test_requests_at_once_end_when_another_does(self) -> None:
        assert read(all_slots_taken(self.LIMIT))["kind"] == "parallel_requests"
        assert read(all_slots_taken(self.LIMIT))["reset_in"] is None

    def test_a_budget_counts_millionths_of_a_cent(self) -> None:
        budget = Budget(
            id="budget_1", subject_kind="workspace", subject_id="workspace_1", period="day", limit=5_000_000
        )
        told = read(budget_exceeded(budget, remaining=-3, needed=70, moment=86_400 + 100))
        assert (told["kind"], told["limit"], told["remaining"], told["needed"]) == ("budget", 5_000_000, 0, 70)
        assert (told["scope"], told["reset_in"]) == ("workspace", 86_300)

    def test_a_context_says_how_much_was_asked_of_it(self) -> None:
        told = read(too_long(prompt_tokens=90, max_tokens=20, context=100))
        assert (told["kind"], told["limit"], told["needed"]) == ("context_tokens", 100, 110)
        assert "at_least" not in told

    def test_a_text_that_was_not_counted_to_its_end_says_so(self) -> None:
        told = read(too_long(prompt_tokens=900, max_tokens=None, context=100, at_least=True))
        assert (told["needed"], told["at_least"]) == (900, True)

    def test_an_error_without_a_limit_has_no_such_field(self) -> None:
        body = json.loads(error_body(invalid("No")))
        assert "limit" not in body
        assert set(body["error"]) == {"message", "type", "param", "code"}


def test_memory_that_ran_out_is_told_as_that_and_worth_another_try() -> None:
    error = api_error(MemoryError())
    assert (error.status, error.type, error.retry_after) == (503, "overloaded", 30)
    assert "ran out of memory" in error.message


def read(error: ApiError) -> dict[str, Any]:
    """The limit as it is sent to both kinds of client."""
    body = json.loads(error_body(error))
    assert body["limit"] == body["error"]["limit"]
    limit: dict[str, Any] = body["limit"]
    return limit
