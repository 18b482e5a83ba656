"""Assistants by Mistral's own client, which refuses answers of a wrong shape, and by OpenAI's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from mistralai.client import Mistral
from mistralai.client.errors import SDKError
from openai import NotFoundError, OpenAI

MODEL = "smollm2-135m"
SAMPLING: Any = {"temperature": 0, "max_tokens": 8}
NewAgent = Callable[..., Any]


@pytest.fixture
def new_agent(mistral_client: Mistral) -> Iterator[NewAgent]:
    created = []

    def create(**fields: Any) -> Any:
        agent = mistral_client.beta.agents.create(
            **{"model": MODEL, "name": "Parrot", "completion_args": SAMPLING, **fields}
        )
        created.append(agent.id)
        return agent

    yield create
    for agent in mistral_client.beta.agents.list(page_size=100):
        if agent.id in created:
            mistral_client.beta.agents.delete(agent_id=agent.id)


def test_each_change_makes_a_version_and_one_returns_to_an_earlier_one(
    mistral_client: Mistral, new_agent: NewAgent
) -> None:
    agents = mistral_client.beta.agents
    agent = new_agent(description="Repeats.", instructions="Say one.", metadata={"team": "birds"})
    assert (agent.version, agent.versions, agent.instructions) == (1, [1], "Say one.")
    changed = agents.update(agent_id=agent.id, instructions="Say two.", version_message="louder")
    assert (changed.version, changed.versions, changed.name) == (2, [1, 2], "Parrot")
    assert (changed.metadata, changed.version_message) == ({"team": "birds"}, "louder")
    assert [one.instructions for one in agents.list_versions(agent_id=agent.id)] == ["Say two.", "Say one."]
    assert agents.get_version(agent_id=agent.id, version="1").instructions == "Say one."
    back = agents.update_version(agent_id=agent.id, version=1)
    assert (back.version, back.versions) == (1, [1, 2])
    assert agents.update(agent_id=agent.id, description=None).version == 3
    third = agents.get(agent_id=agent.id)
    assert (third.instructions, third.description) == ("Say one.", None)
    with pytest.raises(SDKError, match="no version or alias '9'"):
        agents.get(agent_id=agent.id, agent_version=9)


def test_an_alias_names_a_version(mistral_client: Mistral, new_agent: NewAgent) -> None:
    agents = mistral_client.beta.agents
    agent = new_agent(instructions="Say one.")
    agents.update(agent_id=agent.id, instructions="Say two.")
    assert agents.create_version_alias(agent_id=agent.id, alias="production", version=1).version == 1
    assert agents.get(agent_id=agent.id, agent_version="production").instructions == "Say one."
    agents.create_version_alias(agent_id=agent.id, alias="production", version=2)
    assert agents.get(agent_id=agent.id, agent_version="production").instructions == "Say two."
    assert [(one.alias, one.version) for one in agents.list_version_aliases(agent_id=agent.id)] == [("production", 2)]
    with pytest.raises(SDKError, match="no version or alias '7'"):
        agents.create_version_alias(agent_id=agent.id, alias="next", version=7)
    agents.delete_version_alias(agent_id=agent.id, alias="production")
    assert agents.list_version_aliases(agent_id=agent.id) == []


def test_lists_come_in_pages_and_are_filtered(mistral_client: Mistral, new_agent: NewAgent) -> None:
    agents = mistral_client.beta.agents
    heron, ibis, jay = (new_agent(name=name).id for name in ("Heron 100%", "Ibis", "Jay"))
    assert [one.id for one in agents.list(page_size=2)] == [jay, ibis]
    assert heron in [one.id for one in agents.list(page_size=2, page=1)]
    assert [one.id for one in agents.list(name="Ibis")] == [ibis]
    assert [one.id for one in agents.list(search="0%")] == [heron]
    assert [one.id for one in agents.list(id=jay)] == [jay]
    assert jay not in [one.id for one in agents.list(deployment_chat=True)]
    assert jay in [one.id for one in agents.list(sources=["playground", "api"])]
    assert agents.list(sources=["playground"]) == []
    page, ids = agents.list_pages(page_size=2), []
    while page is not None:
        ids += [one.id for one in page.result.data]
        page = page.next()
    assert ids[:3] == [jay, ibis, heron]
    assert len(ids) == len(set(ids))


def test_a_conversation_goes_on_with_the_version_that_it_began_with(
    mistral_client: Mistral, openai_client: OpenAI, new_agent: NewAgent
) -> None:
    agents, conversations = mistral_client.beta.agents, mistral_client.beta.conversations
    agent = new_agent(instructions="Answer every question with the single word: seagull. " * 10)
    plain = conversations.start(model=MODEL, inputs="Say a word.", completion_args=SAMPLING)
    begun = conversations.start(agent_id=agent.id, inputs="Say a word.")
    assert begun.usage.prompt_tokens > plain.usage.prompt_tokens  # the model read the instructions
    assert begun.usage.completion_tokens <= SAMPLING["max_tokens"]
    kept = conversations.get(conversation_id=begun.conversation_id)
    assert (kept.agent_id, kept.agent_version) == (agent.id, 1)
    agents.update(agent_id=agent.id, instructions="x", model="smollm2-135m")
    second = openai_client.conversations.create(extra_body={"agent_id": agent.id, "agent_version": 1})
    assert second.model_extra is not None
    assert second.model_extra["agent"] == {"id": agent.id, "version": 1, "name": "Parrot"}
    agents.delete(agent_id=agent.id)
    in_second = openai_client.responses.create(
        model=f"assistant/{agent.id}", input="Say a word.", conversation=second.id
    )
    assert in_second.usage.input_tokens == begun.usage.prompt_tokens
    again = conversations.append(conversation_id=begun.conversation_id, inputs="Say a word.")
    assert again.usage.prompt_tokens > begun.usage.prompt_tokens
    kept_id = {"conversation": begun.conversation_id, "max_output_tokens": 4}
    answer = openai_client.responses.create(input="Say a word.", **kept_id)
    assert answer.model == MODEL
    assert answer.usage.input_tokens > again.usage.prompt_tokens
    named = openai_client.responses.create(model=f"assistant/{agent.id}", input="And now?", **kept_id)
    assert named.usage.output_tokens <= 4
    with pytest.raises(SDKError, match="There is no assistant"):
        conversations.start(agent_id=agent.id, inputs="Say a word.")


def test_what_an_assistant_wrote_names_it(mistral_client: Mistral, new_agent: NewAgent) -> None:
    agent, conversations = new_agent(), mistral_client.beta.conversations
    begun = conversations.start(agent_id=agent.id, inputs="Say a word.")
    [output] = begun.outputs
    assert output.agent_id == agent.id
    with conversations.append_stream(conversation_id=begun.conversation_id, inputs="Another.") as stream:
        deltas: list[Any] = [event.data for event in stream if event.event == "message.output.delta"]
    assert {delta.agent_id for delta in deltas} == {agent.id}
    entries: list[Any] = list(conversations.get_history(conversation_id=begun.conversation_id).entries)
    assert [entry.agent_id for entry in entries if entry.type == "message.output"] == [agent.id] * 2
    plain = conversations.start(model=MODEL, inputs="Say a word.", completion_args=SAMPLING)
    assert plain.outputs[0].agent_id is None


def test_an_assistant_whose_library_is_gone_says_so_by_its_name(
    mistral_client: Mistral, openai_client: OpenAI, new_agent: NewAgent
) -> None:
    beta = mistral_client.beta
    with pytest.raises(SDKError, match="There is no vector store or library 'vs_none'"):
        new_agent(tools=[{"type": "document_library", "library_ids": ["vs_none"]}])
    library = beta.libraries.create(name="Birds")
    tools: Any = [{"type": "document_library", "library_ids": [library.id]}]
    agent = new_agent(tools=tools)
    begun = beta.conversations.start(agent_id=agent.id, inputs="Hello")
    beta.libraries.delete(library_id=library.id)
    says = "assistant 'Parrot' answers from a library that is deleted or expired"
    with pytest.raises(SDKError, match=says):
        beta.conversations.start(agent_id=agent.id, inputs="Hello")
    with pytest.raises(SDKError, match=says):
        beta.conversations.append(conversation_id=begun.conversation_id, inputs="Hello")
    with pytest.raises(NotFoundError, match=says):
        openai_client.responses.create(model=f"assistant/{agent.id}", input="Hello")
    assert beta.agents.update(agent_id=agent.id, tools=tools, instructions="Be brief.").version == 2


def test_an_alias_chooses_the_version_that_a_conversation_begins_with(
    mistral_client: Mistral, new_agent: NewAgent
) -> None:
    agent = new_agent(instructions="Be brief.")
    mistral_client.beta.agents.create_version_alias(agent_id=agent.id, alias="stable", version=1)
    mistral_client.beta.agents.update(agent_id=agent.id, instructions="Be long. " * 50)
    begun = [
        mistral_client.beta.conversations.start(agent_id=agent.id, agent_version=version, inputs="Hello")
        for version in ("stable", 1, None)
    ]
    tokens = [one.usage.prompt_tokens for one in begun]
    assert tokens[0] == tokens[1] < tokens[2]
    with pytest.raises(SDKError, match="no version or alias 'beta'"):
        mistral_client.beta.conversations.start(agent_id=agent.id, agent_version="beta", inputs="Hello")


def test_agents_complete_and_stream_as_mistral_s_client_asks_them(mistral_client: Mistral, new_agent: NewAgent) -> None:
    agent = new_agent(instructions="Be brief.")
    messages: Any = [{"role": "user", "content": "What is the capital of France?"}]
    whole = mistral_client.agents.complete(agent_id=agent.id, messages=messages)
    by_chat = mistral_client.chat.complete(
        model=MODEL, messages=[{"role": "system", "content": "Be brief."}, *messages], **SAMPLING
    )
    assert whole.choices[0].message.content == by_chat.choices[0].message.content
    assert whole.usage == by_chat.usage
    assert whole.model == MODEL
    with mistral_client.agents.stream(agent_id=agent.id, messages=messages) as stream:
        text = "".join(str(event.data.choices[0].delta.content or "") for event in stream)
    assert text == whole.choices[0].message.content
    shorter = mistral_client.agents.complete(agent_id=agent.id, messages=messages, max_tokens=2)
    assert shorter.usage.completion_tokens == 2  # the request's own fields count


def test_openai_s_client_names_an_assistant_as_its_model(openai_client: OpenAI, new_agent: NewAgent) -> None:
    agent = new_agent(instructions="Be brief.")
    question: Any = {"role": "user", "content": "What is the capital of France?"}
    own: Any = {"role": "system", "content": "Be kind."}
    asked = openai_client.chat.completions.create(model=f"assistant/{agent.id}:1", messages=[own, question])
    joined: Any = {"role": "system", "content": "Be brief.\n\nBe kind."}
    plain = openai_client.chat.completions.create(model=MODEL, messages=[joined, question], **SAMPLING)
    assert asked.choices[0].message.content == plain.choices[0].message.content
    assert asked.usage == plain.usage
    answer = openai_client.responses.create(model=f"assistant/{agent.id}", input=question["content"])
    assert (answer.model, answer.temperature) == (MODEL, 0)
    further = openai_client.responses.create(previous_response_id=answer.id, input="And of Italy?")
    assert further.usage.output_tokens <= SAMPLING["max_tokens"]
    with pytest.raises(NotFoundError, match="There is no assistant 'ag_1'"):
        openai_client.chat.completions.create(model="assistant/ag_1", messages=[question])


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"model": "no-such-model"}, "no-such-model"),
        ({"name": " \u200a "}, "name is empty"),
        ({"instructions": "x" * 20_001}, "20000"),
        ({"starter_questions": ["x"] * 9}, "8"),
        ({"tools": [{"type": "web_search"}]}, "web_search"),
        ({"tools": [{"type": "document_library"}]}, "library_ids"),
        ({"handoffs": ["ag_1"]}, "handoffs"),
        ({"completion_args": {"temperature": 3}}, "temperature"),
        ({"visibility": "user"}, "sign in"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else "",
)
def test_what_an_assistant_can_t_have_is_refused(http: httpx.Client, fields: dict[str, Any], said: str) -> None:
    refused = http.post("/v1/agents", json={"name": "x", "model": MODEL} | fields)
    assert refused.status_code in (400, 404, 422)
    assert said in refused.text
