"""What people think of answers, and the pairs that are exported for training with their consent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.commands import aquilon
from tests.support.people import joined, signed_in_owner
from tests.support.server import RunningServer

PAIRS = "/v1/organization/preference-pairs"
SETTINGS = "/v1/organization/chat"


@pytest.fixture(scope="module")
def ada(own_organization: RunningServer) -> Iterator[httpx.Client]:
    person = signed_in_owner(own_organization)
    person.put(SETTINGS, json={"preference_pairs": True}).raise_for_status()
    yield person
    person.close()


@pytest.fixture(scope="module")
def ben(own_organization: RunningServer, ada: httpx.Client) -> Iterator[httpx.Client]:
    person = joined(own_organization, ada, "ben")
    yield person
    person.close()


def answer(person: httpx.Client, conversation_id: str, question: str, **more: Any) -> str:
    body = {
        "model": "smollm2-135m",
        "conversation": {"id": conversation_id, "parent_id": None},
        "input": question,
        "max_output_tokens": 200,
        "temperature": 0,
        **more,
    }
    response = person.post("/v1/responses", json=body)
    assert response.status_code == 200, response.text
    return str(response.json()["id"])


def two_answers(person: httpx.Client, question: str) -> tuple[str, str, str]:
    """A conversation whose one question has two answers: one was cut, one is whole."""
    id_ = person.post("/v1/conversations", json={}).json()["id"]
    first = answer(person, id_, question, max_output_tokens=3)
    return id_, first, answer(person, id_, question)


def rate(person: httpx.Client, response_id: str, rating: str, **more: Any) -> httpx.Response:
    return person.put(f"/v1/responses/{response_id}/feedback", json={"rating": rating, **more})


def pairs(person: httpx.Client, format: str = "trl") -> list[dict[str, Any]]:
    response = person.get(f"{PAIRS}?format={format}")
    assert response.status_code == 200, response.text
    return [json.loads(line) for line in response.text.splitlines()]


def test_a_rating_is_kept_replaced_read_and_withdrawn(ada: httpx.Client) -> None:
    id_, first, _ = two_answers(ada, "Say a word.")
    path = f"/v1/responses/{first}/feedback"
    assert ada.get(path).json()["code"] == "feedback_not_found"
    assert rate(ada, first, "up").json()["consent"] is False
    changed = rate(ada, first, "down", reason="inaccurate", comment=" It isn't\x00 so. ").json()
    assert (changed["rating"], changed["reason"], changed["comment"]) == ("down", "inaccurate", "It isn't so.")
    assert ada.get(path).json() == changed
    assert ada.get(f"/v1/conversations/{id_}/feedback").json()["data"] == [changed]
    assert ada.delete(path).status_code == 204
    assert (ada.get(path).status_code, ada.delete(path).status_code) == (404, 404)


@pytest.mark.parametrize(
    "body", [{}, {"rating": "sideways"}, {"rating": "up", "comment": "x" * 2001}, {"rating": "up", "reason": "mood"}]
)
def test_a_malformed_rating_is_refused(ada: httpx.Client, body: dict[str, Any]) -> None:
    assert ada.put("/v1/responses/resp_1/feedback", json=body).status_code == 400


def test_nobody_rates_or_reads_what_another_person_has(ada: httpx.Client, ben: httpx.Client) -> None:
    id_, first, _ = two_answers(ada, "Say two words.")
    rate(ada, first, "up", comment="mine")
    path = f"/v1/responses/{first}/feedback"
    assert {rate(ben, first, "up").status_code, ben.get(path).status_code, ben.delete(path).status_code} == {404}
    ada.post(f"/v1/conversations/{id_}", json={"visibility": "workspace"})
    assert ben.get(path).json()["code"] == "feedback_not_found"
    assert rate(ben, first, "down").status_code == 200
    assert ada.get(path).json()["rating"] == "up"
    assert httpx.get(str(ada.base_url) + path).status_code == 401


def test_a_pair_has_the_liked_answer_and_another_to_the_same_question(ada: httpx.Client) -> None:
    question = "What is the capital of France?"
    _, liked, other = two_answers(ada, question)
    assert rate(ada, liked, "up").status_code == 200
    assert [pair for pair in pairs(ada) if pair["prompt"][-1]["content"] == question] == []
    rate(ada, liked, "up", consent=True)
    [pair] = [pair for pair in pairs(ada) if pair["prompt"][-1]["content"] == question]
    assert pair["prompt"] == [{"role": "user", "content": question}]
    assert pair["chosen"][0]["role"] == pair["rejected"][0]["role"] == "assistant"
    assert pair["chosen"] != pair["rejected"]
    rate(ada, other, "down")  # without consent it is no part of a pair
    assert [pair for pair in pairs(ada) if pair["prompt"][-1]["content"] == question] == []
    rate(ada, other, "down", consent=True)
    [same] = [one for one in pairs(ada, "openai") if one["input"]["messages"] == pair["prompt"]]
    assert (same["preferred_output"], same["non_preferred_output"]) == (pair["chosen"], pair["rejected"])
    assert ada.delete(f"/v1/responses/{liked}/feedback").status_code == 204
    assert [pair for pair in pairs(ada) if pair["prompt"][-1]["content"] == question] == []


def test_a_person_s_own_archive_has_the_same_pairs(ada: httpx.Client, tmp_path: Path) -> None:
    question = "Name a bird."
    _, liked, _ = two_answers(ada, question)
    rate(ada, liked, "up", consent=True)
    archive, out = tmp_path / "data.zip", tmp_path / "pairs.jsonl"
    archive.write_bytes(ada.get("/v1/me/export").content)
    assert aquilon(tmp_path, "train", "pairs", str(archive), "--out", str(out)).endswith(f" written to {out}")
    of_archive, of_organization = map(json.loads, out.read_text().splitlines()), pairs(ada)
    assert sorted(of_archive, key=json.dumps) == sorted(of_organization, key=json.dumps)
    assert any(pair["prompt"][-1]["content"] == question for pair in of_organization)


def test_consent_needs_a_conversation_that_one_person_sees_and_goes_with_it(ada: httpx.Client) -> None:
    question = "Name a tree."
    id_, liked, _ = two_answers(ada, question)
    rate(ada, liked, "up", consent=True)
    assert any(pair["prompt"][-1]["content"] == question for pair in pairs(ada))
    ada.post(f"/v1/conversations/{id_}", json={"visibility": "workspace"})
    assert not any(pair["prompt"][-1]["content"] == question for pair in pairs(ada))
    refused = rate(ada, liked, "up", consent=True)
    assert (refused.status_code, refused.json()["code"]) == (409, "consent_needs_private")
    ada.post(f"/v1/conversations/{id_}", json={"visibility": "user"})
    assert any(pair["prompt"][-1]["content"] == question for pair in pairs(ada))
    ada.delete(f"/v1/conversations/{id_}").raise_for_status()
    assert not any(pair["prompt"][-1]["content"] == question for pair in pairs(ada))


def test_only_administrators_export_and_the_organization_may_switch_it_off(
    ada: httpx.Client, ben: httpx.Client, own_organization: RunningServer
) -> None:
    _, liked, _ = two_answers(ada, "Name a river.")
    rate(ada, liked, "up", consent=True)
    assert ben.get(PAIRS).status_code == 403
    printed = aquilon(own_organization.home, "conversations", "preferences", "--org", own_organization.organization)
    assert [json.loads(line) for line in printed.splitlines()] == pairs(ada)
    ada.put(SETTINGS, json={"preference_pairs": False})
    assert pairs(ada) == []
    refused = rate(ada, liked, "up", consent=True)
    assert (refused.status_code, refused.json()["code"]) == (403, "preference_pairs_off")
    ada.put(SETTINGS, json={"preference_pairs": True})
    audit = ada.get("/v1/organization/audit_logs").text
    assert "chat.preference_pairs_exported" in audit
    assert "chat.settings_changed" in audit
