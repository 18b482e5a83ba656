"""``/v1/comparisons``: blind until the vote, one vote a person, a leaderboard of the organization's votes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from tests.support.people import browser, joined, signed_in_owner
from tests.support.server import RunningServer

MODEL = "smollm2-135m"
SIDES = [{"model": MODEL, "temperature": 0}, {"model": MODEL, "temperature": 0, "instructions": "Answer in French."}]


@pytest.fixture(scope="module")
def owner(own_organization: RunningServer) -> Iterator[httpx.Client]:
    client = signed_in_owner(own_organization)
    yield client
    client.close()


@pytest.fixture(scope="module")
def colleague(own_organization: RunningServer, owner: httpx.Client) -> Iterator[httpx.Client]:
    client = joined(own_organization, owner, "emil")
    yield client
    client.close()


@pytest.fixture(scope="module")
def key(own_organization: RunningServer) -> Iterator[httpx.Client]:
    headers = {"authorization": f"Bearer {own_organization.api_key}"}
    with httpx.Client(base_url=own_organization.url, headers=headers, timeout=60) as client:
        yield client


def compare(caller: httpx.Client, **fields: Any) -> dict[str, Any]:
    body = {"sides": SIDES, "prompt": "Say hello.", "max_tokens": 4} | fields
    answer = caller.post("/v1/comparisons", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def vote(caller: httpx.Client, id_: str, choice: str) -> httpx.Response:
    return caller.put(f"/v1/comparisons/{id_}/vote", json={"choice": choice})


def test_a_blind_comparison_names_no_side_until_the_caller_has_voted(owner: httpx.Client) -> None:
    answered = compare(owner)
    comparison = answered["comparison"]
    assert [answer["side"] for answer in answered["answers"]] == ["left", "right"]
    assert all(answer["text"] for answer in answered["answers"])
    assert (comparison["left"], comparison["right"], comparison["vote"]) == (None, None, None)
    assert MODEL not in json.dumps(answered)
    assert MODEL not in owner.get(f"/v1/comparisons/{comparison['id']}").text
    assert MODEL not in owner.get("/v1/comparisons").text
    voted = vote(owner, comparison["id"], "left").json()
    assert sorted((voted["left"]["instructions"], voted["right"]["instructions"])) == ["", "Answer in French."]
    assert (voted["vote"]["choice"], voted["vote"]["blind"]) == ("left", True)


def test_a_stream_has_both_answers_and_names_no_side(owner: httpx.Client) -> None:
    body = {"sides": SIDES, "prompt": "Say hello.", "max_tokens": 4, "stream": True}
    with owner.stream("POST", "/v1/comparisons", json=body) as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: ")]
    assert lines.pop() == "[DONE]"
    events = [json.loads(line) for line in lines]
    assert MODEL not in "".join(lines)
    assert (events[0]["type"], events[0]["comparison"]["answered"]) == ("comparison.started", False)
    assert (events[-1]["type"], events[-1]["comparison"]["answered"]) == ("comparison.ended", True)
    texts = {
        side: "".join(e["text"] for e in events if e.get("side") == side and "text" in e) for side in ("left", "right")
    }
    assert all(texts.values())
    assert {e["side"] for e in events if e["type"] == "comparison.side_ended"} == {"left", "right"}


def test_the_server_decides_by_chance_which_side_is_left(owner: httpx.Client) -> None:
    lefts = {compare(owner, blind=False, max_tokens=1)["comparison"]["left"]["instructions"] for _ in range(24)}
    assert lefts == {"", "Answer in French."}


def test_a_second_vote_replaces_the_first_and_is_no_longer_blind(owner: httpx.Client) -> None:
    id_ = compare(owner)["comparison"]["id"]
    vote(owner, id_, "left")
    assert vote(owner, id_, "left").json()["vote"]["blind"] is True
    changed = vote(owner, id_, "tie").json()["vote"]
    assert (changed["choice"], changed["blind"]) == ("tie", False)
    assert owner.get(f"/v1/comparisons/{id_}").json()["vote"] == changed


def test_the_question_is_kept_only_with_consent(owner: httpx.Client) -> None:
    assert compare(owner)["comparison"]["prompt"] is None
    assert compare(owner, store_prompt=True, prompt="Say\0 hello.")["comparison"]["prompt"] == "Say\0 hello."
    owner.put("/v1/organization/conversation-retention", json={"days": 0}).raise_for_status()
    refused = owner.post("/v1/comparisons", json={"sides": SIDES, "prompt": "x", "max_tokens": 1, "store_prompt": True})
    hidden = owner.get("/v1/comparisons").json()["data"]
    owner.put("/v1/organization/conversation-retention", json={"days": None}).raise_for_status()
    assert (refused.status_code, refused.json()["code"]) == (400, "conversations_not_kept")
    assert {comparison["prompt"] for comparison in hidden} == {None}


def test_a_person_s_comparison_is_theirs_and_a_key_s_is_the_workspace_s(
    own_organization: RunningServer, owner: httpx.Client, colleague: httpx.Client, key: httpx.Client
) -> None:
    workspace = owner.get("/auth/session").json()["workspace"]["id"]
    user = colleague.get("/auth/session").json()["user"]["id"]
    member = {"user_id": user, "role": "member"}
    owner.post(f"/v1/organization/workspaces/{workspace}/users", json=member)
    private = compare(owner)["comparison"]["id"]
    for caller in (colleague, key):
        for answer in (
            caller.get(f"/v1/comparisons/{private}"),
            vote(caller, private, "left"),
            caller.delete(f"/v1/comparisons/{private}"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (404, "comparison_not_found")
        assert private not in caller.get("/v1/comparisons").text
    shared = compare(key)["comparison"]["id"]
    assert vote(owner, shared, "left").json()["vote"]["choice"] == "left"
    assert colleague.get(f"/v1/comparisons/{shared}").json()["left"] is None  # another person's vote reveals nothing
    assert vote(colleague, shared, "right").json()["vote"]["choice"] == "right"
    assert owner.delete(f"/v1/comparisons/{shared}").json()["deleted"] is True
    assert colleague.get(f"/v1/comparisons/{shared}").status_code == 404


def test_the_leaderboard_counts_votes_between_different_players(owner: httpx.Client, colleague: httpx.Client) -> None:
    assert owner.get("/v1/comparisons/leaderboard").json()["data"] == []  # one model never meets another
    for _ in range(3):
        comparison = compare(owner)["comparison"]
        revealed = vote(owner, comparison["id"], "tie").json()
        better = "right" if revealed["right"]["instructions"] else "left"
        vote(owner, comparison["id"], better)
    board = owner.get("/v1/comparisons/leaderboard", params={"by": "settings"}).json()
    best, worst = board["data"]
    assert best["settings"]["instructions"] == "Answer in French."
    assert best["rating"] > 1000 > worst["rating"]
    assert best["low"] < best["rating"] < best["high"]
    assert best["preliminary"]
    assert best["votes"] >= 3
    blind = owner.get("/v1/comparisons/leaderboard", params={"by": "settings", "blind": True}).json()["data"]
    assert sum(entry["votes"] for entry in blind) < sum(entry["votes"] for entry in board["data"])
    assert colleague.get("/v1/comparisons/leaderboard", params={"by": "settings"}).json()["data"] == []


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"sides": SIDES[:1]}, "sides"),
        ({"sides": [*SIDES, SIDES[0]]}, "sides"),
        ({"sides": [SIDES[0], {"model": "\0<script>'; --"}]}, "sides.1.model"),
        ({"sides": [{"model": "x" * 1001}, SIDES[0]]}, "sides.0.model"),
        ({"sides": [SIDES[0], SIDES[1] | {"temperature": 2.1}]}, "sides.1.temperature"),
        ({"sides": [SIDES[0], SIDES[1] | {"instructions": "x" * 8001}]}, "sides.1.instructions"),
        ({"prompt": "x" * 32_001}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"max_tokens": 4097}, "max_tokens"),
    ],
)
def test_a_wrong_request_says_which_field(owner: httpx.Client, fields: dict[str, Any], param: str) -> None:
    refused = owner.post("/v1/comparisons", json={"sides": SIDES, "prompt": "x", "max_tokens": 1} | fields)
    assert 400 <= refused.status_code < 500
    assert refused.json()["param"] == param


def test_a_choice_that_is_none_and_a_comparison_that_is_none_are_refused(owner: httpx.Client) -> None:
    id_ = compare(owner, max_tokens=1)["comparison"]["id"]
    assert vote(owner, id_, "middle").status_code == 422
    assert vote(owner, "cmp_%00'", "left").status_code == 404


def test_an_answer_that_the_client_left_can_t_be_voted_on(own_organization: RunningServer, owner: httpx.Client) -> None:
    body = {"sides": SIDES, "prompt": "Count to a thousand.", "max_tokens": 1000, "stream": True}
    with owner.stream("POST", "/v1/comparisons", json=body) as answer:
        first = next(line for line in answer.iter_lines() if line.startswith("data: "))
    id_ = json.loads(first.removeprefix("data: "))["comparison"]["id"]
    refused = vote(owner, id_, "left")
    assert (refused.status_code, refused.json()["code"]) == (409, "comparison_not_answered")


def test_a_person_without_a_session_is_refused(own_organization: RunningServer) -> None:
    with browser(own_organization) as stranger:
        assert stranger.get("/v1/comparisons/leaderboard").status_code == 401
