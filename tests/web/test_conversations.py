"""Conversations in OpenAI's and in Mistral's contract, with both vendors' own clients, on the same paths."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import msgspec
import openai
import pytest
from mistralai.client import Mistral
from mistralai.client.errors import HTTPValidationError, SDKError
from mistralai.client.models import ConversationEvents, ConversationResponse
from openai import OpenAI
from sqlalchemy import select
from tests.support.polling import wait_until
from tests.support.server import RunningServer

from aquilon.conversations.dialects.mistral_events import frames, whole_answer
from aquilon.conversations.tables import ConversationPolicy
from aquilon.money.usage_event import Usage
from aquilon.people.tables import Organization
from aquilon.request import Delta, Event, Finished, Started
from aquilon.settings import Settings
from aquilon.storage import Database

MODEL = "smollm2-135m"
SHORT: Any = {"temperature": 0, "max_tokens": 6}
TIME: dict[str, Any] = {
    "name": "time",
    "description": "The time now",
    "parameters": {"type": "object", "properties": {}},
}


def user(text: str) -> Any:
    return {"type": "message", "role": "user", "content": text}


def key_header(server: RunningServer) -> dict[str, str]:
    return {"authorization": f"Bearer {server.api_key}"}


def keep_nothing(server: RunningServer) -> None:
    """Set the organization's policy, as its administrator does."""

    async def change() -> None:
        database = await Database.open(Settings(home=server.home))
        async with database.writing() as session:
            owner = await session.scalar(select(Organization.id).where(Organization.name == server.organization))
            session.add(ConversationPolicy(organization_id=owner, days=0, changed_at=0))
        await database.close()

    asyncio.run(change())


def texts(client: OpenAI, conversation_id: str, **query: Any) -> list[str]:
    """The texts of a conversation's messages, the first one first."""
    items = client.conversations.items.list(conversation_id, order="asc", extra_query=query)
    return [item.content[0].text for item in items if item.type == "message"]  # type: ignore[union-attr]


def begin(client: Mistral, text: str = "Hello", **more: Any) -> Any:
    return client.beta.conversations.start(inputs=text, model=MODEL, completion_args=SHORT, **more)


def text_of(response: Any) -> str:
    return str(response.outputs[-1].content)


# OpenAI's contract


def test_a_conversation_is_created_changed_and_deleted(openai_client: OpenAI) -> None:
    conversations = openai_client.conversations
    made = conversations.create(metadata={"for": "test"})
    assert (made.object, made.metadata) == ("conversation", {"for": "test"})
    changed = conversations.update(made.id, metadata={"for": "more"}, extra_body={"title": "Tea"})
    assert changed.metadata == {"for": "more"}
    assert conversations.retrieve(made.id).model_dump()["title"] == "Tea"
    assert conversations.update(made.id, metadata=None).metadata == {}
    assert conversations.retrieve(made.id).model_dump()["title"] == "Tea"
    assert conversations.delete(made.id).deleted is True
    with pytest.raises(openai.NotFoundError):
        conversations.retrieve(made.id)


def test_every_kind_of_item_is_read_as_it_was_added(openai_client: OpenAI) -> None:
    items: Any = [
        user("What time is it?"),
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "A clock is needed"}]},
        {"type": "function_call", "call_id": "call_1", "name": "time", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "noon"},
        {"type": "custom_tool_call", "call_id": "call_2", "name": "note", "input": "It is noon"},
        {"type": "custom_tool_call_output", "call_id": "call_2", "output": "noted"},
        {
            "role": "assistant",
            "phase": "final_answer",
            "content": [{"type": "output_text", "text": "It is noon", "annotations": []}],
        },
        {
            "role": "user",
            "content": [{"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"}],
        },
    ]
    made = openai_client.conversations.create(items=items)
    read = list(openai_client.conversations.items.list(made.id, order="asc", limit=3))
    assert [type(item).__name__ for item in read] == [
        "Message",
        "ResponseReasoningItem",
        "ResponseFunctionToolCallItem",
        "ResponseFunctionToolCallOutputItem",
        "ResponseCustomToolCall",
        "ResponseCustomToolCallOutput",
        "Message",
        "Message",
    ]
    assert [item.phase for item in read if item.type == "message"] == [None, "final_answer", None]
    again = [openai_client.conversations.items.retrieve(item.id or "", conversation_id=made.id) for item in read]
    assert again == read
    assert [item.id for item in openai_client.conversations.items.list(made.id, limit=3)] == [
        item.id for item in reversed(read)
    ]


def test_a_deleted_item_is_gone_and_the_others_stay(openai_client: OpenAI) -> None:
    made = openai_client.conversations.create(items=[user("One"), user("Two"), user("Three")])
    [_, second, _] = openai_client.conversations.items.list(made.id).data
    left = openai_client.conversations.items.delete(second.id or "", conversation_id=made.id)
    assert left.id == made.id
    assert texts(openai_client, made.id) == ["One", "Three"]


def test_a_response_in_a_conversation_adds_its_input_and_its_answer(openai_client: OpenAI) -> None:
    made = openai_client.conversations.create(items=[user("My name is Ada.")])
    answer = openai_client.responses.create(
        model=MODEL, conversation=made.id, input="What is my name?", temperature=0, max_output_tokens=6
    )
    assert answer.conversation is not None
    assert answer.conversation.id == made.id
    assert texts(openai_client, made.id) == ["My name is Ada.", "What is my name?", answer.output_text]


def test_items_below_an_earlier_one_are_a_branch(openai_client: OpenAI, http: httpx.Client) -> None:
    made = openai_client.conversations.create(items=[user("One"), user("Two")])
    items = f"/v1/conversations/{made.id}/items"
    [two, one] = openai_client.conversations.items.list(made.id).data
    other = http.post(items, json={"items": [user("Deux")], "parent_id": one.id}).json()["data"][0]
    anew = http.post(items, json={"items": [user("Un")], "parent_id": None}).json()["data"][0]
    assert texts(openai_client, made.id) == ["Un"]
    assert texts(openai_client, made.id, leaf=two.id) == ["One", "Two"]
    assert texts(openai_client, made.id, leaf=other["id"]) == ["One", "Deux"]
    branches = http.get(f"/v1/conversations/{made.id}/branches").json()
    assert [(branch["parent_id"], branch["first_id"], branch["last_id"]) for branch in branches["data"]] == [
        (None, one.id, two.id),
        (one.id, other["id"], other["id"]),
        (None, anew["id"], anew["id"]),
    ]
    astray = http.get(items, params={"leaf": two.id, "after": other["id"]})
    assert (astray.status_code, astray.json()["param"]) == (400, "after")


def test_a_response_may_answer_on_another_branch(openai_client: OpenAI) -> None:
    made = openai_client.conversations.create(items=[user("One"), user("Two")])
    [_, one] = openai_client.conversations.items.list(made.id).data
    below: Any = {"id": made.id, "parent_id": one.id}
    answer = openai_client.responses.create(model=MODEL, conversation=below, input="Deux", max_output_tokens=4)
    assert texts(openai_client, made.id) == ["One", "Deux", answer.output_text]


def test_a_question_is_answered_again_beside_its_first_answer(openai_client: OpenAI, http: httpx.Client) -> None:
    conversation = openai_client.conversations.create(items=[user("Name a colour.")])
    path = f"/v1/conversations/{conversation.id}"
    [question] = http.get(f"{path}/items").json()["data"]
    here = {"id": conversation.id, "parent_id": question["id"]}
    body = {"model": MODEL, "conversation": here, "input": [], "max_output_tokens": 4, "temperature": 0}
    first, second = (http.post("/v1/responses", json=body).json() for _ in range(2))

    page = http.get(f"{path}/items", params={"tree": True}).json()
    answer, place = page["data"][0], page["places"][0]
    assert answer["id"] == second["output"][0]["id"]
    assert place["parent_id"] == question["id"]
    assert place["response_id"] == second["id"]
    assert place["siblings"] == {
        "number": 2,
        "count": 2,
        "previous_id": first["output"][0]["id"],
        "next_id": None,
    }
    [state] = page["responses"]
    assert (state["id"], state["status"], state["model"]) == (second["id"], second["status"], MODEL)
    assert state["usage"] == second["usage"]
    assert state["incomplete_details"] == {"reason": "max_output_tokens"}

    moved = http.post(path, json={"head_id": place["siblings"]["previous_id"]}).json()
    assert moved["head_id"] == first["output"][0]["id"]
    assert http.get(f"{path}/items").json()["data"][0]["id"] == first["output"][0]["id"]
    assert http.get(f"{path}/items", params={"through": question["id"]}).json()["data"][0]["id"] == answer["id"]
    refused = http.post("/v1/responses", json={**body, "conversation": conversation.id})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "input")


def test_an_answer_that_was_cut_is_continued_as_another_answer(openai_client: OpenAI, http: httpx.Client) -> None:
    conversation = openai_client.conversations.create()
    body: Any = {"model": MODEL, "conversation": conversation.id, "temperature": 0, "max_output_tokens": 6}
    cut = http.post("/v1/responses", json=body | {"input": "Tell me a story."}).json()
    text = cut["output"][0]["content"][0]["text"]
    page = http.get(f"/v1/conversations/{conversation.id}/items", params={"tree": True, "order": "asc"}).json()
    here = {"id": conversation.id, "parent_id": page["data"][0]["id"]}
    longer = http.post("/v1/responses", json=body | {"conversation": here, "input": [], "prefix": text}).json()
    whole = longer["output"][0]["content"][0]["text"]
    assert whole.startswith(text)
    assert len(whole) > len(text)
    assert longer["usage"]["output_tokens"] == 6
    at_once = http.post(
        "/v1/responses",
        json={**body, "store": False, "conversation": None} | {"input": "Tell me a story.", "max_output_tokens": 12},
    ).json()
    assert whole == at_once["output"][0]["content"][0]["text"]
    assert texts(openai_client, conversation.id, order="asc") == ["Tell me a story.", whole]


def test_who_comes_back_finds_the_answer_that_is_being_written(http: httpx.Client) -> None:
    conversation = http.post("/v1/conversations", json={}).json()
    body = {"model": MODEL, "conversation": conversation["id"], "input": "Tell me a long story.", "background": True}
    begun = http.post("/v1/responses", json=body).json()
    page = http.get(f"/v1/conversations/{conversation['id']}/items", params={"tree": True}).json()
    [open_] = page["responses"]
    assert open_["id"] == begun["id"]
    assert open_["leaf_id"] == page["data"][0]["id"]
    assert open_["usage"] is None
    ended = http.post(f"/v1/responses/{begun['id']}/cancel").json()
    [state] = http.get(f"/v1/conversations/{conversation['id']}/items", params={"tree": True}).json()["responses"]
    assert (state["status"], state["usage"]) == ("cancelled", ended["usage"])


def test_conversations_are_listed_by_their_latest_change(openai_client: OpenAI, http: httpx.Client) -> None:
    ids = [openai_client.conversations.create().id for _ in range(3)]
    pages, after = [], None
    while len(pages) < 3:
        page = http.get("/v1/conversations", params={"limit": 1} | ({} if after is None else {"after": after})).json()
        after = page["last_id"]
        pages.append(after)
    assert pages == ids[::-1]


def test_a_stored_response_alone_is_no_conversation_of_the_list(openai_client: OpenAI, http: httpx.Client) -> None:
    before = http.get("/v1/conversations").json()["data"]
    openai_client.responses.create(model=MODEL, input="Hello", max_output_tokens=2)
    assert http.get("/v1/conversations").json()["data"] == before


def test_two_clients_that_add_at_once_are_both_kept(openai_client: OpenAI, http: httpx.Client) -> None:
    made = openai_client.conversations.create(items=[user("Hello")])

    def add(number: int) -> str:
        items = [user(f"{number} a"), user(f"{number} b")]
        answer = http.post(f"/v1/conversations/{made.id}/items", json={"items": items})
        return str(answer.json()["last_id"])

    with ThreadPoolExecutor() as threads:
        leaves = list(threads.map(add, range(4)))
    for number, leaf in enumerate(leaves):
        assert texts(openai_client, made.id, leaf=leaf)[-2:] == [f"{number} a", f"{number} b"]


# Mistral's contract


def test_a_conversation_is_started_and_gone_on_with(mistral_client: Mistral) -> None:
    conversations = mistral_client.beta.conversations
    begun = begin(mistral_client, "My name is Ada.", name="Names", description="Who", metadata={"for": ["test"]})
    assert (begun.object, begun.outputs[-1].type, begun.outputs[-1].model) == (
        "conversation.response",
        "message.output",
        MODEL,
    )
    assert begun.usage.total_tokens == begun.usage.prompt_tokens + begun.usage.completion_tokens
    further = conversations.append(conversation_id=begun.conversation_id, inputs="What is my name?")
    assert further.conversation_id == begun.conversation_id
    assert further.usage.prompt_tokens > begun.usage.prompt_tokens + 5
    history = conversations.get_history(conversation_id=begun.conversation_id)
    assert [(entry.type, entry.content) for entry in history.entries] == [  # type: ignore[union-attr]
        ("message.input", "My name is Ada."),
        ("message.output", text_of(begun)),
        ("message.input", "What is my name?"),
        ("message.output", text_of(further)),
    ]
    assert history.entries[1].id == begun.outputs[-1].id  # type: ignore[union-attr]
    messages = conversations.get_messages(conversation_id=begun.conversation_id).messages
    assert len(messages) == 4
    kept: Any = conversations.get(conversation_id=begun.conversation_id)
    assert (kept.model, kept.name, kept.description, kept.metadata) == (MODEL, "Names", "Who", {"for": ["test"]})
    assert kept.completion_args.max_tokens == 6
    [listed] = conversations.list(page=0, page_size=1)
    assert listed == kept
    conversations.delete(conversation_id=begun.conversation_id)
    with pytest.raises(SDKError) as caught:
        conversations.get(conversation_id=begun.conversation_id)
    assert caught.value.status_code == 404


def test_what_a_conversation_began_with_holds_until_a_request_says_otherwise(mistral_client: Mistral) -> None:
    begun = begin(mistral_client, instructions="Answer with one word. " * 20)
    append = mistral_client.beta.conversations.append
    kept = append(conversation_id=begun.conversation_id, inputs="Go on")
    assert kept.usage.prompt_tokens > begun.usage.prompt_tokens > 80
    other = append(conversation_id=begun.conversation_id, inputs="Go on", completion_args={"max_tokens": 2})
    assert (kept.usage.completion_tokens, other.usage.completion_tokens) == (6, 2)


def test_a_stream_has_the_entry_as_it_is_written(mistral_client: Mistral) -> None:
    with mistral_client.beta.conversations.start_stream(inputs="Hi", model=MODEL, completion_args=SHORT) as stream:
        events = [(event.event, event.data) for event in stream]
    assert (events[0][0], events[-1][0]) == ("conversation.response.started", "conversation.response.done")
    conversation_id = events[0][1].conversation_id  # type: ignore[union-attr]
    deltas: list[Any] = [data for name, data in events if name == "message.output.delta"]
    [*_, written] = mistral_client.beta.conversations.get_history(conversation_id=conversation_id).entries
    assert {delta.id for delta in deltas} == {written.id}  # type: ignore[union-attr]
    assert "".join(delta.content for delta in deltas) == written.content  # type: ignore[union-attr]
    assert events[-1][1].usage.completion_tokens == 6  # type: ignore[union-attr]


def test_an_answer_goes_on_when_its_reader_leaves(mistral_client: Mistral) -> None:
    conversations = mistral_client.beta.conversations
    begun = begin(mistral_client, "Hi")
    arguments: Any = {"max_tokens": 40}
    with conversations.append_stream(
        conversation_id=begun.conversation_id, inputs="Tell a story", completion_args=arguments
    ) as stream:
        next(iter(stream))
    wait_until(lambda: len(conversations.get_history(conversation_id=begun.conversation_id).entries) == 4)


def test_a_conversation_that_is_deleted_ends_its_answer(mistral_client: Mistral) -> None:
    conversations = mistral_client.beta.conversations
    long: Any = {"max_tokens": 2000}
    with conversations.start_stream(inputs="Tell a very long story", model=MODEL, completion_args=long) as stream:
        events = iter(stream)
        begun: Any = next(events).data
        conversations.delete(conversation_id=begun.conversation_id)
        *_, last = events
    assert (last.event, last.data.code) == ("conversation.response.error", 409)  # type: ignore[union-attr]


def test_a_restart_begins_another_conversation_from_an_entry(mistral_client: Mistral, openai_client: OpenAI) -> None:
    begun = begin(mistral_client, "One")
    conversations = mistral_client.beta.conversations
    conversations.append(conversation_id=begun.conversation_id, inputs="Two")
    anew = conversations.restart(
        conversation_id=begun.conversation_id, from_entry_id=begun.outputs[-1].id or "", inputs="Deux"
    )
    assert anew.conversation_id != begun.conversation_id
    assert texts(openai_client, anew.conversation_id) == ["One", text_of(begun), "Deux", text_of(anew)]
    assert texts(openai_client, begun.conversation_id)[2] == "Two"
    [first, *_] = conversations.get_history(conversation_id=anew.conversation_id).entries
    again = conversations.restart(
        conversation_id=anew.conversation_id,
        from_entry_id=first.id or "",  # type: ignore[union-attr]
    )
    assert text_of(again) == text_of(begun)


def test_a_function_is_called_and_its_result_answered(mistral_client: Mistral) -> None:
    tools: Any = [{"type": "function", "function": TIME}]
    arguments: Any = {"temperature": 0, "max_tokens": 40, "tool_choice": "required"}
    begun = mistral_client.beta.conversations.start(
        inputs="What time is it?", model=MODEL, tools=tools, completion_args=arguments
    )
    call: Any = begun.outputs[-1]
    assert (call.type, call.name) == ("function.call", "time")
    result: Any = {"type": "function.result", "tool_call_id": call.tool_call_id, "result": "Noon"}
    answer = mistral_client.beta.conversations.append(
        conversation_id=begun.conversation_id, inputs=[result], completion_args={"tool_choice": "none", "max_tokens": 6}
    )
    assert answer.outputs[-1].type == "message.output"
    history = mistral_client.beta.conversations.get_history(conversation_id=begun.conversation_id)
    assert [entry.type for entry in history.entries][1:3] == ["function.call", "function.result"]  # type: ignore[union-attr]
    with mistral_client.beta.conversations.start_stream(
        inputs="What time is it?", model=MODEL, tools=tools, completion_args=arguments
    ) as stream:
        deltas: list[Any] = [event.data for event in stream if event.event == "function.call.delta"]
    assert "".join(delta.arguments for delta in deltas) == call.arguments


def test_entries_of_every_kind_are_read_as_they_were_sent(mistral_client: Mistral) -> None:
    inputs: Any = [
        {"role": "user", "content": [{"type": "text", "text": "What time is it?"}]},
        {"type": "message.output", "content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]},
        {"type": "function.call", "tool_call_id": "call12345", "name": "time", "arguments": {"zone": "UTC"}},
        {"type": "function.result", "tool_call_id": "call12345", "result": "Noon"},
        {"type": "tool.execution", "name": "web_search", "arguments": "{}", "info": {"found": 1}},
        {
            "type": "agent.handoff",
            "previous_agent_id": "a",
            "previous_agent_name": "A",
            "next_agent_id": "b",
            "next_agent_name": "B",
        },
        {"role": "user", "content": "And now?"},
    ]
    begun = mistral_client.beta.conversations.start(inputs=inputs, model=MODEL, completion_args=SHORT)
    entries: list[Any] = mistral_client.beta.conversations.get_history(conversation_id=begun.conversation_id).entries
    assert [entry.type for entry in entries] == [
        "message.input",
        "message.output",
        "function.call",
        "function.result",
        "tool.execution",
        "agent.handoff",
        "message.input",
        "message.output",
    ]
    assert entries[1].content[0].thinking[0].text == "Hm"
    assert (entries[2].arguments, entries[4].info, entries[5].next_agent_name) == ('{"zone":"UTC"}', {"found": 1}, "B")


def test_what_is_not_to_be_stored_is_unknown_afterwards(mistral_client: Mistral) -> None:
    answer = begin(mistral_client, "Hello", store=False)
    assert text_of(answer)
    with pytest.raises(SDKError) as caught:
        mistral_client.beta.conversations.get(conversation_id=answer.conversation_id)
    assert caught.value.status_code == 404
    begun = begin(mistral_client, "Hello")
    mistral_client.beta.conversations.append(conversation_id=begun.conversation_id, inputs="Go on", store=False)
    assert len(mistral_client.beta.conversations.get_history(conversation_id=begun.conversation_id).entries) == 2


CALL = '"type": "function.call", "tool_call_id": "c", "name": "f"'
RESULT = '"type": "function.result", "tool_call_id": "c", "result": "1"'


@pytest.mark.parametrize(
    ("field", "status"),
    [
        (f'"completion_args": {{"max_tokens": 1}}, "inputs": [{{{CALL}, "arguments": %s}}, {{{RESULT}}}]', 200),
        ('"inputs": [{"type": "tool.execution", "name": "x", "arguments": "", "info": %s}]', 400),
        ('"inputs": "x", "metadata": %s', 400),
        ('"inputs": "x", "completion_args": {"max_tokens": 1, "prediction": %s}', 400),
        ('"items": [{"role": "user", "content": [{"type": "input_text", "text": "x", "annotations": [%s]}]}]', 400),
    ],
    ids=["arguments", "info", "metadata", "prediction", "annotations"],
)
def test_nesting_near_the_parser_s_limit_is_text_or_refused(http: httpx.Client, field: str, status: int) -> None:
    body = f'{{"model": "{MODEL}", ' + field % ('{"a": ' + "[" * 950 + "]" * 950 + "}") + "}"
    answer = http.post("/v1/conversations", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text[:300]


def test_two_that_answer_at_once_do_not_see_each_other(
    mistral_client: Mistral, openai_client: OpenAI, http: httpx.Client
) -> None:
    begun = begin(mistral_client, "Hello")

    def append(text: str) -> list[str]:
        answer = mistral_client.beta.conversations.append(conversation_id=begun.conversation_id, inputs=text)
        leaf: Any = answer.outputs[-1]
        return [*texts(openai_client, begun.conversation_id, leaf=leaf.id)[2:], leaf.content]

    with ThreadPoolExecutor() as threads:
        for text, (*_, asked, stored, answered) in zip("abc", threads.map(append, "abc"), strict=True):
            assert (asked, stored) == (text, answered)
    assert len(http.get(f"/v1/conversations/{begun.conversation_id}/branches").json()["data"]) <= 3


async def test_thoughts_are_an_entry_of_their_own() -> None:
    async def answered() -> AsyncGenerator[Event]:
        for event in (Started(0), Delta(0, "", reasoning="Hm"), Delta(0, "Noon"), Finished(0, "stop"), Usage(5, 2)):
            yield event

    told: dict[str, Any] = {"answer_id": "run_1", "conversation_id": "conv_1", "model": MODEL, "agent_id": None}
    streamed = b"".join([data async for data in frames(answered(), **told)]).decode()
    events = [json.loads(line.removeprefix("data: ")) for line in streamed.splitlines() if line.startswith("data: ")]
    thought, text = (
        ConversationEvents.model_validate({"event": event["type"], "data": event}).data
        for event in events
        if event.get("content")
    )
    whole = json.loads(msgspec.json.encode(await whole_answer(answered(), **told)))
    outputs: list[Any] = ConversationResponse.model_validate(whole).outputs
    assert [entry.id for entry in outputs] == [thought.id, text.id]  # type: ignore[union-attr]
    assert outputs[0].content[0].thinking[0].text == "Hm"
    assert outputs[1].content == "Noon"


# Both


def test_a_conversation_goes_on_in_the_other_dialect(mistral_client: Mistral, openai_client: OpenAI) -> None:
    begun = begin(mistral_client, "My name is Ada.")
    answer = openai_client.responses.create(
        model=MODEL, conversation=begun.conversation_id, input="What is my name?", temperature=0, max_output_tokens=6
    )
    further = mistral_client.beta.conversations.append(conversation_id=begun.conversation_id, inputs="Thanks")
    expected = ["My name is Ada.", text_of(begun), "What is my name?", answer.output_text, "Thanks", text_of(further)]
    assert texts(openai_client, begun.conversation_id) == expected
    history = mistral_client.beta.conversations.get_history(conversation_id=begun.conversation_id)
    assert [entry.content for entry in history.entries] == expected  # type: ignore[union-attr]


def test_a_conversation_of_openai_s_is_answered_by_the_model_that_answered_before(
    mistral_client: Mistral, openai_client: OpenAI
) -> None:
    made = openai_client.conversations.create(items=[{"role": "developer", "content": "Be brief."}])
    openai_client.responses.create(model=MODEL, conversation=made.id, input="Hello", max_output_tokens=2)
    further: Any = mistral_client.beta.conversations.append(
        conversation_id=made.id, inputs="Go on", completion_args=SHORT
    )
    assert further.outputs[-1].model == MODEL
    entries: list[Any] = mistral_client.beta.conversations.get_history(conversation_id=made.id).entries
    assert [entry.type for entry in entries] == [
        "message.input",
        "message.input",
        "message.output",
        "message.input",
        "message.output",
    ]
    kept: Any = mistral_client.beta.conversations.get(conversation_id=made.id)
    assert kept.model == MODEL


# What is refused


def sent(http: httpx.Client, path: str, body: dict[str, Any]) -> tuple[int, str | None]:
    answer = http.post(path, json=body)
    if answer.status_code == 200:
        return 200, None
    assert set(answer.json()) >= {"error", "message", "object"}
    return answer.status_code, answer.json()["param"]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({"metadata": {"a": 1}}, 400, "metadata.a"),
        ({"metadata": {str(number): "x" for number in range(17)}}, 400, "metadata"),
        ({"items": [{"type": "message", "role": "user"}]}, 400, "items.0.content"),
        ({"items": [{"type": "image_generation_call"}]}, 400, "items.0.type"),
        ({"items": [{"type": "item_reference", "id": "msg_unknown"}]}, 404, "items.0"),
        ({"items": [{"type": "function_call_output", "call_id": "c", "output": "1"}]}, 400, "items.0"),
        ({"items": [{"role": "user", "content": "x"}] * 5000}, 400, "items"),
        ({"items": [{"role": "user", "content": "x" * 10_000_000}]}, 413, None),
        ({"visibility": "everybody"}, 400, "visibility"),
        ({"visibility": "user"}, 400, "visibility"),
        ({"title": "x" * 300}, 400, "title"),
        ({"inputs": "Hi", "model": 1}, 422, "model"),
        ({"inputs": "Hi", "completion_args": {"temperature": 7}}, 422, "completion_args.temperature"),
        ({"inputs": 1}, 422, "inputs"),
        ({"inputs": []}, 400, "inputs"),
        ({"inputs": [{"role": "system", "content": "x"}]}, 422, "inputs.0.role"),
        ({"inputs": [{"type": "message.input", "content": "x"}]}, 400, "inputs.0.role"),
        ({"inputs": [{"type": "x"}]}, 400, "inputs.0.type"),
        ({"inputs": [{"role": "user", "content": [{"type": "document_url"}]}]}, 400, "inputs.0.content"),
        ({"inputs": [{"type": "function.result", "tool_call_id": "c", "result": "1"}]}, 400, "inputs.0"),
        ({"inputs": [{"type": "function.call", "tool_call_id": "c", "name": "f"}]}, 400, "inputs"),
        ({"inputs": [{"role": "assistant", "content": "x", "prefix": True}]}, 400, "inputs.0.prefix"),
        ({"inputs": "Hi", "agent_id": "ag_1"}, 404, "agent_id"),
        ({"inputs": "Hi", "tools": [{"type": "web_search"}]}, 400, "tools.0"),
        ({"inputs": "Hi", "tools": [{"type": "document_library", "library_ids": ["l"]}]}, 404, None),
        ({"inputs": "Hi", "tools": [{"type": "document_library"}]}, 400, "tools.0.library_ids"),
        ({"inputs": "Hi", "guardrails": [{"block_on_error": True}]}, 400, "guardrails"),
        ({"inputs": "Hi", "model": "unknown"}, 404, "model"),
        ({"inputs": "Hi", "metadata": {"x": "x" * 20_000}}, 400, "metadata"),
        ({"inputs": "Hi", "instructions": "x" * 300_000}, 400, "instructions"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_conversation_that_can_not_begin_is_refused(
    http: httpx.Client, body: dict[str, Any], status: int, param: str
) -> None:
    assert sent(http, "/v1/conversations", {"model": MODEL} | body) == (status, param)


def test_an_unknown_parent_and_an_unknown_entry_are_not_found(http: httpx.Client, openai_client: OpenAI) -> None:
    made, other = (openai_client.conversations.create(items=[user("One")]) for _ in range(2))
    [foreign] = openai_client.conversations.items.list(other.id).data
    path = f"/v1/conversations/{made.id}"
    assert sent(http, f"{path}/items", {"items": [user("x")], "parent_id": foreign.id})[0] == 404
    assert sent(http, f"{path}/restart", {"inputs": "x", "from_entry_id": foreign.id})[0] == 404
    assert sent(http, f"{path}/restart", {"inputs": "x"}) == (422, "from_entry_id")
    assert sent(http, path, {"inputs": []}) == (400, "inputs")
    assert sent(http, f"{path}/items", {"items": []}) == (400, "items")
    assert http.get(f"{path}/items", params={"after": foreign.id}).status_code == 404
    assert http.get(f"{path}/items", params={"leaf": foreign.id}).status_code == 404
    assert http.get(f"{path}/items", params={"order": "x"}).status_code == 400
    assert http.get("/v1/conversations", params={"after": "conv_unknown"}).status_code == 404
    assert http.get("/v1/conversations", params={"page_size": 0}).status_code == 400
    assert texts(openai_client, made.id) == ["One"]


def test_large_items_make_short_pages_and_too_many_of_them_no_prompt(http: httpx.Client) -> None:
    made = http.post("/v1/conversations", json={}).json()
    path = f"/v1/conversations/{made['id']}"
    for _ in range(10):
        assert sent(http, f"{path}/items", {"items": [user("x" * 7_500_000)]})[0] == 200
    page = http.get(f"{path}/items", params={"limit": 10}).json()
    assert (len(page["data"]), page["has_more"]) == (4, True)
    following = http.get(f"{path}/items", params={"limit": 10, "after": page["last_id"]}).json()
    assert len(following["data"]) == 4
    refused = http.post("/v1/responses", json={"model": MODEL, "conversation": made["id"], "input": "x"})
    assert (refused.status_code, refused.json()["code"]) == (400, "conversation_too_large")
    assert http.get(f"{path}/history").json()["code"] == "conversation_too_large"
    assert http.delete(path).status_code == 200


def test_mistral_s_client_reads_which_field_was_wrong(mistral_client: Mistral) -> None:
    with pytest.raises(HTTPValidationError) as caught:
        begin(mistral_client, "Hi", name="x" * 300)
    assert caught.value.data.detail is not None
    assert caught.value.data.detail[0].loc == ["body", "name"]


def test_an_organization_that_keeps_nothing_has_no_conversations(
    own_organization: RunningServer,
) -> None:
    keep_nothing(own_organization)
    with httpx.Client(base_url=own_organization.url, headers=key_header(own_organization), timeout=60) as http:
        body = {"inputs": "Hi", "model": MODEL, "completion_args": SHORT}
        for refused in ({}, body):
            answer = http.post("/v1/conversations", json=refused)
            assert (answer.status_code, answer.json()["code"]) == (400, "conversations_not_kept")
        assert http.post("/v1/conversations", json=body | {"store": False}).json()["outputs"]
        assert http.get("/v1/conversations").json()["data"] == []
