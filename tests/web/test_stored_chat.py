"""Chat completions that the server keeps, with OpenAI's own client."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion
from sqlalchemy import select
from tests.support.polling import wait_until
from tests.support.server import RunningServer

from aquilon.conversations.tables import ConversationPolicy
from aquilon.people.tables import Organization
from aquilon.settings import Settings
from aquilon.storage import Database

MODEL = "smollm2-135m"
QUESTION: list[Any] = [{"role": "user", "content": "What is the capital of France?"}]
STORY: list[Any] = [{"role": "user", "content": "Tell a very long story"}]


def request(**more: Any) -> dict[str, Any]:
    return {"model": MODEL, "messages": QUESTION, "temperature": 0, "max_tokens": 6, "store": True} | more


def shown(completion: ChatCompletion) -> dict[str, Any]:
    return completion.model_dump(exclude={"metadata"})


def test_a_stored_completion_is_read_as_it_was_answered(openai_client: OpenAI) -> None:
    answer = openai_client.chat.completions.create(**request(metadata={"for": "test"}))
    again = openai_client.chat.completions.retrieve(answer.id)
    assert again.metadata == {"for": "test"}
    assert shown(again) == shown(answer)


@pytest.mark.parametrize("fields", [{}, {"store": False}, {"store": None}])
def test_without_store_nothing_is_kept(openai_client: OpenAI, fields: dict[str, Any]) -> None:
    answer = openai_client.chat.completions.create(**{"model": MODEL, "messages": QUESTION, "max_tokens": 1, **fields})
    with pytest.raises(openai.NotFoundError):
        openai_client.chat.completions.retrieve(answer.id)


def test_storing_changes_nothing_of_the_answer(openai_client: OpenAI) -> None:
    fields: dict[str, Any] = {"n": 2, "temperature": 1.2, "seed": 4, "logprobs": True, "top_logprobs": 2}
    stored, plain = (openai_client.chat.completions.create(**request(**fields, store=store)) for store in (True, False))
    assert stored.model_dump(exclude={"id", "created", "usage"}) == plain.model_dump(exclude={"id", "created", "usage"})
    assert stored.usage is not None
    assert plain.usage is not None
    assert stored.usage.total_tokens == plain.usage.total_tokens


def test_each_choice_is_kept_with_its_number_and_reason(openai_client: OpenAI) -> None:
    fields: dict[str, Any] = {"n": 3, "temperature": 1.5, "seed": 5, "stop": [" "], "max_tokens": 3}
    answer = openai_client.chat.completions.create(**request(**fields))
    assert len({choice.finish_reason for choice in answer.choices}) == 2
    assert shown(openai_client.chat.completions.retrieve(answer.id)) == shown(answer)


def test_a_call_is_kept_with_its_arguments(openai_client: OpenAI) -> None:
    city = {"type": "object", "properties": {"city": {"enum": ["Paris"]}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "weather", "parameters": city}}
    answer = openai_client.chat.completions.create(
        **request(tools=[tool], tool_choice="required", max_tokens=80, parallel_tool_calls=False)
    )
    assert answer.choices[0].finish_reason == "tool_calls"
    assert shown(openai_client.chat.completions.retrieve(answer.id)) == shown(answer)


def test_a_stream_is_stored_as_it_was_sent(openai_client: OpenAI) -> None:
    chunks = list(openai_client.chat.completions.create(**request(stream=True, n=2, seed=3, temperature=1)))
    stored = openai_client.chat.completions.retrieve(chunks[0].id)
    sent = ["", ""]
    for chunk in chunks:
        for choice in chunk.choices:
            sent[choice.index] += choice.delta.content or ""
    assert [choice.message.content for choice in stored.choices] == sent
    assert chunks[-1].usage == stored.usage


def begun(http: httpx.Client, **more: Any) -> str:
    """The id of a stream whose reader leaves after its first chunk."""
    with http.stream("POST", "/v1/chat/completions", json=request(messages=STORY, stream=True, **more)) as stream:
        line = next(line for line in stream.iter_lines() if line.startswith("data: "))
        return str(httpx.Response(200, text=line.removeprefix("data: ")).json()["id"])


def test_a_stream_goes_on_when_its_reader_leaves_and_is_billed_once(http: httpx.Client, server: RunningServer) -> None:
    path = f"/v1/chat/completions/{begun(http, max_tokens=60)}"
    wait_until(lambda: http.get(path).status_code == 200)
    stored = http.get(path).json()
    assert stored["choices"][0]["finish_reason"] == "length"
    with sqlite3.connect(server.home / "aquilon.db") as database:
        query = "SELECT outcome, completion_tokens FROM usage_events WHERE request_id = ?"
        assert database.execute(query, (stored["id"],)).fetchall() == [("completed", 60)]


def test_an_answer_is_read_when_it_has_ended_and_may_be_deleted_before(http: httpx.Client) -> None:
    path = f"/v1/chat/completions/{begun(http, max_tokens=1500, n=2)}"
    early = http.get(path)
    assert (early.status_code, early.json()["code"]) == (409, "chat_completion_in_progress")
    assert http.delete(path).json()["object"] == "chat.completion.deleted"
    assert http.get(path).status_code == 404


def test_completions_are_listed_by_model_metadata_and_order_page_by_page(openai_client: OpenAI) -> None:
    odd = 'a "quoted], $.key'
    ids = [
        openai_client.chat.completions.create(**request(max_tokens=1, metadata={odd: "list", "n": str(n)})).id
        for n in range(3)
    ]
    listed: Callable[..., Any] = openai_client.chat.completions.list
    assert [completion.id for completion in listed(metadata={odd: "list"})] == ids
    assert [completion.id for completion in listed(metadata={odd: "list"}, order="desc", limit=1)] == ids[::-1]
    assert [completion.id for completion in listed(metadata={odd: "list", "n": "1"})] == ids[1:2]
    assert list(listed(metadata={odd: "LIST"})) == []
    assert list(listed(metadata={odd: "list"}, model="no-such-model")) == []
    assert [completion.id for completion in listed(metadata={odd: "list"}, model=MODEL, after=ids[0])] == ids[1:]


def test_metadata_are_replaced(openai_client: OpenAI) -> None:
    answer = openai_client.chat.completions.create(**request(max_tokens=1, metadata={"old": "1"}))
    assert openai_client.chat.completions.update(answer.id, metadata={"new": "2"}).metadata == {"new": "2"}
    assert openai_client.chat.completions.retrieve(answer.id).metadata == {"new": "2"}
    assert openai_client.chat.completions.update(answer.id, metadata=None).metadata == {}


@pytest.mark.parametrize("metadata", ["text", {"n": 1}, {str(n): "" for n in range(17)}, {"long": "x" * 513}])
def test_metadata_that_cannot_be_stored_are_refused(openai_client: OpenAI, metadata: Any) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        openai_client.chat.completions.create(**request(metadata=metadata))
    assert refused.value.param == "metadata"
    openai_client.chat.completions.create(**request(metadata=metadata, store=False, max_tokens=1))


def test_the_messages_of_a_request_are_listed_in_order(openai_client: OpenAI) -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}}
    messages: list[Any] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "The weather?"}], "name": "ada"},
        {"role": "assistant", "content": None, "tool_calls": [call], "reasoning_content": "I must look."},
        {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
        {"role": "assistant", "content": "It is sunny."},
        {"role": "user", "content": "Thanks"},
    ]
    answer = openai_client.chat.completions.create(**request(messages=messages, max_tokens=1))
    listed = list(openai_client.chat.completions.messages.list(answer.id, limit=2))
    assert [message.role for message in listed] == [message["role"] for message in messages]
    assert [message.content for message in listed] == [
        *("Be brief.", "The weather?", None, "sunny", "It is sunny.", "Thanks")
    ]
    [kept] = listed[2].tool_calls or []
    assert kept.model_dump(exclude_unset=True) == call
    assert listed[2].model_dump()["reasoning_content"] == "I must look."
    assert len({message.id for message in listed}) == len(messages)
    backwards = openai_client.chat.completions.messages.list(answer.id, order="desc")
    assert [message.id for message in backwards] == [message.id for message in reversed(listed)]


def test_a_deleted_completion_is_unknown(openai_client: OpenAI) -> None:
    answer = openai_client.chat.completions.create(**request(max_tokens=1))
    assert openai_client.chat.completions.delete(answer.id).deleted
    for read in (
        lambda: openai_client.chat.completions.retrieve(answer.id),
        lambda: openai_client.chat.completions.delete(answer.id),
        lambda: openai_client.chat.completions.update(answer.id, metadata={}),
        lambda: openai_client.chat.completions.messages.list(answer.id),
    ):
        with pytest.raises(openai.NotFoundError):
            read()


def test_a_response_is_no_chat_completion(openai_client: OpenAI) -> None:
    response = openai_client.responses.create(model=MODEL, input="Hello", max_output_tokens=1)
    with pytest.raises(openai.NotFoundError):
        openai_client.chat.completions.retrieve(response.id)


def test_a_response_goes_on_from_a_stored_completion(openai_client: OpenAI) -> None:
    answer = openai_client.chat.completions.create(**request())
    content = answer.choices[0].message.content
    whole: Any = [*QUESTION, {"role": "assistant", "content": content}, {"role": "user", "content": "And of Spain?"}]
    plain = openai_client.responses.create(model=MODEL, input=whole, store=False, max_output_tokens=4, temperature=0)
    following = openai_client.responses.create(
        model=MODEL, input="And of Spain?", previous_response_id=answer.id, max_output_tokens=4, temperature=0
    )
    assert following.output_text == plain.output_text


async def keep_nothing(server: RunningServer) -> None:
    database = await Database.open(Settings(home=server.home))
    async with database.writing() as session:
        organization = select(Organization.id).where(Organization.name == server.organization)
        id_ = (await session.scalars(organization)).one()
        session.add(ConversationPolicy(organization_id=id_, days=0, changed_at=0))
    await database.close()


def test_an_organization_that_keeps_nothing_stores_no_completion(own_organization: RunningServer) -> None:
    with OpenAI(base_url=f"{own_organization.url}/v1", api_key=own_organization.api_key) as client:
        kept = client.chat.completions.create(**request(max_tokens=1)).id
        client.chat.completions.retrieve(kept)
        asyncio.run(keep_nothing(own_organization))

        def is_kept() -> bool:
            id_ = client.chat.completions.create(**request(max_tokens=1)).id
            return id_ == client.chat.completions.list(order="desc", limit=1).data[0].id

        wait_until(lambda: not is_kept())
